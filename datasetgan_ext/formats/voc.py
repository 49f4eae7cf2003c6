"""Pascal VOC's folders: masks as PNG files in SegmentationClass, beside a labelmap.txt in CVAT's exports.

What their pixels mean is said in `mask_meaning`: VOC's colours have a meaning here, or those of a table of names.

Written: `JPEGImages/`, `SegmentationClass/`, lists of names in `ImageSets/Segmentation/`, `labelmap.txt`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.core.text import read_text
from datasetgan_ext.formats.folder import (
    PLAIN_FORMATS,
    TRAIN,
    VAL,
    Conversion,
    FolderDataset,
    Progress,
    name_of_record,
)
from datasetgan_ext.formats.mask_folder import MASK_FOLDERS, MASKS, OBJECT_FOLDERS, read_mask_folder
from datasetgan_ext.formats.mask_meaning import AUTO
from datasetgan_ext.formats.name_tables import LABEL_MAP

PATHS = 'DIR with SegmentationClass'
QUALITY = 95


def masks_folder(folder: Path) -> Path | None:
    """Where a folder in VOC's form keeps its masks, if it is one; labelme2voc once called it SegmentationClassPNG."""
    there = [folder / name for name in MASK_FOLDERS if (folder / name).is_dir()]
    filled = [inner for inner in there if files_by_suffix(inner, '.png', below=True)]
    return next(iter(filled or there), None)


def read(folder: Path, task: Task, mask_values: str = AUTO) -> list[Annotation]:
    """Every mask, in the order of names.

    Raises:
        UserError: the folder has another form; or see `read_mask_folder`.
    """
    masks = masks_folder(folder)
    if masks is None:
        raise UserError(f'`labels`={folder} holds no folder {MASKS}; give the folder that does')
    annotations = read_mask_folder(masks, task, mask_values)
    for objects in [folder / name for name in OBJECT_FOLDERS if (folder / name).is_dir()]:
        note(f'{objects} is passed over: its masks count objects, and training asks for classes')
    _compare_lists(folder, {annotation.name for annotation in annotations})
    return annotations


def _compare_lists(folder: Path, masks: set[str]) -> None:
    """Tell of images that ImageSets/Segmentation lists without a mask, or has left out: every mask is read."""
    lists = files_by_suffix(folder / 'ImageSets' / 'Segmentation', '.txt')
    if not lists:
        return
    names = {line.strip() for path in lists for line in read_text(path).splitlines() if line.strip()}
    for what, found in (
        ('names images without a mask', names - masks),
        ('leaves out, though they are read', masks - names),
    ):
        if found:
            note(f'{lists[0].parent} {what}: {listed(sorted(found))}')


def label_map_text(task: Task) -> str:
    """Content of a labelmap.txt with the classes' names and colours.

    Raises:
        UserError: it cannot hold the name of a class.
    """
    unfit = [name for name in task.classes if ':' in name or name.startswith('#') or name != name.strip()]
    if unfit:
        raise UserError(
            f'{LABEL_MAP} of VOC has colons between its columns and comments after "#", so it cannot hold the class '
            f'{unfit[0]!r}; rename the class, or use another `format`, for example coco'
        )
    rows = ['# label:color_rgb:parts:actions\n']
    for name, (red, green, blue) in zip(task.classes, task.palette):
        rows.append(f'{name}:{red},{green},{blue}::\n')
    return ''.join(rows)


@dataclass(frozen=True)
class Voc(Conversion):
    """Images become JPEG files, because VOC's readers look for these; masks stay as they are."""

    name = 'voc'
    files = (
        'JPEGImages/{name}.jpg',
        'SegmentationClass/{name}.png',
        'ImageSets/Segmentation/{part}.txt',
        'labelmap.txt',
    )

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. A dataset without masks cannot be written."""
        if not dataset.task.classes:
            raise UserError('`format`=voc holds masks, and this dataset has keypoints alone; use coco or yolo-pose')
        label_map = label_map_text(dataset.task)
        images, masks, lists = outdir / 'JPEGImages', outdir / MASKS, outdir / 'ImageSets' / 'Segmentation'
        for folder in (images, masks, lists):
            folder.mkdir(parents=True)
        for split in (TRAIN, VAL):
            with (lists / f'{split}.txt').open('w', encoding='utf-8') as file:
                for record in progress(dataset.kept(self.val, split)):
                    name = name_of_record(record)
                    _write_jpeg(dataset, record, images / f'{name}.jpg')
                    shutil.copyfile(dataset.folder / record['mask'], masks / f'{name}.png')
                    file.write(f'{name}\n')
        both = [(lists / f'{split}.txt').read_text(encoding='utf-8') for split in (TRAIN, VAL)]
        (lists / 'trainval.txt').write_text(''.join(both), encoding='utf-8')
        (outdir / LABEL_MAP).write_text(label_map, encoding='utf-8')


def _write_jpeg(dataset: FolderDataset, record: dict, path: Path) -> None:
    """A record's image as JPEG; a photo's own file if it is one that every program shows alike."""
    if Path(dataset.file_name(record)).suffix in PLAIN_FORMATS['JPEG']:
        path.write_bytes(dataset.content(record))
        return
    with open_image(dataset.folder / record['image'], dataset.content(record)) as image:
        picture = image.copy()
    picture.save(path, quality=QUALITY, subsampling=0)
