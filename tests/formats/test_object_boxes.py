"""A rectangle beside an outline of its class: the box of an object, as detectors take it, or a region."""

from __future__ import annotations

import numpy as np
import pytest

from datasetgan_ext.formats.folder import TRAIN, name_of_record
from datasetgan_ext.formats.labels import read_annotations
from tests.helpers.datasets import HW, TASK, converted, make_dataset
from tests.helpers.known_tools import (
    datumaro_annotation,
    datumaro_file,
    supervisely_file,
    supervisely_object,
    via_file,
    via_region,
)
from tests.helpers.trials import (
    NAMES,
    SEED0,
    SIDE,
    cases,
    cvat,
    flat,
    label_studio,
    label_studio_polygon,
    labelme,
    labelme_shape,
    names_all,
    read,
    refusal,
    text_classes,
    write,
)

BOX = [20, 40, 100, 90]
L_SHAPE = [[20, 40], [100, 40], [100, 60], [40, 60], [40, 90], [20, 90]]
DOOR = [50, 45, 60, 55]
"""Left, top, right, bottom; it lies within the outline."""
WINDOW = [70, 70, 90, 85]
"""It lies within the box, and outside the outline."""


def region(corners=None, box=None) -> np.ndarray:
    """Bool [128, 128] of a box, or of the outline of an L."""
    mask = np.zeros((SIDE, SIDE), bool)
    if box is not None:
        mask[box[1] : box[3], box[0] : box[2]] = True
    else:
        mask[40:60, 20:100] = mask[40:90, 20:40] = True
    return mask


# Each tool: shapes are (class, corners of an outline or a box, group) in the order in which they are drawn.


def labelme_file(shapes) -> tuple[str, object]:
    found = [
        labelme_shape(label, place, 'polygon', group_id=group)
        if isinstance(place[0], list)
        else labelme_shape(label, [place[:2], place[2:]], 'rectangle', group_id=group)
        for label, place, group in shapes
    ]
    return f'{SEED0}.json', labelme(shapes=()) | {'shapes': found}


def cvat_file(shapes) -> tuple[str, object]:
    elements = []
    for label, place, group in shapes:
        joined = '' if group is None else f' group_id="{group}"'
        if isinstance(place[0], list):
            points = ';'.join(f'{x},{y}' for x, y in place)
            elements.append(f'<polygon label="{label}" points="{points}" z_order="0"{joined}></polygon>')
        else:
            left, top, right, bottom = place
            elements.append(
                f'<box label="{label}" xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" z_order="0"{joined}></box>'
            )
    return 'annotations.xml', cvat(elements)


def datumaro(shapes) -> tuple[str, object]:
    annotations = []
    for label, place, group in shapes:
        content = {'label_id': NAMES.index(label), 'group': group or 0}
        if isinstance(place[0], list):
            annotations.append(datumaro_annotation(points=flat(place), **content))
        else:
            left, top, right, bottom = place
            annotations.append(datumaro_annotation('bbox', bbox=[left, top, right - left, bottom - top], **content))
    image = {'path': f'{SEED0}.png', 'size': [SIDE, SIDE]}
    content = datumaro_file(*annotations, id=SEED0, image=image)
    content['categories']['label']['labels'] = [{'name': name, 'parent': '', 'attributes': []} for name in NAMES]
    return 'default.json', content


def via(shapes) -> tuple[str, object]:
    regions = []
    for label, place, _ in shapes:
        if isinstance(place[0], list):
            corners = {'all_points_x': [x for x, _ in place], 'all_points_y': [y for _, y in place]}
            regions.append(via_region('polygon', {'type': label}, **corners))
        else:
            left, top, right, bottom = place
            sides = {'x': left, 'y': top, 'width': right - left, 'height': bottom - top}
            regions.append(via_region('rect', {'type': label}, **sides))
    return 'via.json', via_file(*regions, name=f'{SEED0}.png')


def supervisely(shapes) -> tuple[str, object]:
    objects = [
        supervisely_object(
            'polygon' if isinstance(place[0], list) else 'rectangle',
            label,
            points={
                # whole numbers would be pixels, the last of them within
                'exterior': [
                    [x + 1e-6, y + 1e-6] for x, y in (place if isinstance(place[0], list) else (place[:2], place[2:]))
                ],
                'interior': [],
            },
        )
        for label, place, _ in shapes
    ]
    return f'{SEED0}.png.json', supervisely_file(*objects) | {'size': {'height': SIDE, 'width': SIDE}}


def label_studio_file(shapes) -> tuple[str, object]:
    results = []
    for number, (label, place, _) in enumerate(shapes):
        result = label_studio_polygon(label, place if isinstance(place[0], list) else [], id=f'id{number}')
        if not isinstance(place[0], list):
            left, top, right, bottom = (100 * value / SIDE for value in place)
            sides = {'x': left, 'y': top, 'width': right - left, 'height': bottom - top, 'rotation': 0}
            result |= {'type': 'rectanglelabels', 'value': {**sides, 'rectanglelabels': [label]}}
        results.append(result)
    return 'tasks.json', label_studio(results)


WITH_GROUPS = {'labelme': labelme_file, 'cvat': cvat_file, 'datumaro': datumaro}
TOOLS = WITH_GROUPS | {'via': via, 'supervisely': supervisely, 'label-studio': label_studio_file}


