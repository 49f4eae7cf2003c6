"""Tools' own name tables decide which class a mask's pixels are: labelmap.txt, and class_names.txt of labelme2voc.

The rules stand in test_trial_masks.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from datasetgan_ext.formats import png
from tests.helpers.trial_pngs import (
    IN_ORDER,
    PALETTE,
    REORDERED,
    TRUE_COLOR,
    color_encodings,
    palette_encodings,
    voc_color,
    write_png,
)
from tests.helpers.trials import (
    COLORS,
    NAMES,
    SEED0,
    SIDE,
    cases,
    json_classes,
    names_all,
    read,
    refusal,
    text_classes,
    true_mask,
    write,
)

VOC_COLORS = [voc_color(index) for index in range(4)]
FOREIGN = [(10, 20, 30), (200, 100, 50), (1, 250, 3), (77, 77, 200)]
"""Colours that neither a class file nor a tool gives a meaning."""
BLACK_WHITE = [(0, 0, 0), (255, 255, 255)]


def picture(colors) -> dict:
    return palette_encodings(true_mask(), colors) | color_encodings(true_mask(), colors)


def mask_of(labels, classes, **options):
    masks = read(labels, classes, **options).masks
    assert list(masks) == [SEED0]
    return masks[SEED0]


def voc_folder(tmp_path, encoding: str, colors=VOC_COLORS, **tables: str):
    folder = tmp_path / 'voc'
    picture(colors)[encoding](folder / 'SegmentationClass' / f'{SEED0}.png')
    for name, text in tables.items():
        write(folder / f'{name}.txt', text)
    return folder


def labelmap(names, colors) -> str:
    rows = [f'{name}:{",".join(map(str, color))}::' for name, color in zip(names, colors)]
    return '\n'.join(['# label:color_rgb:parts:actions', *rows]) + '\n'


def exchanged(mask: np.ndarray) -> np.ndarray:
    """The mask with car and wheel in each other's place."""
    return np.array([0, 2, 1, 3], np.uint8)[mask]


def test_our_own_voc_export_keeps_what_has_no_label(tmp_path):
    mask = np.where(np.indices((SIDE, SIDE))[0] < 20, 255, true_mask()).astype(np.uint8)
    folder = tmp_path / 'voc'
    write(folder / 'labelmap.txt', labelmap(NAMES, COLORS))
    (folder / 'SegmentationClass').mkdir()
    png.write_mask(folder / 'SegmentationClass' / f'{SEED0}.png', mask, [value for color in COLORS for value in color])
    np.testing.assert_array_equal(mask_of(folder, text_classes(tmp_path)), mask)


@pytest.mark.parametrize('encoding', cases(IN_ORDER + REORDERED + TRUE_COLOR))
def test_voc_colors_in_every_encoding(tmp_path, encoding):
    np.testing.assert_array_equal(mask_of(voc_folder(tmp_path, encoding), text_classes(tmp_path)), true_mask())


@pytest.mark.parametrize('encoding', cases(IN_ORDER + REORDERED + TRUE_COLOR))
def test_the_labelmap_decides_in_every_encoding(tmp_path, encoding):
    """Its names stand in another order than those of the class file, in CVAT's own colours."""
    colors = [(0, 0, 0), (51, 221, 255), (250, 50, 83), (184, 61, 245)]
    table = labelmap(('background', 'wheel', 'car', 'window'), colors)
    folder = voc_folder(tmp_path, encoding, colors, labelmap=table)
    np.testing.assert_array_equal(mask_of(folder, text_classes(tmp_path)), exchanged(true_mask()))


@pytest.mark.parametrize(
    'encoding',
    cases(IN_ORDER + REORDERED + TRUE_COLOR),
)
@pytest.mark.parametrize('background', ['_background_', 'background'])
def test_class_names_of_labelme2voc_decide_in_every_encoding(tmp_path, encoding, background):
    names = f'{background}\nwheel\ncar\nwindow'
    folder = voc_folder(tmp_path, encoding, class_names=names)
    np.testing.assert_array_equal(mask_of(folder, text_classes(tmp_path)), exchanged(true_mask()))


def test_class_names_that_the_class_file_lacks_are_refused(tmp_path):
    folder = voc_folder(tmp_path, 'palette-8', class_names='_background_\nwheel\nlorry\nwindow')
    names_all(refusal(folder, text_classes(tmp_path)), 'class_names.txt', 'lorry', 'car')


def test_what_labelme2voc_ignores_has_no_label(tmp_path):
    """Its `__ignore__` is number -1, which an 8-bit file stores as 255, in VOC's colour of 255."""
    stored = np.where(true_mask() == 3, 255, true_mask())
    colors = [voc_color(index) for index in range(256)]
    folder = tmp_path / 'voc'
    write_png(folder / 'SegmentationClass' / f'{SEED0}.png', stored, 8, PALETTE, colors)
    write(folder / 'class_names.txt', '_background_\ncar\nwheel\nwindow')
    np.testing.assert_array_equal(mask_of(folder, text_classes(tmp_path)), stored)


@pytest.mark.parametrize(
    'encoding',
    cases(('palette-8', 'palette-8-turned', 'rgb-8')),
)
@pytest.mark.parametrize('table', ['labelmap', 'class_names'])
def test_a_name_table_beside_the_masks_themselves_is_honored(tmp_path, encoding, table):
    """Where someone gives the folder SegmentationClass itself, or has moved the table into it."""
    names = ('background', 'wheel', 'car', 'window')
    masks = tmp_path / 'masks'
    picture(VOC_COLORS)[encoding](masks / f'{SEED0}.png')
    write(masks / f'{table}.txt', labelmap(names, VOC_COLORS) if table == 'labelmap' else '\n'.join(names))
    np.testing.assert_array_equal(mask_of(masks, text_classes(tmp_path)), exchanged(true_mask()))


@pytest.mark.parametrize(
    'encoding',
    cases(('palette-8', 'palette-8-turned', 'rgb-8')),
)
def test_giving_segmentation_class_itself_finds_the_table_above_it(tmp_path, encoding):
    table = labelmap(('background', 'wheel', 'car', 'window'), VOC_COLORS)
    folder = voc_folder(tmp_path, encoding, labelmap=table)
    mask = mask_of(folder / 'SegmentationClass', text_classes(tmp_path))
    np.testing.assert_array_equal(mask, exchanged(true_mask()))


def test_a_voc_folder_without_a_table_in_colors_of_the_class_file(tmp_path):
    folder = voc_folder(tmp_path, 'palette-8-turned', COLORS)
    np.testing.assert_array_equal(mask_of(folder, json_classes(tmp_path, palette=COLORS)), true_mask())
