"""Class files as people bring them: tables of tools, numbered lines, or a list whose first is no background."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.helpers.trial_pngs import GRAY, write_png
from tests.helpers.trial_tools import via
from tests.helpers.trials import (
    NAMES,
    SEED0,
    SHAPES,
    SIDE,
    cases,
    coco,
    cvat,
    json_classes,
    label_studio,
    labelme,
    names_all,
    read,
    refusal,
    text_classes,
    true_mask,
    write,
)

NO_LISTS = {
    'numbers in another order': ('classes.txt', '0: background\n3: window\n1: car\n2: wheel\n', '3: window'),
    'numbers from 1, without the background': ('classes.txt', '1 car\n2 wheel\n3 window\n4 door\n', '1 car'),
    'numbers after names': ('classes.txt', 'background,0\ncar,2\nwheel,1\nwindow,3\n', 'background,0'),
    'a comment first': ('classes.txt', '# parts of a car\nbackground\ncar\nwheel\nwindow\n', '# parts of a car'),
    'a comment between': ('classes.txt', 'background\n# parts\ncar\nwheel\nwindow\n', '# parts'),
    "CVAT's labelmap": ('labelmap.txt', '# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:1,2,3::\n', 'label:'),
    'a labelmap without its head': ('labelmap.txt', 'background:0,0,0::\ncar:220,20,60::\n', 'background:0,0,0::'),
    'colors in columns': ('class_dict.csv', 'name,r,g,b\nbackground,0,0,0\ncar,220,20,60\n', 'name,r,g,b'),
    'numbers with zeros': ('classes.txt', '00 background\n02 wheel\n01 car\n03 window\n', '02 wheel'),
    'endless numbers': ('classes.txt', f'0 background\n{"9" * 5000} car\n', '9' * 60),
    'tabs': ('classes.tsv', 'background\t0\ncar\t1\nwheel\t2\nwindow\t3\n', 'background'),
    "YOLO's data.yaml": ('data.yaml', 'train: images/train\nnc: 3\nnames: [car, wheel, window]\n', 'yaml'),
    'a list in YAML': ('classes.yml', '- background\n- car\n- wheel\n- window\n', 'yaml'),
}
"""The file's name, its text, and what the message shows of it."""


@pytest.mark.parametrize('kind', cases(NO_LISTS))
def test_what_is_no_list_of_names_is_no_class_file(tmp_path, kind):
    """Read by lines, its first would be the background, and each number would mean another class."""
    name, text, shown = NO_LISTS[kind]
    write_png(tmp_path / 'labels' / f'{SEED0}.png', np.minimum(true_mask(), 1), 8, GRAY)
    message = refusal(tmp_path / 'labels', write(tmp_path / name, text))
    names_all(message, name, 'a name a line', 'background')
    assert shown.lower() in message.lower() and len(message) < 500


NUMBERLIKE = {
    'digits alone': ('0', '1', '2', '3'),
    'numbers at the end': ('part 0', 'part 1', 'part 2', 'part 3'),
    'numbers in some': ('background', '2 wheel', '10: bolt', 'car'),
    'colons': ('background', 'vehicle:car', 'vehicle:wheel', 'window'),
    'commas': ('background', 'door, left', 'door, right', 'window'),
    'digits of other scripts': ('٠ background', '١ car', '٢ wheel', '٣ window'),
    'number signs': ('background', '#1', '#2', '#3'),
}


@pytest.mark.parametrize('kind', cases(NUMBERLIKE))
def test_names_that_look_like_numbers_or_tables_are_names(tmp_path, kind):
    write_png(tmp_path / 'labels' / f'{SEED0}.png', true_mask(), 8, GRAY)
    mask = read(tmp_path / 'labels', text_classes(tmp_path, NUMBERLIKE[kind])).masks[SEED0]
    np.testing.assert_array_equal(mask, true_mask())


