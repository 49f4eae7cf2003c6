"""A person who knows the right labels, and does next what mends most pixels for its time."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from benchmarks.robot import costs
from benchmarks.robot.faults import LEAST, THICK, Fault, find_faults, outcome, regions
from benchmarks.robot.hand import SIZES, Operation, fill, polygon, rate, stroke
from benchmarks.robot.pages import BACKGROUND, Page, is_placed
from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.formats.coco import flat_keypoints

LOOKED_AT = 3
"""So many of the largest faults are weighed against each other."""
OPERATIONS = 200
"""On one image, at most."""
WORTH = 0.3
"""An operation mends at least this share of the fault that it is for, or a dozen pixels."""
ROUGH = 0.1
"""Of a part that is drawn in one go, so much may be left; it is mended later, with what else is wrong."""
SEGMENTS = 6
"""Straight pieces of a stroke at most."""
HARM = 0.2
"""For each pixel that becomes right, so many may become wrong."""
BAD = 0.2
"""A suggested region is refused if more than this share of it is wrong."""
NEAR = 2.0
"""Pixels from its place within which a suggested keypoint is good enough."""
BESIDE = 2
"""Pixels beside a fault over which a polygon may run where they have the same class."""


class Person:
    """Labels one image after the other on a page."""

    def __init__(self, page: Page, seed: int):
        """
        Args:
            page: what is worked on.
            seed: of the places that are thought of for strokes.
        """
        self.page = page
        self.random = np.random.RandomState(seed)

    def label(self, truth: Annotation) -> None:
        """Label one image, and go on."""
        page = self.page
        page.open(truth.name)
        if page.suggestion is None:
            self._draw(truth.mask)
            page.rest_is_background()
        self._mend(truth.mask)
        self._look(page.shown)
        if page.suggestion is not None:
            if page.refuses:
                self._refuse(truth.mask)
            page.accept()
        if truth.keypoints is not None:
            page.place(self._keypoints(np.reshape(flat_keypoints(truth.keypoints), (-1, 3)).tolist()))

    def _draw(self, truth: np.ndarray) -> None:
        """Draw all parts, large ones first: small ones lie over them."""
        for part in parts_of(truth):
            possible = self._operations(part, self.page.shown, truth, allowed=part.pixels)
            whole = [one for one in possible if (part.pixels & ~one.pixels).sum() <= ROUGH * part.area]
            self.page.paint(self._best(whole or possible, self.page.shown, truth))

    def _mend(self, truth: np.ndarray) -> None:
        page = self.page
        for _ in range(OPERATIONS):
            shown = page.shown
            operations = []
            for fault in find_faults(shown, truth):
                possible = self._operations(fault, shown, truth, allowed=truth == fault.class_id)
                good = [operation for operation in possible if self._is_good(operation, fault, shown, truth)]
                if good:
                    operations.append(self._best(good, shown, truth))
                if len(operations) == LOOKED_AT:
                    break
            if not operations:
                return
            page.do(self._best(operations, shown, truth))

    def _refuse(self, truth: np.ndarray) -> None:
        """Leave suggested regions without a label that fit so badly that to mend them takes long."""
        page = self.page
        numbers, areas = regions(page.suggestion)
        open_ = page.mask == IGNORE
        for number in range(1, len(areas)):
            pixels = (numbers == number) & open_
            wrong = (page.suggestion != truth) & pixels
            if pixels.sum() >= LEAST and wrong.sum() > BAD * pixels.sum():
                page.refuse(pixels)

    def _is_good(self, operation: Operation, fault: Fault, shown: np.ndarray, truth: np.ndarray) -> bool:
        won, lost = outcome(operation.pixels, operation.class_id, shown, truth)
        return lost <= HARM * won and won - lost >= max(min(WORTH * fault.area, 12), LEAST / 2)

    def _operations(self, fault: Fault, shown: np.ndarray, truth: np.ndarray, allowed: np.ndarray) -> list[Operation]:
        """What could be done about a fault with the page's tools."""
        tools = self.page.tools
        found = []
        if 'polygon' in tools:
            around = ndimage.binary_dilation(fault.pixels, iterations=BESIDE) & (truth == fault.class_id)
            found.append(polygon(fault.pixels | around, fault.class_id))
        if 'fill' in tools and (shown[fault.pixels] != IGNORE).any():
            found.append(fill(fault, shown))
        if 'brush' in tools:
            strokes = (stroke(fault, allowed, size, SEGMENTS, self.random) for size in SIZES)
            found += [one for one in strokes if one]
        return found

    def _best(self, operations: list[Operation], shown: np.ndarray, truth: np.ndarray) -> Operation:
        return max(operations, key=lambda operation: rate(operation, self.page.hand, shown, truth))

    def _look(self, shown: np.ndarray) -> None:
        """Look at each class once more."""
        self.page.clock.spend({'looking': costs.GLANCE * len(np.unique(shown))}, 'look')

    def _keypoints(self, truth: list[list[float]]) -> list[list[float]]:
        """Place what is not there, mend what is wrong; gives all as they are then."""
        clock = self.page.clock
        clock.spend({'keys': costs.KEY}, 'keypoints')
        proposed = self.page.points
        placed = []
        for index, point in enumerate(truth):
            now = proposed[index] if proposed else None
            if now is None:  # the next one is chosen by itself
                action = costs.CLICK if is_placed(point) else costs.KEY
                clock.spend({'keypoints': costs.THINK + action}, 'place')
            elif is_placed(point) and is_placed(now) and np.hypot(now[0] - point[0], now[1] - point[1]) <= NEAR:
                clock.spend({'looking': costs.GLANCE}, 'look')
                point = now
            elif not is_placed(point) and not is_placed(now):
                clock.spend({'looking': costs.GLANCE}, 'look')
            elif is_placed(point) and is_placed(now):
                clock.spend({'keypoints': costs.THINK + 2 * (costs.POINT + costs.BUTTON)}, 'drag')
            else:  # chosen in the list, then placed by a click or taken away by a key
                action = costs.CLICK if is_placed(point) else costs.KEY
                clock.spend({'keypoints': costs.THINK + costs.CLICK + action}, 'place')
            placed.append(point)
        return placed


def parts_of(truth: np.ndarray) -> list[Fault]:
    """All parts that a person draws, with what lies within their outlines, largest first."""
    numbers, areas = regions(truth)
    parts = []
    for class_id in np.unique(truth):
        if class_id == BACKGROUND:
            continue
        for number in np.unique(numbers[truth == class_id]):
            pixels = numbers == number
            thick = ndimage.binary_opening(pixels, np.ones((THICK, THICK), bool)).any()
            largest = areas[number] == areas[np.unique(numbers[truth == class_id])].max()
            if areas[number] < LEAST or not (thick or largest):
                continue
            whole = ndimage.binary_fill_holes(pixels)
            parts.append(Fault(int(class_id), whole, int(whole.sum())))
    return sorted(parts, key=lambda part: -part.area)
