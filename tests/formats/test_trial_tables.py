"""Tools' own name tables decide which class a mask's pixels are: labelmap.txt, and class_names.txt of labelme2voc.

The rules stand in test_trial_masks.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from datasetgan_ext.formats import png
from tests.helpers.trial_pngs import (
    GRAY,
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
    sample_set,
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
@pytest.mark.parametrize('background', ['_background_', 'background', 'Background'])
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


# name of the file, its folder above the masks' own, what it says of numbers 0 to 3: background, wheel, car, window
OTHER_TABLES = {
    'ISAT': ('classification.txt', 0, '__background__\nwheel\ncar\nwindow\n'),
    'V7 index': (
        'class_mapping.csv',
        1,
        'class_name,class_color\r\n__background__,0\r\nwheel,1\r\ncar,2\r\nwindow,3\r\n',
    ),
    'Roboflow': ('_classes.csv', 0, '\ufeffPixel Value, Class\n0, background\n1, wheel\n2, car\n3, window\n'),
    'Supervisely': (
        'obj_class_to_machine_color.json',
        2,
        '{\n  "wheel": [1, 1, 1],\n  "car": [2, 2, 2],\n  "window": [3, 3, 3]\n}',
    ),
}


@pytest.mark.parametrize('tool', cases(OTHER_TABLES))
@pytest.mark.parametrize('given', ['masks', 'export'])
def test_the_tables_of_other_tools_decide(tmp_path, tool, given):
    """Their order is that of the tool; the numbers are ids of the class file too, and would be taken for these."""
    name, above, text = OTHER_TABLES[tool]
    export = tmp_path / 'export'
    masks = export.joinpath(*('one', 'masks')[2 - above :]) if above else export / 'masks'
    write((masks if above == 0 else export) / name, text)
    if tool == 'ISAT':
        write_png(masks / f'{SEED0}.png', true_mask(), 8, PALETTE, [voc_color(index) for index in range(256)])
    else:
        suffix = '_png.rf.0123456789abcdef0123456789abcdef_mask' if tool == 'Roboflow' else ''
        write_png(masks / f'{SEED0}{suffix}.png', true_mask(), 8, GRAY)
    found = mask_of(masks if given == 'masks' else export, text_classes(tmp_path))
    np.testing.assert_array_equal(found, exchanged(true_mask()))


def test_the_colors_of_v7_decide(tmp_path):
    colors = [(0, 0, 0), (255, 50, 50), (101, 255, 50), (50, 152, 255)]
    write_png(tmp_path / 'export' / 'masks' / f'{SEED0}.png', true_mask(), 8, PALETTE, colors)
    rows = [f'{name},{" ".join(map(str, color))}' for name, color in zip(('__background__', *NAMES[:0:-1]), colors)]
    write(tmp_path / 'export' / 'class_mapping.csv', '\r\n'.join(['class_name,class_color', *rows]))
    found = mask_of(tmp_path / 'export', text_classes(tmp_path))
    np.testing.assert_array_equal(found, np.array([0, 3, 2, 1], np.uint8)[true_mask()])


@pytest.mark.parametrize('alike', [True, False])
def test_two_tables_below_a_folder(tmp_path, alike):
    """As Roboflow writes one into each of the folders train and valid."""
    for part, seed in (('train', 0), ('valid', 1)):
        names = NAMES if alike or part == 'train' else NAMES[::-1]
        rows = [f'{number}, {name}' for number, name in enumerate(names)]
        write(tmp_path / 'masks' / part / '_classes.csv', '\n'.join(['Pixel Value, Class', *rows]))
        write_png(tmp_path / 'masks' / part / f'seed{seed:07d}.png', true_mask(), 8, GRAY)
    samples = sample_set(tmp_path / 'samples', 2)
    if alike:
        found = read(tmp_path / 'masks', text_classes(tmp_path), samples).masks
        np.testing.assert_array_equal(found['seed0000001'], true_mask())
    else:
        message = refusal(tmp_path / 'masks', text_classes(tmp_path), samples)
        names_all(message, 'train/_classes.csv', 'valid/_classes.csv', 'both')


@pytest.mark.parametrize('name', ['class_mapping.csv', '_classes.csv', 'obj_class_to_machine_color.json'])
def test_a_table_that_cannot_be_read_is_told(tmp_path, name):
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'masks' / name, '[1, 2]' if name.endswith('.json') else 'a,b\n1,2\n')
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), name, 'cannot be read', 'form')


def test_a_name_with_a_colon_in_a_labelmap(tmp_path):
    folder = voc_folder(tmp_path, 'rgb-8', labelmap=labelmap(('background', 'car', 'wheel', 'part:left'), VOC_COLORS))
    found = mask_of(folder, text_classes(tmp_path, ('background', 'car', 'wheel', 'part:left')))
    np.testing.assert_array_equal(found, true_mask())


def test_numbers_of_a_table_are_not_its_lines(tmp_path):
    """Supervisely's colours need not stand in the order of their numbers."""
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    table = '{"car": [2, 2, 2], "wheel": [1, 1, 1], "window": [3, 3, 3]}'
    write(tmp_path / 'masks' / 'obj_class_to_machine_color.json', table)
    np.testing.assert_array_equal(mask_of(tmp_path / 'masks', text_classes(tmp_path)), exchanged(true_mask()))
    message = refusal(tmp_path / 'masks', text_classes(tmp_path), mask_values='index')
    names_all(message, 'obj_class_to_machine_color.json', 'leave', 'mask_values')


LISTS = {
    'class_dict.csv': 'name,r,g,b\nbackground,0,0,0\nwheel,64,128,64\ncar,192,0,128\nwindow,0,128,192\n',
    'id2label.json': '{"0": "background", "1": "wheel", "2": "car", "3": "window"}',
    'dataset_meta.json': '{"label_map": {"0": "background", "1": "wheel", "2": "car", "3": "window"}}',
}


@pytest.mark.parametrize('name', cases(LISTS))
def test_an_unknown_table_in_another_order_is_refused(tmp_path, name):
    """The numbers are ids of the class file as well; only the user can tell."""
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    table = write(tmp_path / 'masks' / name, LISTS[name])
    message = refusal(tmp_path / 'masks', text_classes(tmp_path))
    names_all(message, name, 'wheel, car, window', 'car, wheel, window', 'mask_values')
    np.testing.assert_array_equal(mask_of(tmp_path / 'masks', text_classes(tmp_path), mask_values='index'), true_mask())
    for text in (LISTS[name].replace('car', 'x').replace('wheel', 'car').replace('x', 'wheel'), '["wheel", "car"]'):
        write(table, text)
        np.testing.assert_array_equal(mask_of(tmp_path / 'masks', text_classes(tmp_path)), true_mask())
    write(table, LISTS[name])
    table.rename(table.with_name(f'{SEED0}{table.suffix}'))  # is of one image
    found = mask_of(tmp_path / 'masks', text_classes(tmp_path), label_format='png')
    np.testing.assert_array_equal(found, true_mask())


def test_masks_of_one_label_of_label_studio_are_named(tmp_path):
    write_png(tmp_path / 'masks' / 'task-1-annotation-2-by-1-tag-car-0.png', 255 * (true_mask() == 1), 8, GRAY)
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), 'tag-car', 'Label Studio', 'JSON')
