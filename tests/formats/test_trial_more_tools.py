"""More of each kind, tool by tool: two tables that differ, ids and visibilities in other conventions, flags, tags."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.formats.shapes import Polygon
from tests.helpers.known_tools import datumaro_annotation, datumaro_file, via_region
from tests.helpers.trial_pngs import GRAY, write_png
from tests.helpers.trials import (
    BOXES,
    KEYPOINTS,
    NAMES,
    SEED0,
    SHAPES,
    SIDE,
    cases,
    coco,
    coco_keypoints,
    cvat,
    flat,
    json_classes,
    labelme,
    labelme_shape,
    names_all,
    png_bits,
    read,
    refusal,
    text_classes,
    true_mask,
    write,
)


def is_true(labels, classes) -> None:
    np.testing.assert_array_equal(read(labels, classes).masks[SEED0], true_mask())


# -------------------------------------------------------------------------------------------------------------- YOLO

YOLO_LINES = [
    f'{NAMES.index(label) - 1} {" ".join(f"{value / SIDE:.6f}" for value in flat(corners))}'
    for label, corners in SHAPES
]


def yolo(folder, tables: dict[str, str], lines=YOLO_LINES):
    write(folder / 'labels' / 'train' / f'{SEED0}.txt', '\n'.join(lines) + '\n')
    for name, text in tables.items():
        write(folder / name, text)
    return folder / 'labels' / 'train'


RIGHT, OTHER = 'names: [car, wheel, window]\n', 'wheel\ncar\nwindow\n'
TWO_TABLES = {
    'beside each other': {'labels/train/data.yaml': RIGHT, 'labels/train/classes.txt': OTHER},
    'one above the other': {'data.yaml': RIGHT, 'labels/train/classes.txt': OTHER},
    "Darknet's above": {'labels/train/data.yaml': RIGHT, 'obj.names': OTHER},
}


@pytest.mark.parametrize('kind', cases(TWO_TABLES))
def test_two_tables_of_yolo_that_differ_are_refused(tmp_path, kind):
    """As LabelImg leaves a classes.txt of its own beside labels of another tool."""
    labels = yolo(tmp_path / 'set', TWO_TABLES[kind])
    names_all(
        refusal(labels, text_classes(tmp_path)), *(name.rsplit('/', 1)[-1] for name in TWO_TABLES[kind]), 'wheel, car'
    )
    for name in TWO_TABLES[kind]:
        write(tmp_path / 'set' / name, RIGHT if name.endswith('yaml') else 'car\nwheel\nwindow\n')
    is_true(labels, text_classes(tmp_path))


def test_the_class_file_above_is_no_second_table_of_yolo(tmp_path):
    """It lies in the folder of the work, and has the background and an order of its own."""
    labels = yolo(tmp_path, {'labels/train/data.yaml': RIGHT})
    names = ('background', 'window', 'wheel', 'car')
    found = read(labels, write(tmp_path / 'classes.txt', '\n'.join(names) + '\n')).masks[SEED0]
    np.testing.assert_array_equal(found, np.array([0, 3, 2, 1])[true_mask()])


@pytest.mark.parametrize('quote', ['"', "'"])
@pytest.mark.parametrize(
    'form',
    ['{{{q}0{q}: car, {q}1{q}: wheel, {q}2{q}: window}}', '\n  {q}0{q}: car\n  {q}1{q}: wheel\n  {q}2{q}: window'],
)
def test_numbers_of_yolo_in_quotes(tmp_path, form, quote):
    is_true(yolo(tmp_path / 'set', {'data.yaml': f'names: {form.format(q=quote)}\n'}), text_classes(tmp_path))


def test_names_that_are_there_twice_are_refused(tmp_path):
    labels = yolo(tmp_path / 'set', {'data.yaml': f'{RIGHT}nc: 3\nnames: [wheel, car, window]\n'})
    names_all(refusal(labels, text_classes(tmp_path)), 'data.yaml', 'twice')


def test_the_confidence_of_a_prediction_is_named(tmp_path):
    labels = yolo(tmp_path / 'set', {'data.yaml': RIGHT}, [f'{line} 0.93' for line in YOLO_LINES])
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'line 1', '9', 'confidence', 'save_conf')


@pytest.mark.parametrize('points', [1, 2, 3, 4, 6])
def test_poses_without_visibilities_are_no_outlines(tmp_path, points):
    """A box and keypoints in it: as many numbers as corners of an outline have."""
    random = np.random.RandomState(points)
    lines = []
    for label in (0, 1, 2):
        places = 0.5 + random.uniform(-0.2, 0.2, (points, 2))
        lines.append(f'{label} 0.5 0.5 0.4 0.4 {" ".join(f"{value:.6f}" for value in places.ravel())}')
    names = 'car\nwheel\nwindow\n'
    labels = yolo(tmp_path / 'set', {'labels/train/classes.txt': names}, lines)
    message = refusal(labels, text_classes(tmp_path))
    names_all(message, 'classes.txt', f'{points} keypoints', f'{points + 2} corners', 'data.yaml', 'COCO')


def test_triangles_that_look_like_poses_are_read_as_the_message_says(tmp_path):
    line = '0 0.5 0.5 0.4 0.4 0.4 0.6'
    labels = yolo(tmp_path / 'set', {'labels/train/classes.txt': 'car\nwheel\nwindow\n'}, [line])
    names_all(refusal(labels, text_classes(tmp_path)), '3 corners', '1 keypoints', 'names: [')
    (labels / 'classes.txt').unlink()
    yolo(tmp_path / 'set', {'labels/train/data.yaml': RIGHT}, [line])
    mask = read(labels, text_classes(tmp_path)).masks[SEED0]
    expected = np.zeros((SIDE, SIDE), np.uint8)
    Polygon([[64, 64], [51.2, 51.2], [51.2, 76.8]]).paint(expected, 1)
    np.testing.assert_array_equal(mask, expected)


def test_numbers_that_are_too_large_are_named(tmp_path):
    lines = ['0 0.5 0.5 0.4 0.4 0.4 1e999']
    labels = yolo(tmp_path / 'set', {'labels/train/classes.txt': 'car\nwheel\nwindow\n'}, lines)
    names_all(refusal(labels, text_classes(tmp_path)), f'{SEED0}.txt', 'line 1', 'finite')


def test_outlines_beside_a_list_of_names_are_no_poses(tmp_path):
    is_true(yolo(tmp_path / 'set', {'labels/train/classes.txt': 'car\nwheel\nwindow\n'}), text_classes(tmp_path))


@pytest.mark.parametrize('background', ['background', 'Hintergrund', 'other'])
def test_the_class_file_as_a_table_of_yolo_is_refused(tmp_path, background):
    """It has the background, whatever it is called there; YOLO's numbers begin with the first class after it."""
    classes = text_classes(tmp_path, (background, *NAMES[1:]))
    message = refusal(yolo(tmp_path, {}), classes)
    names_all(message, 'classes.txt', background, 'car', 'from 0', 'data.yaml')


