"""Tables of unknown tools beside masks: where one says something else than the class file, nobody knows what is meant.

The masks are grey PNGs of the class file's ids, or are in the colours of its palette.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.helpers.trial_pngs import GRAY, PALETTE, RGB, write_png
from tests.helpers.trials import (
    COLORS,
    SEED0,
    cases,
    json_classes,
    names_all,
    read,
    refusal,
    text_classes,
    true_mask,
    write,
)

NUMBERS = {
    'json, number by name': ('label_map.json', '{"car": 2, "wheel": 1, "window": 3}'),
    'json, with the background': ('labels.json', '{"background": 0, "car": 2, "wheel": 1, "window": 3}'),
    'json, objects': (
        'classes.json',
        '[{"name": "car", "id": 2}, {"name": "wheel", "id": 1}, {"name": "window", "id": 3}]',
    ),
    'json, objects that begin with ids': (
        'categories.json',
        '[{"id": 2, "name": "car"},\n{"id": 1, "name": "wheel"},\n{"id": 3, "name": "window"}]',
    ),
    'json, with colors': (
        'classes.json',
        '[{"id": 2, "name": "car", "color": "#ff0000"}, {"id": 1, "name": "wheel", "color": "#00ff00"},'
        ' {"id": 3, "name": "window", "color": "#0000ff"}]',
    ),
    'csv': ('mapping.csv', 'class,id\ncar,2\nwheel,1\nwindow,3\n'),
    'text': ('map.txt', '2 car\n1 wheel\n3 window\n'),
    'yaml': ('meta.yaml', 'labels:\n  car: 2\n  wheel: 1\n  window: 3\n'),
    'pbtxt': (
        'label_map.pbtxt',
        "item {\n  id: 2\n  name: 'car'\n}\nitem {\n  id: 1\n  name: 'wheel'\n}\n"
        "item {\n  id: 3\n  name: 'window'\n}\n",
    ),
}


@pytest.mark.parametrize('kind', cases(NUMBERS))
def test_numbers_of_a_table_that_differ_are_refused(tmp_path, kind):
    """The names stand in the order of the class file; the numbers beside them do not."""
    name, text = NUMBERS[kind]
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    table = write(tmp_path / 'masks' / name, text)
    message = refusal(tmp_path / 'masks', text_classes(tmp_path))
    names_all(message, name, 'wheel, car, window', 'car, wheel, window', '1 = wheel', '2 = car', 'mask_values')
    found = read(tmp_path / 'masks', text_classes(tmp_path), mask_values='index').masks[SEED0]
    np.testing.assert_array_equal(found, true_mask())
    write(table, text.replace('2', 'x').replace('1', '2').replace('x', '1'))
    np.testing.assert_array_equal(read(tmp_path / 'masks', text_classes(tmp_path)).masks[SEED0], true_mask())


@pytest.mark.parametrize('background', ['background', 'Background', '_BACKGROUND_'])
def test_a_table_that_counts_from_1_is_refused(tmp_path, background):
    """Its 1 is the background; where the last class is nowhere, its numbers are ids of the class file as well."""
    write_png(tmp_path / 'masks' / f'{SEED0}.png', np.minimum(true_mask(), 2) + 1, 8, GRAY)
    write(tmp_path / 'masks' / 'map.json', f'{{"{background}": 1, "car": 2, "wheel": 3, "window": 4}}')
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), 'map.json', '2 = car', 'mask_values')


AGREEING = {
    'another order, the right numbers': ('map.json', '{"wheel": 2, "window": 3, "car": 1}'),
    'from 0 without the background': ('data.yaml', 'nc: 3\nnames:\n  0: car\n  1: wheel\n  2: window\n'),
    'ids of a data base': (
        'classes.json',
        '[{"id": 901, "name": "car"}, {"id": 17, "name": "wheel"}, {"name": "window"}]',
    ),
    'numbers that say something else': ('notes.txt', 'car: 12 images, 3 small\nwheel: 7\nwindow: 2 of 9\n'),
}


@pytest.mark.parametrize('kind', cases(AGREEING))
def test_tables_that_contradict_nothing(tmp_path, kind):
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'masks' / AGREEING[kind][0], AGREEING[kind][1])
    np.testing.assert_array_equal(read(tmp_path / 'masks', text_classes(tmp_path)).masks[SEED0], true_mask())


def _color_tables(colors) -> dict[str, tuple[str, str]]:
    """Of car, wheel, window, and black as background where the form has it."""
    rows = list(zip(('car', 'wheel', 'window'), colors))
    hexes = [(name, '#{:02X}{:02X}{:02X}'.format(*color)) for name, color in rows]
    return {
        'class_dict.csv': (
            'class_dict.csv',
            'name,r,g,b\nbackground,0,0,0\n' + ''.join(f'{name},{r},{g},{b}\n' for name, (r, g, b) in rows),
        ),
        'colors first': ('colors.txt', ''.join(f'{r} {g} {b} {name}\n' for name, (r, g, b) in rows)),
        "SuperAnnotate's": (
            'classes.json',
            '[' + ', '.join(f'{{"id": {i}, "name": "{n}", "color": "{c}"}}' for i, (n, c) in enumerate(hexes)) + ']',
        ),
        "Supervisely's": (
            'meta.json',
            '{"classes": [' + ', '.join(f'{{"title": "{n}", "shape": "any", "color": "{c}"}}' for n, c in hexes) + ']}',
        ),
        'lists': ('map.json', '{' + ', '.join(f'"{name}": {list(color)}' for name, color in rows) + '}'),
    }


@pytest.mark.parametrize('encoding', ['rgb', 'palette'])
@pytest.mark.parametrize('kind', cases(_color_tables(COLORS)))
def test_colors_of_a_table_that_differ_from_the_palette_are_refused(tmp_path, kind, encoding):
    """The table is the tool's, the palette was typed: either may be right."""
    if encoding == 'rgb':
        write_png(tmp_path / 'masks' / f'{SEED0}.png', np.asarray(COLORS)[true_mask()], 8, RGB)
    else:
        write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, PALETTE, COLORS)
    classes = json_classes(tmp_path, palette=COLORS)
    name, text = _color_tables([COLORS[2], COLORS[1], COLORS[3]])[kind]
    table = write(tmp_path / 'masks' / name, text)
    names_all(refusal(tmp_path / 'masks', classes), name, str(COLORS[2]), 'car', 'wheel', 'palette', 'mask_values')
    found = read(tmp_path / 'masks', classes, mask_values='color').masks[SEED0]
    np.testing.assert_array_equal(found, true_mask())
    for colors in (COLORS[1:], [(1, 2, 3), (4, 5, 6), (7, 8, 9)]):
        write(table, _color_tables(colors)[kind][1])
        np.testing.assert_array_equal(read(tmp_path / 'masks', classes).masks[SEED0], true_mask())


