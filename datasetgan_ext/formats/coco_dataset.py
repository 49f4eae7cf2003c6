"""Datasets in COCO's folders, as CVAT, Datumaro and torchvision find them.

`images/{train,val}/`, `annotations/instances_{train,val}.json` and `annotations/person_keypoints_{train,val}.json`.

And a folder of labels in COCO's JSON, for images of many sizes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasetgan_ext.core.annotation import IGNORE, object_box
from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import (
    FIRST_ID,
    OUTLINE,
    UNLABELED,
    flat_keypoints,
    head,
    keypoint_category,
    keypoint_object,
    write_coco,
)
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
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
    files = ('images/{part}/{name}.{image}', 'annotations/{part}.json')
    holds_ignore = False
    segmentation: str = POLYGONS

    def __post_init__(self):
        super().__post_init__()
        if self.segmentation not in SEGMENTATIONS:
            raise UserError(f'`segmentation`={self.segmentation} is none of {", ".join(SEGMENTATIONS)}')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        encode: Callable[..., Any] = region_polygons
        if dataset.task.classes and self.segmentation == RLE:
            encode = partial(_run_lengths, import_extra('pycocotools.mask', 'formats').encode)
        (outdir / ANNOTATIONS).mkdir()
        for split in (TRAIN, VAL):
            records = partial(dataset.kept, self.val, split)
            (outdir / IMAGES / split).mkdir(parents=True)
            for record in progress(records()):
                dataset.copy_image(record, outdir / IMAGES / split)
            if dataset.task.classes:
                write_coco(
                    outdir / ANNOTATIONS / f'{INSTANCES}_{split}.json',
                    categories=class_categories(dataset.task),
                    file_name=dataset.file_name,
                    records=records,
                    image_hw=dataset.image_hw,
                    objects=lambda record: mask_objects(dataset.mask(record), encode),
                    info={UNLABELED: 'background'},
                )
            if dataset.task.keypoints:
                write_coco(
                    outdir / ANNOTATIONS / f'{KEYPOINTS}_{split}.json',
                    categories=[keypoint_category(dataset.task)],
                    file_name=dataset.file_name,
                    records=records,
                    image_hw=dataset.image_hw,
                    objects=lambda record: _object_with_keypoints(dataset, record),
                    info={OUTLINE: 'of the object with the keypoints'},
                )


def _object_with_keypoints(dataset: FolderDataset, record: dict) -> Iterator[dict]:
    mask = dataset.mask(record) if 'mask' in record else None
    for found in keypoint_object(record):
        yield {**found, 'segmentation': outline(mask, record['box'])}


def outline(mask: np.ndarray | None, box: Sequence[float]) -> list[list[Any]]:
    """Polygons of all that is not background or, without such, of a box (x, y, width, height), as COCO has them."""
    if mask is not None and mask.any():
        regions = find_regions((mask > 0).astype(np.uint8))
        return [polygon for region in regions for polygon in region_polygons(region)]
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


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


class CocoWriter(LabelWriter):
    """instances.json with the masks' regions as polygons, person_keypoints.json with the keypoints; or one of them."""

    name = 'coco'

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self._instances = self._keypoints = None
        if task.classes:
            info = {UNLABELED: 'background'}
            self._instances = CocoFile(outdir / f'{INSTANCES}.json', class_categories(task), info)
        if task.keypoints:
            info = {OUTLINE: 'of the object with the keypoints'}
            self._keypoints = CocoFile(outdir / f'{KEYPOINTS}.json', [keypoint_category(task)], info)

    def _write(self, label: LabeledFile) -> None:
        if label.mask is not None and (label.mask == IGNORE).any():
            raise UserError(f'{label.image} has pixels without a label, which COCO cannot hold; write PNG masks')
        if self._instances is not None and label.mask is not None:
            self._instances.add(label.file_name, label.image_hw, mask_objects(label.mask, region_polygons))
        if self._keypoints is not None and label.keypoints is not None:
            found = label.keypoints
            there = found.points[found.visibility > 0]
            (x0, y0), (x1, y1) = object_box(label.mask, there).round(2).tolist()
            box = [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]
            annotation = {
                'category_id': 1,
                'iscrowd': 0,
                'keypoints': flat_keypoints(found),
                'num_keypoints': len(there),
                'bbox': box,
                'area': box[2] * box[3],
                'segmentation': outline(label.mask, box),
            }
            self._keypoints.add(label.file_name, label.image_hw, [annotation])

    def close(self) -> None:
        """Put the files together."""
        for file in (self._instances, self._keypoints):
            if file is not None:
                file.close()


class CocoFile:
    """One annotation file; annotations wait in a temporary file until all images are known."""

    def __init__(self, path: Path, categories: list[dict], info: dict):
        self._file = path.open('w', encoding='utf-8')
        self._file.write(head(categories, info))
        self._waiting = tempfile.TemporaryFile('w+', encoding='utf-8')  # noqa: SIM115 - closed by `close`
        self._images = self._annotations = 0

    def add(self, file_name: str, image_hw: tuple[int, int], objects: Iterable[dict]) -> None:
        """An image and its annotations, without `id` and `image_id`."""
        height, width = image_hw
        number = FIRST_ID + self._images
        image = {'id': number, 'file_name': file_name, 'height': height, 'width': width}
        self._file.write(',\n' * (self._images > 0) + json.dumps(image, ensure_ascii=False))
        self._images += 1
        for found in objects:
            annotation = {'id': FIRST_ID + self._annotations, 'image_id': number, **found}
            self._waiting.write(',\n' * (self._annotations > 0) + json.dumps(annotation))
            self._annotations += 1

    def close(self) -> None:
        self._file.write('],\n"annotations": [')
        self._waiting.seek(0)
        shutil.copyfileobj(self._waiting, self._file)
        self._file.write(']}\n')
        self._waiting.close()
        self._file.close()