# -------------------------------------------------------------------------------------------------------------- CVAT

CORNER = 'points="0,0;10,0;10,10" z_order="9"'


def cvat_with(*elements: str) -> str:
    return cvat().replace('</image>', f'{"".join(elements)}</image>')


@pytest.mark.parametrize(
    'shape',
    [
        '<polygon label="car" outside="1" ' + CORNER + '/>',
        '<box label="car" outside="1" xtl="0" ytl="0" xbr="9" ybr="9" z_order="9"/>',
    ],
    ids=['polygon', 'box'],
)
def test_what_has_left_the_image_is_not_drawn(tmp_path, shape):
    found = read(write(tmp_path / 'l.xml', cvat_with(shape)), text_classes(tmp_path))
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())
    names_all(found.warned, '1', 'outside')


def test_tags_of_images_are_counted(tmp_path):
    found = read(
        write(tmp_path / 'l.xml', cvat_with('<tag label="blurred"/>', '<tag label="dark"/>')), text_classes(tmp_path)
    )
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())
    names_all(found.warned, '2', 'tags')
    assert 'passed over' not in read(write(tmp_path / 'l.xml', cvat()), text_classes(tmp_path)).warned


# ----------------------------------------------------------------------------------------------------------- LabelMe


def picture(side: int) -> str:
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (side, side)).save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode('ascii')


