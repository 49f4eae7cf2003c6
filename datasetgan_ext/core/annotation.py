"""What every label format is read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task

IGNORE = 255
"""Value of mask pixels that carry no label: left out of training and of scores."""

HAND, PARTLY_HAND = 'hand', 'partly hand'
"""Whose labels a sample has, as the manifest of a dataset says: a person's, or in part a person's and for the rest the
ensemble's. Where it says nothing they are the ensemble's."""

ABSENT, OCCLUDED, VISIBLE = 0, 1, 2
"""Visibility of a keypoint, as in COCO: not in the image, hidden at a known place, to be seen."""


@dataclass
class Keypoints:
    """Where keypoints are.

    Attributes:
        points: float32 [J, 2], x and y in pixels from the image's upper left corner, so that the centre of the first
            pixel is (0.5, 0.5); of no meaning where absent.
        visibility: uint8 [J], ABSENT, OCCLUDED or VISIBLE.
    """

    points: np.ndarray
    visibility: np.ndarray


@dataclass
class Annotation:
    """A person's labels of one image; mask, keypoints, or both.

    Attributes:
        name: file name of the labelled image without its suffix.
        mask: uint8 [H, W], class ids, IGNORE where there is no label; None = no masks for this image.
        source: the file that it was read from, for messages.
        keypoints: of the task's list; None = no keypoints for this image.
        image_hw: height and width of the labelled image, as the label file says; None = it does not.
        image: the image as the labelling tool calls it, for messages; None = as `source`.
        keypoints_source: the file of the keypoints, and of `image_hw`, where it is another than `source`.
    """

    name: str
    mask: np.ndarray | None
    source: Path
    keypoints: Keypoints | None = None
    image_hw: tuple[int, int] | None = None
    image: str | None = None
    keypoints_source: Path | None = None

    def check(self, task: Task, image_hw: tuple[int, int]) -> None:
        """Raises UserError when mask or keypoints do not suit the image's size or the task, if it has such."""
        height, width = image_hw
        mask = self.mask if task.classes else None
        other_source = self.keypoints_source or self.source
        for labeled_hw, source in ((None if mask is None else mask.shape, self.source), (self.image_hw, other_source)):
            if labeled_hw is not None and labeled_hw != image_hw:
                resized = factor_text(labeled_hw, image_hw)
                if labeled_hw == image_hw[::-1]:
                    resized = ', as if the tool had not turned it as its EXIF says: label a copy that is saved upright'
                raise UserError(
                    f'{source} is {size_text(labeled_hw)}, its image is {size_text(image_hw)} '
                    f'(height x width; image {self.name}){resized}. Labels are not resized here: have the '
                    'tool work on the image files as they are, and export again'
                )
        if mask is not None:
            self.check_classes(task.classes)
        if self.keypoints is not None and task.keypoints:
            for name, (x, y), seen in zip(task.keypoints, self.keypoints.points, self.keypoints.visibility):
                if seen != ABSENT and not (0 <= x <= width and 0 <= y <= height):
                    raise UserError(
                        f'{other_source}: keypoint {name} of {self.name} is at ({x:g}, {y:g}), outside the '
                        f'image of {width} x {height} pixels; mark it as absent, or move it'
                    )

    def check_classes(self, classes: Sequence[str]) -> None:
        """Raises UserError when the mask holds an id outside the class list."""
        found = set() if self.mask is None else set(np.unique(self.mask).tolist())
        unknown = sorted(found - set(range(len(classes))) - {IGNORE})
        if unknown:
            raise UserError(
                f'{self.source}: class id {", ".join(map(str, unknown))} is outside the class list, '
                f'which has ids 0..{len(classes) - 1} ({", ".join(classes)}); {IGNORE} means "no label"'
            )


def object_box(mask: np.ndarray | None, points: np.ndarray) -> np.ndarray:
    """The box of all that is not background or, without a mask, of the points.

    Args:
        mask: uint8 [H, W], class ids; pixels of value IGNORE are not looked at.
        points: float [J, 2], x and y of the keypoints that are there.

    Returns:
        float64 [2, 2], upper left and lower right corner (x, y) in pixels; zeros where there is nothing.
    """
    objects = None if mask is None else (mask != 0) & (mask != IGNORE)
    if objects is not None and objects.any():
        rows, columns = np.nonzero(objects)
        return np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], dtype=float)
    if len(points):
        return np.array([points.min(axis=0), points.max(axis=0)], dtype=float)
    return np.zeros((2, 2))


def size_text(sizes: tuple[int, ...]) -> str:
    """Sizes for a message: (384, 512) -> '384x512'."""
    return 'x'.join(map(str, sizes))


def factor_text(labeled_hw: tuple[int, int], image_hw: tuple[int, int]) -> str:
    """For a message: by how much a labelled copy was resized; empty if its shape is another one, to the pixel."""
    (labeled_height, labeled_width), (height, width) = labeled_hw, image_hw
    if abs(labeled_height * width - labeled_width * height) >= max(height, width):
        return ''
    return f', a copy resized by {labeled_height / height:.4g}'


def clean_up(mask: np.ndarray, min_pixels: int) -> np.ndarray:
    """A copy of the mask in which classes with fewer than `min_pixels` pixels in total are background (id 0)."""
    mask = mask.copy()
    for class_id, count in zip(*np.unique(mask, return_counts=True)):
        if class_id != IGNORE and count < min_pixels:
            mask[mask == class_id] = 0
    return mask