def mask_of(tool: str, shapes, folder) -> np.ndarray:
    name, content = TOOLS[tool](shapes)
    return read(write(folder / 'labels' / name, content), text_classes(folder)).masks[SEED0]


def expected(*painted: tuple[str, np.ndarray]) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for label, where in painted:
        mask[where] = NAMES.index(label)
    return mask


@pytest.mark.parametrize('tool', cases(WITH_GROUPS))
@pytest.mark.parametrize(
    'shapes',
    [
        [('car', L_SHAPE, 7), ('car', BOX, 7)],
        [('car', BOX, 7), ('car', L_SHAPE, 7)],
        [('car', L_SHAPE, 7), ('car', [19.4, 39.5, 100.3, 90.9], 7)],
        [('car', [20, 40, 100, 60], 7), ('car', [20, 60, 40, 90], 7), ('car', BOX, 7)],
    ],
    ids=['after', 'before', 'rounded', 'around two rectangles'],
)
def test_the_box_of_a_group_covers_nothing(tool, shapes, tmp_path):
    name, content = TOOLS[tool](shapes)
    found = read(write(tmp_path / 'labels' / name, content), text_classes(tmp_path))
    np.testing.assert_array_equal(found.masks[SEED0], expected(('car', region())))
    names_all(found.said, '1 rectangles', 'boxes of objects')


@pytest.mark.parametrize('tool', cases(WITH_GROUPS))
def test_a_rectangle_beside_the_outlines_of_its_group_is_a_part(tool, tmp_path):
    """Two pieces of one object."""
    mask = mask_of(tool, [('car', L_SHAPE, 7), ('car', WINDOW, 7)], tmp_path)
    np.testing.assert_array_equal(mask, expected(('car', region() | region(box=WINDOW))))


@pytest.mark.parametrize('tool', cases(WITH_GROUPS))
def test_one_of_two_equal_rectangles_of_a_group_stays(tool, tmp_path):
    mask = mask_of(tool, [('car', BOX, 7), ('car', BOX, 7)], tmp_path)
    np.testing.assert_array_equal(mask, expected(('car', region(box=BOX))))


@pytest.mark.parametrize('tool', cases(TOOLS))
@pytest.mark.parametrize(
    'shapes',
    [
        [('car', L_SHAPE, None), ('car', BOX, None)],
        [('car', BOX, None), ('car', L_SHAPE, None)],
        [('car', L_SHAPE, None), ('window', DOOR, None), ('car', BOX, None)],
    ],
    ids=['after', 'before', 'over another'],
)
def test_without_a_group_both_readings_are_named(tool, shapes, tmp_path):
    name, content = TOOLS[tool](shapes)
    message = refusal(write(tmp_path / 'labels' / name, content), text_classes(tmp_path))
    names_all(message, SEED0, 'car', 'rectangle', 'outline', 'box of the object', 'delete', 'group')


@pytest.mark.parametrize('tool', cases(TOOLS))
def test_what_can_be_seen_is_as_it_was_drawn(tool, tmp_path):
    """A part of another class in a rectangle, and a piece of the rectangle's class within that part."""
    hole = [[55, 48], [58, 48], [58, 52], [55, 52]]
    mask = mask_of(tool, [('car', BOX, None), ('window', DOOR, None), ('car', hole, None)], tmp_path)
    wall = region(box=[55, 48, 58, 52])
    np.testing.assert_array_equal(mask, expected(('car', region(box=BOX)), ('window', region(box=DOOR)), ('car', wall)))


@pytest.mark.parametrize('tool', cases(TOOLS))
def test_rectangles_alone_are_regions(tool, tmp_path):
    mask = mask_of(tool, [('car', BOX, None), ('wheel', DOOR, None), ('car', WINDOW, None)], tmp_path)
    np.testing.assert_array_equal(mask, expected(('car', region(box=BOX)), ('wheel', region(box=DOOR))))


def test_what_datumaro_makes_of_our_own_coco(tmp_path):
    """Imported and exported by Datumaro, our masks come back: it writes a box beside each outline."""
    datumaro_module = pytest.importorskip('datumaro')
    dataset = make_dataset(tmp_path / 'dataset')
    loaded = datumaro_module.Dataset.import_from(str(converted(dataset, 'coco')), 'coco_instances')
    truth = {name_of_record(record): dataset.mask(record) for record in dataset.kept(0.3, TRAIN)}
    for tool, place in (('cvat', 'train.xml'), ('datumaro', 'annotations/train.json')):
        loaded.export(str(tmp_path / tool), tool, save_media=False)
        sizes = dict.fromkeys(truth, HW)
        found = read_annotations(TASK.only(True, False), tmp_path / tool / place, None, image_hw=sizes)
        assert len(found) > 5
        for one in found:
            np.testing.assert_array_equal(one.mask, truth[one.name])


@pytest.mark.parametrize('tool', cases(WITH_GROUPS))
def test_a_rectangle_within_another_of_its_group_makes_it_no_object_box(tool, tmp_path):
    """No outline is there whose box the outer one could be, and it is larger than what it has in it."""
    for shapes in ([('car', BOX, 7), ('car', DOOR, 7)], [('car', DOOR, 7), ('car', WINDOW, 7), ('car', BOX, 7)]):
        np.testing.assert_array_equal(mask_of(tool, shapes, tmp_path), expected(('car', region(box=BOX))))
