"""`datasetgan check-labels`: how labels were understood, before anything is trained."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from datasetgan_ext.cli import main
from tests.helpers.trial_pngs import GRAY, black_and_white_encodings, palette_encodings, write_png
from tests.helpers.trials import (
    COLORS,
    KEYPOINTS,
    NAMES,
    SEED0,
    SIDE,
    coco_keypoints,
    fails_today,
    json_classes,
    labelme,
    names_all,
    sample_set,
    text_classes,
    true_mask,
    write,
)

pytestmark = fails_today('the command does not exist')


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
