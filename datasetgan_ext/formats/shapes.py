"""Geometry into pixels, for every label format alike.

A pixel belongs to an outline if its centre, (column + 0.5, row + 0.5), lies inside it; so a box with corners at whole
numbers covers exactly the pixels between them, and two shapes that share an edge share no pixel and leave none between
them. What is outside the image is cut off; a shape of which nothing is left was drawn on another image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.formats.outlines import SMALL_LOOP, ShapeError, self_crossing, width_of

TOLERANCE = 1.0
"""Pixels by which a shape may lie outside the image unseen: tools let the pen slip over the border."""

MAX_SIDE = 16384
"""No network makes larger images; a larger size in a label file is a mistake, and would fill the memory."""


FARTHEST = 1e9
"""Largest coordinate: what is computed from it stays a finite number."""

Extent = tuple[float, float, float, float]
"""Left, top, right and bottom of what a region covers, in pixels."""


@dataclass
class Polygon:
    """The inside (even-odd rule) of one closed outline.

    Attributes:
        corners: float64 [N, 2], x and y in pixels; the last is joined with the first.
    """

    corners: np.ndarray

    def __post_init__(self):
        self.corners = finite(self.corners, (-1, 2))

    @property
    def extent(self) -> Extent | None:
        """None = it has no corners."""
        if not len(self.corners):
            return None
        return (*self.corners.min(axis=0).tolist(), *self.corners.max(axis=0).tolist())

    def paint(self, mask: np.ndarray, value: int) -> None:
        """Set the pixels of the uint8 [H, W] mask that are inside.

        Raises:
            ShapeError: fewer than three corners, all of it outside the image, or an outline that crosses itself.
        """
        extent = self.extent
        if extent is None or len(self.corners) < 3:
            raise ShapeError(f'a polygon takes three corners or more, it has {len(self.corners)}')
        check_inside(extent, mask.shape)
        crossing = self_crossing(self.corners)
        if crossing is not None:
            raise ShapeError(
                'its outline crosses itself near ({:g}, {:g}); move the corners, or draw two shapes'.format(
                    *crossing.round(1)
                )
            )
        rows, columns = window_of(extent, mask.shape)
        centers = np.arange(rows.start, rows.stop) + 0.5
        # True where a row's pixels change between outside and inside; one column more than there are pixels
        changes = np.zeros((len(centers), columns.stop - columns.start + 1), dtype=bool)
        for start, end in zip(self.corners, np.roll(self.corners, -1, axis=0)):
            (x0, y0), (x1, y1) = sorted((start, end), key=lambda corner: (corner[1], corner[0]))
            crossed = np.flatnonzero((y0 <= centers) & (centers < y1))
            if len(crossed):
                x = x0 + (centers[crossed] - y0) * ((x1 - x0) / (y1 - y0))
                first = np.ceil(x - 0.5) - columns.start
                changes[crossed, np.clip(first, 0, changes.shape[1] - 1).astype(int)] ^= True
        mask[rows, columns][np.logical_xor.accumulate(changes[:, :-1], axis=1)] = value


@dataclass
class Ellipse:
    """The inside of an ellipse.

    Attributes:
        centre: float64 [2], x and y in pixels.
        radii: float64 [2], in pixels, before the rotation.
        degrees: clockwise rotation about the centre.
    """

    center: np.ndarray
    radii: np.ndarray
    degrees: float = 0.0

    def __post_init__(self):
        self.center, self.radii = finite(self.center, (2,)), finite(self.radii, (2,))
        self.degrees = float(finite(self.degrees, ()))

    @property
    def extent(self) -> Extent:
        """Of the turned ellipse."""
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        one, other = self.radii
        reach = np.array([np.hypot(one * cosine, other * sine), np.hypot(one * sine, other * cosine)])
        return (*(self.center - reach).tolist(), *(self.center + reach).tolist())

    def paint(self, mask: np.ndarray, value: int) -> None:
        """Set the pixels of the uint8 [H, W] mask whose centres are inside.

        Raises:
            ShapeError: a radius is not above 0, or all of it is outside the image.
        """
        if not (self.radii > 0).all():
            raise ShapeError('its radius is not above 0')
        x, y = self.center
        check_inside(self.extent, mask.shape)
        rows, columns = window_of(self.extent, mask.shape)
        across = np.arange(columns.start, columns.stop) + 0.5 - x
        down = (np.arange(rows.start, rows.stop) + 0.5 - y)[:, None]
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        inside = (
            np.square((across * cosine + down * sine) / self.radii[0])
            + np.square((down * cosine - across * sine) / self.radii[1])
        ) <= 1
        mask[rows, columns][inside] = value


@dataclass
class Bitmap:
    """Pixels one by one, in a box.

    Attributes:
        bits: bool [h, w].
        left, top: column and row of the box's first pixel in the image.
    """

    bits: np.ndarray
    left: int = 0
    top: int = 0

    @property
    def extent(self) -> Extent:
        return self.left, self.top, self.left + self.bits.shape[1], self.top + self.bits.shape[0]

    def paint(self, mask: np.ndarray, value: int) -> None:
        """Set the pixels of the uint8 [H, W] mask whose bit is set.

        Raises:
            ShapeError: all of the box is outside the image.
        """
        bottom, right = self.top + self.bits.shape[0], self.left + self.bits.shape[1]
        check_inside(self.extent, mask.shape)
        top, left = max(self.top, 0), max(self.left, 0)
        part = mask[top:bottom, left:right]
        bits = self.bits[top - self.top :, left - self.left :]
        part[bits[: part.shape[0], : part.shape[1]]] = value


@dataclass
class Together:
    """Several regions as one, as COCO has them: parts of an object that something in front divides."""

    parts: Sequence[Polygon]

    @property
    def extent(self) -> Extent | None:
        """None = it has no parts."""
        found = [part.extent for part in self.parts if part.extent is not None]
        if not found:
            return None
        left, top, right, bottom = zip(*found)
        return min(left), min(top), max(right), max(bottom)

    def paint(self, mask: np.ndarray, value: int) -> None:
        """Set the pixels of the uint8 [H, W] mask that are in one of the parts.

        Raises:
            ShapeError: there is no part, one cannot be painted, or one lies within the others, as a hole would.
        """
        if not self.parts:
            raise ShapeError('it has no part with corners')
        inside = np.zeros_like(mask)
        painted: list[Polygon] = []
        for part in sorted(self.parts, key=_extent_area, reverse=True):
            window = inside[window_of(part.extent, mask.shape)]
            before = window.copy()
            part.paint(inside, 1)
            if painted and (before == window).all() and _may_be_hole(part, painted, mask.shape):
                x, y = part.corners[0].round(1)
                raise ShapeError(
                    f'the part of its outline that begins at ({x:g}, {y:g}) lies within the others. If it is a hole, '
                    'the tool has lost that: export masks (run lengths) in place of polygons, or draw what is in the '
                    'hole as a shape of its own; if it is none, delete that part'
                )
            painted.append(part)
        mask[inside > 0] = value


def _may_be_hole(part: Polygon, painted: Sequence[Polygon], image_hw: tuple[int, int]) -> bool:
    """Whether a part that lies within others covers pixels, is no crumb, and none of the others once more."""
    rows, columns = window_of(part.extent, image_hw)
    alone = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    if not alone.size or width_of(part.corners) <= SMALL_LOOP:
        return False
    Polygon(part.corners - (columns.start, rows.start)).paint(alone, True)
    return bool(alone.any()) and not any(np.array_equal(part.corners, other.corners) for other in painted)


def _extent_area(part: Polygon) -> float:
    left, top, right, bottom = part.extent or (0, 0, 0, 0)
    return (right - left) * (bottom - top)


@dataclass
class Holed:
    """A polygon without what is inside of others."""

    outer: Polygon
    holes: Sequence[Polygon]

    @property
    def extent(self) -> Extent | None:
        return self.outer.extent

    def paint(self, mask: np.ndarray, value: int) -> None:
        """Set the pixels of the uint8 [H, W] mask that are inside the outline and in no hole.

        Raises:
            ShapeError: an outline cannot be painted.
        """
        inside = np.zeros_like(mask)
        self.outer.paint(inside, 1)
        for hole in self.holes:
            hole.paint(inside, 0)
        mask[inside > 0] = value


@dataclass
class NoArea:
    """A shape that has no pixels: it can be passed over, but not painted."""

    reason: str
    extent: Extent | None = None

    def paint(self, mask: np.ndarray, value: int) -> None:
        raise ShapeError(self.reason)


Region = Polygon | Ellipse | Bitmap | Together | Holed | NoArea


def box(
    x0: float, y0: float, x1: float, y1: float, degrees: float = 0.0, pivot: Sequence[float] | None = None
) -> Polygon:
    """A rectangle from two opposite corners, turned clockwise about the pivot; None = about its centre."""
    corners = finite([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], (4, 2))
    if degrees:
        about = corners.mean(axis=0) if pivot is None else finite(pivot, (2,))
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        corners = (corners - about) @ np.array([[cosine, sine], [-sine, cosine]]) + about
    return Polygon(corners)


def bits_from_runs(runs: Sequence[int], count: int) -> np.ndarray:
    """Bool [count] from run lengths that alternate between unset and set, unset first.

    Raises:
        ShapeError: they are not `count` bits in total.
    """
    try:
        given = np.array(runs, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError('its run lengths are no list of whole numbers') from error
    if not np.isfinite(given).all() or (given != given.round()).any():
        raise ShapeError('its run lengths are no list of whole numbers')
    # every single length is checked too, so that the sum cannot wrap around
    if (given < 0).any() or (given > count).any() or given.sum() != count:
        raise ShapeError(f'its run lengths add up to {sum(given.tolist()):.0f} pixels, its box has {count}')
    return np.repeat(np.arange(len(given)) % 2 == 1, given.astype(np.int64))


def check_inside(extent: Extent, image_hw: tuple[int, int]) -> None:
    """Raises ShapeError when a region lies outside the image with all that it covers."""
    height, width = image_hw
    left, top, right, bottom = extent
    if right < -TOLERANCE or bottom < -TOLERANCE or left > width + TOLERANCE or top > height + TOLERANCE:
        raise ShapeError(
            f'it is outside the image of {width} x {height} pixels: it covers columns {left:g} to {right:g} and rows '
            f'{top:g} to {bottom:g}; was it drawn on a larger copy, or on another image?'
        )


def are_shares(points: np.ndarray) -> bool:
    """Whether points [N, 2] are all in the image's first pixel, and not at its corners: as shares of the sides are."""
    return bool(((points >= 0) & (points <= 1)).all() and (points != points.round()).any())


