"""Labelled images on disk, read when they are asked for: datasets of ours, their conversions, or anybody's folder.

The layouts are in `layouts`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasetgan_ext.core.annotation import Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import file_sha256
from datasetgan_ext.core.images import IMAGE_SUFFIXES, read_rgb, upright_hw
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.class_map import ClassMap
from datasetgan_ext.downstream.layouts import LAYOUTS, Entry, entries_of, images_of
from datasetgan_ext.downstream.recognition import Pictures
from datasetgan_ext.formats import png
from datasetgan_ext.formats.folder import DATASET_FILE, is_conversion, read_info

TASK_FILE = 'task.json'


@dataclass(frozen=True)
class LabeledImage:
    """An image and what is known of it.

    Attributes:
        name: file name without its suffix.
        image: uint8 [H, W, 3], RGB.
        mask: uint8 [H, W], class ids, IGNORE where there is no label; None = it has none.
        keypoints: in pixels of the image; None = it has none.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray | None = None
    keypoints: Keypoints | None = None


class LabeledDataset(Sequence[LabeledImage]):
    """Labelled images of one task; memory holds one at a time.

    Attributes:
        source: the folder.
        task: classes and keypoints that the labels are of.
        task_of_files: those that they are of in the files, before classes are merged.
    """

    def __init__(self, source: Path, task: Task, entries: Iterable[Entry], class_map: ClassMap | None = None):
        """
        Args:
            source: see above.
            task: of the files.
            entries: where they are.
            class_map: by which the classes are merged.
        """
        self.source = source
        self.task = class_map.task_of(task) if class_map else task
        self._entries = tuple(entries)
        self.task_of_files = task
        self._class_map = class_map
        self._new_ids = class_map.table(task) if class_map else None

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> LabeledImage:
        """
        Raises:
            UserError: a file cannot be read, or the label does not suit the image or the task.
        """
        entry = self._entries[index]
        mask = entry.mask
        if isinstance(mask, Path):
            mask = entry.masks.read(mask) if entry.masks else png.read_mask(mask)
        found = LabeledImage(entry.image.stem, read_rgb(entry.image), mask, entry.keypoints)
        Annotation(
            found.name,
            mask,
            entry.mask if isinstance(entry.mask, Path) else entry.image,
            entry.keypoints,
            entry.image_hw,
            keypoints_source=entry.keypoints_source,
        ).check(self.task_of_files, found.image.shape[:2])
        if self._new_ids is not None and mask is not None:
            return replace(found, mask=self._new_ids[mask])
        return found

    def first(self, count: int, argument: str) -> LabeledDataset:
        """The first `count` images.

        Args:
            count: how many.
            argument: name of the argument that gave it, for the message.

        Raises:
            UserError: there are fewer.
        """
        if count > len(self):
            raise UserError(f'`{argument}`={count}: {self.source} holds {len(self)} images')
        return self.take(range(count))

    def take(self, indices: Iterable[int]) -> LabeledDataset:
        """Those of some indices, in their order."""
        entries = [self._entries[index] for index in indices]
        return LabeledDataset(self.source, self.task_of_files, entries, self._class_map)

    def only(self, classes: bool, keypoints: bool) -> LabeledDataset:
        """The same without masks, or without keypoints; images that are left without any label are left out."""
        entries = [entry.only(classes, keypoints) for entry in self._entries]
        return LabeledDataset(
            self.source,
            self.task_of_files.only(classes, keypoints),
            [entry for entry in entries if entry.is_labeled],
            self._class_map if classes else None,
        )

    def without_labels(self) -> LabeledDataset:
        return LabeledDataset(self.source, self.task, [Entry(entry.image) for entry in self._entries])

    def pictures(self) -> Pictures:
        """What tells each image from others, so that the same picture is known anywhere."""
        entries = tqdm(self._entries, desc='reading', unit='image', disable=None, mininterval=0.5, leave=False)
        return Pictures.of(read_rgb(entry.image) for entry in entries)

    def sizes(self) -> set[tuple[int, int]]:
        """Heights and widths that there are."""
        return {upright_hw(entry.image) for entry in self._entries}

    def fingerprint(self) -> str:
        """sha256 (hex) over names, files and labels."""
        digest = hashlib.sha256(json.dumps(self.task.to_json()).encode())
        if self._new_ids is not None:
            digest.update(self._new_ids.tobytes())
        for entry in self._entries:
            digest.update(f'{entry.image.stem} {file_sha256(entry.image)}'.encode())
            if isinstance(entry.mask, Path):
                digest.update(file_sha256(entry.mask).encode())
            elif entry.mask is not None:
                digest.update(hashlib.sha256(entry.mask.tobytes()).hexdigest().encode())
            if entry.keypoints is not None:
                digest.update(entry.keypoints.points.tobytes() + entry.keypoints.visibility.tobytes())
        return digest.hexdigest()


