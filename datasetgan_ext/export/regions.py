"""Masks as the regions that detection and instance formats want."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


@dataclass
class Region:
    """Pixels of one class that touch each other, by a side or a corner.

    Attributes:
        class_id: not 0, the background.
        box: x, y of the upper left pixel, width and height, in pixels.
        pixels: bool [height, width], inside the box.
    """
    class_id: int
    box: tuple[int, int, int, int]
    pixels: np.ndarray

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.pixels.sum())


def find_regions(mask: np.ndarray) -> Iterator[Region]:
    """All regions of a mask, uint8 [H, W]; together they are all that is not background."""
    for class_id in np.unique(mask[mask > 0]).tolist():
        numbered, _ = ndimage.label(mask == class_id, EIGHT_NEIGHBOURS)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
            box = (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
            yield Region(class_id, box, numbered[rows, columns] == number)
