"""What people draw in a labelling tool: shapes with labels, on images; and how they become annotations.

The formats' modules read their files into drawings. Later shapes are painted over earlier ones.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, VISIBLE, Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import check_names
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.shapes import MAX_SIDE, Region, ShapeError, finite

IGNORE_LABEL = '__ignore__'
"""LabelMe's label of regions that are left out; understood in every format."""

log = logging.getLogger(__name__)


@dataclass
class Shape:
    """One thing that was drawn: a region of a class, or a keypoint.

    Attributes:
        label: as in the file.
        where: file, image and number, for messages.
        region: what it covers; None = it is a keypoint.
        point: x and y in pixels of a keypoint, (0.5, 0.5) the centre of the first pixel.
        visibility: of a keypoint.
    """

    label: str
    where: str
    region: Region | None = None
    point: Sequence[float] | None = None
    visibility: int = VISIBLE

    def __post_init__(self):
        if not isinstance(self.label, str):
            raise ShapeError(f'its label is {self.label!r}, which is no name')
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
    """

    name: str
    source: Path
    image_hw: tuple[int, int] | None = None
    shapes: list[Shape] = field(default_factory=list)


def annotate(drawings: Iterable[Drawing], task: Task, source: str, unlabeled: int = 0) -> list[Annotation]:
    """Masks and keypoints out of shapes.

    Images on which nothing is drawn that the task asks for are passed over, with a warning: most probably nobody has
    labelled them yet. For the same reason an image without a region has no mask, and one without a keypoint (be it an
    absent one) no keypoints.

    Args:
        drawings: of any format.
        task: what is labelled; regions are passed over where it has no classes, points where it has no keypoints.
        source: what the drawings came from, as the user gave it, for messages.
        unlabelled: value of pixels that no shape covers.

    Raises:
        UserError: labels that the task lacks (all of them in one message), an image or a keypoint that is there
            twice, or a shape that cannot be painted.
    """
    wanted = [
        (drawing, [shape for shape in drawing.shapes if (task.keypoints if shape.region is None else task.classes)])
        for drawing in drawings
    ]
    left_out = sum(len(drawing.shapes) - len(shapes) for drawing, shapes in wanted)
    if left_out:
        kind, names = ('points', 'keypoints') if task.classes else ('regions', 'classes')
        log.info('%s: %d %s are passed over, no %s are asked for', source, left_out, kind, names)
    _check_labels(source, [shape for _, shapes in wanted for shape in shapes], task)
    empty = [drawing.name for drawing, shapes in wanted if not shapes]
    if empty:
        log.warning('%s: nothing is drawn on %s; passed over', source, ', '.join(empty))
    sources: dict[str, Path] = {}
    annotations: list[Annotation] = []
    for drawing, shapes in wanted:
        if not shapes:
            continue
        if drawing.name in sources:
            raise UserError(
                f'{source}: there are two images named {drawing.name}, in {sources[drawing.name]} and '
                f'{drawing.source}; keep the labels of one'
            )
        sources[drawing.name] = drawing.source
        regions = [shape for shape in shapes if shape.region is not None]
        points = [shape for shape in shapes if shape.region is None]
        annotations.append(
            Annotation(
                drawing.name,
                _mask(drawing, regions, task, unlabeled) if regions else None,
                drawing.source,
                _keypoints(drawing, points, task) if points else None,
                drawing.image_hw,
            )
        )
    if not annotations:
        asked = ' or '.join(kind for kind, names in (('regions', task.classes), ('points', task.keypoints)) if names)
        raise UserError(f'{source} holds no labelled image: there are no {asked} on any; label some, or export again')
    return annotations


def read_json(path: Path, argument: str = 'labels') -> object:
    """What a JSON file holds; UserError where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f'`{argument}`: {path} cannot be read as JSON ({type(error).__name__}: {error}); '
            'export it from the labelling tool again'
        ) from error


def image_name(path: object, where: str) -> str:
    """File name without folder and suffix of an image that a label file names.

    Raises:
        UserError: it is no relative path, or one that leaves the folder.
    """
    if not isinstance(path, str) or not path.strip():
        raise UserError(f'{where} names no image file')
    parts = PurePosixPath(path.replace('\\', '/'))
    if parts.is_absolute() or '..' in parts.parts or parts.parts[:1] and parts.parts[0].endswith(':'):
        raise UserError(
            f'{where}: the image path {path!r} leaves the folder of the images; give it relative to that folder'
        )
    return parts.stem


def image_size(height: object, width: object, where: str) -> tuple[int, int]:
    """Height and width out of a label file; UserError unless whole numbers that an image can have."""
    try:
        sizes = float(height), float(width)
    except (TypeError, ValueError, OverflowError):
        sizes = 0, 0
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
    for known, others, kind, regions in (
        (task.classes, task.keypoints, 'class', True),
        (task.keypoints, task.classes, 'keypoint', False),
    ):
        places = {}
        for shape in shapes:
            if (shape.region is not None) == regions and not (regions and shape.label == IGNORE_LABEL):
                places.setdefault(shape.label, []).append(shape.where)
        check_names(source, places, known, kind, others)


def _mask(drawing: Drawing, regions: list[Shape], task: Task, unlabeled: int) -> np.ndarray:
    if drawing.image_hw is None:
        raise UserError(
            f'{drawing.source}: height and width of image {drawing.name} are missing; without them its '
            'shapes cannot be painted'
        )
    mask = np.full(drawing.image_hw, unlabeled, dtype=np.uint8)
    for shape in regions:
        try:
            shape.region.paint(mask, IGNORE if shape.label == IGNORE_LABEL else task.classes.index(shape.label))
        except ShapeError as error:
            raise UserError(f'{shape.where} ({shape.label}): {error}') from error
    return mask


def _keypoints(drawing: Drawing, points: list[Shape], task: Task) -> Keypoints:
    found = Keypoints(np.zeros((len(task.keypoints), 2), np.float32), np.full(len(task.keypoints), ABSENT, np.uint8))
    seen = {}
    for shape in points:
        if shape.label in seen:
            raise UserError(
                f'{shape.where}: keypoint {shape.label!r} is there twice on {drawing.name} (the other is '
                f'{seen[shape.label]}); label one object an image'
            )
        seen[shape.label] = shape.where
        index = task.keypoints.index(shape.label)
        found.points[index] = shape.point
        found.visibility[index] = shape.visibility
    return found
