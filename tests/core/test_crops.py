"""From a photo to an image of a network's size, and its labels with it."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation, Keypoints
from datasetgan_ext.core.crops import Crop, crop_of
from datasetgan_ext.core.errors import UserError


@pytest.mark.parametrize(
    'transform, photo_hw, image_hw, box',
    [
        ('center-crop', (200, 300), (64, 64), (50, 0, 250, 200)),
        ('center-crop', (301, 200), (64, 64), (0, 50, 200, 250)),  # rounds down, as upstream does
        ('center-crop', (2000, 3000), (384, 512), (166, 0, 2833, 2000)),
        ('center-crop', (10, 10), (64, 64), (0, 0, 10, 10)),
        ('center-crop-wide', (400, 512), (384, 512), (0, 0, 512, 400)),
        ('center-crop-wide', (800, 1024), (384, 512), (0, 200, 1024, 600)),
        ('stretch', (200, 300), (64, 64), (0, 0, 300, 200)),
    ],
)
def test_the_part_that_is_taken(transform, photo_hw, image_hw, box):
    assert crop_of(transform, photo_hw, image_hw).box == box


def test_photos_that_upstream_passes_over_are_refused():
    with pytest.raises(UserError, match=r'500 x 400 pixels: `transform`=center-crop-wide takes photos of .* 512, and'):
        crop_of('center-crop-wide', (400, 500), (384, 512))
    with pytest.raises(UserError, match='at least 384 high'):
        crop_of('center-crop-wide', (380, 512), (384, 512))
    with pytest.raises(UserError, match='`transform`=wide is none of center-crop, center-crop-wide, stretch'):
        crop_of('wide', (380, 512), (384, 512))


def test_a_picture_is_cut_out_and_resized():
    photo = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype(np.uint8)
    made = crop_of('center-crop', (20, 30), (10, 10)).picture(photo)
    expected = PIL.Image.fromarray(photo[:, 5:25]).resize((10, 10), PIL.Image.Resampling.LANCZOS)
    assert np.array_equal(made, np.asarray(expected))


def test_a_mask_has_the_class_at_the_centre_of_each_pixel():
    photo_hw, image_hw = (2000, 3000), (128, 128)
    crop = crop_of('center-crop', photo_hw, image_hw)
    drawn = PIL.Image.new('L', (3000, 2000))
    corners = np.array([(900.0, 300.0), (2100.0, 700.0), (1300.0, 1800.0)])
    PIL.ImageDraw.Draw(drawn).polygon([tuple(corner) for corner in corners], fill=1)
    mask = crop.mask(np.asarray(drawn))
    assert mask.shape == image_hw
    # the true mask at the network's size: which centres of its pixels are in the polygon
    across = (np.arange(128) + 0.5) * 2000 / 128 + 500
    down = (np.arange(128) + 0.5) * 2000 / 128
    x, y = np.meshgrid(across, down)
    sides = [
        (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0))
    ]
    inside = np.all(np.array(sides) >= 0, axis=0)
    lengths = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    away = np.min(np.abs(np.array(sides)) / lengths[:, None, None], axis=0) / (2000 / 128)
    assert inside.any() and np.array_equal(mask[away > 0.15], inside[away > 0.15])  # of a pixel


def test_keypoints_are_moved_exactly_and_absent_outside():
    crop = Crop((200, 300), (50, 0, 250, 200), (100, 50))
    points = Keypoints(
        np.array([[50, 0], [150, 100], [250, 200], [49, 10], [10, 10]], np.float32),
        np.array([VISIBLE, OCCLUDED, VISIBLE, VISIBLE, ABSENT], np.uint8),
    )
    moved = crop.keypoints(points)
    assert moved.points[:3].tolist() == [[0, 0], [25, 50], [50, 100]]
    assert moved.visibility.tolist() == [VISIBLE, OCCLUDED, VISIBLE, ABSENT, ABSENT]
    assert points.visibility.tolist()[3] == VISIBLE  # the photo's own stay


def test_a_mask_of_another_size_is_refused():
    crop = crop_of('center-crop', (20, 30), (10, 10))
    with pytest.raises(UserError, match=r'a.png is 20x31, the photo a is 20x30 \(height x width\)'):
        crop.annotation(Annotation('a', np.zeros((20, 31), np.uint8), Path('a.png')))
