"""The same picture is known again, another one is not."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import datasetgan_ext
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.downstream.recognition import TOLERANCE, Pictures, thumbnail


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """Smooth pictures of different colours."""
    random = np.random.RandomState(seed)
    small = random.randint(0, 256, (count, 6, 5, 3), dtype=np.uint8)
    return [np.asarray(PIL.Image.fromarray(image).resize((40, 48))) for image in small]


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, 'JPEG', quality=quality)
    return np.asarray(PIL.Image.open(buffer))


def test_a_thumbnail_has_the_means_of_fields():
    image = np.zeros((16, 32, 3), np.uint8)
    image[:2, :4] = (10, 20, 30)
    image[2:4, 4:8, 1] = 100
    found = thumbnail(image).reshape(8, 8, 3)
    assert found[0, 0].tolist() == [10, 20, 30] and found[1, 1].tolist() == [0, 100, 0] and found.sum() == 160


@pytest.mark.parametrize('quality', [50, 75, 95])
def test_pictures_are_known_after_jpeg(quality):
    paths = sorted((Path(datasetgan_ext.__file__).parent / 'demo' / 'samples' / 'images').glob('*.png'))
    images = [read_rgb(path) for path in paths]
    again = Pictures.of([as_jpeg(image, quality) for image in images])
    assert again.are_among(Pictures.of(images)).all()
    assert not again.take(np.arange(20)).are_among(Pictures.of(images[20:])).any()


def test_the_limit_is_a_root_mean_square():
    image = np.full((8, 8, 3), 100, np.uint8)
    known = Pictures.of([image, *pictures(3)])
    for change, same in ((TOLERANCE, True), (TOLERANCE + 1, False)):
        assert Pictures.of([image + np.uint8(change)]).are_among(known).tolist() == [same]
    # a quarter of the values, twice as far off
    for change, same in ((2 * TOLERANCE, True), (2 * TOLERANCE + 1, False)):
        other = image.copy()
        other[:4, 4:] += np.uint8(change)
        assert Pictures.of([other]).are_among(known).tolist() == [same]


def test_none_and_the_same_twice():
    one = Pictures.of(pictures(3))
    assert Pictures.of([]).are_among(one).tolist() == [] and not one.are_among(Pictures.none()).any()
    merged = Pictures.merged([one, one])
    assert len(merged.numbers) == len(merged.thumbnails) == 3 and one.are_among(merged).all()


def test_without_thumbnails_pixels_alone_count():
    images = pictures(3)
    old = Pictures(Pictures.of(images[:1]).numbers, Pictures.none().thumbnails)
    assert Pictures.of(images).are_among(old).tolist() == [True, False, False]