LIKE_THEM = {
    'capitals': ('map.json', '{"Background": 0, "Wheel": 1, "Car": 2, "Window": 3}'),
    'capitals, in lines': ('labels.txt', 'Background\nWheel\nCar\nWindow\n'),
    'numbers first': ('map.json', '{"1": "Wheel", "2": "Car", "3": "Window"}'),
    'some of the classes': ('map.txt', '1 wheel\n2 car\n'),
    'separated by tabs': ('map.tsv', 'id\tname\n1\twheel\n2\tcar\n3\twindow\n'),
    'no suffix': ('labels', '1 wheel\n2 car\n3 window\n'),
    "labelme2voc's, above": ('../class_names.txt', '_background_\nwheel\ncar\nwindow\n'),
    'a list above': ('../classes.txt', 'background\nwheel\ncar\nwindow\n'),
    "Roboflow's, above": ('../_classes.csv', 'Pixel Value, Class\n0, background\n1, wheel\n2, car\n3, window\n'),
}


@pytest.mark.parametrize('kind', cases(LIKE_THEM))
def test_a_table_in_another_form_is_not_overlooked(tmp_path, kind):
    name, text = LIKE_THEM[kind]
    folder = tmp_path / 'export' / 'masks'
    write_png(folder / f'{SEED0}.png', true_mask(), 8, GRAY)
    table = write(folder / name, text)
    names_all(refusal(folder, text_classes(tmp_path)), table.name, 'wheel, car', 'mask_values')
    found = read(folder, text_classes(tmp_path), mask_values='index').masks[SEED0]
    np.testing.assert_array_equal(found, true_mask())
    right = {'wheel': 'car', 'car': 'wheel', 'Wheel': 'Car', 'Car': 'Wheel'}
    write(table, re.sub('[wW]heel|[cC]ar', lambda match: right[match[0]], text))
    np.testing.assert_array_equal(read(folder, text_classes(tmp_path)).masks[SEED0], true_mask())


@pytest.mark.parametrize(
    'name, text',
    [
        (f'{SEED0}_meta.json', '{"car": 2, "wheel": 1}'),
        ('counts.json', '{"car": 1, "wheel": 1}'),
        ('README', 'The car is in 2 of the masks and the wheel in 1 of them.\n'),
        ('about.txt', 'We drew the car in 2 of the masks and the wheel in 1 of them.\n'),
    ],
)
def test_what_is_no_table_contradicts_nothing(tmp_path, name, text):
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'masks' / name, text)
    np.testing.assert_array_equal(read(tmp_path / 'masks', text_classes(tmp_path)).masks[SEED0], true_mask())


def test_two_of_the_classes_from_0_contradict_nothing(tmp_path):
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'masks' / 'map.txt', '0 car\n1 wheel\n')
    np.testing.assert_array_equal(read(tmp_path / 'masks', text_classes(tmp_path)).masks[SEED0], true_mask())
