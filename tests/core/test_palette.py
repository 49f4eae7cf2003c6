"""Colours of classes: how well they can be told apart, and that those of keypoints stay."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.palette import EYES, choose, ciede2000, lab, least_difference
from datasetgan_ext.core.palette import BEST, distinct_colors, is_made_up, spread_colors


@pytest.mark.parametrize(
    'one, other, expected',
    [  # table 1 of Sharma, Wu & Dalal 2005
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_are_those_of_the_paper(one, other, expected):
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(expected, abs=1e-4)


def test_known_colors_in_cielab():
    assert lab([255, 255, 255]) == pytest.approx([100, 0, 0], abs=0.02)
    assert lab([255, 0, 0]) == pytest.approx([53.24, 80.09, 67.2], abs=0.02)
    assert lab([77, 77, 77], 'deutan') == pytest.approx(lab([77, 77, 77]), abs=0.05)  # grey is grey for all


@pytest.mark.parametrize('count, least', [(5, 25), (10, 13.4), (14, 10.7), (20, 8.6), (34, 5.6), (40, 5.1)])
def test_classes_are_told_apart_by_all_eyes(count, least):
    colors = np.array(distinct_colors(count))
    found = {eye: least_difference(colors, eye) for eye in EYES}
    assert min(found.values()) >= least and found['normal'] == max(found.values())


def test_the_colors_are_those_that_are_chosen():
    assert distinct_colors(40) == BEST == [tuple(color) for color in choose(40).tolist()]
    assert len(set(distinct_colors(255))) == 255
    assert distinct_colors(255)[:60] == distinct_colors(60)  # a class more changes none


def test_colors_of_keypoints_stay():
    assert spread_colors(4) == [(0, 0, 0), (255, 255, 255), (0, 109, 255), (109, 255, 0)]


def test_made_up_colors_are_known_also_those_of_earlier_versions():
    assert is_made_up(distinct_colors(7)) and is_made_up(tuple(spread_colors(7)))
    assert not is_made_up(distinct_colors(8)[1:])