def leaves(extent: Extent | None, image_hw: tuple[int, int]) -> bool:
    """Whether a region leaves the image by more than TOLERANCE."""
    if extent is None:
        return False
    height, width = image_hw
    left, top, right, bottom = extent
    return min(left, top) < -TOLERANCE or right > width + TOLERANCE or bottom > height + TOLERANCE


def finite(values: object, shape: tuple[int, ...]) -> np.ndarray:
    """float64 array of the shape, where -1 stands for any length.

    Raises:
        ShapeError: the values are of another shape, or not all of them are finite numbers.
    """
    try:
        array = np.array(values, dtype=np.float64)
        array = array.reshape([max(size, 0) for size in shape]) if array.size == 0 and -1 in shape else array
    except (TypeError, ValueError) as error:
        raise ShapeError('its coordinates are not all numbers, in pairs') from error
    if array.ndim != len(shape) or any(size not in (-1, there) for size, there in zip(shape, array.shape)):
        raise ShapeError(f'its coordinates are {_counted(array.shape)}, expected {_counted(shape)}')
    if not np.isfinite(array).all():
        raise ShapeError('a coordinate is no finite number')
    if (np.abs(array) > FARTHEST).any():
        raise ShapeError(f'a coordinate is beyond {FARTHEST:g}, where no image reaches')
    return array


def _counted(shape: Sequence[int]) -> str:
    """In words: (4, 2) is "4 pairs of numbers"."""
    if not shape:
        return 'a single number'
    count = 'any number of' if shape[0] == -1 else str(shape[0])
    if len(shape) == 1:
        return f'{count} numbers'
    if len(shape) == 2 and shape[1] == 2:
        return f'{count} pairs of numbers'
    return f'{count} lists of {" x ".join(map(str, shape[1:]))} numbers'


def window_of(extent: Extent | None, image_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the image that an extent touches; empty where there is none."""
    left, top, right, bottom = extent or (0.0, 0.0, 0.0, 0.0)
    sides = []
    for low, high, size in ((top, bottom, image_hw[0]), (left, right, image_hw[1])):
        start = int(np.clip(np.floor(low), 0, size))
        sides.append(slice(start, max(start, int(np.clip(np.ceil(high), 0, size)))))
    return sides[0], sides[1]
