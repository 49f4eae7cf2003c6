"""Where labelled images lie on disk, and their labels: datasets of ours, their conversions, or anybody's folder.

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

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasetgan_ext.core.annotation import Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import check_stems, files_by_suffix
from datasetgan_ext.core.images import IMAGE_SUFFIXES, upright_hw
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import coco, voc
from datasetgan_ext.formats.drawing import annotate
from datasetgan_ext.formats.folder import DATASET_FILE, KEYPOINTS_FILE, MANIFEST, TRAIN, VAL, FolderDataset, file_of
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.mask_folder import MaskFolder

LABELS = 'labels'
"""Beside images/: what a labelling tool exports."""
LAYOUTS = (
    'a dataset of datasetgan generate or datasetgan convert (voc, coco), or images/ with masks/, keypoints.json or '
    'both, or with labels/, what a labelling tool exports'
)


@dataclass(frozen=True)
class Entry:
    """Where a labelled image is: files, or what was read from a file that holds many.

    Attributes:
        image: its file.
        mask: its file, or what was read.
        keypoints: what was read.
        masks: what the mask's file means; None = it is one of ours, whose numbers are class ids whatever its colours.
        keypoints_source: the file of the keypoints, and of `image_hw`.
        image_hw: height and width of the image, as that file says; None = it does not.
    """

    image: Path
    mask: Path | np.ndarray | None = None
    keypoints: Keypoints | None = None
    masks: MaskFolder | None = None
    keypoints_source: Path | None = None
    image_hw: tuple[int, int] | None = None

    @property
    def is_labeled(self) -> bool:
        return self.mask is not None or self.keypoints is not None

    def only(self, classes: bool, keypoints: bool) -> Entry:
        """The same without its mask, or without its keypoints and what their file says."""
        entry = self if classes else replace(self, mask=None, masks=None)
        return entry if keypoints else replace(entry, keypoints=None, keypoints_source=None, image_hw=None)


def entries_of(folder: Path, task: Task, argument: str) -> list[Entry]:
    """All images of a folder in one of the layouts, with their labels or without.

    Args:
        folder: see above.
        task: what is labelled.
        argument: name of the argument that gave the folder, for messages.

    Raises:
        UserError: the folder has another layout, or labels in two places; there is a label without its image; or labels
            cannot be read.
    """
    with _labels_called(argument):
        return list(_entries(folder, task, argument))


def _entries(folder: Path, task: Task, argument: str) -> Iterator[Entry]:
    images, is_ours = folder / 'images', (folder / DATASET_FILE).is_file()
    if is_ours and (folder / MANIFEST).exists():
        return _of_dataset(FolderDataset(folder), task)
    if images.is_dir() and (folder / LABELS).is_dir():
        for name in ('masks', KEYPOINTS_FILE):
            if (folder / name).exists():
                raise UserError(f'`{argument}`={folder} has labels in {LABELS} and in {name}; keep those that are true')
        return _of_tool(images, folder / LABELS, task)
    if images.is_dir() and not (images / TRAIN).is_dir():
        return _of_folders(images, folder / 'masks', folder / KEYPOINTS_FILE, task)
    if (folder / 'JPEGImages').is_dir():
        masks = voc.masks_folder(folder) or folder / voc.MASKS
        return _of_folders(folder / 'JPEGImages', masks, folder / KEYPOINTS_FILE, task, is_ours)
    if (folder / 'annotations').is_dir():
        return _of_coco(folder, task)
    raise UserError(f'`{argument}`={folder} is in no known layout; give {LAYOUTS}')


def images_of(folder: Path) -> Iterator[Entry]:
    """The images of a folder, or of its images/, without labels."""
    inner = folder / 'images'
    inner = inner if inner.is_dir() else folder
    places = [inner] if _images(inner) else [inner / TRAIN, inner / VAL]
    for place in places:
        yield from map(Entry, _images(place))
        _tell_passed_over(place, IMAGE_SUFFIXES)


def _of_dataset(dataset: FolderDataset, task: Task) -> Iterator[Entry]:
    for record in dataset.kept(0, TRAIN):
        yield Entry(
            file_of(dataset.folder, record, 'image'),
            file_of(dataset.folder, record, 'mask') if 'mask' in record else None,
            _keypoints(record['keypoints']) if 'keypoints' in record and task.keypoints else None,
        )


def _of_folders(images: Path, masks: Path, keypoints: Path, task: Task, are_ours: bool = False) -> Iterator[Entry]:
    """Of images, masks that hold ids if they are ours, and a file of keypoints."""
    paths = _by_stem(_images(images), 'images')
    points = {}
    if task.keypoints and keypoints.is_file():
        part = task.only(classes=False, keypoints=True)
        points = {one.name: one for one in annotate(coco.read(keypoints), part, str(keypoints), image_hw=_sizes(paths))}
    _tell_passed_over(images, IMAGE_SUFFIXES)
    folder, painted = None, {}
    if task.classes and masks.is_dir() and not are_ours:
        folder = MaskFolder(masks, task)
        for _ in folder.masks(partial(tqdm, desc='masks', unit='mask', disable=None, mininterval=0.5, leave=False)):
            pass  # whether all of them can be read
        painted = _by_stem(folder.paths, 'masks')
    elif task.classes:
        _tell_passed_over(masks, ('.png',))
        painted = _by_stem(files_by_suffix(masks, '.png'), 'masks')
    strangers = sorted((set(painted) | set(points)) - set(paths))
    if strangers:
        raise UserError(
            f'{images} lacks the image of {len(strangers)} labels, for example {strangers[0]}; images and '
            'labels are paired by file name'
        )
    for name, path in paths.items():
        yield _with_points(Entry(path, painted.get(name), masks=folder), points.get(name))


def _with_points(entry: Entry, label: Annotation | None) -> Entry:
    """The entry with the keypoints that were read of its image."""
    if label is None:
        return entry
    return replace(entry, keypoints=label.keypoints, keypoints_source=label.source, image_hw=label.image_hw)


def _sizes(paths: Mapping[str, Path]) -> dict[str, tuple[int, int]]:
    return {name: upright_hw(path) for name, path in paths.items()}


def _of_tool(images: Path, labels: Path, task: Task) -> Iterator[Entry]:
    """Of images and what a labelling tool exports of them."""
    paths = _by_stem(_images(images), str(images))
    found = {label.name: label for label in read_annotations(task, labels, None, image_hw=_sizes(paths))}
    strangers = sorted(set(found) - set(paths))
    if strangers:
        raise UserError(f'{images} lacks the image of {len(strangers)} labels in {labels}, for example {strangers[0]}')
    for name, path in paths.items():
        label = found.get(name)
        yield _with_points(Entry(path, label and label.mask), label)


def _of_coco(folder: Path, task: Task) -> Iterator[Entry]:
    for split in (TRAIN, VAL):
        inner = folder / 'images' / split
        images = inner if inner.is_dir() else folder / split
        paths = _by_stem(_images(images), 'images')
        found, sizes = {name: Entry(path) for name, path in paths.items()}, _sizes(paths)
        for kind, part in (
            ('instances', task.only(classes=True, keypoints=False)),
            ('keypoints', task.only(classes=False, keypoints=True)),
            ('person_keypoints', task.only(classes=False, keypoints=True)),
        ):
            path = folder / 'annotations' / f'{kind}_{split}.json'
            if not path.is_file() or not (part.classes or part.keypoints) or not found:
                continue
            for label in annotate(coco.read(path), part, str(path), image_hw=sizes):
                if label.name not in found:
                    raise UserError(f'{path}: the image {label.name} is not in {images}')
                if part.classes:
                    found[label.name] = replace(found[label.name], mask=label.mask)
                else:
                    found[label.name] = _with_points(found[label.name], label)
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


@contextmanager
def _labels_called(argument: str) -> Iterator[None]:
    """Have errors of label files name the argument that gave them, which takes no `mask_values`."""
    try:
        yield
    except UserError as error:
        message = error.message.replace('`labels`', f'`{argument}`')
        if '`mask_values`' in message:
            message += (
                f'. Here, `mask_values` cannot be given: save the masks of `{argument}` as 8-bit grey PNG files of '
                'class ids'
            )
        raise UserError(message) from error
