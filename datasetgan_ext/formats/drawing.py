"""What people draw in a labelling tool: shapes with labels, on images; and how they become annotations.

The formats' modules read their files into drawings. Later shapes are painted over earlier ones.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, OCCLUDED, VISIBLE, Annotation, Keypoints
from datasetgan_ext.core.class_names import IGNORE_LABEL, is_background
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import check_names, find_image, image_stem, index_of, listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.core.text import composed, read_text
from datasetgan_ext.formats.object_boxes import without_object_boxes
from datasetgan_ext.formats.shapes import (
    MAX_SIDE,
    Bitmap,
    Polygon,
    Region,
    ShapeError,
    are_shares,
    finite,
    leaves,
    window_of,
)

MAX_PIXELS = 2**30
"""Of all masks that are made from one source: a byte of memory each, which a small file could ask for."""

COVERED = 'covered by what is drawn after them (draw large things first)'
BARE = 'for they cover no pixel: too small or thin, or an outline drawn twice'
"""Why nothing shows of a shape."""
Places = Mapping[str, list[str]]

log = logging.getLogger(__name__)


@dataclass
class Shape:
    """One thing that was drawn: a region of a class, or a keypoint.

    Attributes:
        label: as in the file, its letters in Unicode's form NFC.
        where: file, image and number, for messages.
        region: what it covers; None = it is a keypoint.
        point: x and y in pixels of a keypoint, (0.5, 0.5) the centre of the first pixel.
        visibility: of a keypoint.
        unnamed: whether it is a keypoint of which the file does not tell the name; the label is that of its object.
        is_box: whether it is an upright rectangle by the tool's own word: a region, or the box around an object.
        group: what the tool joins shapes into one object by; None = it is by itself.
    """

    label: str
    where: str
    region: Region | None = None
    point: Sequence[float] | np.ndarray | None = None
    visibility: int = VISIBLE
    unnamed: bool = False
    is_box: bool = False
    group: object = None

    def __post_init__(self):
        if not isinstance(self.label, str):
            raise ShapeError(f'its label is {self.label!r}, which is no name')
        self.label = composed(self.label)
        self.group = None if self.group is None else str(self.group)
        if self.region is None:
            self.point = finite(self.point, (2,))


@dataclass
class Drawing:
    """The shapes on one image, in the order in which they were drawn.

    Attributes:
        name: file name of the image without its suffix.
        source: the file that the shapes stand in.
        image_hw: height and width of the image, as the file says; None = it does not.
        shapes: see there.
        image: the image as the tool calls it, for messages; '' = as `name`.
        other_names: that the image may have among those that were labelled; they go before `name`.
        shares: whether the corners of the polygons are in shares of the image's sides instead of pixels.
        per_cent: whether the tool has coordinates in per cent of the sides; here they are in pixels.
        complete: whether an image without a region is background, as our own files say; else nobody has labelled it.
    """

    name: str
    source: Path
    image_hw: tuple[int, int] | None = None
    shapes: list[Shape] = field(default_factory=list)
    image: str = ''
    other_names: tuple[str, ...] = ()
    complete: bool = False
    shares: bool = False
    per_cent: bool = False

    def __post_init__(self):
        self.name = composed(self.name)
        self.image = self.image or self.name


def annotate(
    drawings: Iterable[Drawing],
    task: Task,
    source: str,
    unlabeled: int = 0,
    image_hw: Mapping[str, tuple[int, int]] | None = None,
) -> list[Annotation]:
    """Masks and keypoints out of shapes.

    Images on which nothing is drawn that the task asks for are passed over, with a warning: most probably nobody has
    labelled them yet. For the same reason an image without a region has no mask, and one without a keypoint (be it an
    absent one) no keypoints. What leaves the image is cut off.

    Args:
        drawings: of any format.
        task: what is labelled; regions are passed over where it has no classes, points where it has no keypoints.
        source: what the drawings came from, as the user gave it, for messages.
        unlabeled: value of pixels that no shape covers.
        image_hw: height and width of each image that may be labelled, by its name; None = they are not known. With it,
            images are found under the names that tools give them, and sizes that the file lacks are those.

    Raises:
        UserError: labels that the task lacks (all of them in one message), an image or a keypoint that is there
            twice, a shape that cannot be painted, or a file whose tool has other units or numbers than its form.
    """
    wanted = [
        (drawing, [shape for shape in drawing.shapes if (task.keypoints if shape.region is None else task.classes)])
        for drawing in drawings
    ]
    left_out = sum(len(drawing.shapes) - len(shapes) for drawing, shapes in wanted)
    if left_out:
        kind, names = ('points', 'keypoints') if task.classes else ('regions', 'classes')
        note(f'{source}: {left_out} {kind} are passed over, no {names} are taken from here')
    _check_labels(source, [shape for _, shapes in wanted for shape in shapes], task)
    _check_visibilities(source, [shape for _, shapes in wanted for shape in shapes if shape.region is None])
    drawn = sum(len(shapes) for _, shapes in wanted)
    wanted = [(drawing, without_object_boxes(shapes)) for drawing, shapes in wanted]
    boxes = drawn - sum(len(shapes) for _, shapes in wanted)
    if boxes:
        note(f'{source}: {boxes} rectangles are the boxes of objects whose outlines are there too, and cover nothing')
    empty = [drawing.image for drawing, shapes in wanted if not shapes and not (drawing.complete and task.classes)]
    if empty:
        note(f'{source}: nothing is drawn on {len(empty)} images; passed over: {listed(empty)}')
    pixels = sum(math.prod(drawing.image_hw) for drawing, _ in wanted if drawing.image_hw is not None)
    if pixels > MAX_PIXELS:
        raise UserError(
            f'{source}: its images have {pixels} pixels in all by the sizes that it tells, more than the {MAX_PIXELS} '
            'that are read at once; if these are the right sizes, give the labels in parts'
        )
    others: dict[str, Drawing] = {}
    annotations: list[Annotation] = []
    lost: dict[str, list[str]] = {COVERED: [], BARE: []}
    for drawing, shapes in wanted:
        if not shapes and not (drawing.complete and task.classes):
            continue
        name = drawing.name
        if image_hw is not None:
            name = find_image([*drawing.other_names, name], image_hw) or name
        if name in others:
            one, other = others[name], drawing
            raise UserError(
                f'{source}: there are two images named {name}: {one.image} in {one.source}, and {other.image} in '
                f'{other.source}; keep the labels of one, or give the other image another name'
            )
        others[name] = drawing
        _check_unit(drawing, shapes)
        regions = [shape for shape in shapes if shape.region is not None]
        points = [shape for shape in shapes if shape.region is None]
        mask = None
        if regions or drawing.complete and task.classes:
            mask = _mask(drawing, regions, task, unlabeled, (image_hw or {}).get(name), lost)
        annotations.append(
            Annotation(
                name,
                mask,
                drawing.source,
                _keypoints(drawing, points, task) if points else None,
                drawing.image_hw,
                drawing.image,
            )
        )
    for why, places in lost.items():
        if places:
            note(f'{source}: shapes are nowhere to be seen, {why}: {listed(places)}')
    if not annotations:
        asked = ' or '.join(kind for kind, names in (('regions', task.classes), ('points', task.keypoints)) if names)
        raise UserError(f'{source} holds no labelled image: there are no {asked} on any; label some, or export again')
    return annotations


def read_json(path: Path, argument: str = 'labels') -> Any:
    """What a JSON file holds, in any of the encodings of `read_text`; UserError where it cannot be read."""
    try:
        return json.loads(read_text(path).lstrip('\ufeff'))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f'`{argument}`: {path} cannot be read as JSON ({type(error).__name__}: {error}); '
            'export it from the labelling tool again'
        ) from error


def image_name(path: object, where: str) -> str:
    """File name without folder and suffix of an image that a label file names; the folders before it are of no matter.

    Raises:
        UserError: it is no path of a file.
    """
    name = image_stem(path) if isinstance(path, str) else ''
    if not name.strip() or name == '..':
        raise UserError(f'{where} names no image file (it has {path!r})')
    return name


def image_size(height: Any, width: Any, where: str) -> tuple[int, int]:
    """Height and width out of a label file; UserError unless whole numbers that an image can have."""
    try:
        sizes = float(height), float(width)
    except (TypeError, ValueError, OverflowError):
        sizes = 0.0, 0.0
    if not all(1 <= size <= MAX_SIDE and size == int(size) for size in sizes):
        raise UserError(
            f'{where}: height {height!r} and width {width!r} are no size of an image '
            f'(whole numbers from 1 to {MAX_SIDE})'
        )
    return int(sizes[0]), int(sizes[1])


@contextlib.contextmanager
def reading(where: str, tool: str) -> Iterator[None]:
    """Whatever fails in the block is a mistake in the label file: a UserError that says where and of which tool."""
    try:
        yield
    except ShapeError as error:
        raise UserError(f'{where}: {error}') from error
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise UserError(
            f'{where} is not as {tool} writes it ({type(error).__name__}: {error}); export it from there '
            'again, or name the format with `label_format`'
        ) from error


def _check_labels(source: str, shapes: list[Shape], task: Task) -> None:
    unnamed = [shape for shape in shapes if shape.unnamed]
    if unnamed:
        names = ', '.join(f'"{name}"' for name in task.keypoints)
        raise UserError(
            f'{source} has keypoints without names ({len(unnamed)} of them, the first at {unnamed[0].where}): nobody '
            f'knows which of them is which of {names}. Add "keypoints": [{names}] to the category '
            f'{unnamed[0].label!r}, in the order in which the file has them, or "keypoint_names": [...] to its "info"'
        )
    for known, others, kind, regions in (
        (task.classes, task.keypoints, 'class', True),
        (task.keypoints, task.classes, 'keypoint', False),
    ):
        places: dict[str, list[str]] = {}
        for shape in shapes:
            if (shape.region is not None) == regions and not (regions and shape.label == IGNORE_LABEL):
                places.setdefault(shape.label, []).append(shape.where)
        check_names(source, places, known, kind, others)


def _check_visibilities(source: str, points: list[Shape]) -> None:
    """Raises UserError where visibilities look like those of a tool that has 1 for visible, 0 for hidden or for all."""
    seen = {int(shape.visibility) for shape in points}
    hidden = [shape for shape in points if shape.visibility == ABSENT and np.any(shape.point)]
    if hidden and VISIBLE not in seen:
        raise UserError(
            f'{source}: the visibility of no keypoint is 2, and {len(hidden)} of visibility 0 have a place (the first '
            f'is {hidden[0].label}, {hidden[0].where}): is 0 hidden or unknown there, and 1 visible? Here 0 is absent, '
            '1 occluded, 2 visible: write these; or, if they are right, write the places of the absent ones as 0, 0'
        )
    if OCCLUDED in seen and VISIBLE not in seen:
        note(f'{source}: no keypoint is visible (2), all that are there are occluded (1)')


def _check_unit(drawing: Drawing, shapes: list[Shape]) -> None:
    """Raises UserError where all coordinates on an image are from 0 to 1, whatever the unit of the tool."""
    extents = [
        shape.region.extent
        for shape in shapes
        if shape.region is not None and not isinstance(shape.region, Bitmap) and shape.region.extent is not None
    ]
    places = [corner for left, top, right, bottom in extents for corner in ((left, top), (right, bottom))]
    places += [tuple(shape.point) for shape in shapes if shape.point is not None and shape.visibility != ABSENT]
    unit = np.ones(2)
    if drawing.per_cent and drawing.image_hw is not None:
        unit = np.array(drawing.image_hw[::-1]) / 100
    points = np.reshape(places, (-1, 2)) / unit
    if not drawing.shares and len(np.unique(points, axis=0)) > 1 and are_shares(points):
        raise UserError(
            f'{shapes[0].where}: all coordinates on {drawing.image} are from 0 to 1, and {drawing.source} is to have '
            f'them in {"per cent of the sides" if drawing.per_cent else "pixels"}; these look like shares of the '
            f'sides. Multiply them by {"100" if drawing.per_cent else "width and height"}, or export them again'
        )


def _mask(
    drawing: Drawing, regions: list[Shape], task: Task, unlabeled: int, known_hw: tuple[int, int] | None, lost: Places
) -> np.ndarray:
    """The mask of an image; where shapes are that nothing shows of goes into `lost`."""
    image_hw = drawing.image_hw or known_hw
    if image_hw is None:
        raise UserError(
            f'{drawing.source}: height and width of image {drawing.image} are missing; without them its '
            'shapes cannot be painted'
        )
    mask = np.full(image_hw, unlabeled, dtype=np.uint8)
    inside, taken = np.zeros_like(mask), np.zeros(image_hw, bool)
    cut: list[str] = []
    # from the last to the first, each where none of those after it is: so it is known what shows of it
    for shape in reversed(regions):
        region = shape.region
        value = IGNORE if shape.label == IGNORE_LABEL else index_of(shape.label, task.classes)
        assert region is not None and value is not None  # see `annotate` and `_check_labels`
        try:
            if drawing.shares and isinstance(region, Polygon):
                region = Polygon(region.corners * (image_hw[1], image_hw[0]))
            region.paint(inside, 1)
        except ShapeError as error:
            raise UserError(f'{shape.where} ({shape.label}): {error}') from error
        window = window_of(region.extent, image_hw)
        bits = inside[window] > 0
        inside[window] = 0
        mask[window][bits & ~taken[window]] = value
        taken[window] |= bits
        if not (mask[window][bits] == value).any():
            lost[COVERED if bits.any() else BARE].append(f'{shape.where} ({shape.label})')
        if leaves(region.extent, image_hw):
            cut.append(f'{shape.where} ({shape.label})')
    cut.reverse()
    _check_first_class(drawing, regions, task, unlabeled, bool((~taken).any()))
    if cut and drawing.image_hw is None and not drawing.shares:
        raise UserError(
            f'{cut[0]} leaves the image of {image_hw[1]} x {image_hw[0]} pixels, and {drawing.source} does not tell '
            'the size of the image that it was drawn on: was that a larger copy? Export it with the size'
        )
    if cut:
        log.info('cut off at the border of the image: %s', listed(cut))
    return mask


def _check_first_class(drawing: Drawing, regions: list[Shape], task: Task, unlabeled: int, is_bare: bool) -> None:
    """Raises UserError where the first class is drawn as any other, and pixels that nobody drew would be of it, too."""
    first = task.classes[0]
    drawn = next((shape for shape in regions if index_of(shape.label, task.classes) == 0), None)
    is_known = drawing.complete or unlabeled == IGNORE or is_background(first)
    if drawn is not None and is_bare and not is_known:
        raise UserError(
            f'{drawn.where}: {first!r} is drawn, and it is the first class of the class file, which is what no shape '
            f'covers: all the rest of {drawing.image} would be {first!r}, too. Give the class file a first line '
            '"background"; or, if nothing is known of the rest, give `unlabeled`=ignore'
        )


def _keypoints(drawing: Drawing, points: list[Shape], task: Task) -> Keypoints:
    found = Keypoints(np.zeros((len(task.keypoints), 2), np.float32), np.full(len(task.keypoints), ABSENT, np.uint8))
    seen: dict[str, str] = {}
    # an object without any keypoint says nothing beside one that has some
    labeled = {shape.where for shape in points if shape.visibility != ABSENT}
    for shape in [shape for shape in points if shape.where in labeled] or points:
        if shape.label in seen:
            raise UserError(
                f'{shape.where}: keypoint {shape.label!r} is there twice on {drawing.image} (the other is '
                f'{seen[shape.label]}); label one object an image'
            )
        seen[shape.label] = shape.where
        index = index_of(shape.label, task.keypoints)
        with np.errstate(over='ignore'):  # a place beyond all images is told by `Annotation.check`
            found.points[index] = shape.point
        found.visibility[index] = shape.visibility
    return found
