"""Folders of masks as PNG files, also in subfolders, with a table of names beside them or without."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import check_stems, files_by_suffix
from datasetgan_ext.core.names import check_names, listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.folder import KEYPOINTS_FILE
from datasetgan_ext.formats.mask_meaning import (
    AUTO,
    BY_COLOR,
    INDEX,
    Meaning,
    check_mask_values,
    read_masks,
    read_one_mask,
)
from datasetgan_ext.formats.name_tables import CLASS_NAMES, CLASSIFICATION, PIXEL_VALUES, READERS, find_name_table
from datasetgan_ext.formats.other_tables import check_colors, check_numbers

MASKS, OBJECTS = 'SegmentationClass', 'SegmentationObject'
MASK_FOLDERS, OBJECT_FOLDERS = (MASKS, 'SegmentationClassPNG'), (OBJECTS, 'SegmentationObjectPNG')
"""Of VOC and labelme2voc."""
BRUSH = re.compile(r'task-\d+-annotation-\d+-by-\d+-tag-.+-\d+')
"""Names of Label Studio's masks."""
TABLES_ABOVE = (CLASS_NAMES, CLASSIFICATION, PIXEL_VALUES, 'classes.txt')
"""Lists of classes that may be those of the masks, too, where they lie one folder above."""
PAGE_FILE = '.page.json'
"""Of our labelling page, beside the masks that were drawn there."""
MASKS_TO_BE = ('.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.npy')
"""Suffixes of files that may have been meant as masks; messages name them first."""


def read_mask_folder(folder: Path, task: Task, mask_values: str = AUTO) -> list[Annotation]:
    """Every PNG mask of a folder and its subfolders, in the order of paths. Hidden files are passed over.

    Args:
        folder: of masks named as their images.
        task: classes, and colours if its palette was given.
        mask_values: what pixels are, one of MASK_VALUES.

    Raises:
        UserError: see `MaskFolder`, and `MaskFolder.masks`.
    """
    return list(MaskFolder(folder, task, mask_values).masks())


class MaskFolder:
    """The PNG masks of a folder and its subfolders, and what their pixels mean. Hidden files are passed over.

    Attributes:
        paths: of the masks, in order.
    """

    def __init__(self, folder: Path, task: Task, mask_values: str = AUTO):
        """
        Args:
            folder: of masks named as their images.
            task: classes, and colours if its palette was given.
            mask_values: what pixels are, one of MASK_VALUES.

        Raises:
            UserError: the folder does not exist, or holds masks of objects or of single labels; there are two masks of
                one image; a table of names cannot be read; or another file gives the classes other numbers or colours,
                or they had others when our page drew the masks.
        """
        check_mask_values(mask_values)
        if not folder.is_dir():
            raise UserError(f'`labels`={folder} is not a folder')
        whole = Path(os.path.abspath(folder))
        found = files_by_suffix(folder, '.png', below=True)
        self.paths = [path for path in found if not _is_below(path, folder, OBJECT_FOLDERS)]
        _refuse_other_masks(folder, found, self.paths)
        self._task, self._mask_values = task, mask_values
        self._of_class = {
            path: name for path in self.paths for name in task.classes[1:] if _is_below(path, folder, (name,))
        }
        if len({path.stem for path in self._of_class}) < len(self._of_class):
            raise UserError(_of_one_class_text(*list(self._of_class.items())[0]))
        check_stems(self.paths, 'labels')
        others = _tell_of_others(folder, found)
        above = [one for one in (whole, *whole.parents) if one.name in MASK_FOLDERS]
        in_voc = bool(above) or bool(self.paths) and all(_is_below(path, folder, MASK_FOLDERS) for path in self.paths)
        self._table = table = find_name_table(folder, [*above[:1], *(one.parent for one in above[:1])])
        levels = [color[0] for color in table.colors if len(set(color)) == 1] if table is not None else []
        are_numbers = table is not None and len(levels) == len(table.names) and levels != list(range(len(levels)))
        if table is not None and are_numbers and mask_values == INDEX:
            raise UserError(
                f'`mask_values`=index: {table.path} says which number means which class, and they are not those of its '
                'lines; leave `mask_values` out'
            )
        if table is None and mask_values != BY_COLOR:
            _check_page(folder, task)
        if table is None and mask_values == AUTO:
            stems = {path.stem for path in self.paths}
            tables = [path for path in others if not _is_of_one(path.stem, stems)]
            tables += [path for path in files_by_suffix(whole.parent) if path.name.lower() in TABLES_ABOVE]
            if task.palette_is_given:
                check_colors(tables, task)
            elif not in_voc:
                check_numbers(tables, task)
        self._meaning = Meaning.of(task, table, in_voc)

    def masks(self, progress: Callable[[list[Path]], Iterable[Path]] = iter) -> Iterator[Annotation]:
        """Every mask, in ids of the task. Whether they can be read is sure when the last one is.

        Args:
            progress: goes through the paths.

        Raises:
            UserError: see `read_masks`; or a class that the task lacks.
        """
        unknown: dict[str, list[str]] = {}
        for annotation in read_masks(progress(self.paths), self._meaning, self._mask_values):
            assert annotation.mask is not None  # read from one
            for name in self._table.unknown(annotation.mask, self._task) if self._table else ():
                unknown.setdefault(name, []).append(str(annotation.source))
            annotation.mask = self._in_task(annotation.source, annotation.mask)
            yield annotation
        if self._table:
            check_names(f'`labels`={self._table.path}', unknown, self._task.classes, 'class', self._task.keypoints)

    def read(self, path: Path) -> np.ndarray:
        """One of the masks, once `masks` has gone through all: uint8 [H, W], ids of the task.

        Raises:
            UserError: the file has changed since, and cannot be read or understood.
        """
        mask = read_one_mask(path, self._meaning, self._mask_values).mask
        assert mask is not None  # read from one
        return self._in_task(path, mask)

    def _in_task(self, path: Path, mask: np.ndarray) -> np.ndarray:
        if self._table is not None:
            mask = self._table.to_classes(mask, self._task)
        name = self._of_class.get(path) if self._mask_values == AUTO else None
        if name and name != self._task.classes[1] and set(np.unique(mask).tolist()) - {0, IGNORE} == {1}:
            raise UserError(_of_one_class_text(path, name))
        return mask


