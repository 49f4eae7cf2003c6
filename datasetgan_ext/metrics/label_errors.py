"""Labels that are perhaps mistakes: where an ensemble that never saw them is sure of something else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from datasetgan_ext.core.annotation import IGNORE

SURE = 0.05
"""Jensen-Shannon divergence in nats up to which an ensemble counts as sure; two members of two minds are at 0.69."""
CORE = 2
"""Side in pixels of the smallest square that a doubted region must hold: borders are drawn no more exactly."""


@dataclass(frozen=True)
class Doubt:
    """A region of one image.

    Attributes:
        name: of the image.
        labelled, expected: class ids, as labelled and as the ensemble has it.
        area: in pixels.
        x, y: centre of the region in pixels.
        pixels: int64 [area], indices into the flattened image.
    """

    name: str
    labeled: int
    expected: int
    area: int
    x: float
    y: float
    pixels: np.ndarray = field(compare=False, repr=False)


def find_doubts(name: str, labeled: np.ndarray, predicted: np.ndarray, uncertainty: np.ndarray) -> list[Doubt]:
    """Regions of an image that carry one label where the ensemble is sure of another, largest first.

    Args:
        name: of the image.
        labelled: uint8 [H, W], a person's class ids; IGNORE where there is no label.
        predicted: uint8 [H, W], class ids by an ensemble that was trained without this image.
        uncertainty: float [H, W], its Jensen-Shannon divergence in nats.
    """
    wrong = (labeled != predicted) & (labeled != IGNORE) & (uncertainty <= SURE)
    doubts = []
    for pair in np.unique(np.stack([labeled[wrong], predicted[wrong]], axis=1), axis=0).tolist():
        here = wrong & (labeled == pair[0]) & (predicted == pair[1])
        thick = ndimage.binary_opening(here, np.ones((CORE, CORE)))
        numbered, _ = ndimage.label(here)
        for number in np.unique(numbered[thick]).tolist():
            rows, columns = np.nonzero(numbered == number)
            doubts.append(
                Doubt(
                    name,
                    *pair,
                    len(rows),
                    float(columns.mean()) + 0.5,
                    float(rows.mean()) + 0.5,
                    np.flatnonzero(numbered == number),
                )
            )
    return sorted(doubts, key=lambda doubt: -doubt.area)
