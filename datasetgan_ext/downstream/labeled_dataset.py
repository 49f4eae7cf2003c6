"""Labelled images on disk, read when they are asked for: datasets of ours, their conversions, or anybody's folder.

| layout | images | masks | keypoints |
|---|---|---|---|
| of datasetgan generate (`dataset.json`, `manifest.jsonl`) | the kept ones | masks/ | in the manifest |
| plain | images/ | masks/ | keypoints.json (COCO) |
| of a labelling tool | images/ | labels/: what the tool exports (see `formats.labels`) | there too |
| VOC | JPEGImages/ | SegmentationClass/ | |
| COCO, by datasetgan convert | images/train/, .../val/ | annotations/instances_*.json | .../person_keypoints_*.json |
| COCO, as it once was written | train/, val/ | annotations/instances_*.json | annotations/keypoints_*.json |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasetgan_ext.core.annotation import Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import check_stems, file_sha256, files_by_suffix
from datasetgan_ext.core.images import IMAGE_SUFFIXES, read_rgb, upright_hw
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.class_map import ClassMap
from datasetgan_ext.downstream.recognition import Pictures
from datasetgan_ext.formats import coco, png, voc
from datasetgan_ext.formats.drawing import annotate
from datasetgan_ext.formats.folder import (
    DATASET_FILE,
    KEYPOINTS_FILE,
    MANIFEST,
    TRAIN,
    VAL,
    FolderDataset,
    file_of,
    is_conversion,
    read_info,
)
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.mask_meaning import Meaning, read_masks

TASK_FILE = 'task.json'
LABELS = 'labels'
"""Beside images/: what a labelling tool exports."""
LAYOUTS = (
    'a dataset of datasetgan generate or datasetgan convert (voc, coco), or images/ with masks/, keypoints.json or '
    'both, or with labels/, what a labelling tool exports'
)


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


@dataclass(frozen=True)
class _Entry:
    """Where a labelled image is: files, or what was read from a file that holds many.

    Attributes:
        image: its file.
        mask: its file, or what was read.
        keypoints: what was read.
        mask_holds_ids: whether the mask's file is one of ours, whose numbers are class ids whatever its colours.
    """

    image: Path
    mask: Path | np.ndarray | None = None
    keypoints: Keypoints | None = None
    mask_holds_ids: bool = False


class LabeledDataset(Sequence[LabeledImage]):
    """Labelled images of one task; memory holds one at a time.

    Attributes:
        source: the folder.
        task: classes and keypoints that the labels are of.
        task_of_files: those that they are of in the files, before classes are merged.
    """

    def __init__(self, source: Path, task: Task, entries: Iterable[_Entry], class_map: ClassMap | None = None):
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
            mask = self._read_mask(mask, entry.mask_holds_ids)
        found = LabeledImage(entry.image.stem, read_rgb(entry.image), mask, entry.keypoints)
        source = entry.mask if isinstance(entry.mask, Path) else entry.image
        Annotation(found.name, mask, source, entry.keypoints).check(self.task_of_files, found.image.shape[:2])
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
        entries = [
            replace(entry, mask=entry.mask if classes else None, keypoints=entry.keypoints if keypoints else None)
            for entry in self._entries
        ]
        return LabeledDataset(
            self.source,
            self.task_of_files.only(classes, keypoints),
            [entry for entry in entries if entry.mask is not None or entry.keypoints is not None],
            self._class_map if classes else None,
        )

    def without_labels(self) -> LabeledDataset:
        return LabeledDataset(self.source, self.task, [_Entry(entry.image) for entry in self._entries])

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

    def _read_mask(self, path: Path, holds_ids: bool) -> np.ndarray:
        if holds_ids:
            return png.read_mask(path)
        meaning = Meaning.of(self.task_of_files, in_voc=path.parent.name == voc.MASKS)
        return read_masks([path], meaning, bitonal_alone=len(self.task_of_files.classes) == 2)[0].mask


def read_labeled(
    folder: Path, task: Task | None = None, argument: str = 'data', class_map: ClassMap | None = None
) -> LabeledDataset:
    """The labelled images of a folder, in the order of names.

    Args:
        folder: in one of the layouts above.
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
    if (folder / DATASET_FILE).is_file() and (folder / MANIFEST).exists():
        entries = _of_dataset(FolderDataset(folder), task)
    elif (folder / 'images').is_dir() and (folder / LABELS).is_dir() and not (folder / 'masks').is_dir():
        entries = _of_tool(folder / 'images', folder / LABELS, task)
    elif (folder / 'images').is_dir() and not (folder / 'images' / TRAIN).is_dir():
        entries = _of_folders(folder / 'images', folder / 'masks', folder / KEYPOINTS_FILE, task)
    elif (folder / 'JPEGImages').is_dir():
        if (folder / voc.LABEL_MAP).is_file() and not (folder / DATASET_FILE).is_file():
            raise UserError(
                f'`{argument}`={folder} has a {voc.LABEL_MAP}: its masks are colours with names of their own. '
                'Save them as 8-bit PNG files of class ids in masks/, beside images/'
            )
        entries = _of_folders(
            folder / 'JPEGImages',
            folder / voc.MASKS,
            folder / KEYPOINTS_FILE,
            task,
            masks_hold_ids=(folder / DATASET_FILE).is_file(),
        )
    elif (folder / 'annotations').is_dir():
        entries = _of_coco(folder, task)
    else:
        raise UserError(f'`{argument}`={folder} is in no known layout; give {LAYOUTS}')
    entries = list(entries)
    wanted = [entry if task.classes else replace(entry, mask=None) for entry in entries]
    wanted = [entry if task.keypoints else replace(entry, keypoints=None) for entry in wanted]
    wanted = [entry for entry in wanted if entry.mask is not None or entry.keypoints is not None]
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
    inner = folder / 'images'
    inner = inner if inner.is_dir() else folder
    places = [inner] if _images(inner) else [inner / TRAIN, inner / VAL]
    paths = [path for place in places for path in _images(place)]
    for place in places:
        _tell_passed_over(place, IMAGE_SUFFIXES)
    if not paths:
        raise UserError(f'`{argument}`={folder} holds no image ({", ".join(IMAGE_SUFFIXES)})')
    return LabeledDataset(folder, Task((), ()), [_Entry(path) for path in paths])


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


