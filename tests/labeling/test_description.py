"""What the server tells the page."""

from __future__ import annotations

import numpy as np
import pytest

from datasetgan_ext.labeling.description import describe_label_error
from datasetgan_ext.metrics.label_errors import SURE, LabelError


@pytest.mark.parametrize('area, uncertainty, score', [(16, 0, 4), (16, SURE / 2, 2), (100, SURE / 2, 5), (9, SURE, 0)])
def test_the_score_of_a_label_error_rises_with_its_size_and_with_certainty(area, uncertainty, score):
    pixels = np.arange(area)
    found = describe_label_error(LabelError('a', 1, 2, area, uncertainty, 0.5, 0.5, pixels))
    assert found == {'labeled': 1, 'expected': 2, 'score': pytest.approx(score), 'pixels': pixels.tolist()}
