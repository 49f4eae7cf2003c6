"""The page's tools in a person's hand: what an operation paints, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from benchmarks.robot import costs
from benchmarks.robot.faults import Fault, outcome, regions
from datasetgan_ext.core.annotation import IGNORE

SIZES = (3, 5, 9, 15, 25)
"""Of the brush, in pixels of the image."""
ACCURACY = 0.75
"""Pixels by which the corners of a polygon cut its outline short at most: 4 CSS pixels."""
FINE = 4
"""Parts of a pixel that outlines are found with."""
PLACES = 40
"""So many places are thought of for the next corner of a stroke."""


@dataclass(frozen=True)
class Operation:
    """Something done with a tool that gives pixels a class.

    Attributes:
        tool: its name on the page.
        class_id: that is painted.
        pixels: bool [H, W].
        seconds: what it takes, by kind of `costs.KINDS`, without choosing tool and class.
        size: of the brush.
    """

    tool: str
    class_id: int
    pixels: np.ndarray
    seconds: dict[str, float]
    size: int = 0


class Hand:
    """Has a tool, a class and a size of the brush chosen."""

    def __init__(self):
        self.tool = ''
        self.class_id = -1
        self.size = 0

    def seconds(self, operation: Operation) -> dict[str, float]:
        """What an operation takes, with all that has to be chosen first."""
        keys = costs.KEY if operation.tool != self.tool else 0.0
        if operation.class_id != self.class_id:
            keys += costs.class_keys(operation.class_id)
        times = {'deciding': costs.THINK, **operation.seconds, 'keys': keys + operation.seconds.get('keys', 0.0)}
        if operation.size not in (0, self.size):
            times['clicks'] = times.get('clicks', 0.0) + 2 * (costs.POINT + costs.BUTTON)  # the slider is dragged
        return times

    def take(self, operation: Operation) -> None:
        self.tool = operation.tool
        self.class_id = operation.class_id
        self.size = operation.size or self.size


def polygon(region: np.ndarray, class_id: int) -> Operation:
    """A polygon around a connected region."""
    corners = outline(region)
    seconds = {'corners': costs.CLICK * len(corners), 'keys': costs.KEY}
    return Operation('polygon', class_id, inside(corners, region.shape), seconds)


def inside(corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W], the pixels whose centre is inside the polygon (even-odd), as the page paints them."""
    x, y = (places + 0.5 for places in np.meshgrid(np.arange(shape[1]), np.arange(shape[0])))
    found = np.zeros(shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0)):
        if ay != by:
            found ^= ((ay <= y) != (by <= y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return found


def outline(region: np.ndarray) -> np.ndarray:
    """float64 [N, 2], corners in pixels, as few as `ACCURACY` allows."""
    fine = np.kron(region.astype(np.uint8), np.ones((FINE, FINE), np.uint8))
    contours, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=cv2.contourArea)
    corners = cv2.approxPolyDP(longest, ACCURACY * FINE, True)[:, 0]
    if len(corners) < 3:
        rows, columns = np.nonzero(region)
        left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    return (corners + 0.5) / FINE


def fill(fault: Fault, shown: np.ndarray) -> Operation:
    """A click on the region, of a class as it is shown, that has most of a fault."""
    numbers, areas = regions(shown)
    inside = np.bincount(numbers[fault.pixels & (shown != IGNORE)], minlength=len(areas))
    return Operation('fill', fault.class_id, numbers == inside.argmax(), {'clicks': costs.CLICK})


def stroke(
    fault: Fault, allowed: np.ndarray, size: int, segments: int, random: np.random.RandomState
) -> Operation | None:
    """A stroke that covers much of a fault for its time; None if the brush is too thick.

    Args:
        fault: what should be covered.
        allowed: bool [H, W], what may be painted.
        size: of the brush.
        segments: straight pieces at most; a stroke of none is a dab.
        random: draws the places that are thought of.
    """
    reach = size / 2
    window = _window(fault.pixels, size)
    wanted = fault.pixels[window]
    inside = ndimage.distance_transform_edt(np.pad(allowed, 1))[1:-1, 1:-1][window] > reach
    near = ndimage.distance_transform_edt(~wanted) <= reach
    places = np.argwhere(inside & near)
    if not len(places):
        return None
    places = places[random.permutation(len(places))[:PLACES]]
    grid = np.moveaxis(np.indices(wanted.shape), 0, -1)
    covered = np.hypot(*np.moveaxis(grid[None] - places[:, None, None], -1, 0)) <= reach
    middle = (covered & wanted).sum(axis=(1, 2)).argmax()
    end = np.hypot(*(places - places[middle]).T).argmax()
    drawn = [_drawn(start, covered[start], places, inside, wanted, grid, reach, segments) for start in (middle, end)]
    pixels, seconds = max(drawn, key=lambda one: (one[0] & wanted).sum() / (costs.THINK + one[1]))
    whole = np.zeros(allowed.shape, bool)
    whole[window] = pixels
    return Operation('brush', fault.class_id, whole, {'strokes': seconds}, size)


def _drawn(
    start: int,
    pixels: np.ndarray,
    places: np.ndarray,
    inside: np.ndarray,
    wanted: np.ndarray,
    grid: np.ndarray,
    reach: float,
    segments: int,
) -> tuple[np.ndarray, float]:
    """What a stroke from one of the places covers that is drawn on as long as it is worth it, and its seconds."""
    path, length = [places[start]], 0.0
    while len(path) <= segments:
        step = _longer(path[-1], places, inside, wanted & ~pixels, grid, reach)
        if step is None:
            break
        place, more, rate = step
        so_far = costs.THINK + costs.POINT + costs.stroke_seconds(length, len(path) - 1)
        if rate < (pixels & wanted).sum() / so_far:
            break
        length += float(np.hypot(*(place - path[-1])))
        path.append(place)
        pixels = pixels | more
    return pixels, costs.POINT + costs.stroke_seconds(length, len(path) - 1)


def _window(pixels: np.ndarray, margin: int) -> tuple[slice, slice]:
    rows, columns = np.nonzero(pixels)
    return tuple(slice(max(0, places.min() - margin), places.max() + margin + 1) for places in (rows, columns))


def _longer(
    start: np.ndarray, places: np.ndarray, inside: np.ndarray, wanted: np.ndarray, grid: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """The place to draw on to, what that covers, and how many wanted pixels a second; None where nothing is won."""
    ways = places - start
    lengths = np.hypot(*ways.T)
    # a straight line must not leave what the brush's middle may be in
    steps = np.linspace(0, 1, 2 + int(lengths.max()))
    points = np.rint(start + steps[:, None, None] * ways).astype(int)
    straight = inside[points[..., 0], points[..., 1]].all(axis=0) & (lengths > 0)
    if not straight.any():
        return None
    places, ways, lengths = places[straight], ways[straight], lengths[straight]
    offsets = grid[None] - start
    along = np.clip((offsets * ways[:, None, None]).sum(axis=-1) / (lengths**2)[:, None, None], 0, 1)
    covered = np.hypot(*np.moveaxis(offsets - along[..., None] * ways[:, None, None], -1, 0)) <= reach
    won = (covered & wanted).sum(axis=(1, 2))
    drawing = costs.SEGMENT + costs.CENTIMETER * costs.CENTIMETERS_OF_A_PIXEL * lengths
    best = (won / drawing).argmax()
    return (places[best], covered[best], float(won[best] / drawing[best])) if won[best] else None


def rate(operation: Operation, hand: Hand, shown: np.ndarray, truth: np.ndarray) -> float:
    """Pixels won a second, less those that are lost."""
    won, lost = outcome(operation.pixels, operation.class_id, shown, truth)
    return (won - lost) / sum(hand.seconds(operation).values())
