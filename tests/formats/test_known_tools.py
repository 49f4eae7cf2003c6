"""VIA, Supervisely, Datumaro and YOLO: right values of what these tools write, and refusals that mend."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import yolo
from tests.helpers.known_tools import (
    NAME,
    datumaro_annotation,
    datumaro_file,
    supervisely_file,
    supervisely_object,
    via_file,
    via_region,
)
from tests.helpers.labels import one, refused, rows, write

SIZES = {NAME: (5, 6)}
CAR = ['......', '......', '.ccc..', '.ccc..', '......']


def via(tmp_path, *regions):
    return one(write(tmp_path / 'via.json', via_file(*regions)), image_hw=SIZES)


def supervisely(tmp_path, *objects):
    return one(write(tmp_path / f'{NAME}.png.json', supervisely_file(*objects)))


def datumaro(tmp_path, *annotations, **changes):
    return one(write(tmp_path / 'default.json', datumaro_file(*annotations, **changes)))


# ----------------------------------------------------------------------------------------------------------------- VIA


def test_shapes_of_via(tmp_path):
    mask = via(
        tmp_path,
        via_region('rect', {'type': 'car'}, x=1, y=2, width=3, height=2),
        via_region('circle', {'type': 'wheel'}, cx=5, cy=1, r=1.0),
        via_region('ellipse', {'type': 'wheel'}, cx=0.5, cy=2.5, rx=2.6, ry=0.6, theta=np.pi / 2),
    ).mask
    assert rows(mask) == ['w...ww', 'w...ww', 'wccc..', 'wccc..', 'w.....']


def test_the_label_of_via_is_the_one_attribute_with_a_value(tmp_path):
    for attributes in ({'type': 'car', 'note': ''}, {'type': {'car': True, 'wheel': False}}, {'class': 'car'}):
        assert rows(via(tmp_path, via_region('polygon', attributes)).mask) == CAR


def test_keypoints_of_via(tmp_path):
    found = via(tmp_path, via_region('point', {'type': 'tail'}, cx=3, cy=4)).keypoints
    assert found.points[1].tolist() == [3, 4] and found.visibility.tolist() == [ABSENT, VISIBLE]


def test_regions_of_via_by_number_and_in_a_project(tmp_path):
    old = via_file()
    record = next(iter(old.values()))
    record['regions'] = {'0': via_region()}
    assert rows(one(write(tmp_path / 'old.json', old), image_hw=SIZES).mask) == CAR
    project = {'_via_settings': {}, '_via_img_metadata': via_file(), '_via_attributes': {}}
    assert rows(one(write(tmp_path / 'project.json', project), image_hw=SIZES).mask) == CAR


@pytest.mark.parametrize(
    'region, message',
    [
        (via_region('polygon', {'type': 'car', 'color': 'red'}), r'region 1: it has 2 labels .*type: car; color: red'),
        (via_region('polygon', {'type': ''}), 'region 1: it has 0 labels among its attributes .none'),
        (via_region('polyline', all_points_x=[1, 2], all_points_y=[1, 2]), 'a polyline has no area'),
        (via_region('polygon', all_points_x=[1, 2, 3], all_points_y=[1, 2]), 'it has 3 x and 2 y'),
        (via_region('rect', x=1, y=1), 'region 1 is not as VIA'),
        (via_region('rect', x=3, y=2, width=30, height=2), 'leaves the image of 6 x 5 pixels, and .* does not tell'),
    ],
)
def test_mistakes_in_via(tmp_path, region, message):
    refused(write(tmp_path / 'via.json', via_file(region)), message, image_hw=SIZES)


def test_via_does_not_tell_the_size(tmp_path):
    refused(write(tmp_path / 'via.json', via_file()), f'height and width of image {NAME}.png are missing')


# --------------------------------------------------------------------------------------------------------- Supervisely


def bitmap(bits: np.ndarray, alpha: bool) -> str:
    buffer = io.BytesIO()
    picture = bits.astype(np.uint8) * 255
    if alpha:
        picture = np.stack([np.full_like(picture, 255)] * 3 + [picture], axis=2)
    PIL.Image.fromarray(picture).save(buffer, format='PNG')
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode()


@pytest.mark.parametrize('alpha', [True, False])
def test_bitmaps_of_supervisely(tmp_path, alpha):
    bits = np.array([[True, False, True], [False, True, False]])
    mask = supervisely(tmp_path, supervisely_object('bitmap', bitmap={'data': bitmap(bits, alpha), 'origin': [1, 2]}))
    assert rows(mask.mask) == ['......', '......', '.c.c..', '..c...', '......']


def test_a_rectangle_of_supervisely_holds_its_last_pixel(tmp_path):
    points = {'exterior': [[3, 3], [1, 2]], 'interior': []}
    assert rows(supervisely(tmp_path, supervisely_object('rectangle', points=points)).mask) == CAR
    points = {'exterior': [[1.25, 2.0], [3.75, 4.0]], 'interior': []}
    assert rows(supervisely(tmp_path, supervisely_object('rectangle', points=points)).mask) == CAR


def test_polygons_of_supervisely(tmp_path):
    """Whole numbers are the pixels themselves; others are places. A hole is left out."""
    pixels = {'exterior': [[0, 0], [4, 0], [4, 4], [0, 4]], 'interior': []}
    found = supervisely(tmp_path, supervisely_object(points=pixels))
    assert rows(found.mask) == ['cccc..'] * 4 + ['......'], 'from the centre of pixel 0 to that of pixel 4'
    hole = [[0.6, 0.6], [3.4, 0.6], [3.4, 3.4], [0.6, 3.4]]
    places = {'exterior': [[0.1, 0.1], [5, 0.1], [5, 5], [0.1, 5]], 'interior': [hole]}
    found = supervisely(tmp_path, supervisely_object(points=places))
    assert rows(found.mask) == ['ccccc.', 'c..cc.', 'c..cc.', 'ccccc.', 'ccccc.']


def test_keypoints_of_supervisely(tmp_path):
    found = supervisely(tmp_path, supervisely_object('point', 'head', points={'exterior': [[3, 4]], 'interior': []}))
    assert found.keypoints.points[0].tolist() == [3.5, 4.5] and found.image_hw == (5, 6)


def test_a_project_of_supervisely(tmp_path):
    write(tmp_path / 'meta.json', {'classes': [{'title': 'car', 'shape': 'polygon'}], 'tags': []})
    (tmp_path / 'monday' / 'ann').mkdir(parents=True)
    write(tmp_path / 'monday' / 'ann' / f'{NAME}.jpg.json', supervisely_file())
    assert rows(one(tmp_path).mask) == CAR


@pytest.mark.parametrize(
    'found, message',
    [
        (supervisely_object('line', points={'exterior': [[1, 1], [2, 2]]}), 'a line cannot be read'),
        (supervisely_object('bitmap', bitmap={'data': 'AAAA', 'origin': [0, 0]}), 'no deflated PNG'),
        (supervisely_object('rectangle', points={'exterior': [[1, 1]]}), 'object 1: its coordinates are 1 pairs'),
        (supervisely_object('polygon', 'lorry'), "'lorry', at"),
    ],
)
def test_mistakes_in_supervisely(tmp_path, found, message):
    refused(write(tmp_path / f'{NAME}.png.json', supervisely_file(found)), message)


# ------------------------------------------------------------------------------------------------------------ Datumaro


def test_shapes_of_datumaro(tmp_path):
    mask = datumaro(
        tmp_path,
        datumaro_annotation('bbox', 2, bbox=[0, 2, 2, 2]) | {'z_order': 2},
        datumaro_annotation('polygon', 1) | {'z_order': 1},
        datumaro_annotation('mask', 2, rle={'counts': '04j0', 'size': [5, 6]}),
        datumaro_annotation('ellipse', 1, points=[4.0, 0.0, 6.0, 2.0]),
        {'id': 9, 'type': 'label', 'label_id': 2},
    ).mask
    assert rows(mask) == ['w...cc', 'w...cc', 'wwcc..', 'wwcc..', '......']


@pytest.mark.parametrize('visibility', [[1, 2], None])
def test_keypoints_of_datumaro(tmp_path, visibility):
    points = datumaro_annotation('points', 1, points=[3.0, 4.0, 1.0, 2.0])
    if visibility is not None:
        points['visibility'] = visibility
    found = datumaro(tmp_path, points, points=[{'label_id': 1, 'labels': ['tail', 'head'], 'joints': []}]).keypoints
    assert found.points.tolist() == [[1, 2], [3, 4]]
    assert found.visibility.tolist() == ([VISIBLE, OCCLUDED] if visibility else [VISIBLE, VISIBLE])


@pytest.mark.parametrize('occluded, expected', [(True, OCCLUDED), (False, VISIBLE)])
def test_occluded_points_of_cvat_in_datumaro(tmp_path, occluded, expected):
    """CVAT writes of a point by itself that it is visible, and among its attributes that it is occluded."""
    point = datumaro_annotation('points', 1, points=[3.0, 4.0], visibility=[2]) | {'attributes': {'occluded': occluded}}
    names = [{'label_id': 1, 'labels': ['tail'], 'joints': []}]
    assert datumaro(tmp_path, point, points=names).keypoints.visibility.tolist()[1] == expected


def test_rotated_boxes_of_cvat_in_datumaro(tmp_path):
    """CVAT writes the box as it was before it was turned, and the degrees among its attributes."""
    box = datumaro_annotation('bbox', 1, bbox=[1, 2, 3, 1]) | {'attributes': {'occluded': False, 'rotation': 90.0}}
    assert rows(datumaro(tmp_path, box).mask) == ['......', '..c...', '..c...', '..c...', '......']


def test_keypoints_of_datumaro_without_names_are_refused(tmp_path):
    points = datumaro_annotation('points', 1, points=[3.0, 4.0, 1.0, 2.0], visibility=[2, 2])
    refused(write(tmp_path / 'd.json', datumaro_file(points)), 'keypoints without names .2 of them')


@pytest.mark.parametrize(
    'annotation, message',
    [
        (datumaro_annotation(label_id=3), 'its label_id is 3; "categories" has 3 labels'),
        (datumaro_annotation(label_id=None), 'its label_id is None'),
        (datumaro_annotation('polyline'), 'a polyline has no area'),
        (datumaro_annotation(points=[1.0, 2.0, 3.0]), 'its polygon has 3 numbers'),
        (datumaro_annotation('bbox'), 'annotation 7 is not as Datumaro writes it'),
        (datumaro_annotation('mask', rle={'counts': '04j0', 'size': [6, 5]}), 'its mask is 6 x 5'),
    ],
)
def test_mistakes_in_datumaro(tmp_path, annotation, message):
    refused(write(tmp_path / 'd.json', datumaro_file(annotation)), message)


# ---------------------------------------------------------------------------------------------------------------- YOLO

TABLES = {
    'data.yaml': [
        'nc: 2\nnames: [car, wheel]\n',
        'names: ["car", \'wheel\']  # two\nnc: 2\n',
        'names:\n  0: car\n  1: wheel\nnc: 2\n',
        'names:\n- car\n- wheel\nnc: 2\n',
        "names:\n  - 'car'\n  - wheel\n",
        'names: {1: wheel, 0: car}\n',
        'names: [\n  car,\n  wheel,\n]\nnc: 2\n',
    ],
    'classes.txt': ['car\nwheel\n'],
    'obj.names': ['car\nwheel\n'],
}


@pytest.mark.parametrize('table, text', [(name, text) for name, texts in TABLES.items() for text in texts])
@pytest.mark.parametrize('inside', ['', 'labels/train'])
def test_outlines_of_yolo(tmp_path, table, text, inside):
    write(tmp_path / table, text)
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)
    lines = '0 0.166667 0.4 0.666667 0.4 0.666667 0.8 0.166667 0.8\n1.0e+00 0 0 1.0 0 1e0 .2 0 0.2\n'
    write(tmp_path / inside / f'{NAME}.txt', lines)
    expected = ['wwwwww', '......', '.ccc..', '.ccc..', '......']
    assert rows(one(tmp_path, image_hw=SIZES).mask) == expected
    assert rows(one(tmp_path / inside / f'{NAME}.txt', image_hw=SIZES).mask) == expected


@pytest.mark.parametrize(
    'table, line, message',
    [
        ('names: [car]', '0 0.5 0.5 0.2 0.2', 'line 1 .car.: it is a box'),
        ('names: [car]', '1 0 0 1 0 1 1', 'its class is 1; the table has 1, from 0: car'),
        ('names: [car]', '0 0 0 1 0 1 1 1', r'line 1: it has 7 numbers; .* pose'),
        ('nc: 3', '0 0 0 1 0 1 1', 'has no "names" that can be read'),
        ('kpt_shape: [2, 3]\nnames: [car]', '0 0 0 1 0 1 1', 'is of YOLO poses'),
        ('names: {0: car, 2: wheel}', '0 0 0 1 0 1 1', 'has no "names" that can be read'),
        (None, '0 0 0 1 0 1 1', 'no table of their classes; put data.yaml or classes.txt'),
    ],
)
def test_mistakes_in_yolo(tmp_path, table, line, message):
    folder = tmp_path / 'a' / 'b' / 'c' / 'd'
    folder.mkdir(parents=True)
    if table is not None:
        write(folder / 'data.yaml', table)
    write(folder / f'{NAME}.txt', line)
    with pytest.raises(Exception, match=message):
        one(folder, image_hw=SIZES)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('0 0.1 .2 3. 4e-1\n', True),
        ('1.000000000000000000e+00 0.1 0.2 0.3 0.4\n', True),
        ('1.5 0.1 0.2 0.3 0.4\n', False),
        ('1e999 0.1 0.2 0.3 0.4\n', False),
        ('0 0.1 0.2 0.3\n', False),
        ('car 0.1 0.2 0.3 0.4\n', False),
        ('0 ' + 5 * f'{"9" * 3000} ' + 'x', False),  # took minutes when a number could be read in several ways
    ],
)
def test_lines_of_yolo_are_known(text, expected):
    assert yolo.is_label_text(text) is expected


@pytest.mark.parametrize(
    'text, names',
    [
        ("nc: 2\nnames: ['car, red', 'wheel']\n", ['car, red', 'wheel']),
        ("names: [\"car # 1\", 'driver''s door']  # two\n", ['car # 1', "driver's door"]),
        ('names: {1: wheel, 0: "car, red"}\n', ['car, red', 'wheel']),
        ("names:\n  0: 'car # 1'\n  1: driver's door  # the left one\n", ['car # 1', "driver's door"]),
        ('names: [\n  car,  # first\n  "a \\"big\\" wheel",\n]\n', ['car', 'a "big" wheel']),
    ],
)
def test_names_in_quotes_stay_whole(tmp_path, text, names):
    """Split at each comma, the names after one moved to other numbers."""
    path = write(tmp_path / 'data.yaml', text)
    assert yolo._names(tmp_path, 'labels') == (path, names)


@pytest.mark.parametrize(
    'text, message',
    [('nc: 3\nnames: [car, wheel]', 'says nc: 3, and lists 2 names'), ('names: ["car, wheel]', 'no "names" that can')],
)
def test_tables_that_cannot_be_right(tmp_path, text, message):
    write(tmp_path / 'data.yaml', text)
    write(tmp_path / f'{NAME}.txt', '0 0 0 1 0 1 1')
    with pytest.raises(UserError, match=message):
        one(tmp_path, image_hw=SIZES)


@pytest.mark.parametrize(
    'line, message',
    [
        ('0 0.5 0.5 0.4 0.4 0.4 0.5 1 0.6 0.5 0', 'Is it a pose'),
        ('0 0.5 0.5 0.4 0.4 0.4 0.5 2 0.6 0.5 2', 'Is it a pose'),
        ('0 1 1 4 1 4 3 1 3', 'from 1 to 4; .* pixels'),
    ],
)
def test_numbers_of_yolo_that_are_no_outline(tmp_path, line, message):
    """A pose of an even number of keypoints has as many numbers as some outline."""
    write(tmp_path / 'classes.txt', 'car\n')
    write(tmp_path / f'{NAME}.txt', line)
    with pytest.raises(UserError, match=message):
        one(tmp_path, image_hw=SIZES)


@pytest.mark.parametrize('lines, expected', [('0', None), ('1', None), ('2', 'w'), ('1 2', 'w'), ('0 2', None)])
def test_a_list_of_names_that_begins_with_the_background(tmp_path, lines, expected):
    """It may be our class file, found above labels that count without the background; the last number tells."""
    write(tmp_path / 'classes.txt', 'background\ncar\nwheel\n')
    (tmp_path / 'labels').mkdir()
    write(tmp_path / 'labels' / f'{NAME}.txt', ''.join(f'{number} 0 0 1 0 1 1 0 1\n' for number in lines.split()))
    if expected is None:
        with pytest.raises(UserError, match=r'begins with .background.* "names: \["car", "wheel"\]"'):
            one(tmp_path / 'labels', image_hw=SIZES)
        write(tmp_path / 'labels' / 'data.yaml', 'names: ["background", "car", "wheel"]')
        expected = {'0': '.', '1': 'c', '0 2': 'w'}[lines]
    assert set(''.join(rows(one(tmp_path / 'labels', image_hw=SIZES).mask))) == {expected}


@pytest.mark.parametrize('name', [f'{NAME}_png.rf.0123456789abcdef0123456789abcdef', f'3f2a1b4c-{NAME}', f'{NAME}.png'])
def test_names_of_yolo_files(tmp_path, name):
    """Roboflow's have points in them, Label Studio writes a notes.json beside them."""
    write(tmp_path / 'classes.txt', 'car\nwheel\n')
    write(tmp_path / 'notes.json', {'categories': [{'id': 0, 'name': 'car'}], 'info': {'contributor': 'Label Studio'}})
    (tmp_path / 'labels').mkdir()
    write(tmp_path / 'labels' / f'{name}.txt', '0 0 0 1 0 1 1 0 1\n')
    found = one(tmp_path, image_hw=SIZES)
    assert (found.name, set(''.join(rows(found.mask)))) == (NAME, {'c'})


@pytest.mark.parametrize('line', ['-1 0 0 1 0 1 1', '0.5 0 0 1 0 1 1', 'car 0 0 1 0 1 1', '0 0 0 1'])
def test_text_files_that_are_not_wholly_of_yolo_are_told(tmp_path, line, caplog):
    write(tmp_path / 'classes.txt', 'car\nwheel\n')
    write(tmp_path / f'{NAME}.txt', '0 0 0 1 0 1 1 0 1\n')
    write(tmp_path / 'seed0000001.txt', f'0 0 0 1 0 1 1 0 1\n{line}\n')
    assert one(tmp_path, image_hw=SIZES).name == NAME
    assert 'seed0000001.txt' in caplog.text and 'not all lines are' in caplog.text
    assert 'classes.txt' not in caplog.text