def test_the_picture_in_a_file_tells_the_size(tmp_path):
    """Where the file's numbers differ from it, LabelMe and X-AnyLabeling take the picture's."""
    labels = tmp_path / f'{SEED0}.json'
    names_all(
        refusal(write(labels, labelme(imageData=picture(2 * SIDE))), text_classes(tmp_path)), '256x256', '128x128'
    )
    is_true(write(labels, labelme(imageData=picture(SIDE), imageWidth=64, imageHeight=64)), text_classes(tmp_path))
    is_true(write(labels, labelme(imageData='no picture')), text_classes(tmp_path))


@pytest.mark.parametrize(
    'corners', [(0, 1), (1, 0), (2, 3), (3, 2)], ids=['first', 'last', 'upper right', 'lower left']
)
def test_the_corners_of_a_mask_in_any_order(tmp_path, corners):
    shapes = []
    for label, left, top, right, bottom in BOXES:
        ends = [[left, top], [right - 1, bottom - 1], [right - 1, top], [left, bottom - 1]]
        mask = png_bits(np.ones((bottom - top, right - left), bool))
        shapes.append(labelme_shape(label, [ends[place] for place in corners], 'mask', mask=mask))
    is_true(write(tmp_path / f'{SEED0}.json', labelme() | {'shapes': shapes}), text_classes(tmp_path))


@pytest.mark.parametrize('flag, visibility', [('occluded', 1), ('Occluded', 1), ('OCCLUDED', 1), ('hidden', 2)])
def test_flags_of_points(tmp_path, flag, visibility):
    """One that means nothing here is told, not dropped."""
    points = [labelme_shape(name, [[37.5, 92.5]], 'point', flags={flag: True, 'left': False}) for name in KEYPOINTS]
    labels = write(tmp_path / f'{SEED0}.json', labelme() | {'shapes': points})
    found = read(labels, json_classes(tmp_path, keypoints=KEYPOINTS))
    assert found.keypoints[SEED0] == [(37.5, 92.5, visibility)] * 2
    if flag == 'hidden':
        names_all(found.warned, "'hidden' (2)", 'occluded')
    else:
        assert 'flags of points' not in found.warned


# -------------------------------------------------------------------------------------------------------------- COCO


@pytest.mark.parametrize('key', ['image_id', 'category_id', 'images', 'categories'])
def test_ids_as_pandas_writes_them_are_numbers(tmp_path, key):
    """A column with a gap is one of floating-point numbers there: 5.0."""
    content = coco()
    for one in content['annotations'] if key.endswith('_id') else content[key]:
        name = key if key.endswith('_id') else 'id'
        one[name] = float(one[name])
    is_true(write(tmp_path / 'l.json', content), text_classes(tmp_path))


@pytest.mark.parametrize('quote', ['"', "'"])
def test_bytes_that_python_has_written_as_text_are_named(tmp_path, quote):
    labels = write(tmp_path / 'l.json', coco([{'size': [SIDE, SIDE], 'counts': f'b{quote}PPQ1{quote}'}] * 4))
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'annotation 1', 'bytes', 'decode')


HIDDEN = {
    'numbers': [37.5, 92.5, 1, 92.0, 91.5, 0],
    'all of them 0': [37.5, 92.5, 0, 92.0, 91.5, 0],
    'truth values': [37.5, 92.5, True, 92.0, 91.5, False],
    'numbers with a point': [37.5, 92.5, 1.0, 92.0, 91.5, 0.0],
}


@pytest.mark.parametrize('kind', cases(HIDDEN))
def test_visibilities_of_0_and_1_are_refused(tmp_path, kind):
    """1 is visible and 0 is hidden there; in COCO, the hidden one would be absent."""
    content = coco_keypoints()
    content['annotations'][0]['keypoints'] = HIDDEN[kind]
    message = refusal(write(tmp_path / 'l.json', content), json_classes(tmp_path, keypoints=KEYPOINTS))
    names_all(message, 'visib', 'hidden', 'occluded', '2 visible', 'front wheel|rear wheel')
    found = read(tmp_path / 'l.json', text_classes(tmp_path))  # nobody asks for keypoints
    assert set(np.unique(found.masks[SEED0])) == {0, 1}


