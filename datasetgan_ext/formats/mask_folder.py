"""Folders of masks as PNG files, also in subfolders, with a table of names beside them or without."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import check_stems, files_by_suffix
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.folder import KEYPOINTS_FILE
from datasetgan_ext.formats.mask_meaning import AUTO, INDEX, Meaning, check_mask_values, read_masks
from datasetgan_ext.formats.name_tables import READERS, find_name_table
from datasetgan_ext.formats.other_tables import check_colors, check_numbers

MASKS, OBJECTS = 'SegmentationClass', 'SegmentationObject'
MASK_FOLDERS, OBJECT_FOLDERS = (MASKS, 'SegmentationClassPNG'), (OBJECTS, 'SegmentationObjectPNG')
"""Of VOC and labelme2voc."""
BRUSH = re.compile(r'task-\d+-annotation-\d+-by-\d+-tag-.+-\d+')
"""Names of Label Studio's masks."""
MASKS_TO_BE = ('.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.npy')
"""Suffixes of files that may have been meant as masks; messages name them first."""


def read_mask_folder(folder: Path, task: Task, mask_values: str = AUTO) -> list[Annotation]:
    """Every PNG mask of a folder and its subfolders, in the order of paths. Hidden files are passed over.

    Args:
        folder: of masks named as their images.
        task: classes, and colours if its palette was given.
        mask_values: what pixels are, one of MASK_VALUES.

    Raises:
        UserError: the folder does not exist, or holds masks of objects or of single labels; there are two masks of one
            image; a table of names cannot be read or has classes that the task lacks; another file gives the classes
            other numbers or colours; or see `read_masks`.
    """
    check_mask_values(mask_values)
    if not folder.is_dir():
        raise UserError(f'`labels`={folder} is not a folder')
    whole = Path(os.path.abspath(folder))
    found = files_by_suffix(folder, '.png', below=True)
    paths = [path for path in found if not _is_below(path, folder, OBJECT_FOLDERS)]
    if set(OBJECT_FOLDERS) & set(whole.parts) or found and not paths:
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
    of_class = {path: name for path in paths for name in task.classes[1:] if _is_below(path, folder, (name,))}
    if len({path.stem for path in of_class}) < len(of_class):
        raise UserError(_of_one_class_text(*list(of_class.items())[0]))
    check_stems(paths, 'labels')
    others = _tell_of_others(folder, found)
    above = [one for one in (whole, *whole.parents) if one.name in MASK_FOLDERS]
    in_voc = bool(above) or bool(paths) and all(_is_below(path, folder, MASK_FOLDERS) for path in paths)
    table = find_name_table(folder, [*above[:1], *(one.parent for one in above[:1])])
    levels = [color[0] for color in table.colors if len(set(color)) == 1] if table is not None else []
    are_numbers = table is not None and len(levels) == len(table.names) and levels != list(range(len(levels)))
    if table is not None and are_numbers and mask_values == INDEX:
        raise UserError(
            f'`mask_values`=index: {table.path} says which number means which class, and they are not those of its '
            'lines; leave `mask_values` out'
        )
    if table is None and mask_values == AUTO:
        stems = {path.stem for path in paths}
        tables = [path for path in others if path.stem not in stems]
        if task.palette_is_given:
            check_colors(tables, task)
        elif not in_voc:
            check_numbers(tables, task)
    annotations = read_masks(paths, Meaning.of(task, table, in_voc), mask_values)
    if table is not None:
        table.to_classes(annotations, task)
    for annotation in annotations if mask_values == AUTO else ():
        name = of_class.get(annotation.source)
        assert annotation.mask is not None  # read from one
        ids = set(np.unique(annotation.mask).tolist()) - {0, IGNORE}
        if name is not None and ids == {1} and name != task.classes[1]:
            raise UserError(_of_one_class_text(annotation.source, name))
    return annotations


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
