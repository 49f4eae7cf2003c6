"""Datasets in COCO's folders, as CVAT, Datumaro and torchvision find them.

`images/{train,val}/`, `annotations/instances_{train,val}.json` and `annotations/person_keypoints_{train,val}.json`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import OUTLINE, UNLABELED, keypoint_category, keypoint_object, write_coco
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record
from datasetgan_ext.formats.regions import ConnectedRegion, find_polygons, find_regions

POLYGONS, RLE = 'polygons', 'rle'
SEGMENTATIONS = (POLYGONS, RLE)
IMAGES, ANNOTATIONS = 'images', 'annotations'
INSTANCES, KEYPOINTS = 'instances', 'person_keypoints'
"""What the names of the annotation files begin with."""


@dataclass(frozen=True)
class Coco(Conversion):
    """Each region of a class is an object, its category id is the class id; keypoints have the one category "object".

    Segmentations are polygons along the pixels' edges, several where a region has holes, or run lengths. Both hold each
    pixel, as pycocotools reads them; what paints a polygon's border too, as OpenCV does, adds up to a pixel there.
    Polygons are what all loaders take: several, among them torchvision's recipes, take run lengths for crowds alone.
    An object with keypoints has the polygons of all that is not background or, without masks, those of its box. An
    image's pixels in no object are background.

    Attributes:
        segmentation: one of SEGMENTATIONS.
    """

    name = 'coco'
    files = ('images/{part}/{name}.png', 'annotations/{part}.json')
    segmentation: str = POLYGONS

    def __post_init__(self):
        super().__post_init__()
        if self.segmentation not in SEGMENTATIONS:
            raise UserError(f'`segmentation`={self.segmentation} is none of {", ".join(SEGMENTATIONS)}')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        encode = region_polygons
        if dataset.task.classes and self.segmentation == RLE:
            encode = partial(_run_lengths, import_extra('pycocotools.mask', 'formats').encode)
        (outdir / ANNOTATIONS).mkdir()
        for split in (TRAIN, VAL):
            records = partial(dataset.kept, self.val, split)
            (outdir / IMAGES / split).mkdir(parents=True)
            for record in progress(records()):
                shutil.copyfile(dataset.folder / record['image'], outdir / IMAGES / split / _file_name(record))
            if dataset.task.classes:
                write_coco(
                    outdir / ANNOTATIONS / f'{INSTANCES}_{split}.json',
                    categories=class_categories(dataset.task),
                    file_name=_file_name,
                    records=records,
                    image_hw=dataset.image_hw,
                    objects=lambda record: mask_objects(dataset.mask(record), encode),
                    info={UNLABELED: 'background'},
                )
            if dataset.task.keypoints:
                write_coco(
                    outdir / ANNOTATIONS / f'{KEYPOINTS}_{split}.json',
                    categories=[keypoint_category(dataset.task)],
                    file_name=_file_name,
                    records=records,
                    image_hw=dataset.image_hw,
                    objects=lambda record: _object_with_keypoints(dataset, record),
                    info={OUTLINE: 'of the object with the keypoints'},
                )


def _object_with_keypoints(dataset: FolderDataset, record: dict) -> Iterator[dict]:
    mask = dataset.mask(record) if 'mask' in record else None
    for found in keypoint_object(record):
        yield {**found, 'segmentation': outline(mask, record['box'])}


def outline(mask: np.ndarray | None, box: Sequence[float]) -> list[list[float]]:
    """Polygons of all that is not background or, without such, of a box (x, y, width, height), as COCO has them."""
    if mask is not None and mask.any():
        regions = find_regions((mask > 0).astype(np.uint8))
        return [polygon for region in regions for polygon in region_polygons(region)]
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def _file_name(record: dict) -> str:
    return f'{name_of_record(record)}.png'


def class_categories(task: Task) -> list[dict]:
    """All classes but the background."""
    names = enumerate(task.classes[1:], 1)
    return [{'id': class_id, 'name': name, 'supercategory': ''} for class_id, name in names]


def mask_objects(mask: np.ndarray, encode: Callable[[ConnectedRegion, tuple[int, int]], object]) -> Iterator[dict]:
    """The annotations of a mask, uint8 [H, W]; `encode` makes the "segmentation" of a region."""
    for region in find_regions(mask):
        yield {
            'category_id': region.class_id,
            'iscrowd': 0,
            'bbox': list(region.box),
            'area': region.area,
            'segmentation': encode(region, mask.shape),
        }


def _run_lengths(encode: Callable[[np.ndarray], dict], region: ConnectedRegion, image_hw: tuple[int, int]) -> dict:
    x, y, width, height = region.box
    pixels = np.zeros(image_hw, dtype=np.uint8, order='F')
    pixels[y : y + height, x : x + width] = region.pixels
    run_lengths = encode(pixels)
    return {'size': run_lengths['size'], 'counts': run_lengths['counts'].decode('ascii')}


def region_polygons(region: ConnectedRegion, image_hw: tuple[int, int] | None = None) -> list[list[int]]:
    """A region as COCO's polygons; `image_hw` is of no matter to them."""
    return [polygon.reshape(-1).tolist() for polygon in find_polygons(region)]
