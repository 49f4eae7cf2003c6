"""Which pixels a shape covers, by hand; and the shapes that are refused."""

import numpy as np
import pytest

from datasetgan_ext.formats.shapes import (
    Bitmap,
    Ellipse,
    NoArea,
    Polygon,
    ShapeError,
    Together,
    bits_from_runs,
    box,
    self_crossing,
)


def painted(region, height=5, width=6) -> list[str]:
    mask = np.zeros((height, width), np.uint8)
    region.paint(mask, 1)
    return [''.join('.#'[value] for value in row) for row in mask]


@pytest.mark.parametrize(
    'region',
    [
        box(1, 2, 4, 4),
        box(4, 4, 1, 2),
        Polygon([(1, 2), (4, 2), (4, 4), (1, 4)]),
        Polygon([(1, 4), (4, 4), (4, 2), (1, 2)]),
        box(0.6, 1.6, 4.4, 4.4),
        box(1.5, 1.6, 3.5, 4.4, degrees=90),
        box(4, 2, 6, 5, degrees=90, pivot=(4, 2)),
        Bitmap(np.ones((2, 3), bool), 1, 2),
    ],
)
def test_boxes_cover_the_pixels_whose_centers_are_inside(region):
    expected = ['......', '......', '.###..', '.###..', '......']
    assert painted(region) == expected


def test_triangle():
    # row r holds the centres up to x < 4 - (r + 0.5); the diagonal runs through no centre
    assert painted(Polygon([(0, 0), (4.2, 0), (0, 4.2)])) == ['####..', '###...', '##....', '#.....', '......']


def test_neighbors_share_no_pixel_and_leave_none_out():
    rng = np.random.RandomState(0)
    for _ in range(50):
        first, second = rng.rand(2, 2) * 40
        counts = np.zeros((40, 40), np.uint8)
        side = second - first
        far = np.array([-side[1], side[0]]) * 0.3
        for corners in ((first, second, first + far), (second, first, first - far)):
            if all(((corner >= 0) & (corner <= 40)).all() for corner in corners):
                mask = np.zeros_like(counts)
                Polygon(np.array(corners)).paint(mask, 1)
                counts += mask
        assert counts.max() <= 1
    left, right = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    Polygon([(0, 0), (13.37, 0), (27.9, 40), (0, 40)]).paint(left, 1)
    Polygon([(27.9, 40), (13.37, 0), (40, 0), (40, 40)]).paint(right, 1)
    assert (left + right == 1).all()


def test_polygon_with_a_hole_that_is_cut_open():
    ring = [(0, 0), (6, 0), (6, 5), (0, 5), (0, 0), (2, 1), (2, 4), (4, 4), (4, 1), (2, 1)]
    assert painted(Polygon(ring)) == ['######', '##..##', '##..##', '##..##', '######']


def test_circle_and_ellipse():
    assert painted(Ellipse((3, 2.5), (2.1, 2.1))) == ['..##..', '.####.', '.####.', '.####.', '..##..']
    flat = Ellipse((3, 2.5), (2.1, 0.6))
    assert painted(flat) == ['......', '......', '.####.', '......', '......']
    assert painted(Ellipse((3, 2.5), (0.6, 2.1), 90)) == painted(flat)
    corner = np.zeros((40, 40), np.uint8)
    Ellipse((0, 0), (10, 10)).paint(corner, 1)
    assert corner[0, 9] == corner[9, 0] == 1 and corner[9, 9] == 0 and corner[10:].sum() == 0
    turned = np.zeros((40, 40), np.uint8)
    Ellipse((20, 20), (15, 3), 45).paint(turned, 1)
    assert turned[28, 28] == 1 and turned[11, 28] == 0, 'clockwise: from the upper left to the lower right'


def test_a_part_within_another_is_no_part():
    """Tools that lose holes write them so; filled, the hole would be of the class. Once more the same is no hole."""
    outer, inner, crumb = box(0, 0, 6, 6), box(2, 2, 4, 4), box(2.2, 2.2, 3, 3)
    for parts in ([outer, inner], [inner, outer]):
        with pytest.raises(ShapeError, match=r'begins at \(2, 2\) lies within the others. If it is a hole'):
            painted(Together(parts))
    assert painted(Together([outer, crumb, box(0, 0, 6, 6)])) == 5 * ['######']
    assert painted(Together([box(0, 0, 3, 3), box(2, 2, 4, 4)]))[:4] == ['###...', '###...', '####..', '..##..']