def _of_dataset(dataset: FolderDataset, task: Task) -> Iterator[_Entry]:
    for record in dataset.kept(0, TRAIN):
        yield _Entry(
            file_of(dataset.folder, record, 'image'),
            file_of(dataset.folder, record, 'mask') if 'mask' in record else None,
            _keypoints(record['keypoints']) if 'keypoints' in record and task.keypoints else None,
            mask_holds_ids=True,
        )


def _of_folders(
    images: Path, masks: Path, keypoints: Path, task: Task, masks_hold_ids: bool = False
) -> Iterator[_Entry]:
    points = {}
    if task.keypoints and keypoints.is_file():
        points = {
            annotation.name: annotation.keypoints
            for annotation in annotate(coco.read(keypoints), task.only(classes=False, keypoints=True), str(keypoints))
        }
    _tell_passed_over(images, IMAGE_SUFFIXES)
    _tell_passed_over(masks, ('.png',))
    paths = _by_stem(_images(images), 'images')
    painted = _by_stem(files_by_suffix(masks, '.png'), 'masks') if task.classes else {}
    strangers = sorted((set(painted) | set(points)) - set(paths))
    if strangers:
        raise UserError(
            f'{images} lacks the image of {len(strangers)} labels, for example {strangers[0]}; images and '
            'labels are paired by file name'
        )
    for name, path in paths.items():
        yield _Entry(path, painted.get(name), points.get(name), masks_hold_ids)


def _of_tool(images: Path, labels: Path, task: Task) -> Iterator[_Entry]:
    """Of images and what a labelling tool exports of them."""
    paths = _by_stem(_images(images), str(images))
    sizes = {name: upright_hw(path) for name, path in paths.items()}
    found = {label.name: label for label in read_annotations(task, labels, None, image_hw=sizes)}
    strangers = sorted(set(found) - set(paths))
    if strangers:
        raise UserError(f'{images} lacks the image of {len(strangers)} labels in {labels}, for example {strangers[0]}')
    for name, path in paths.items():
        label = found.get(name)
        yield _Entry(path, label and label.mask, label and label.keypoints)


def _of_coco(folder: Path, task: Task) -> Iterator[_Entry]:
    for split in (TRAIN, VAL):
        inner = folder / 'images' / split
        images = inner if inner.is_dir() else folder / split
        found = {name: _Entry(path) for name, path in _by_stem(_images(images), 'images').items()}
        for kind, part in (
            ('instances', task.only(classes=True, keypoints=False)),
            ('keypoints', task.only(classes=False, keypoints=True)),
            ('person_keypoints', task.only(classes=False, keypoints=True)),
        ):
            path = folder / 'annotations' / f'{kind}_{split}.json'
            if not path.is_file() or not (part.classes or part.keypoints) or not found:
                continue
            for label in annotate(coco.read(path), part, str(path)):
                if label.name not in found:
                    raise UserError(f'{path}: the image {label.name} is not in {images}')
                if part.classes:
                    found[label.name] = replace(found[label.name], mask=label.mask)
                else:
                    found[label.name] = replace(found[label.name], keypoints=label.keypoints)
        yield from found.values()


def _keypoints(values: Sequence[float]) -> Keypoints:
    triples = np.reshape(np.asarray(values, dtype=np.float32), (-1, 3))
    return Keypoints(triples[:, :2], triples[:, 2].astype(np.uint8))


def _tell_passed_over(folder: Path, suffixes: Sequence[str]) -> None:
    """Tell what of a folder is not read: files of other suffixes, and folders."""
    others = [path.name for path in files_by_suffix(folder) if path.suffix.lower() not in suffixes]
    others += [f'{path.name}/' for path in sorted(folder.glob('[!.]*')) if path.is_dir()]
    if others:
        note(
            f'{folder}: {len(others)} files or folders are passed over, for example {others[0]}; read are '
            f'{", ".join(suffixes)} in this folder itself'
        )


def _images(folder: Path) -> list[Path]:
    return files_by_suffix(folder, *IMAGE_SUFFIXES)


def _by_stem(paths: list[Path], argument: str) -> dict[str, Path]:
    check_stems(paths, argument)
    return {path.stem: path for path in paths}
