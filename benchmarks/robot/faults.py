"""What a person sees to be wrong in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from datasetgan_ext.core.annotation import IGNORE

LEAST = 4
"""Pixels of the smallest part that is labelled and the smallest fault that is mended."""
THICK = 2
"""A fault is seen if a square of so many pixels fits into it, 10 CSS pixels on the screen. Thinner ones along the
borders of parts are left as they are: polygons have such faults, too."""
SHARE = 0.25
"""A smaller fault is seen too if it is this share of a part that is there, or of one that is shown."""
AROUND = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Fault:
    """Connected pixels that should have a class and do not.

    Attributes:
        class_id: what they should be.
        pixels: bool [H, W].
        area: how many.
    """

    class_id: int
    pixels: np.ndarray
    area: int


def find_faults(shown: np.ndarray, truth: np.ndarray) -> list[Fault]:
    """Faults that are seen, largest first.

    Args:
        shown: uint8 [H, W], class ids as the page shows them, 255 = nothing.
        truth: uint8 [H, W], the right ones.
    """
    parts, areas_of_parts = regions(truth)
    seen, areas_of_seen = regions(shown)
    faults = []
    for class_id in np.unique(truth[shown != truth]):
        wrong = (truth == class_id) & (shown != truth)
        thick = ndimage.binary_opening(wrong, np.ones((THICK, THICK), bool))
        labels, number = ndimage.label(wrong, AROUND)
        areas = np.bincount(labels.ravel(), minlength=number + 1)
        is_thick = np.bincount(labels[thick], minlength=number + 1) > 0
        for label in range(1, number + 1):
            if areas[label] < LEAST:
                continue
            pixels = labels == label
            if (
                is_thick[label]
                or _share(pixels, parts, areas_of_parts) >= SHARE
                or _share(pixels, seen, areas_of_seen) >= SHARE
            ):
                faults.append(Fault(int(class_id), pixels, int(areas[label])))
    return sorted(faults, key=lambda fault: -fault.area)


def regions(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected pixels of one class: int [H, W] with their numbers, from 1 on, and how many pixels each number has."""
    numbers = np.zeros(ids.shape, np.int64)
    last = 0
    for class_id in np.unique(ids):
        labels, number = ndimage.label(ids == class_id)
        numbers[labels > 0] = labels[labels > 0] + last
        last += number
    return numbers, np.bincount(numbers.ravel(), minlength=last + 1)


def _share(pixels: np.ndarray, numbers: np.ndarray, areas: np.ndarray) -> float:
    """Greatest share that the pixels have of a region."""
    inside = np.bincount(numbers[pixels], minlength=len(areas))
    return float((inside / np.maximum(areas, LEAST)).max())


def outcome(painted: np.ndarray, class_id: int, shown: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """How many pixels become right and how many become wrong, if some are given a class. A wrong label where there was
    none is one more that is wrong."""
    before = shown[painted]
    right = truth[painted]
    won = (right == class_id) & (before != right)
    lost = (right != class_id) & ((before == right) | (before == IGNORE))
    return int(won.sum()), int(lost.sum())
