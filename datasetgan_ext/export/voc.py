"""Pascal VOC: `JPEGImages/`, `SegmentationClass/`, lists of names in `ImageSets/Segmentation/`, `labelmap.txt`."""
from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import PIL.Image

from datasetgan_ext.errors import UserError
from datasetgan_ext.export.dataset import TRAIN, VAL, FolderDataset, sample_name

QUALITY = 95


def convert(dataset: FolderDataset, outdir: Path, val: float, progress: Callable[[Iterable], Iterable]) -> None:
    """Write the kept samples. Images become JPEG files, because VOC's readers look for these; masks stay as they are.

    Raises:
        UserError: the dataset has no masks.
    """
    if not dataset.task.classes:
        raise UserError('--format=voc holds masks, and this dataset has keypoints alone; use coco or yolo-pose')
    images, masks, lists = (outdir / name for name in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'))
    for folder in (images, masks, lists):
        folder.mkdir(parents=True)
    for split in (TRAIN, VAL):
        with (lists / f'{split}.txt').open('w') as file:
            for record in progress(dataset.kept(val, split)):
                name = sample_name(record)
                with PIL.Image.open(dataset.folder / record['image']) as image:
                    image.save(images / f'{name}.jpg', quality=QUALITY, subsampling=0)
                shutil.copyfile(dataset.folder / record['mask'], masks / f'{name}.png')
                file.write(f'{name}\n')
    (lists / 'trainval.txt').write_text(''.join((lists / f'{split}.txt').read_text() for split in (TRAIN, VAL)))
    rows = [f'{name}:{",".join(map(str, colour))}::\n' for name, colour in zip(dataset.task.classes,
                                                                             dataset.task.palette)]
    (outdir / 'labelmap.txt').write_text('# label:color_rgb:parts:actions\n' + ''.join(rows), encoding='utf-8')
