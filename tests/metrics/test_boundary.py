"""Boundary F-scores against cases worked out by hand, and against a plain second way to compute them."""

import math

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.metrics.boundary import boundary_f


def square(top: int, left: int = 2, side: int = 4, size: int = 10) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def test_a_square_moved_by_one_pixel():
    """Its boundary is 12 pixels; moved down by one, the outlines share three on the left and three on the right."""
    exact = boundary_f(square(2), square(3), 2, tolerance=0)
    true, moved = (
        {(r, c) for r in range(top, top + 4) for c in range(2, 6) if r in (top, top + 3) or c in (2, 5)}
        for top in (2, 3)
    )
    assert len(true) == 12 and len(true & moved) == 6
    assert exact[1] == pytest.approx(6 / 12)
    assert boundary_f(square(2), square(3), 2, tolerance=1.01 / math.hypot(10, 10)).tolist() == [1, 1]


def test_precision_and_recall_differ():
    """All of the small square's outline is near the true one, whose far side has nothing near it."""
    true = np.zeros((4, 9), np.uint8)
    true[:, 3:6] = 1  # boundary: columns 3 and 5, 8 pixels
    predicted = np.zeros((4, 9), np.uint8)
    predicted[:, :6] = 1  # boundary: column 5, 4 pixels
    score = boundary_f(true, predicted, 2, tolerance=0)
    assert score[1] == pytest.approx(2 * 1 * 0.5 / 1.5)


def test_what_has_no_boundary_has_no_score():
    plain = np.zeros((8, 8), np.uint8)
    assert np.isnan(boundary_f(plain, plain, 3)).all()
    assert boundary_f(square(2), np.zeros((10, 10), np.uint8), 3)[:2].tolist() == [0, 0]


def test_pixels_without_a_label_have_no_boundary():
    true = square(2)
    true[true == 0] = IGNORE
    assert np.isnan(boundary_f(true, square(2), 2)).all()


def test_against_distance_transforms():
    random = np.random.RandomState(0)
    for size, tolerance in ((24, 0.0), (32, 0.03), (40, 0.05)):
        true, predicted = (random.randint(0, 4, (size // 4, size // 4)).repeat(4, 0).repeat(4, 1) for _ in range(2))
        true[:3, :5] = IGNORE
        expected = []
        for label in range(4):
            edges = [_edges(mask == label, true != IGNORE) for mask in (true, predicted)]
            near = [distance_transform_edt(~edge) <= tolerance * math.hypot(size, size) for edge in edges]
            recall, precision = (edges[0] & near[1]).sum() / edges[0].sum(), (edges[1] & near[0]).sum() / edges[1].sum()
            expected.append(2 * precision * recall / max(precision + recall, 1e-9))
        found = boundary_f(true.astype(np.uint8), predicted.astype(np.uint8), 4, tolerance)
        assert found.tolist() == pytest.approx(expected)


def _edges(inside: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    edges = np.zeros(inside.shape, bool)
    for row, column in np.argwhere(inside & labeled):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < len(inside) and 0 <= c < inside.shape[1] and labeled[r, c] and not inside[r, c]:
                edges[row, column] = True
    return edges