def read_labeled(
    folder: Path, task: Task | None = None, argument: str = 'data', class_map: ClassMap | None = None
) -> LabeledDataset:
    """The labelled images of a folder, in the order of names.

    Args:
        folder: in one of the layouts of `layouts`.
        task: what its labels mean; None = as the folder says, in dataset.json or task.json.
        argument: name of the argument that gave the folder, for messages.
        class_map: by which its classes are merged, unless the folder says that they are the merged ones already.

    Raises:
        UserError: the folder has another layout, says nothing of its classes, or holds no labelled image; or its
            classes are others than the task's, or than those of `class_map`.
    """
    if not folder.is_dir():
        raise UserError(f'`{argument}`={folder} is no folder; give {LAYOUTS}')
    task = _task_of(folder, task, argument, class_map)
    entries = entries_of(folder, task, argument)
    wanted = [entry.only(bool(task.classes), bool(task.keypoints)) for entry in entries]
    wanted = [entry for entry in wanted if entry.is_labeled]
    if not wanted:
        raise UserError(f'`{argument}`={folder} holds no labelled image')
    labeled = {entry.image for entry in wanted}
    if passed := sorted(entry.image.name for entry in entries if entry.image not in labeled):
        note(
            f'`{argument}`={folder}: {len(passed)} of {len(entries)} images have no label and are passed over, for '
            f'example {passed[0]}'
        )
    task = task.only(
        classes=any(entry.mask is not None for entry in wanted),
        keypoints=any(entry.keypoints is not None for entry in wanted),
    )
    entries = sorted(wanted, key=lambda entry: entry.image.stem)
    is_merged = class_map is None or not task.classes or task.classes == class_map.classes
    return LabeledDataset(folder, task, entries, None if is_merged else class_map)


def read_unlabeled(folder: Path, argument: str) -> LabeledDataset:
    """The images of a folder (or of its images/), whatever labels there are.

    Raises:
        UserError: it holds none.
    """
    entries = list(images_of(folder))
    if not entries:
        raise UserError(f'`{argument}`={folder} holds no image ({", ".join(IMAGE_SUFFIXES)})')
    return LabeledDataset(folder, Task((), ()), entries)


def _task_of(folder: Path, task: Task | None, argument: str, class_map: ClassMap | None) -> Task:
    own = None
    if (folder / DATASET_FILE).is_file():
        own = Task.from_json(read_info(folder, converted=is_conversion(folder)), folder / DATASET_FILE)
    elif (folder / TASK_FILE).is_file():
        own = Task.read(folder / TASK_FILE)
    if own is None and task is None:
        raise UserError(
            f'`{argument}`={folder} does not say what its labels mean; give `classes`=FILE, '
            f'or put the class file into it as {TASK_FILE}'
        )
    if own is None or task is None:
        return own or task
    if class_map and own.classes == class_map.classes:
        task = replace(task, classes=own.classes, palette=own.palette)
    for kind in ('classes', 'keypoints'):
        names, others = getattr(task, kind), getattr(own, kind)
        if names and others and names != others:
            raise UserError(
                f'`{argument}`={folder} has the {kind} {", ".join(others)}; asked for are {", ".join(names)}. '
                'They must be the same, in the same order'
            )
    # left and right, and the colours, are as the caller has them
    return task.only(bool(task.classes and own.classes), bool(task.keypoints and own.keypoints))
