"""The confidence from which a keypoint counts as present."""

import numpy as np
import pytest

from datasetgan_ext.interpreter.calibration import threshold_from
from datasetgan_ext.interpreter.keypoints import DEFAULT_THRESHOLD


def test_threshold_separates_present_from_absent():
    many = threshold_from(np.array([0.6, 0.9, 0.8]), np.repeat([0.1, 0.2], 10_000))
    assert many == pytest.approx(0.4, abs=0.01)
    few = threshold_from(np.array([0.6, 0.9, 0.8]), np.array([0.1, 0.2]))
    assert DEFAULT_THRESHOLD < few < many
    assert threshold_from(np.array([0.6, 0.9]), np.array([])) == DEFAULT_THRESHOLD
    # one odd present keypoint does not outweigh the absent ones
    assert 0.3 < threshold_from(np.array([0.05] + [0.8] * 30), np.repeat([0.1, 0.2, 0.3], 100)) < 0.8
