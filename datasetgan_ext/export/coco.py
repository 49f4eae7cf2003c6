"""COCO: `train/`, `val/` with images, `annotations/instances_*.json` and `keypoints_*.json`."""
from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import import_extra
from datasetgan_ext.export.dataset import TRAIN, VAL, FolderDataset, sample_name
from datasetgan_ext.export.regions import Region, find_polygons, find_regions
from datasetgan_ext.labels.task import Task

RLE, POLYGONS = SEGMENTATIONS = ('rle', 'polygons')
FIRST_ID = 1  # COCO's own evaluation takes an annotation 0 for none


def convert(dataset: FolderDataset, outdir: Path, val: float, progress: Callable[[Iterable], Iterable],
            segmentation: str = RLE) -> None:
    """Write the kept samples; each region of a class is an object, its category id is the class id.

    Segmentations are run lengths, or polygons along the pixels' edges, several where a region has holes. Both hold each
    pixel, as pycocotools reads them; what paints a polygon's border too, as OpenCV does, adds up to a pixel there. An
    image's pixels in no object are background. Keypoints have the one category "object".
    """
    encode = _polygons
    if dataset.task.classes and segmentation == RLE:
        encode = partial(_run_lengths, import_extra('pycocotools.mask', 'formats').encode)
    for split in (TRAIN, VAL):
        records = partial(dataset.kept, val, split)
        (outdir / split).mkdir()
        for record in progress(records()):
            shutil.copyfile(dataset.folder / record['image'], outdir / split / f'{sample_name(record)}.png')
        images = [lambda record: f'{sample_name(record)}.png', records, dataset.image_hw]
        (outdir / 'annotations').mkdir(exist_ok=True)
        if dataset.task.classes:
            categories = [{'id': class_id, 'name': name, 'supercategory': ''}
                          for class_id, name in enumerate(dataset.task.classes) if class_id > 0]
            write_coco(outdir / 'annotations' / f'instances_{split}.json', categories, *images,
                       lambda record: _objects(dataset.mask(record), encode))
        if dataset.task.keypoints:
            write_coco(outdir / 'annotations' / f'keypoints_{split}.json', [keypoint_category(dataset.task)], *images,
                       keypoint_object)


def write_coco(path: Path, categories: list[dict], file_name: Callable[[dict], str],
               records: Callable[[], Iterator[dict]], image_hw: tuple[int, int],
               objects: Callable[[dict], Iterable[dict]]) -> None:
    """Write an annotation file object by object, so that memory does not grow with the dataset.

    Args:
        path: file to write.
        categories: as COCO has them.
        file_name: the name of a record's image file.
        records: starts anew at each call.
        image_hw: of all images.
        objects: a record's annotations, without `id` and `image_id`.
    """
    height, width = image_hw
    images = ({'id': number, 'file_name': file_name(record), 'height': height, 'width': width}
              for number, record in enumerate(records(), FIRST_ID))
    ids = itertools.count(FIRST_ID)
    annotations = ({'id': next(ids), 'image_id': number, **found}
                   for number, record in enumerate(records(), FIRST_ID) for found in objects(record))
    with path.open('w', encoding='utf-8') as file:
        file.write('{"info": {"description": "x and y from the upper left corner: the centre of the first pixel is '
                   f'(0.5, 0.5)"}},\n"categories": {json.dumps(categories)},\n"images": [')
        file.writelines(_separated(images))
        file.write('],\n"annotations": [')
        file.writelines(_separated(annotations))
        file.write(']}\n')


def keypoint_category(task: Task) -> dict:
    """The category of keypoints; COCO counts them from 1."""
    return {'id': 1, 'name': 'object', 'supercategory': '', 'keypoints': task.keypoints,
            'skeleton': [[one + 1, other + 1] for one, other in task.skeleton]}


def keypoint_object(record: dict) -> Iterator[dict]:
    """The one annotation with keypoints of a manifest's record."""
    yield {'category_id': 1, 'iscrowd': 0, 'keypoints': record['keypoints'],
           'num_keypoints': sum(seen > 0 for seen in record['keypoints'][2::3]), 'bbox': record['box'],
           'area': record['box'][2] * record['box'][3]}


def _objects(mask: np.ndarray, encode: Callable[[Region, tuple[int, int]], object]) -> Iterator[dict]:
    for region in find_regions(mask):
        yield {'category_id': region.class_id, 'iscrowd': 0, 'bbox': list(region.box), 'area': region.area,
               'segmentation': encode(region, mask.shape)}


def _run_lengths(encode: Callable[[np.ndarray], dict], region: Region, image_hw: tuple[int, int]) -> dict:
    x, y, width, height = region.box
    pixels = np.zeros(image_hw, dtype=np.uint8, order='F')
    pixels[y:y + height, x:x + width] = region.pixels
    run_lengths = encode(pixels)
    return {'size': run_lengths['size'], 'counts': run_lengths['counts'].decode('ascii')}


def _polygons(region: Region, image_hw: tuple[int, int]) -> list[list[int]]:
    return [polygon.reshape(-1).tolist() for polygon in find_polygons(region)]


def _separated(items: Iterable[dict]) -> Iterator[str]:
    return (',\n' * (index > 0) + json.dumps(item) for index, item in enumerate(items))
