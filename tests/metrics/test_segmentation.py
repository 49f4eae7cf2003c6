import math

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.metrics.segmentation import SegmentationScore


def test_hand_computed():
    score = SegmentationScore(4)
    score.add(np.array([[0, 0, 1, 1]], dtype=np.uint8), np.array([[0, 1, 1, 2]], dtype=np.uint8))
    score.add(np.array([[0, IGNORE]], dtype=np.uint8), np.array([[0, 3]], dtype=np.uint8))
    assert score.iou[:3].tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert math.isnan(score.iou[3]), 'absent from both: left out, not 0'
    assert score.mean_iou == pytest.approx(1 / 3)
    assert score.pixel_accuracy == pytest.approx(3 / 5)
    assert score.to_json(('a', 'b', 'c', 'd'))['iou'] == {
        'a': pytest.approx(2 / 3),
        'b': pytest.approx(1 / 3),
        'c': 0.0,
        'd': None,
    }
    assert score.to_json(('a', 'b', 'c', 'd'))['absent_classes'] == ['d']
    assert 'mean of 3 classes, 1 absent' in score.table(('a', 'b', 'c', 'd'))


def test_summed_over_images_before_the_ratio():
    """IoU of a class is hits by union over all images, not the mean of the images' ratios."""
    score = SegmentationScore(2)
    score.add(np.zeros((1, 9), dtype=np.uint8), np.zeros((1, 9), dtype=np.uint8))
    score.add(np.zeros((1, 1), dtype=np.uint8), np.ones((1, 1), dtype=np.uint8))
    assert score.iou.tolist() == pytest.approx([0.9, 0.0])


def test_nothing_to_score():
    score = SegmentationScore(2)
    score.add(np.full((2, 2), IGNORE, np.uint8), np.zeros((2, 2), np.uint8))
    assert score.to_json(('a', 'b'))['mean_iou'] is None and 'none' in score.table(('a', 'b'))


def test_against_scikit_learn():
    metrics = pytest.importorskip('sklearn.metrics')
    random = np.random.RandomState(0)
    for classes in (2, 5, 9):
        score, true, predicted = SegmentationScore(classes + 1), [], []
        for _ in range(3):
            true.append(random.randint(0, classes, (12, 17)).astype(np.uint8))
            predicted.append(
                np.where(random.rand(12, 17) < 0.6, true[-1], random.randint(0, classes, (12, 17))).astype(np.uint8)
            )
            true[-1][random.rand(12, 17) < 0.1] = IGNORE
            score.add(true[-1], predicted[-1])
        counted = np.concatenate(true) != IGNORE
        pair = np.concatenate(true)[counted], np.concatenate(predicted)[counted]
        expected = metrics.jaccard_score(*pair, labels=range(classes), average=None)
        assert score.iou[:classes].tolist() == pytest.approx(expected.tolist()) and np.isnan(score.iou[classes])
        assert score.mean_iou == pytest.approx(metrics.jaccard_score(*pair, labels=range(classes), average='macro'))
        assert score.pixel_accuracy == pytest.approx(metrics.accuracy_score(*pair))


def test_merged_scores_are_those_of_all_images():
    random = np.random.RandomState(1)
    images = [tuple(random.randint(0, 3, (2, 6, 6)).astype(np.uint8)) for _ in range(4)]
    apart, together = [SegmentationScore(3) for _ in images], SegmentationScore(3)
    for score, image in zip(apart, images):
        score.add(*image)
        together.add(*image)
    assert SegmentationScore.merged(apart).to_json('abc') == together.to_json('abc')
