"""Boundary F-score: how well the outlines of the classes agree, which the IoU of large regions hides.

Csurka, Larlus, Perronnin: "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import KDTree

from datasetgan_ext.core.annotation import IGNORE

TOLERANCE = 0.0075
"""Distance at which two boundary pixels still agree, as a share of the image's diagonal."""


def boundary_f(true: np.ndarray, predicted: np.ndarray, class_count: int, tolerance: float = TOLERANCE) -> np.ndarray:
    """The F-score of each class's boundary in an image: harmonic mean of the shares of predicted and of true boundary
    pixels that have one of the other within the tolerance.

    A boundary pixel of a class touches, up, down, left or right, a pixel of another class; the image's border and the
    border of pixels without a label are none.

    Args:
        true: uint8 [H, W], class ids; pixels of value IGNORE do not count, whatever is predicted there.
        predicted: uint8 [H, W], class ids.
        class_count: K.
        tolerance: share of the image's diagonal.

    Returns:
        float64 [K], in 0..1; nan for a class without a boundary in either.
    """
    reach = tolerance * math.hypot(*true.shape)
    labeled = true != IGNORE
    # the class as a third coordinate, so far apart that a pixel only ever finds one of its own class
    apart = np.array([2 * reach + 2, 1, 1])
    true_edge = _boundary_pixels(true, labeled)
    predicted_edge = _boundary_pixels(predicted, labeled)

    def counts(edge: np.ndarray) -> np.ndarray:
        return np.bincount(edge[:, 0], minlength=class_count)

    def near(edge: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Those pixels of an edge that have one of the other within reach."""
        # what is at the bound itself is not found; distances of pixels are roots of whole numbers
        distance, _ = KDTree(other * apart).query(edge * apart, distance_upper_bound=reach + 1e-6)
        return edge[np.isfinite(distance)]

    true_count = counts(true_edge)
    predicted_count = counts(predicted_edge)
    recall = counts(near(true_edge, predicted_edge)) / np.maximum(true_count, 1)
    precision = counts(near(predicted_edge, true_edge)) / np.maximum(predicted_count, 1)
    score = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return np.where(true_count + predicted_count > 0, score, np.nan)


def _boundary_pixels(mask: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """int64 [B, 3]: class, row and column of each pixel that touches another class."""
    touches = np.zeros(mask.shape, dtype=bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (mask[one] != mask[other]) & labeled[one] & labeled[other]
        touches[one] |= differ
        touches[other] |= differ
    rows, columns = np.nonzero(touches)
    return np.stack([mask[rows, columns].astype(np.int64), rows, columns], axis=1)
