"""Masks as the regions that detection and instance formats want."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

EIGHT_NEIGHBORS = np.ones((3, 3), dtype=int)


@dataclass
class ConnectedRegion:
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


def find_regions(mask: np.ndarray) -> Iterator[ConnectedRegion]:
    """All regions of a mask, uint8 [H, W]; together they are all that is not background."""
    for class_id in np.unique(mask[mask > 0]).tolist():
        numbered, _ = ndimage.label(mask == class_id, EIGHT_NEIGHBORS)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
            box = (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
            yield ConnectedRegion(class_id, box, numbered[rows, columns] == number)


def find_polygons(region: ConnectedRegion) -> list[np.ndarray]:
    """Outlines that together cover exactly a region's pixels: int [N, 2] each, corners (x, y) of pixels, clockwise.

    They run along the pixels' edges. Each is one piece without holes; a region with holes is cut through them.
    """
    return [_trace(part) + offset + region.box[:2] for part, offset in _simple_parts(region.pixels)]


def _simple_parts(pixels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts that hang together by their sides and have no holes, bool [h, w], and the place (x, y) of each."""
    numbered, _ = ndimage.label(pixels)
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
        part = numbered[rows, columns] == number
        offset = np.array([columns.start, rows.start])
        # what touches the outside by a corner is no hole
        holes = np.flatnonzero((ndimage.binary_fill_holes(part, EIGHT_NEIGHBORS) & ~part).any(axis=0))
        if not holes.size:
            yield part, offset
            continue
        cut = holes[len(holes) // 2]
        for half, start in ((part[:, :cut], 0), (part[:, cut:], cut)):
            for inner, inner_offset in _simple_parts(half):
                yield inner, inner_offset + offset + (start, 0)


def _trace(part: np.ndarray) -> np.ndarray:
    """The outline of one part: int [N, 2], x and y."""
    around = np.pad(part, 1)
    above_left, above = around[:-1, :-1], around[:-1, 1:]
    left, here = around[1:, :-1], around[1:, 1:]
    # whether the outline goes right, down, left, up from a corner [y, x], with the part on its right-hand side
    leaves = [edges.tolist() for edges in (here & ~above, left & ~here, above_left & ~left, above & ~above_left)]
    steps = ((1, 0), (0, 1), (-1, 0), (0, -1))
    start = (int(part[0].argmax()), 0, 0)
    x, y, direction = start
    corners = []
    while True:
        corners.append((x, y))
        while True:
            x, y = x + steps[direction][0], y + steps[direction][1]
            # where two pixels touch by a corner alone, the outline stays with the first: the right turn comes first
            turned = next(turn % 4 for turn in (direction + 1, direction, direction + 3) if leaves[turn % 4][y][x])
            if turned != direction:
                break
        direction = turned
        if (x, y, direction) == start:
            return np.array(corners)
