"""datasetgan predict."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from datasetgan_ext import predict
from tests.helpers.commands import ROOT, invoke, output_of
from tests.helpers.photos import REAL, write_bad_photos, write_good_photos, write_model
from tests.helpers.trees import manifest, tree


def arguments(tmp_path, outdir='out', *more):
    return [
        f'--model={tmp_path}/m.safetensors',
        f'--images={tmp_path}/photos',
        f'--outdir={tmp_path / outdir}',
        '--device=cpu',
        *more,
    ]


def test_photos_become_labels(tmp_path):
    write_model(tmp_path / 'm.safetensors')
    files = write_good_photos(tmp_path / 'photos')
    output = output_of(predict.main, *arguments(tmp_path, 'out', '--views=8', '--ignore-below=0.08', '--order'))
    assert f'{len(files)} labelled photos in {tmp_path}/out' in output
    options = json.loads((tmp_path / 'out' / 'dataset.json').read_text())['options']
    assert (options['views'], options['ignore-below']) == (8, 0.08)
    assert (tmp_path / 'out' / 'order.txt').exists()
    labeled = [sum(record['pixels_per_class']) for record in manifest(tmp_path / 'out')]
    pixels = [height * width for height, width in (record['image_hw'] for record in manifest(tmp_path / 'out'))]
    assert sum(labeled) < sum(pixels)


def test_failures_are_told_and_end_with_status_1(tmp_path):
    write_model(tmp_path / 'm.safetensors')
    write_good_photos(tmp_path / 'photos')
    write_bad_photos(tmp_path / 'photos')
    result = invoke(predict.main, *arguments(tmp_path))
    assert result.exit_code == 1
    assert '11 labelled photos' in result.output and '12 photos could not be read' in result.output
    assert 'bad-empty.jpg: is empty' in result.output and '... and 2 more' in result.output
    result = invoke(predict.main, *arguments(tmp_path, 'out', '--allow-failures'))
    assert result.exit_code == 0 and '12 photos could not be read' in result.output


@pytest.mark.parametrize(
    'more, message',
    [
        (['--views=3'], "'3' is not one of"),
        (['--ignore-below=1'], '--ignore-below=1.0 is not a probability'),
        (['--images=nowhere'], '--images=nowhere: no such file or folder'),
    ],
)
def test_mistakes(tmp_path, more, message):
    write_model(tmp_path / 'm.safetensors')
    write_good_photos(tmp_path / 'photos')
    result = invoke(predict.main, *arguments(tmp_path, 'out', *more))
    assert result.exit_code != 0 and message in result.output, result.output


def test_a_killed_run_goes_on(tmp_path):
    write_model(tmp_path / 'm.safetensors')
    (tmp_path / 'photos').mkdir()
    for path in sorted((REAL / 'images').iterdir())[:50]:
        shutil.copyfile(path, tmp_path / 'photos' / path.name)
    command = [
        sys.executable,
        ROOT / 'datasetgan_ext' / 'predict.py',
        f'--model={tmp_path}/m.safetensors',
        f'--images={tmp_path}/photos',
        '--device=cpu',
        '--workers=2',
    ]
    with subprocess.Popen([*command, f'--outdir={tmp_path}/killed'], stderr=subprocess.PIPE) as process:
        partial = tmp_path / 'killed' / 'manifest.partial.jsonl'
        while process.poll() is None and not (partial.exists() and partial.stat().st_size > 2_000):
            time.sleep(0.01)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, 'the run ended before it could be stopped'
    for outdir in ('killed', 'whole'):
        output_of(
            predict.main,
            f'--model={tmp_path}/m.safetensors',
            f'--images={tmp_path}/photos',
            '--device=cpu',
            '--workers=1',
            f'--outdir={tmp_path / outdir}',
        )
    assert tree(tmp_path / 'killed') == tree(tmp_path / 'whole')