def _refuse_other_masks(folder: Path, found: Sequence[Path], paths: Sequence[Path]) -> None:
    """Raises UserError where PNG files are no masks of classes, and tells of those that are passed over.

    Args:
        folder: of them.
        found: all PNG files.
        paths: those outside the folders of objects.
    """
    if set(OBJECT_FOLDERS) & set(Path(os.path.abspath(folder)).parts) or found and not paths:
        raise UserError(
            f'`labels`={folder}: masks in {OBJECTS} count the objects of an image, and say nothing of their classes; '
            f'give the folder {MASKS} beside it'
        )
    if len(paths) < len(found):
        note(f'{len(found) - len(paths)} files in {folder}/**/{OBJECTS} are passed over: they count objects')
    exported = [path for path in paths if path.name == 'label.png' and (path.parent / 'label_names.txt').is_file()]
    if exported:
        raise UserError(
            f'`labels`={folder}: {exported[0].relative_to(folder)} is a copy of one JSON file of LabelMe, made to be '
            'looked at; give the folder of the JSON files themselves'
        )
    by_label = [path for path in paths if BRUSH.fullmatch(path.stem)]
    if by_label:
        raise UserError(
            f'`labels`={folder}: {by_label[0].name} is a mask of one label, as Label Studio exports brushes to PNG; '
            'export "JSON" from it instead, which has all labels of an image together'
        )


def _is_of_one(name: str, stems: set[str]) -> bool:
    """Whether a file beside masks has the name of one of them, perhaps with a word after it: a_meta, a-1."""
    return any(name[: place.start()] in stems for place in re.finditer(r'[_.-]|$', name))


def _check_page(folder: Path, task: Task) -> None:
    """Raises UserError where a class had another number when our page drew the masks; tells of one that is renamed."""
    try:
        drawn = json.loads((folder / PAGE_FILE).read_text(encoding='utf-8'))['classes']
        before = {name: number for number, name in enumerate(drawn)}
    except (OSError, ValueError, KeyError, TypeError):
        return  # there is none, or one of before it told the classes
    for number, name in enumerate(task.classes):
        if before.get(name, number) != number:
            raise UserError(
                f'`labels`={folder}: masks were drawn there with the classes {", ".join(drawn)}; the class file has '
                f'{", ".join(task.classes)}, so that number {before[name]} would not be {name} any more. Keep the '
                'order of the class file, and put new classes at its end; if the colours in the masks are those of its '
                '"palette", say so with `mask_values`=color'
            )
        if number < len(drawn) and drawn[number] != name:
            note(f'{folder}: number {number} was {drawn[number]} when masks were drawn there, and is {name} now')


def _of_one_class_text(path: Path, name: str) -> str:
    return (
        f'`labels`: {path} is in a folder with the name of the class {name!r}: is it a mask of that class alone? Here '
        'a mask has all classes of an image: join those of one image, with the number of each class; or give the '
        'folder another name'
    )


def _is_below(path: Path, folder: Path, names: Sequence[str]) -> bool:
    """Whether a file of a folder is in a subfolder of one of the names."""
    return any(part in names for part in path.relative_to(folder).parts[:-1])


def _tell_of_others(folder: Path, masks: Sequence[Path]) -> list[Path]:
    """Tell of files that are no masks, and return them."""
    known = {*masks, folder / KEYPOINTS_FILE}
    others = [
        path for path in files_by_suffix(folder, below=True) if path not in known and path.name.lower() not in READERS
    ]
    if others:
        others.sort(key=lambda path: path.suffix.lower() not in MASKS_TO_BE)
        names = [str(path.relative_to(folder)) for path in others]
        are = 'file is no PNG mask and' if len(names) == 1 else 'files are no PNG masks and'
        note(f'{folder}: {len(names)} {are} passed over: {listed(names)}')
    return others
