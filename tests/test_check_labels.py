"""`datasetgan check-labels`: how labels were understood, before anything is trained."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from datasetgan_ext.cli import main
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from tests.helpers.trial_pngs import GRAY, PALETTE, RGB, black_and_white_encodings, palette_encodings, write_png
from tests.helpers.trials import (
    COLORS,
    KEYPOINTS,
    NAMES,
    SEED0,
    SIDE,
    coco_keypoints,
    json_classes,
    labelme,
    names_all,
    sample_set,
    text_classes,
    true_mask,
    write,
)


def check(folder, classes, *options: str, count: int = 2) -> tuple[int, str]:
    """Exit status and what was printed, of the labels in `folder`/labels."""
    samples = sample_set(folder / 'samples', count)
    for sample in samples.samples:
        (folder / 'samples' / 'images').mkdir(exist_ok=True)
        PIL.Image.new('RGB', (SIDE, SIDE), (90, 80, 70)).save(folder / 'samples' / sample.image)
    result = CliRunner().invoke(
        main,
        [
            'check-labels',
            f'--samples={folder / "samples"}',
            f'--labels={folder / "labels"}',
            f'--classes={classes}',
            *options,
        ],
    )
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.exit_code in (0, 1), result.output  # 2: no such command or option
    return result.exit_code, result.output.replace(str(folder), '')


def test_the_tables_tell_pixels_keypoints_and_what_is_missing(tmp_path):
    write_png(tmp_path / 'labels' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'labels' / 'keypoints.json', coco_keypoints(segmentation=False))
    write(tmp_path / 'labels' / 'notes.md', 'notes')
    status, text = check(tmp_path, json_classes(tmp_path, keypoints=KEYPOINTS))
    assert status == 0
    counts = [str((true_mask() == index).sum()) for index in range(4)]
    names_all(text, SEED0, 'seed0000001', 'notes.md', *NAMES, *counts)


def test_outdir_holds_what_was_understood(tmp_path):
    palette_encodings(true_mask(), COLORS)['palette-8-reversed'](tmp_path / 'labels' / f'{SEED0}.png')
    status, _ = check(tmp_path, json_classes(tmp_path, palette=COLORS), f'--outdir={tmp_path / "out"}')
    assert status == 0
    with PIL.Image.open(tmp_path / 'out' / 'masks' / f'{SEED0}.png') as image:
        assert image.mode in ('P', 'L')
        np.testing.assert_array_equal(np.asarray(image), true_mask())
    assert SEED0 in json.dumps(json.loads((tmp_path / 'out' / 'labels.json').read_text()))
    with PIL.Image.open(tmp_path / 'out' / 'sheet.png') as sheet:
        assert sheet.width >= 2 * SIDE
        assert sheet.height >= SIDE


@pytest.mark.parametrize('values', ['color', 'colour'])
def test_mask_values_decide(tmp_path, values):
    palette_encodings(true_mask(), COLORS)['palette-8-reversed'](tmp_path / 'labels' / f'{SEED0}.png')
    classes = json_classes(tmp_path, palette=COLORS)
    for option, mask in ((values, true_mask()), ('index', 3 - true_mask())):
        out = tmp_path / option
        assert check(tmp_path, classes, f'--mask-values={option}', f'--outdir={out}')[0] == 0
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(out / 'masks' / f'{SEED0}.png')), mask)


def test_what_can_be_read_in_two_ways_ends_with_the_flag_that_decides(tmp_path):
    black_and_white_encodings(true_mask() > 0)['gray-8'](tmp_path / 'labels' / f'{SEED0}.png')
    status, text = check(tmp_path, text_classes(tmp_path, NAMES[:2]))
    assert status == 1
    names_all(text, SEED0, '--mask-values', 'no label')


def test_a_class_that_is_nowhere_is_told(tmp_path):
    write(tmp_path / 'labels' / f'{SEED0}.json', labelme(labelme_car()))
    _, text = check(tmp_path, text_classes(tmp_path))
    names_all(text, 'wheel', 'window', '0')


def labelme_car() -> list:
    return [('car', [[20, 40], [108, 40], [108, 90], [20, 90]])]


def test_it_needs_no_network(tmp_path):
    """The samples' network does not exist."""
    write(tmp_path / 'labels' / f'{SEED0}.json', labelme())
    assert check(tmp_path, text_classes(tmp_path))[0] == 0


def demo(*options) -> tuple[int, str]:
    samples = DEMO_FOLDER / 'samples'
    result = CliRunner().invoke(
        main, ['check-labels', f'--samples={samples}', f'--classes={DEMO_FOLDER / "task.json"}', *options]
    )
    return result.exit_code, result.output


