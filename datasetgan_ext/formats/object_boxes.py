"""Rectangles that tell where an object is, beside the outlines of the object itself: they are no regions of a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.shapes import TOLERANCE, Extent, Region


class Drawn(Protocol):
    """What is asked here of a `drawing.Shape`."""

    label: str
    where: str
    region: Region | None
    is_box: bool
    group: object


AnyShape = TypeVar('AnyShape', bound=Drawn)


def without_object_boxes(shapes: list[AnyShape]) -> list[AnyShape]:
    """The shapes of an image less the rectangles that only tell where an object is; painted, they would fill it.

    Such a box lies around all that has its label and its group: so CVAT and Datumaro keep COCO's objects. Where that is
    rectangles alone, it is the smallest box around them.

    Raises:
        UserError: a rectangle without a group lies around an outline of its label that it hides, or that adds nothing
            to it: either of the two may be meant.
    """
    dropped: set[int] = set()
    for label in {shape.label for shape in shapes if shape.is_box}:
        extents = {
            place: shape.region.extent
            for place, shape in enumerate(shapes)
            if shape.label == label and shape.region is not None and shape.region.extent is not None
        }
        boxes = [place for place in extents if shapes[place].is_box]
        dropped |= _boxes_of_groups(boxes, extents, shapes)
        _check_boxes_alone([place for place in boxes if place not in dropped], extents, shapes)
    return [shape for place, shape in enumerate(shapes) if place not in dropped]


def _boxes_of_groups(boxes: list[int], extents: dict[int, Extent], shapes: Sequence[Drawn]) -> set[int]:
    """Those of the boxes, by their places among the shapes, that lie around all others of their group; around
    rectangles alone, closely."""
    groups: dict[object, list[int]] = {}
    for place in extents:
        groups.setdefault(shapes[place].group, []).append(place)
    found = set()
    for box in boxes:
        group = shapes[box].group
        others = [place for place in groups[group] if place != box]
        if (
            group is not None
            and others
            and _lie_in(extents[box], [extents[place] for place in others], TOLERANCE).all()
            and (
                not all(shapes[place].is_box for place in others)
                or _lie_in(_bounds([extents[place] for place in others]), [extents[box]], TOLERANCE).all()
            )
        ):
            found.add(box)
            groups[group] = others
    return found


def _check_boxes_alone(boxes: list[int], extents: dict[int, Extent], shapes: Sequence[Drawn]) -> None:
    """Raises UserError where an outline without a group does not show in a box of its label."""
    outlines = np.array([place for place in extents if not shapes[place].is_box and shapes[place].group is None], int)
    if not len(outlines):
        return
    places = [extents[place] for place in outlines.tolist()]
    # how many shapes of other labels were drawn before each place
    others = np.cumsum([0] + [shape.label != shapes[outlines[0]].label for shape in shapes])
    for box in boxes:
        hidden = (outlines < box) | (others[outlines] == others[box])
        hidden &= _lie_in(extents[box], places, 0)
        if hidden.any():
            raise UserError(
                f'{shapes[box].where} ({shapes[box].label}) is a rectangle around the outline '
                f'{shapes[outlines[hidden][0]].where}, of the same class: is all of the rectangle that class, or is it '
                'the box of the object, and the outline its mask? Delete the one that is not meant; or join the two in '
                'a group, and the rectangle is taken as the box'
            )


def _bounds(extents: list[Extent]) -> Extent:
    """The smallest box around N boxes."""
    left, top, right, bottom = np.transpose(extents)
    return left.min(), top.min(), right.max(), bottom.max()


def _lie_in(box: Extent, extents: list[Extent], tolerance: float) -> np.ndarray:
    """Bool [N]: which of N extents lie in that of a box."""
    left, top, right, bottom = np.transpose(extents)
    inside = (left >= box[0] - tolerance) & (top >= box[1] - tolerance)
    return np.asarray(inside & (right <= box[2] + tolerance) & (bottom <= box[3] + tolerance))