def test_parts_together_and_cut_off_at_the_border():
    assert painted(Together([box(0, 0, 1, 1), box(5, 4, 7, 6)])) == ['#.....', '......', '......', '......', '.....#']
    assert painted(Bitmap(np.ones((2, 2), bool), -1, 4)) == ['......', '......', '......', '......', '#.....']


@pytest.mark.parametrize(
    'region, message',
    [
        (Polygon([(0, 0), (4, 4), (4, 0), (0, 4)]), r'crosses itself near \(2, 2\)'),
        (Polygon([(0, 0), (5, 0), (5, 5), (1, -2.5)]), 'crosses itself'),
        (Polygon([(0, 0), (1, 1)]), 'three corners or more, it has 2'),
        (Polygon([]), 'it has 0'),
        (Polygon([(8, 0), (9, 0), (9, 3)]), 'outside the image of 6 x 5 pixels: it covers columns 8 to 9'),
        (Together([Polygon([(0, -4), (2, -1.1), (2, -3)])]), 'outside the image'),
        (Together([]), 'no part'),
        (Ellipse((3, 3), (0, 1)), 'radius'),
        (Ellipse((3, 9), (9, 2)), 'outside the image'),
        (Bitmap(np.ones((7, 1), bool), left=8), 'outside the image of .* rows 0 to 7'),
        (NoArea('a line'), 'a line'),
    ],
)
def test_shapes_that_are_refused(region, message):
    with pytest.raises(ShapeError, match=message):
        painted(region)


@pytest.mark.parametrize(
    'values',
    [
        [(0, 0), (1, float('nan'))],
        [(0, 0), (1, float('inf'))],
        [(0, 0), (1, 'x')],
        [(0, 0), (1,)],
        [(0, 0, 0)],
        3,
        None,
        [[[1, 2]]],
    ],
)
def test_coordinates_that_are_no_points(values):
    with pytest.raises(ShapeError):
        Polygon(values)


def test_touching_is_no_crossing():
    assert self_crossing(np.array([(0, 0), (2, 2), (4, 0), (4, 4), (2, 2), (0, 4)], float)) is None
    assert self_crossing(np.array([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], float)) is None
    many = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    assert self_crossing(np.stack([np.cos(many), np.sin(many)], axis=1) * 100) is None


@pytest.mark.parametrize('digits', [2, 3, 6])
def test_touching_corners_that_were_rounded_do_not_cross(digits):
    corners = 25 * np.array([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], float)
    deep = corners - np.array([(0, 0), (0, 0), (0, 0), (0, 0.5), (0, 0)])
    for angle in np.radians(np.arange(180)):
        turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        assert self_crossing((corners @ turn).round(digits)) is None
        assert self_crossing((deep @ turn).round(digits)) is not None


def test_runs():
    assert bits_from_runs([1, 2, 0, 1], 4).tolist() == [False, True, True, True]
    assert bits_from_runs([], 0).tolist() == []
    for runs in ([1, 2], [5], [-1, 5], [2**62, 2**62, 2**62, 2**62, 4], 'x', [1, 'x'], [10**30], None):
        with pytest.raises(ShapeError, match='run lengths'):
            bits_from_runs(runs, 4)


def test_an_outline_that_would_take_minutes_is_refused():
    x = np.linspace(0, 100, 20_000)
    tall = np.stack([x, np.where(np.arange(len(x)) % 2, 0, 90)], axis=1)
    with pytest.raises(ShapeError, match='has 20000 corners, too many to check'):
        Polygon(tall).paint(np.zeros((100, 100), np.uint8), 1)


def test_an_outline_of_many_short_edges_is_painted():
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    mask = np.zeros((100, 100), np.uint8)
    Polygon(np.stack([50 + 40 * np.cos(angle), 50 + 40 * np.sin(angle)], axis=1)).paint(mask, 1)
    assert mask.sum() == pytest.approx(np.pi * 40**2, rel=0.01)


def test_a_coordinate_beyond_all_images_is_refused():
    with pytest.raises(ShapeError, match='beyond 1e\\+09'):
        Polygon([(0, 0), (1e308, 0), (5, 5)])