def as_png(folder):
    return DEMO_FOLDER / 'samples' / 'masks'


def as_voc(folder, colors=False):
    """In another order of names, and with colours alone or palettes sorted by colour."""
    task = Task.read(DEMO_FOLDER / 'task.json')
    order = sorted(range(len(task.classes)), key=lambda index: task.palette[index])
    rows = [f'{task.classes[index]}:{",".join(map(str, task.palette[index]))}::' for index in order]
    write(folder / 'labelmap.txt', '\n'.join(rows))
    for path in as_png(folder).glob('*.png'):
        mask = read_mask(path)
        target = folder / 'SegmentationClass' / path.name
        if colors:
            write_png(target, np.asarray(task.palette)[mask], 8, RGB)
        else:
            write_png(target, np.argsort(order)[mask], 8, PALETTE, [task.palette[index] for index in order])
    return folder


@pytest.mark.parametrize('make', [as_png, as_voc, lambda folder: as_voc(folder, colors=True)])
def test_the_demos_own_labels_are_equal_to_the_last_pixel(tmp_path, make):
    keypoints = DEMO_FOLDER / 'samples' / 'keypoints.json'
    out = tmp_path / 'out'
    status, text = demo(f'--labels={make(tmp_path / "labels")}', f'--keypoints={keypoints}', f'--outdir={out}')
    assert status == 0, text
    assert 'Labels: 40 of 40 samples, 40 masks, 40 with keypoints' in text
    for path in as_png(tmp_path).glob('*.png'):
        np.testing.assert_array_equal(read_mask(out / 'masks' / path.name), read_mask(path))
    task = Task.read(DEMO_FOLDER / 'task.json')
    own, again = (
        {one.name: one.keypoints for one in read_annotations(task, None, file)}
        for file in (keypoints, out / 'keypoints.json')
    )
    assert set(own) == set(again)
    for name, points in own.items():
        np.testing.assert_array_equal(points.visibility, again[name].visibility)
        np.testing.assert_allclose(points.points, again[name].points, atol=0.005)


def test_what_is_wrong_is_told_of_every_image(tmp_path):
    """A stranger, a mask of another size, and a class file that asks for keypoints: all in one table, status 1."""
    write_png(tmp_path / 'labels' / 'cat.png', true_mask(), 8, GRAY)
    write_png(tmp_path / 'labels' / f'{SEED0}.png', true_mask()[:64], 8, GRAY)
    write_png(tmp_path / 'labels' / 'seed0000001.png', true_mask(), 8, GRAY)
    out = tmp_path / 'out'
    status, text = check(tmp_path, json_classes(tmp_path, keypoints=KEYPOINTS), f'--outdir={out}', count=3)
    assert status == 1
    names_all(text, 'cat', '64x128', '--classes lists keypoints', 'seed0000002')
    assert [path.name for path in (out / 'masks').iterdir()] == ['seed0000001.png']
    problems = json.loads((out / 'labels.json').read_text())['problems']
    assert len(problems) == 3


def test_outdir_with_other_files_is_left_alone(tmp_path):
    write_png(tmp_path / 'labels' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'out' / 'mine.txt', 'mine')
    status, text = check(tmp_path, text_classes(tmp_path), f'--outdir={tmp_path / "out"}')
    assert status == 1
    names_all(text, '--outdir', 'holds other files')
    (tmp_path / 'out' / 'mine.txt').unlink()
    for _ in range(2):
        assert check(tmp_path, text_classes(tmp_path), f'--outdir={tmp_path / "out"}')[0] == 0


@pytest.mark.parametrize('option', ['--mask-values=numbers', '--mask-values=index'])
def test_mask_values_that_are_of_no_use_are_refused(tmp_path, option):
    write(tmp_path / 'labels' / f'{SEED0}.json', labelme())
    status, text = check(tmp_path, text_classes(tmp_path), option)
    assert status == 1
    names_all(text, '--mask-values')


def test_training_asks_for_the_keypoints_that_the_class_file_lists():
    result = CliRunner().invoke(
        main,
        [
            'train',
            '--network=nowhere.pkl',
            f'--samples={DEMO_FOLDER / "samples"}',
            f'--labels={DEMO_FOLDER / "samples" / "masks"}',
            f'--classes={DEMO_FOLDER / "task.json"}',
            '--out=nowhere.safetensors',
        ],
    )
    assert result.exit_code == 1
    names_all(result.output, '--classes lists keypoints', '--keypoints')
