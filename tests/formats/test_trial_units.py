"""Coordinates as shares of the sides, as YOLO and networks have them, in the files of tools that have another unit."""

from __future__ import annotations

import copy
import json

import pytest

from tests.helpers.trial_tools import datumaro, via
from tests.helpers.trials import (
    KEYPOINTS,
    SEED0,
    SHAPES,
    SIDE,
    cases,
    coco,
    cvat,
    json_classes,
    label_studio,
    label_studio_polygon,
    labelme,
    labelme_shape,
    names_all,
    read,
    refusal,
    text_classes,
    true_mask,
    write,
)

SHARES = [(label, [[x / SIDE, y / SIDE] for x, y in corners]) for label, corners in SHAPES]


def _cvat(folder):
    elements = [
        f'<polygon label="{label}" occluded="0" points="{";".join(f"{x},{y}" for x, y in corners)}" z_order="0"/>'
        for label, corners in SHARES
    ]
    return write(folder / 'l.xml', cvat(elements))


def _scaled(content, factor: float):
    """All lists of numbers under "points" and the like, times a factor."""
    if isinstance(content, dict):
        return {
            key: [value * factor for value in inside]
            if key in ('points', 'all_points_x', 'all_points_y') and isinstance(inside[0], (int, float))
            else _scaled(inside, factor)
            for key, inside in content.items()
        }
    return [_scaled(inside, factor) for inside in content] if isinstance(content, list) else content


def _rewritten(make):
    def written(folder):
        path = make(folder)
        return write(path, _scaled(json.loads(path.read_text()), 1 / SIDE))

    return written


def _label_studio(folder):
    """From 0 to 1 in place of 0 to 100."""
    hundredths = [(label, [[SIDE * x / 100 for x in corner] for corner in corners]) for label, corners in SHARES]
    results = [label_studio_polygon(label, corners) for label, corners in hundredths]
    return write(folder / 'l.json', label_studio(results))


REGIONS = {
    'labelme': lambda folder: write(folder / f'{SEED0}.json', labelme(SHARES)),
    'labelme rectangles': lambda folder: write(
        folder / f'{SEED0}.json',
        labelme() | {'shapes': [labelme_shape(label, corners[::2], 'rectangle') for label, corners in SHARES]},
    ),
    'coco': lambda folder: write(
        folder / 'l.json', coco([[[value for corner in corners for value in corner]] for _, corners in SHARES])
    ),
    'cvat': _cvat,
    'via': _rewritten(via),
    'datumaro': _rewritten(datumaro),
    'label studio': _label_studio,
}


@pytest.mark.parametrize('tool', cases(REGIONS))
def test_regions_in_shares_of_the_sides_are_refused(tmp_path, tool):
    """In pixels, all of them lie in the image's first one."""
    names_all(refusal(REGIONS[tool](tmp_path / 'labels'), text_classes(tmp_path)), SEED0, 'shares')


POINTS = ((0.3, 0.7), (0.7, 0.72))


def _result(name: str, x: float, y: float) -> dict:
    return label_studio_polygon(name, []) | {
        'id': name,
        'type': 'keypointlabels',
        'value': {'x': x, 'y': y, 'width': 0.1, 'keypointlabels': [name]},
    }


KEYPOINT_FILES = {
    'labelme': lambda folder: write(folder / f'{SEED0}.json', labelme([], points=list(zip(KEYPOINTS, POINTS)))),
    'cvat': lambda folder: write(
        folder / 'l.xml',
        cvat([f'<points label="{name}" occluded="0" points="{x},{y}"/>' for name, (x, y) in zip(KEYPOINTS, POINTS)]),
    ),
    'label studio': lambda folder: write(
        folder / 'l.json', label_studio([_result(name, x, y) for name, (x, y) in zip(KEYPOINTS, POINTS)])
    ),
}


@pytest.mark.parametrize('tool', cases(KEYPOINT_FILES))
def test_keypoints_in_shares_of_the_sides_are_refused(tmp_path, tool):
    labels = KEYPOINT_FILES[tool](tmp_path / 'labels')
    names_all(refusal(labels, json_classes(tmp_path, keypoints=KEYPOINTS)), SEED0, 'shares')


def test_a_small_thing_in_the_corner_of_the_image_is_one(tmp_path):
    """With corners at whole numbers it is the first pixel; one keypoint there is a place."""
    first = [[0, 0], [1, 0], [1, 1], [0, 1]]
    found = read(write(tmp_path / 'labels' / f'{SEED0}.json', labelme([('car', first)])), text_classes(tmp_path))
    assert found.masks[SEED0].sum() == found.masks[SEED0][0, 0] == 1
    labels = write(tmp_path / 'labels' / f'{SEED0}.json', labelme([], points=[(KEYPOINTS[0], (0.5, 0.5))]))
    found = read(labels, json_classes(tmp_path, keypoints=KEYPOINTS))
    assert found.keypoints[SEED0] == [(0.5, 0.5, 2), (0, 0, 0)]
    labels = write(tmp_path / 'labels' / f'{SEED0}.json', labelme([*SHAPES, ('car', copy.deepcopy(SHARES[0][1]))]))
    assert (read(labels, text_classes(tmp_path)).masks[SEED0] != true_mask()).sum() <= 1