BACKGROUND_ELSEWHERE = {
    'last': ('car', 'wheel', 'window', 'background'),
    'in capitals': ('car', 'Background', 'wheel', 'window'),
    "LabelMe's": ('car', '_background_', 'wheel', 'window'),
    'twice': ('background', '_background_', 'car', 'wheel', 'window'),
}


@pytest.mark.parametrize('form', ['txt', 'json'])
@pytest.mark.parametrize('kind', cases(BACKGROUND_ELSEWHERE))
def test_the_background_is_the_first_class_or_refused(tmp_path, kind, form):
    """What no shape covers is the first class: all else would be a car."""
    names = BACKGROUND_ELSEWHERE[kind]
    classes = text_classes(tmp_path, names) if form == 'txt' else json_classes(tmp_path, names)
    shown = next(name for name in names[1:] if 'background' in name.lower())
    names_all(refusal(write(tmp_path / f'{SEED0}.json', labelme()), classes), shown, names[0], 'first')


def test_labels_that_are_left_out_are_no_class(tmp_path):
    """LabelMe's own labels.txt begins with them, as number -1."""
    classes = text_classes(tmp_path, ('__ignore__', '_background_', 'car', 'wheel', 'window'))
    names_all(refusal(write(tmp_path / f'{SEED0}.json', labelme()), classes), '__ignore__', 'leave')


def test_labelmes_own_list_without_its_first_line(tmp_path):
    classes = text_classes(tmp_path, ('_background_', *NAMES[1:]))
    mask = read(write(tmp_path / f'{SEED0}.json', labelme()), classes).masks[SEED0]
    np.testing.assert_array_equal(mask, true_mask())


# ------------------------------------------------------------------------------------ a list without a background

TOOLS = {
    'labelme': lambda folder: write(folder / f'{SEED0}.json', labelme()),
    'coco': lambda folder: write(folder / 'l.json', coco()),
    'cvat': lambda folder: write(folder / 'l.xml', cvat()),
    'label studio': lambda folder: write(folder / 'l.json', label_studio()),
    'via': via,
}


@pytest.mark.parametrize('tool', cases(TOOLS))
def test_a_list_of_a_tool_has_no_background(tmp_path, tool):
    """The tools' own lists begin with the first class that is drawn; then a car would be what nobody drew."""
    labels, classes = TOOLS[tool](tmp_path), text_classes(tmp_path, NAMES[1:])
    names_all(refusal(labels, classes), SEED0, 'car', 'background', 'unlabeled')


def test_a_list_without_a_background_is_whole_where_all_is_drawn_or_left_out(tmp_path):
    classes = text_classes(tmp_path, NAMES[1:])
    truth = true_mask()
    labels = write(tmp_path / f'{SEED0}.json', labelme())
    mask = read(labels, classes, unlabeled='ignore').masks[SEED0]
    np.testing.assert_array_equal(mask, np.where(truth, truth - 1, 255))
    everything = [[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]]
    labels = write(tmp_path / f'{SEED0}.json', labelme([('car', everything), *SHAPES[1:]]))
    mask = read(labels, classes).masks[SEED0]
    np.testing.assert_array_equal(mask, np.maximum(truth, 1) - 1)


def test_a_first_class_of_any_name_that_nobody_draws_is_the_background(tmp_path):
    labels = write(tmp_path / f'{SEED0}.json', labelme())
    mask = read(labels, text_classes(tmp_path, ('road', *NAMES[1:]))).masks[SEED0]
    np.testing.assert_array_equal(mask, true_mask())


def test_a_background_that_is_drawn_over_the_rest(tmp_path):
    labels = write(tmp_path / f'{SEED0}.json', json.loads(json.dumps(labelme([*SHAPES, ('background', SHAPES[3][1])]))))
    mask = read(labels, text_classes(tmp_path)).masks[SEED0]
    np.testing.assert_array_equal(mask, np.where(true_mask() == 3, 0, true_mask()))