def test_visibilities_of_0_and_1_are_refused_in_datumaro(tmp_path):
    points = datumaro_annotation('points', points=[37.5, 92.5, 92.0, 91.5], visibility=[1, 0])
    labels = write(tmp_path / 'l.json', datumaro_file(points, points=[{'label_id': 1, 'labels': list(KEYPOINTS)}]))
    names_all(refusal(labels, json_classes(tmp_path, keypoints=KEYPOINTS)), 'hidden', 'occluded')


def test_cvat_says_itself_what_is_absent(tmp_path):
    elements = [
        f'<points label="{name}" occluded="1" outside="{outside}" points="9,8"/>'
        for name, outside in zip(KEYPOINTS, '01')
    ]
    found = read(write(tmp_path / 'l.xml', cvat(elements)), json_classes(tmp_path, keypoints=KEYPOINTS))
    assert found.keypoints[SEED0] == [(9, 8, 1), (0, 0, 0)]


@pytest.mark.parametrize('fault', ['size', 'place'])
def test_the_file_of_keypoints_is_named_and_not_that_of_the_mask(tmp_path, fault):
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, GRAY)
    content = coco_keypoints(points=((150, 92.5, 2), (92.0, 91.5, 1)))
    content['images'][0] |= {'width': 256, 'height': 256} if fault == 'size' else {'width': SIDE, 'height': SIDE}
    keypoints = write(tmp_path / 'k.json', content)
    message = refusal(tmp_path / 'masks', json_classes(tmp_path, keypoints=KEYPOINTS), keypoints=keypoints)
    names_all(message, 'k.json', SEED0, '256x256' if fault == 'size' else '150')
    assert f'{SEED0}.png' not in message


def test_visibilities_that_can_be_coco(tmp_path):
    """CVAT and Datumaro keep the place of an absent keypoint; all of them may be occluded, which is told."""
    content = coco_keypoints()
    content['annotations'][0]['keypoints'] = [37.5, 92.5, 2, 92.0, 91.5, 0]
    found = read(write(tmp_path / 'l.json', content), json_classes(tmp_path, keypoints=KEYPOINTS))
    assert [point[2] for point in found.keypoints[SEED0]] == [2, 0] and 'visible' not in found.warned
    content['annotations'][0]['keypoints'] = [37.5, 92.5, 1, 0, 0, 0]
    found = read(write(tmp_path / 'l.json', content), json_classes(tmp_path, keypoints=KEYPOINTS))
    assert [point[2] for point in found.keypoints[SEED0]] == [1, 0]
    names_all(found.warned, 'no keypoint is visible', 'occluded')


# --------------------------------------------------------------------------------------------------------------- VIA


@pytest.mark.parametrize('kind', ['dropdown', 'radio', 'checkbox'])
def test_the_options_of_a_via_project_have_names(tmp_path, kind):
    """A region keeps the option's id; the project says what that is called."""
    ids = {'car': '1', 'wheel': '2', 'window': '3'}
    regions = []
    for label, corners in SHAPES:
        value = {ids[label]: True} if kind == 'checkbox' else ids[label]
        xs, ys = ([corner[axis] for corner in corners] for axis in (0, 1))
        regions.append(via_region(attributes={'part': value}, all_points_x=xs, all_points_y=ys))
    record = {'filename': f'{SEED0}.png', 'size': 9, 'regions': regions, 'file_attributes': {}}
    options = {number: name for name, number in ids.items()}
    content = {
        '_via_settings': {},
        '_via_img_metadata': {'x': record},
        '_via_attributes': {'region': {'part': {'type': kind, 'options': options, 'default_options': {}}}, 'file': {}},
    }
    is_true(write(tmp_path / 'l.json', content), text_classes(tmp_path))
    options['1'] = ''  # an id without a name is the name
    names_all(refusal(write(tmp_path / 'l.json', content), text_classes(tmp_path)), "'1'")
    content['_via_attributes']['region']['part']['options'] = dict.fromkeys(ids, 'a part of it')
    for region, (label, _) in zip(regions, SHAPES):
        region['region_attributes'] = {'part': {label: True} if kind == 'checkbox' else label}
    is_true(write(tmp_path / 'l.json', content), text_classes(tmp_path))
