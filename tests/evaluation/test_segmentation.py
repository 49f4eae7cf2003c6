import math

import numpy as np
import pytest

from datasetgan_ext.evaluation.segmentation import SegmentationScore
from datasetgan_ext.labels.annotation import IGNORE


def test_hand_computed():
    score = SegmentationScore(4)
    score.add(np.array([[0, 0, 1, 1]], dtype=np.uint8), np.array([[0, 1, 1, 2]], dtype=np.uint8))
    score.add(np.array([[0, IGNORE]], dtype=np.uint8), np.array([[0, 3]], dtype=np.uint8))
    assert score.iou[:3].tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert math.isnan(score.iou[3]), 'absent from both: left out, not 0'
    assert score.mean_iou == pytest.approx(1 / 3)
    assert score.pixel_accuracy == pytest.approx(3 / 5)
    assert score.to_json(('a', 'b', 'c', 'd'))['iou'] == {'a': pytest.approx(2 / 3), 'b': pytest.approx(1 / 3),
                                                          'c': 0.0, 'd': None}
    assert 'absent' in score.table(('a', 'b', 'c', 'd'))


def test_summed_over_images_before_the_ratio():
    """IoU of a class is hits by union over all images, not the mean of the images' ratios."""
    score = SegmentationScore(2)
    score.add(np.zeros((1, 9), dtype=np.uint8), np.zeros((1, 9), dtype=np.uint8))
    score.add(np.zeros((1, 1), dtype=np.uint8), np.ones((1, 1), dtype=np.uint8))
    assert score.iou.tolist() == pytest.approx([0.9, 0.0])
