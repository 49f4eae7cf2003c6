"""What every label format is read into."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import UserError

IGNORE = 255
"""Value of mask pixels that carry no label: left out of training and of scores."""


@dataclass
class Annotation:
    """A person's labels of one image.

    Attributes:
        name: file name of the labelled image without its suffix.
        mask: uint8 [H, W], class ids, IGNORE where there is no label.
        source: the file that it was read from, for messages.
    """
    name: str
    mask: np.ndarray
    source: Path

    def check_classes(self, classes: list[str]) -> None:
        """Raises UserError when the mask holds an id outside the class list."""
        unknown = sorted(set(np.unique(self.mask).tolist()) - set(range(len(classes))) - {IGNORE})
        if unknown:
            raise UserError(f'{self.source}: class id {", ".join(map(str, unknown))} is outside the class list, '
                            f'which has ids 0..{len(classes) - 1} ({", ".join(classes)}); {IGNORE} means "no label"')


def clean_up(mask: np.ndarray, min_pixels: int) -> np.ndarray:
    """A copy of the mask in which classes with fewer than `min_pixels` pixels in total are background (id 0)."""
    mask = mask.copy()
    for class_id, count in zip(*np.unique(mask, return_counts=True)):
        if class_id != IGNORE and count < min_pixels:
            mask[mask == class_id] = 0
    return mask
