"""The label folder that the page draws into: masks as PNG files, keypoints as one file of COCO."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, OCCLUDED, VISIBLE, Annotation, Keypoints, object_box
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix, remove_leftovers, save_atomically, temporary_file, writing
from datasetgan_ext.core.locks import locked
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.formats.coco import flat_keypoints, keypoint_category, keypoint_object, write_coco
from datasetgan_ext.formats.folder import KEYPOINTS_FILE
from datasetgan_ext.generator.hand_labels import read_hand_labels
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.labeling.notes import Notes

log = logging.getLogger(__name__)


class Outdated(Exception):
    """What is to be replaced is not what the sender has last seen: someone else has changed it."""


class LabelStore:
    """Labels of a sample set, in memory and on disk; an image that has none has no file.

    `datasetgan train --labels=FOLDER` reads the folder as it is. What a method has
    saved is on disk when it returns. Methods may be called from several threads.

    Attributes:
        samples: what is labelled, by name.
        notes: what the page keeps beside the labels.
        changes: a number that rises with each change of a label.
    """

    def __init__(self, sample_set: SampleSet, task: Task, folder: Path):
        """Read what the folder holds already; `open_store` locks it first.

        Raises:
            UserError: it holds other files than masks and keypoints of these samples, of this size and task.
        """
        self.sample_set = sample_set
        self.task = task
        self.folder = folder
        self.samples: dict[str, Sample] = {sample.name: sample for sample in sample_set.samples}
        self.changes = 0
        self.notes = Notes(folder, task.classes)
        self._lock = threading.RLock()
        self._masks: dict[str, np.ndarray] = {}
        self._classes: dict[str, tuple[np.ndarray, frozenset[int]]] = {}
        self._keypoints: dict[str, Keypoints] = {}
        masks = task.classes and bool(files_by_suffix(folder, '.png', below=True))
        keypoints = task.keypoints and (folder / KEYPOINTS_FILE).exists()
        if masks or keypoints:
            found = read_hand_labels(
                sample_set,
                task if keypoints else task.only(classes=True, keypoints=False),
                labels=folder if masks else None,
                keypoints=folder / KEYPOINTS_FILE if keypoints else None,
                label_format='png',
            )
            for line in found.read.notes:
                log.warning('%s', line)
            for sample, annotation in found.pairs:
                if annotation.mask is not None and annotation.source != folder / f'{sample.name}.png':
                    raise UserError(
                        f'`labels`={folder}: {annotation.source} would be drawn on as {sample.name}.png, and be there '
                        'twice; give it that name and place'
                    )
                if annotation.mask is not None:
                    self._masks[sample.name] = annotation.mask
                if annotation.keypoints is not None:
                    self._keypoints[sample.name] = annotation.keypoints

    def mask(self, name: str) -> np.ndarray:
        """uint8 [H, W], IGNORE where there is no label; not to be written to."""
        with self._lock:
            return self._masks.get(name, np.full(self.sample_set.image_hw, IGNORE, np.uint8))

    def classes(self, names: Iterable[str] | None = None) -> frozenset[int]:
        """Ids of the classes that some pixel of some images has; None = of all images."""
        found: set[int] = set()
        for name in list(self.samples) if names is None else names:
            with self._lock:
                mask = self._masks.get(name)
                known, ids = self._classes.get(name, (None, frozenset()))
            if mask is not None and mask is not known:
                ids = frozenset(np.flatnonzero(np.bincount(mask.reshape(-1), minlength=IGNORE)[:IGNORE]).tolist())
                self._classes[name] = mask, ids
            if mask is not None:
                found |= ids
        return frozenset(found)

    def labeled_share(self, name: str) -> float:
        """Share of the image's pixels that have a label, 0..1."""
        return float((self.mask(name) != IGNORE).mean())

    def is_finished(self, name: str) -> bool:
        """Whether each pixel of the image has a label or, in a task without classes, a keypoint is placed."""
        if self.task.classes:
            return self.labeled_share(name) == 1
        return any(seen != ABSENT for _, _, seen in self.keypoints(name))

    def has_all_keypoints(self, name: str) -> bool:
        """Whether each keypoint of the image is placed or said to be absent."""
        absent = self.notes.of(name)['absent']
        return all(seen != ABSENT or index in absent for index, (_, _, seen) in enumerate(self.keypoints(name)))

    def keypoints(self, name: str) -> list[list[float]]:
        """[x, y, visibility] of each keypoint, as in `Keypoints`; all absent where nothing is labelled."""
        with self._lock:
            found = self._keypoints.get(name)
        if found is None:
            return [[0, 0, ABSENT] for _ in self.task.keypoints]
        flat = flat_keypoints(found)
        return [flat[start : start + 3] for start in range(0, len(flat), 3)]

    def save_mask(
        self, name: str, pixels: bytes, version: str | None = None, box: tuple[int, int, int, int] | None = None
    ) -> str:
        """Replace an image's mask or a part of it; one without any label has its file removed. Gives the new version.

        Args:
            name: of a sample.
            pixels: class ids row by row, a byte each, IGNORE where there is no label.
            version: of the mask that is replaced, as `mask_version` gives it; None = whatever is there.
            box: the part that the pixels are of: its first column and row, and the column and row after its last ones;
                None = the whole mask.

        Raises:
            ValueError: not as many bytes as the box has pixels, a box outside the image, or ids that are none.
            Outdated: the mask has another version.
            UserError: the disk is full or the folder cannot be written.
        """
        height, width = self.sample_set.image_hw
        left, upper, right, lower = box or (0, 0, width, height)
        if not (0 <= left < right <= width and 0 <= upper < lower <= height):
            raise ValueError(f'a box of {left}, {upper}, {right}, {lower} in an image of {height} x {width} pixels')
        part_hw = lower - upper, right - left
        if len(pixels) != part_hw[0] * part_hw[1]:
            raise ValueError(
                f'a mask of {len(pixels)} bytes; {part_hw[0]} x {part_hw[1]} pixels take {part_hw[0] * part_hw[1]}'
            )
        part = np.frombuffer(pixels, np.uint8).reshape(part_hw)
        if ((part >= len(self.task.classes)) & (part != IGNORE)).any():
            raise ValueError(f'a class id outside 0..{len(self.task.classes) - 1} that is not {IGNORE}, "no label"')
        path = self.folder / f'{name}.png'
        with self._lock:
            before = self.mask(name)
            mask = before.copy()
            mask[upper:lower, left:right] = part
            if np.array_equal(mask, before):
                return mask_version(mask)
            if version not in (None, mask_version(before)):
                raise Outdated
            if (mask == IGNORE).all():
                with writing(path):
                    path.unlink(missing_ok=True)
                self._masks.pop(name, None)
            else:
                save_atomically(path, lambda temporary: png.write_mask(temporary, mask, self.task.flat_palette))
                self._masks[name] = mask
            self.changes += 1
            return mask_version(mask)

    def save_keypoints(self, name: str, values: object, version: str | None = None) -> str:
        """Replace an image's keypoints; all absent is the same as none. Gives the new version.

        Args:
            name: of a sample.
            values: [x, y, visibility] of each keypoint of the task.
            version: of the keypoints that are replaced, as `keypoints_version` gives it; None = whatever is there.

        Raises:
            ValueError: they are something else, or a keypoint is outside the image.
            Outdated: the keypoints have another version.
            UserError: the disk is full or the folder cannot be written.
        """
        height, width = self.sample_set.image_hw
        try:
            table = np.array(values, dtype=np.float32).reshape(len(self.task.keypoints), 3)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f'not x, y and visibility of each of the {len(self.task.keypoints)} keypoints') from error
        points = table[:, :2]
        seen = table[:, 2]
        if not np.isin(seen, (ABSENT, OCCLUDED, VISIBLE)).all():
            raise ValueError('a visibility that is none of 0 (absent), 1 (occluded), 2 (visible)')
        if not ((points >= 0) & (points <= (width, height)))[seen != ABSENT].all():
            raise ValueError('a keypoint outside the image')
        points = np.where(seen[:, None] == ABSENT, 0, points)
        keypoints = Keypoints(points, seen.astype(np.uint8))
        with self._lock:
            now = self.keypoints(name)
            if _same(keypoints, self._keypoints.get(name)):
                return keypoints_version(now)
            if version not in (None, keypoints_version(now)):
                raise Outdated
            changed = {key: found for key, found in self._keypoints.items() if key != name}
            if (seen != ABSENT).any():
                changed[name] = keypoints
            self._write_keypoints(changed)
            self._keypoints = changed
            self.changes += 1
            return keypoints_version(self.keypoints(name))

    def annotations(self) -> list[Annotation]:
        """What is labelled so far, in the order of the samples. As long as a mask or the keypoints of an image do not
        change, they are the same objects."""
        with self._lock:
            return [
                Annotation(name, self._masks.get(name), self.folder / f'{name}.png', self._keypoints.get(name))
                for name in self.samples
                if name in self._masks or name in self._keypoints
            ]

    def _write_keypoints(self, keypoints: dict[str, Keypoints]) -> None:
        path = self.folder / KEYPOINTS_FILE
        if not keypoints:
            with writing(path):
                path.unlink(missing_ok=True)
            return
        records = [self._record(sample, keypoints[name]) for name, sample in self.samples.items() if name in keypoints]
        save_atomically(
            path,
            lambda temporary: write_coco(
                temporary,
                [keypoint_category(self.task)],
                lambda record: record['file'],
                lambda: iter(records),
                self.sample_set.image_hw,
                keypoint_object,
            ),
        )

    def _record(self, sample: Sample, keypoints: Keypoints) -> dict:
        """What `keypoint_object` takes."""
        low, high = object_box(self._drawn(sample.name), keypoints.points[keypoints.visibility != ABSENT])
        return {
            'file': Path(sample.image).name,
            'keypoints': flat_keypoints(keypoints),
            'box': [round(float(value), 2) for value in (*low, *(high - low))],
        }

    def _drawn(self, name: str) -> np.ndarray | None:
        """An image's mask in which pixels without a label are background."""
        mask = self._masks.get(name)
        return None if mask is None else np.where(mask == IGNORE, 0, mask)


def mask_version(mask: np.ndarray) -> str:
    """The same for the same mask, also in another run."""
    return hashlib.sha256(mask.tobytes()).hexdigest()


def keypoints_version(points: list[list[float]]) -> str:
    """The same for the same keypoints as `LabelStore.keypoints` gives them, also in another run."""
    return hashlib.sha256(json.dumps(points).encode()).hexdigest()


def _same(keypoints: Keypoints, other: Keypoints | None) -> bool:
    if other is None:
        return not keypoints.visibility.any()
    return np.array_equal(keypoints.visibility, other.visibility) and np.array_equal(
        keypoints.points[keypoints.visibility != ABSENT], other.points[other.visibility != ABSENT]
    )


@contextmanager
def open_store(sample_set: SampleSet, task: Task, folder: Path) -> Iterator[LabelStore]:
    """The store of a label folder, which is made if need be and held for this process alone.

    Raises:
        UserError: the folder cannot be written, another process labels in it, or it holds other files.
    """
    with writing(folder), temporary_file(folder, 'probe'):
        pass
    with locked(folder, 'labels'):
        remove_leftovers(folder)
        yield LabelStore(sample_set, task, folder)
