"""Labels that are perhaps mistakes: where an ensemble that never saw them is sure of something else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from datasetgan_ext.core.annotation import IGNORE

SURE = 0.05
"""Jensen-Shannon divergence in nats up to which an ensemble counts as sure; two members of two minds are at 0.69."""
CORE = 2
"""Side in pixels of the smallest square that such a region must hold: borders are drawn no more exactly."""


@dataclass(frozen=True)
class LabelError:
    """A region of one image whose label is perhaps a mistake.

    Attributes:
        name: of the image.
        labeled, expected: class ids, as labelled and as the ensemble has it.
        area: in pixels.
        uncertainty: mean Jensen-Shannon divergence in nats of the ensemble there.
        x, y: centre of the region in pixels.
        pixels: int64 [area], indices into the flattened image.
    """

    name: str
    labeled: int
    expected: int
    area: int
    uncertainty: float
    x: float
    y: float
    pixels: np.ndarray = field(compare=False, repr=False)


def find_label_errors(
    name: str, labeled: np.ndarray, predicted: np.ndarray, uncertainty: np.ndarray
) -> list[LabelError]:
    """Regions of an image that carry one label where the ensemble is sure of another, largest first.

    Args:
        name: of the image.
        labeled: uint8 [H, W], a person's class ids; IGNORE where there is no label.
        predicted: uint8 [H, W], class ids by an ensemble that was trained without this image.
        uncertainty: float [H, W], its Jensen-Shannon divergence in nats.
    """
    sure = uncertainty <= SURE
    wrong = (labeled != predicted) & (labeled != IGNORE) & sure
    errors = []
    for label, expected in np.unique(np.stack([labeled[wrong], predicted[wrong]], axis=1), axis=0).tolist():
        here = wrong & (labeled == label) & (predicted == expected)
        thick = ndimage.binary_opening(here, np.ones((CORE, CORE)))
        numbered, _ = ndimage.label(here)
        for number in np.unique(numbered[thick]).tolist():
            region = numbered == number
            rows, columns = np.nonzero(region)
            errors.append(
                LabelError(
                    name=name,
                    labeled=label,
                    expected=expected,
                    area=len(rows),
                    uncertainty=float(uncertainty[region].mean()),
                    x=float(columns.mean()) + 0.5,
                    y=float(rows.mean()) + 0.5,
                    pixels=np.flatnonzero(region),
                )
            )
    return sorted(errors, key=lambda error: -error.area)
