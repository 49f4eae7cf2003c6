"""What the writers of label files share: one image's labels, and a class that writes them file by file.

Every label format that is written is read by its module too, and gives back the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Keypoints
from datasetgan_ext.core.class_names import IGNORE_LABEL
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import image_stem
from datasetgan_ext.core.task import Task


class LabeledFile(NamedTuple):
    """The labels of an image file.

    Attributes:
        image: path or name of the file.
        image_hw: its height and width.
        mask: uint8 [H, W], class ids, IGNORE where there is no label; None = none.
        keypoints: of the task's list; None = none.
    """

    image: str
    image_hw: tuple[int, int]
    mask: np.ndarray | None = None
    keypoints: Keypoints | None = None

    @property
    def name(self) -> str:
        """File name without folders and suffix."""
        return image_stem(self.image)

    @property
    def file_name(self) -> str:
        """File name without folders."""
        return self.image.replace('\\', '/').rsplit('/', 1)[-1]

    def regions(self, task: Task) -> Iterator[tuple[str, Window]]:
        """The name of each class that occurs, but for the background, and where: in the order of the ids."""
        if self.mask is None:
            return
        for class_id in np.unique(self.mask[self.mask > 0]).tolist():
            name = IGNORE_LABEL if class_id == IGNORE else task.classes[class_id]
            yield name, Window.around(self.mask == class_id)

    def points(self, task: Task) -> Iterator[tuple[str, float, float, int]]:
        """Name, x, y (in hundredths of a pixel) and visibility of each keypoint that is there."""
        if self.keypoints is None:
            return
        found = zip(task.keypoints, self.keypoints.points.tolist(), self.keypoints.visibility.tolist())
        for name, (x, y), seen in found:
            if seen != ABSENT:
                yield name, round(x, 2), round(y, 2), seen


class Window(NamedTuple):
    """A region in the smallest box around it.

    Attributes:
        left, top: column and row of the box's first pixel.
        bits: bool [h, w].
    """

    left: int
    top: int
    bits: np.ndarray

    @classmethod
    def around(cls, bits: np.ndarray) -> Window:
        """Of bool [H, W], at least one of them set."""
        rows, columns = np.flatnonzero(bits.any(axis=1)), np.flatnonzero(bits.any(axis=0))
        inside = bits[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cls(int(columns[0]), int(rows[0]), inside)

    def runs(self) -> list[int]:
        """Lengths of the runs, row by row, of pixels that are unset and set in turn, unset first."""
        flat = self.bits.reshape(-1)
        changes = np.flatnonzero(np.diff(flat, prepend=False)).tolist()
        ends = [*changes, flat.size]
        return [end - start for start, end in zip([0, *changes], ends)]


class LabelWriter(ABC):
    """Writes the labels of one image after the other; memory does not grow with their number.

    Attributes:
        name: of the format, as its reader has it.
    """

    name: ClassVar[str]

    def __init__(self, task: Task, outdir: Path):
        """
        Args:
            task: what the labels are of.
            outdir: a folder that is there.

        Raises:
            UserError: the format cannot hold labels of the task.
        """
        self.task = task
        self.outdir = outdir
        self._files: dict[str, str] = {}

    def add(self, label: LabeledFile) -> None:
        """Write the labels of one image.

        Raises:
            UserError: an image of that name was written before.
        """
        if label.name in self._files:
            raise UserError(
                f'there are two images named {label.name}, {self._files[label.name]} and {label.image}; label files '
                'are told apart by that name: give one of them another'
            )
        self._files[label.name] = label.image
        self._write(label)

    @abstractmethod
    def _write(self, label: LabeledFile) -> None:
        """Write the labels of one image, whose name is new."""

    def close(self) -> None:  # noqa: B027 - most formats have nothing to do here
        """Write what is written once, at the end."""
