"""Labels that are proposed for one image."""

from __future__ import annotations

import numpy as np

Box = tuple[int, int, int, int]
"""First column and row of a part of a picture, and the column and row after its last ones."""
STRIP_PIXELS = 2**17
"""So many are refined at a time, so that a new stroke does not wait long."""


class Suggestion:
    """Labels that the ensemble proposes for one image: known at the size at which maps are kept, and in a part of a
    larger picture, from the top down, at that of the picture.

    Attributes:
        name: of the sample.
        keypoints: [x, y, visibility] of each keypoint of the task; empty where nothing is known of keypoints.
        serial: rises with each suggestion of whatever image, and when this one has been refined.
        classes: ids of the classes that it was learned from.
        generation, lesson: numbers of the weights and of the lesson that it was made by.
    """

    def __init__(
        self,
        name: str,
        small_mask: np.ndarray | None,
        small_uncertainty: np.ndarray | None,
        places: tuple[np.ndarray, np.ndarray],
        keypoints: list[list[float]],
        serial: int,
        classes: frozenset[int],
        generation: int,
        lesson: int,
    ):
        """
        Args:
            name, keypoints, serial, classes, generation, lesson: see above.
            small_mask: uint8 [h, w], class ids of the whole image; None where nothing is known of classes.
            small_uncertainty: uint8 [h, w], 0 = the members agree, 255 = they could not differ more; None likewise.
            places: for each row and for each column of the picture, in which of the small ones it is.
        """
        self.name = name
        self.keypoints = keypoints
        self.serial = serial
        self.classes = classes
        self.generation = generation
        self.lesson = lesson
        self._small = None if small_mask is None else (small_mask, small_uncertainty)
        self._places = places
        self._refined: tuple[np.ndarray, np.ndarray] | None = None
        self._box: Box | None = None
        self._rows_done = 0

    @property
    def mask(self) -> np.ndarray | None:
        """uint8 [H, W], class ids of the picture; None where nothing is known of classes."""
        return self._at(0)

    @property
    def uncertainty(self) -> np.ndarray | None:
        """uint8 [H, W], likewise, as of `small_uncertainty`."""
        return self._at(1)

    @property
    def glance(self) -> np.ndarray | None:
        """uint8 [h, w], class ids of the picture at the size at which maps are kept; None likewise."""
        if self._small is None:
            return None
        rows, columns = (slice(int(places[0]), int(places[-1]) + 1) for places in self._places)
        return self._small[0][rows, columns]

    def _at(self, which: int) -> np.ndarray | None:
        if self._small is None:
            return None
        if self._refined:
            return self._refined[which]
        rows, columns = self._places
        return self._small[which][rows][:, columns]

    def next_strip(self, box: Box | None) -> Box | None:
        """The part of a box (None = the picture) that is to be refined next; None if all of it is, or has to be."""
        if self._small is None:
            return None
        rows, columns = self._places
        if rows[-1] - rows[0] == len(rows) - 1 and columns[-1] - columns[0] == len(columns) - 1:
            return None
        box = box or (0, 0, len(columns), len(rows))
        if self._box and all(_contains(self._box[:2], box[:2])) and all(_contains(box[2:], self._box[2:])):
            box = self._box
        left, upper, right, lower = box
        if box != self._box:
            self._box, self._rows_done = box, upper
        if self._rows_done >= lower:
            return None
        return left, self._rows_done, right, min(lower, self._rows_done + max(1, STRIP_PIXELS // (right - left)))

    def refine(self, box: Box, mask: np.ndarray, uncertainty: np.ndarray) -> None:
        """Take what is known of a strip: uint8 [rows, columns] each."""
        left, upper, right, lower = box
        if not self._refined:
            self._refined = self._at(0), self._at(1)
        for whole, part in zip(self._refined, (mask, uncertainty)):
            whole[upper:lower, left:right] = part
        self._rows_done = lower


def _contains(low: tuple[int, int], high: tuple[int, int]):
    return (one <= other for one, other in zip(low, high))
