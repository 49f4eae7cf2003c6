"""datasetgan project, and the commands that take what it writes."""

from __future__ import annotations

import json
import shutil

import PIL.Image
import pytest

from datasetgan_ext import check_labels, evaluate, gen_dataset, project, train_interpreter
from datasetgan_ext.generator import inversion, projected_samples
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.interpreter.interpreter import Interpreter
from tests.helpers.commands import MASKS, SAMPLES, SIDE, invoke, output_of, train_arguments

REAL = DEMO_FOLDER / 'real'


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three drawings twice as wide as the network's images, with the labels of the whole; little is known of w."""
    monkeypatch.setattr(inversion, 'STATISTICS_SEEDS', 256)
    monkeypatch.setattr(inversion, 'START_SEEDS', 8)
    monkeypatch.setattr(projected_samples, 'MIN_EXPLAINED', -1e9)
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
    for path in sorted((REAL / 'images').iterdir())[:3]:
        wide = PIL.Image.new('RGB', (2 * SIDE, SIDE), 'gray')
        wide.paste(PIL.Image.open(path), (SIDE // 2, 0))
        wide.save(tmp_path / 'images' / path.name)
        mask = PIL.Image.open(REAL / 'masks' / path.name)
        wide = PIL.Image.new('P', (2 * SIDE, SIDE), 0)
        wide.putpalette(mask.getpalette())
        wide.paste(mask, (SIDE // 2, 0))
        wide.save(tmp_path / 'masks' / path.name)
    return tmp_path / 'images'


def projected(tmp_path, photos, *more):
    return [
        '--network=demo',
        f'--images={photos}',
        f'--outdir={tmp_path}/projected',
        '--steps=2',
        '--encoder-images=0',
        '--min-quality=0',
        '--max-strangeness=1e9',
        *more,
    ]


def test_from_labelled_photos_to_a_dataset(photos, tmp_path):
    output = output_of(project.main, *projected(tmp_path, photos))
    assert '3 photos projected, PSNR ' in output and f'Look at {tmp_path}/projected/report.html' in output
    page = (tmp_path / 'projected' / 'report.html').read_text()
    assert page.count('<figure') == 3 and 'not trusted' not in page and '3 of them trusted' in page
    arguments = train_arguments(tmp_path, samples=tmp_path / 'projected', labels=tmp_path / 'masks', seeds=None)
    classes = next(one for one in arguments if one.startswith('--classes='))
    checked = output_of(check_labels.main, f'--samples={tmp_path}/projected', f'--labels={tmp_path}/masks', classes)
    assert '3 of 3 samples, 3 masks' in checked
    output = output_of(train_interpreter.main, *arguments)
    assert "of the photos' pixels are left out" in output
    (out,) = (one.partition('=')[2] for one in arguments if one.startswith('--out='))
    training = Interpreter.load(out).training
    assert training['seeds'] == [] and len(training['photos']) == 3
    assert Interpreter.load(out).hand_labels == {}
    dataset = output_of(
        gen_dataset.main,
        '--network=demo',
        f'--interpreter={out}',
        f'--outdir={tmp_path}/dataset',
        f'--projected-w={tmp_path}/projected/projected_w.npz',
        *(f'--projected-photo={path}' for path in sorted(photos.iterdir())),
    )
    rows = [json.loads(line) for line in (tmp_path / 'projected' / 'projections.jsonl').read_text().splitlines()]
    assert f'proj0000001: {rows[1]["psnr"]:.1f} dB from {photos}/{rows[1]["file"]}, below 23: look' in dataset
    result = invoke(
        evaluate.main,
        '--network=demo',
        f'--interpreter={out}',
        f'--samples={tmp_path}/projected',
        f'--labels={tmp_path}/masks',
    )
    assert result.exit_code == 1 and 'the interpreter was trained on every labelled sample' in result.output
    assert 'scored on' in output_of(evaluate.main, '--network=demo', f'--interpreter={out}', '--seeds=16-17')


def test_photos_and_samples_together(photos, tmp_path):
    output_of(project.main, *projected(tmp_path, photos))
    arguments = train_arguments(tmp_path, samples=tmp_path / 'projected', labels=tmp_path / 'masks', seeds='0-1')
    result = output_of(train_interpreter.main, *arguments, f'--samples={SAMPLES}', f'--labels={MASKS}')
    assert 'Labels: 3 of 3 samples' in result and 'Labels: 2 of 40 samples' in result
    assert '5 labelled images' in result
    (out,) = (one.partition('=')[2] for one in arguments if one.startswith('--out='))
    assert set(Interpreter.load(out).hand_labels) == {0, 1}
    refused = invoke(train_interpreter.main, *arguments, f'--samples={SAMPLES}', '--overwrite')
    assert refused.exit_code == 1 and '--labels is given 1 times and --samples 2 times' in refused.output


def test_photos_that_are_not_trusted_are_told(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(projected_samples, 'MIN_EXPLAINED', 0.7)
    output = output_of(project.main, *projected(tmp_path, photos, '--min-quality=99'))
    told = "3 of them are below 99 dB, explain less than 70 % of the photo's variance, or are stranger than 1e+09: "
    assert f'{told}their labels are not learned' in output
    assert (tmp_path / 'projected' / 'report.html').read_text().count(', not trusted') == 3


def test_failures_end_with_status_1(photos, tmp_path):
    (photos / 'broken.png').write_bytes(b'nothing')
    result = invoke(project.main, *projected(tmp_path, photos))
    assert result.exit_code == 1 and '1 photos could not be projected' in result.output
    assert 'broken.png: ' in result.output and '3 photos projected' in result.output
    assert invoke(project.main, *projected(tmp_path, photos, '--allow-failures')).exit_code == 0


@pytest.mark.parametrize(
    'more, message',
    [
        (['--crop=256x256'], '--crop=256x256 is larger than'),
        (['--class=1', '--steps=0'], '--steps'),
        (['--min-quality=nan'], '--min-quality=nan is not a number'),
        (['--images=nowhere'], '--images=nowhere: no such file or folder'),
    ],
)
def test_mistakes(more, message, photos, tmp_path):
    result = invoke(project.main, *projected(tmp_path, photos, *more))
    assert result.exit_code and message in result.output


def test_a_transform_that_no_photo_takes_claims_nothing(photos, tmp_path):
    for path in photos.iterdir():
        PIL.Image.open(path).resize((SIDE, 60)).save(path)
    result = invoke(project.main, *projected(tmp_path, photos, '--transform=center-crop-wide', '--crop=96x128'))
    assert result.exit_code == 1 and 'not one of 3 photos could be projected' in result.output
    assert 'center-crop-wide takes photos of the images' in result.output
    assert '3 photos projected' in output_of(project.main, *projected(tmp_path, photos))


def test_what_is_stopped_says_so(photos, tmp_path, monkeypatch):
    def stop(self, overwrite):
        raise KeyboardInterrupt

    monkeypatch.setattr(projected_samples.PhotoProjector, '__call__', stop)
    result = invoke(project.main, *projected(tmp_path, photos))
    assert result.exit_code == 1 and f'stopped; the same command continues in {tmp_path}/projected' in result.output


def test_the_distance_is_from_the_part_that_was_projected(photos, tmp_path):
    output_of(project.main, *projected(tmp_path, photos, '--transform=stretch'))
    output = output_of(
        gen_dataset.main,
        '--network=demo',
        f'--outdir={tmp_path}/dataset',
        f'--projected-w={tmp_path}/projected/projected_w.npz',
        *(f'--projected-photo={path}' for path in sorted(photos.iterdir())),
    )
    for line in (tmp_path / 'projected' / 'projections.jsonl').read_text().splitlines():
        assert f': {json.loads(line)["psnr"]:.1f} dB from {photos}/{json.loads(line)["file"]}' in output


def test_a_photo_needs_a_row(tmp_path):
    shutil.copy(REAL / 'images' / sorted(path.name for path in (REAL / 'images').iterdir())[0], tmp_path / 'a.png')
    result = invoke(
        gen_dataset.main,
        '--network=demo',
        '--seeds=0',
        f'--outdir={tmp_path}/out',
        f'--projected-photo={tmp_path}/a.png',
    )
    assert result.exit_code == 1 and '--projected-photo has no meaning without --projected-w' in result.output
