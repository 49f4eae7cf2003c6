"""Keypoint scores against cases worked out by hand."""

import numpy as np
import pytest

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.metrics.keypoints import KeypointScore


def keypoints(*rows) -> Keypoints:
    values = np.array(rows, dtype=np.float32)
    return Keypoints(values[:, :2], values[:, 2].astype(np.uint8))


def test_distances_and_shares():
    score = KeypointScore((384, 512))
    # 3-4-5, exact, missed, rightly absent, wrongly found
    score.add(
        keypoints((10, 10, VISIBLE), (50, 50, OCCLUDED), (90, 10, VISIBLE), (0, 0, ABSENT), (0, 0, ABSENT)),
        keypoints((13, 14, VISIBLE), (50, 50, VISIBLE), (0, 0, ABSENT), (0, 0, ABSENT), (9, 9, VISIBLE)),
    )
    figures = score.to_json()
    assert figures['keypoints'] == 3 and figures['found'] == 2
    assert figures['absent'] == 2 and figures['absent_called_absent'] == 1
    assert figures['mean_error_px'] == pytest.approx(2.5)
    assert figures['l2'] == pytest.approx((5 / 512) ** 2 / 2)
    assert figures['pck_at_5_of_512'] == pytest.approx(2 / 3)
    assert score.pck(4.9) == pytest.approx(1 / 3)
    assert figures['pck_at_a_tenth_of_the_object'] == pytest.approx(2 / 3)  # the object is 80 wide


def test_thresholds_scale_with_the_image():
    score = KeypointScore((64, 64))
    score.add(keypoints((10, 10, VISIBLE), (20, 10, VISIBLE)), keypoints((10.6, 10, VISIBLE), (22.1, 10, VISIBLE)))
    figures = score.to_json()
    assert figures['pck_at_5_of_512'] == 0.5 and figures['pck_at_2_of_64'] == 0.5 and figures['pck_at_25_of_512'] == 1


def test_the_object_is_what_the_mask_shows():
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[10:20, 5:45] = 2
    score = KeypointScore((64, 64))
    score.add(keypoints((10, 10, VISIBLE)), keypoints((13.9, 10, VISIBLE)), mask)
    score.add(keypoints((10, 10, VISIBLE)), keypoints((14.1, 10, VISIBLE)), mask)
    assert score.pck_by_object == 0.5


def test_nothing_to_score():
    score = KeypointScore((64, 64))
    score.add(keypoints((0, 0, ABSENT)), keypoints((0, 0, ABSENT)))
    assert score.to_json()['mean_error_px'] is None and 'none found' in score.table()


def test_merged_scores_are_those_of_all_images():
    pairs = [
        (keypoints((10, 10, VISIBLE), (0, 0, ABSENT)), keypoints((10.5 + shift, 10, VISIBLE), (0, 0, shift)))
        for shift in range(3)
    ]
    apart, together = [KeypointScore((64, 48)) for _ in pairs], KeypointScore((64, 48))
    for score, pair in zip(apart, pairs):
        score.add(*pair)
        together.add(*pair)
    assert KeypointScore.merged(apart).to_json() == together.to_json()


def test_errors_of_heatmaps_are_averaged_over_those_that_have_one():
    first, second = KeypointScore((64, 64)), KeypointScore((64, 64))
    assert 'heatmap_mse' not in first.to_json() and 'heatmaps' not in first.table()
    first.add(keypoints((10, 10, VISIBLE)), keypoints((10, 10, VISIBLE)))
    first.add_heatmaps(np.array([1e-4, np.nan, 2e-4]))
    second.add_heatmaps(np.array([6e-4]))
    merged = KeypointScore.merged([first, second])
    assert merged.to_json()['heatmap_mse'] == pytest.approx(3e-4)
    assert 'heatmaps, mean squared error' in merged.table() and '3.00e-04' in merged.table()
