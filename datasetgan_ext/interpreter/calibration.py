"""The confidence from which a keypoint counts as present, found on labelled images that an ensemble never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit, logit
from tqdm import tqdm

from datasetgan_ext.core.annotation import ABSENT
from datasetgan_ext.interpreter.cross_validation import predict_left_out
from datasetgan_ext.interpreter.keypoints import DEFAULT_THRESHOLD
from datasetgan_ext.interpreter.training_set import TrainingSet

FOLDS = 4
MEMBERS = 3
PRIOR_ABSENT = 15


def calibrate_threshold(training_set: TrainingSet, progress: bool = True) -> float:
    """The threshold from small ensembles that each leave some of the labelled images out.

    Args:
        training_set: labelled images; where fewer than two have keypoints, or all of these or none are absent, there is
            nothing to learn from, and the result is `DEFAULT_THRESHOLD`.
        progress: show a bar.

    Returns:
        The threshold, in 0..1.
    """
    visibility = {
        index: annotation.keypoints.visibility
        for index, (_, annotation) in enumerate(training_set.pairs)
        if annotation.keypoints is not None
    }
    absent = [seen == ABSENT for seen in visibility.values()]
    if len(visibility) < 2 or not np.any(absent) or np.all(absent):
        return DEFAULT_THRESHOLD
    labeled = list(visibility)
    options = replace(training_set.options, models=min(MEMBERS, training_set.options.models))
    confidence_of_present: list[float] = []
    confidence_of_absent: list[float] = []
    for fold in tqdm(
        range(min(FOLDS, len(labeled))),
        desc='keypoint threshold',
        unit='fold',
        disable=None if progress else True,
    ):
        left_out = labeled[fold::FOLDS]
        for index, prediction in zip(left_out, predict_left_out(training_set, left_out, options)):
            found = prediction.keypoints.confidence[0].cpu().numpy()
            is_absent = visibility[index] == ABSENT
            confidence_of_present += found[~is_absent].tolist()
            confidence_of_absent += found[is_absent].tolist()
    return threshold_from(np.array(confidence_of_present), np.array(confidence_of_absent))


def threshold_from(present: np.ndarray, absent: np.ndarray) -> float:
    """The confidence from which a keypoint counts as present, from held-out keypoints.

    Best is the one with the highest mean of the shares of present and of absent keypoints that it calls right, in the
    middle of the gap that it may lie in. Few absent keypoints say little, and ensembles that saw fewer images take more
    of them for present than the whole one: so the result lies between `DEFAULT_THRESHOLD`, which has the weight of
    `PRIOR_ABSENT` absent keypoints, and the best one (in log odds).

    Args:
        present, absent: float [P] and [A], confidence in held-out keypoints that are there and that are not.
    """
    if len(present) == 0 or len(absent) == 0:
        return DEFAULT_THRESHOLD
    values = np.unique(np.concatenate([[0.0], present, absent, [1.0]]))
    middles = (values[1:] + values[:-1]) / 2
    present_right = (present[None] >= middles[:, None]).mean(axis=1)
    absent_right = (absent[None] < middles[:, None]).mean(axis=1)
    right = present_right + absent_right
    best = np.flatnonzero(right >= right.max() - 1e-12)
    found = (middles[best[0]] + middles[best[-1]]) / 2
    weight = len(absent) / (len(absent) + PRIOR_ABSENT)
    return float(expit(weight * logit(found) + (1 - weight) * logit(DEFAULT_THRESHOLD)))
