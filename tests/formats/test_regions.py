"""Outlines of regions, worked out by hand."""

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from datasetgan_ext.formats.regions import ConnectedRegion, find_polygons, find_regions


def polygons(rows: list[str]) -> list[list[list[int]]]:
    pixels = np.array([[letter == '#' for letter in row] for row in rows])
    return [polygon.tolist() for polygon in find_polygons(ConnectedRegion(1, (10, 20, *pixels.shape[::-1]), pixels))]


def test_a_pixel_and_a_corner():
    assert polygons(['#']) == [[[10, 20], [11, 20], [11, 21], [10, 21]]]
    assert polygons(['##', '#.']) == [[[10, 20], [12, 20], [12, 21], [11, 21], [11, 22], [10, 22]]]


def test_pixels_that_touch_by_a_corner_have_an_outline_each():
    assert polygons(['#.', '.#']) == [
        [[10, 20], [11, 20], [11, 21], [10, 21]],
        [[11, 21], [12, 21], [12, 22], [11, 22]],
    ]


def test_a_ring_is_cut_through_its_hole():
    assert polygons(['###', '#.#', '###']) == [
        [[10, 20], [11, 20], [11, 23], [10, 23]],
        [[11, 20], [13, 20], [13, 23], [11, 23], [11, 22], [12, 22], [12, 21], [11, 21]],
    ]


def test_what_touches_the_outside_by_a_corner_is_no_hole():
    found = polygons(['###', '#.#', '##.'])
    assert len(found) == 1 and found[0].count([12, 22]) == 2


@pytest.mark.parametrize('density', [0.3, 0.5, 0.7, 0.95])
def test_all_outlines_together_are_the_mask(density):
    """Painted by another hand: a pixel is inside if its centre is."""
    mask = (np.random.RandomState(0).rand(30, 40) < density).astype(np.uint8)
    again = np.zeros(mask.shape, int)
    for region in find_regions(mask):
        for polygon in find_polygons(region):
            # at three times the size, the middle pixels are never on an outline
            image = PIL.Image.new('L', (3 * 40, 3 * 30))
            PIL.ImageDraw.Draw(image).polygon([tuple(corner) for corner in (3 * polygon - 0.5).tolist()], fill=1)
            again += np.asarray(image)[1::3, 1::3]
    assert np.array_equal(again, mask), 'each pixel once'
