"""The drawn world: labels belong to the picture, and are not to be had by colour alone."""

import hashlib
import json

import numpy as np
import PIL.Image
import pytest

from benchmarks.demo.rebuild import FIRST_HELD_OUT
from benchmarks.demo.world import (
    CLASSES,
    KEYPOINTS,
    LEFT_RIGHT_PAIRS,
    PALETTE,
    SKELETON,
    draw,
)
from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.metrics.segmentation import SegmentationScore

COUNT = 120
PART_OF = {
    'left_wheel': 'hub',
    'right_wheel': 'hub',
    'left_light': 'light',
    'right_light': 'light',
    'mirror': 'mirror',
    'plate': 'plate',
    'left_bumper': 'bumper',
    'right_bumper': 'bumper',
}


@pytest.fixture(scope='module')
def drawings():
    return [draw(seed) for seed in range(COUNT)]


def test_shapes_and_names():
    drawing = draw(3, 64)
    assert drawing.image.shape == (64, 64, 3) and drawing.image.dtype == np.uint8
    assert drawing.mask.shape == (64, 64) and drawing.mask.dtype == np.uint8
    assert drawing.keypoints.shape == (len(KEYPOINTS), 2) and drawing.keypoints.dtype == np.float32
    assert drawing.visibility.shape == (len(KEYPOINTS),)
    assert len(CLASSES) == len(set(PALETTE)) == 14
    assert {index for pair in (*LEFT_RIGHT_PAIRS, *SKELETON) for index in pair} <= set(range(len(KEYPOINTS)))


def test_a_seed_is_always_the_same_drawing():
    assert hashlib.sha256(draw(7).image.tobytes()).digest() == hashlib.sha256(draw(7).image.tobytes()).digest()
    assert (draw(7).image != draw(8).image).any()


@pytest.mark.parametrize('seed', range(8))
def test_a_seed_is_the_same_scene_at_every_resolution(seed):
    small, large = draw(seed, 64), draw(seed, 256)
    assert (large.mask[2::4, 2::4] == small.mask).mean() > 0.95
    coarse = large.image.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(coarse - small.image).mean() < 3
    both = (small.visibility > 0) & (large.visibility > 0)
    assert both.sum() >= 8
    assert np.abs(large.keypoints[both] / 4 - small.keypoints[both]).max() < 1e-3


def test_every_class_and_every_visibility_occurs(drawings):
    assert set(np.unique([drawing.mask for drawing in drawings])) == set(range(len(CLASSES)))
    visibility = np.stack([drawing.visibility for drawing in drawings])
    assert (visibility == VISIBLE).mean(axis=0).min() > 0.5
    assert (visibility == OCCLUDED).any() and (visibility == ABSENT).any(axis=0).sum() >= 3


def test_absent_keypoints_have_no_position(drawings):
    for drawing in drawings:
        assert (drawing.keypoints[drawing.visibility == ABSENT] == 0).all()
        there = drawing.keypoints[drawing.visibility > ABSENT]
        assert ((there >= 0) & (there < 128)).all()


@pytest.mark.parametrize('keypoint', PART_OF)
def test_visible_keypoints_are_on_their_part(drawings, keypoint):
    index, part = KEYPOINTS.index(keypoint), CLASSES.index(PART_OF[keypoint])
    hits = []
    for drawing in drawings:
        if drawing.visibility[index] == VISIBLE:
            x, y = drawing.keypoints[index].astype(int)
            hits.append((drawing.mask[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] == part).any())
    assert np.mean(hits) > 0.95


@pytest.mark.parametrize('left, right', LEFT_RIGHT_PAIRS)
def test_left_is_left_of_right(drawings, left, right):
    for drawing in drawings:
        if (drawing.visibility[[left, right]] > ABSENT).all():
            assert drawing.keypoints[left, 0] < drawing.keypoints[right, 0]


def test_colors_do_not_give_the_parts_away(drawings):
    """The best guess of a pixel's class from its colour and height alone, learned on half of the drawings."""

    def key(drawing):
        rows = np.broadcast_to(np.arange(128)[:, None] // 16, (128, 128))
        return (drawing.image // 32).astype(int) @ (64, 8, 1) + 512 * rows

    votes = np.zeros((512 * 8, len(CLASSES)), dtype=int)
    for drawing in drawings[::2]:
        np.add.at(votes, (key(drawing), drawing.mask), 1)
    score = SegmentationScore(len(CLASSES))
    for drawing in drawings[1::2]:
        score.add(drawing.mask, votes.argmax(axis=1)[key(drawing)].astype(np.uint8))
    assert score.mean_iou < 0.35


@pytest.mark.parametrize('index', range(0, 200, 20))
def test_the_drawings_that_ship_are_these(index):
    """But for what another version of Pillow rounds otherwise."""
    folder, drawing, name = DEMO_FOLDER / 'real', draw(FIRST_HELD_OUT + index), f'drawing{index:04d}.png'
    image, mask = (np.asarray(PIL.Image.open(folder / kind / name)) for kind in ('images', 'masks'))
    assert np.abs(image.astype(int) - drawing.image).mean() < 1
    assert (mask == drawing.mask).mean() > 0.99
    annotation = json.loads((folder / 'keypoints.json').read_text())['annotations'][index]
    flat = np.column_stack([drawing.keypoints, drawing.visibility])
    assert np.allclose(np.reshape(annotation['keypoints'], (-1, 3)), flat, atol=0.01)
