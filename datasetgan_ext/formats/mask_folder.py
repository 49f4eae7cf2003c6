"""Folders of masks as PNG files, also in subfolders, with a table of names beside them or without."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import check_stems, files_by_suffix
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.folder import KEYPOINTS_FILE
from datasetgan_ext.formats.mask_meaning import AUTO, Meaning, check_mask_values, read_masks
from datasetgan_ext.formats.name_tables import READERS, find_name_table

MASKS, OBJECTS = 'SegmentationClass', 'SegmentationObject'
MASK_FOLDERS = (MASKS, 'SegmentationClassPNG')
"""Of VOC and labelme2voc."""
MASKS_TO_BE = ('.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.gif', '.npy')
"""Suffixes of files that may have been meant as masks; messages name them first."""


def read_mask_folder(folder: Path, task: Task, mask_values: str = AUTO) -> list[Annotation]:
    """Every PNG mask of a folder and its subfolders, in the order of paths. Hidden files are passed over.

    Args:
        folder: of masks named as their images.
        task: classes, and colours if its palette was given.
        mask_values: what pixels are, one of MASK_VALUES.

    Raises:
        UserError: the folder does not exist or holds masks of objects; there are two masks of one image; a table of
            names cannot be read or has classes that the task lacks; or see `read_masks`.
    """
    check_mask_values(mask_values)
    if not folder.is_dir():
        raise UserError(f'`labels`={folder} is not a folder')
    whole = Path(os.path.abspath(folder))
    if OBJECTS in whole.parts:
        raise UserError(
            f'`labels`={folder}: masks in {OBJECTS} count the objects of an image, and say nothing of their classes; '
            f'give the folder {MASKS} beside it'
        )
    found = files_by_suffix(folder, '.png', below=True)
    paths = [path for path in found if OBJECTS not in path.relative_to(folder).parts]
    if len(paths) < len(found):
        note(f'{len(found) - len(paths)} files in {folder}/**/{OBJECTS} are passed over: they count objects')
    check_stems(paths, 'labels')
    _tell_of_others(folder, found)
    in_voc = [one for one in (whole, *whole.parents) if one.name in MASK_FOLDERS]
    table = find_name_table(folder, [*in_voc[:1], *(one.parent for one in in_voc[:1])])
    annotations = read_masks(paths, Meaning.of(task, table, bool(in_voc)), mask_values)
    if table is not None:
        table.to_classes(annotations, task)
    return annotations


def _tell_of_others(folder: Path, masks: Sequence[Path]) -> None:
    known = {*masks, folder / KEYPOINTS_FILE}
    others = [
        path for path in files_by_suffix(folder, below=True) if path not in known and path.name.lower() not in READERS
    ]
    if others:
        others.sort(key=lambda path: path.suffix.lower() not in MASKS_TO_BE)
        names = [str(path.relative_to(folder)) for path in others]
        are = 'file is no PNG mask and' if len(names) == 1 else 'files are no PNG masks and'
        note(f'{folder}: {len(names)} {are} passed over: {listed(names)}')
