"""COCO's JSON: {"images": [...], "categories": [...], "annotations": [...]}.

Read: an annotation's "segmentation" (polygons, or runs: a list, or compressed as pycocotools writes it) is a region of
the class that its category names; its "keypoints" are x, y and visibility of each keypoint that the category lists.

Written: `train/`, `val/` with images, `annotations/instances_*.json` and `keypoints_*.json`.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record
from datasetgan_ext.formats.regions import ConnectedRegion, find_polygons, find_regions
from datasetgan_ext.formats.shapes import Bitmap, NoArea, Polygon, Region, ShapeError, Together, bits_from_runs, finite

PATHS = 'FILE.json'
RLE, POLYGONS = 'rle', 'polygons'
SEGMENTATIONS = (RLE, POLYGONS)
FIRST_ID = 1  # COCO's own evaluation takes an annotation 0 for none


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each image; annotations in the order of the file.

    Raises:
        UserError: the file is not COCO's, or an annotation is of an unknown image or category.
    """
    content = read_json(path, argument)
    source = f'`{argument}`={path}'
    with reading(source, 'COCO ("images", "annotations" and "categories")'):
        drawings: dict[object, Drawing] = {}
        categories = {category['id']: category for category in content['categories']}
        for image in content['images']:
            where = f'{path} image {image["id"]}'
            if image['id'] in drawings:
                raise UserError(f'{source}: there are two images with the id {image["id"]}')
            drawing = Drawing(image_name(image['file_name'], where), path)
            if image.get('height') is not None or image.get('width') is not None:
                drawing.image_hw = image_size(image.get('height'), image.get('width'), where)
            drawings[image['id']] = drawing
        annotations = list(content['annotations'])
    for number, annotation in enumerate(annotations, 1):
        with reading(f'{source}: annotation {number}', 'COCO'):
            if annotation['image_id'] not in drawings:
                raise UserError(
                    f'{source}: annotation {number} is of image {annotation["image_id"]!r}, which is not among "images"'
                )
            if annotation['category_id'] not in categories:
                raise UserError(
                    f'{source}: annotation {number} is of category {annotation["category_id"]!r}, which '
                    'is not among "categories"'
                )
            drawing = drawings[annotation['image_id']]
            where = f'{path} image {drawing.name} annotation {annotation.get("id", number)}'
        with reading(where, 'COCO'):
            drawing.shapes += _shapes(annotation, categories[annotation['category_id']], drawing.image_hw, where)
    yield from drawings.values()


def flat_keypoints(keypoints: Keypoints) -> list[float]:
    """x, y and visibility of each keypoint in a row, as COCO has them; hundredths of pixels."""
    return [
        value
        for (x, y), seen in zip(keypoints.points.tolist(), keypoints.visibility.tolist())
        for value in (round(x, 2), round(y, 2), seen)
    ]


def _shapes(annotation: dict, category: dict, image_hw: tuple[int, int] | None, where: str) -> list[Shape]:
    shapes = []
    names = category.get('keypoints') or []
    segmentation = annotation.get('segmentation')
    if segmentation:
        shapes.append(Shape(category['name'], where, _region(segmentation, image_hw)))
    if 'keypoints' in annotation and names:
        values = annotation['keypoints']
        if not isinstance(values, list) or len(values) != 3 * len(names):
            count = len(values) if isinstance(values, list) else 'no'
            raise ShapeError(
                f'it has {count} values under "keypoints"; {len(names)} keypoints take {3 * len(names)}: '
                'x, y and visibility of each'
            )
        triples = finite(values, (len(values),)).reshape(-1, 3)
        if not np.isin(triples[:, 2], (ABSENT, OCCLUDED, VISIBLE)).all():
            raise ShapeError('a visibility is none of 0 (absent), 1 (occluded), 2 (visible)')
        shapes += [
            Shape(name, where, point=triple[:2], visibility=int(triple[2])) for name, triple in zip(names, triples)
        ]
    if not shapes:
        shapes.append(
            Shape(
                category['name'],
                where,
                NoArea('it has neither "segmentation" nor "keypoints", a box at most; draw polygons or masks'),
            )
        )
    return shapes


def _region(segmentation: list | dict, image_hw: tuple[int, int] | None) -> Region:
    if isinstance(segmentation, list):
        return Together([Polygon(finite(corners, (-1,)).reshape(-1, 2)) for corners in segmentation])
    height, width = segmentation['size']
    if image_hw is None or (height, width) != image_hw:
        raise ShapeError(f'its mask is {height} x {width}, its image {image_hw} (height, width)')
    runs = segmentation['counts']
    bits = bits_from_runs(_runs(runs) if isinstance(runs, str) else runs, height * width)
    return Bitmap(bits.reshape(width, height).T)


def _runs(text: str) -> list[int]:
    """Run lengths out of COCO's compressed text.

    A number takes a few characters, 5 bits each, lowest first; a sixth bit says that more follow, and the last
    character's fifth bit is the sign. From the fourth number on, each is the difference to the one before the last.
    """
    runs, value, shift = [], 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 40:
            raise ShapeError('its compressed runs are damaged')
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (code & 16) << (shift - 4)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ShapeError('its compressed runs end within a number')
    return runs


@dataclass(frozen=True)
class Coco(Conversion):
    """Each region of a class is an object, its category id is the class id; keypoints have the one category "object".

    Segmentations are run lengths, or polygons along the pixels' edges, several where a region has holes. Both hold each
    pixel, as pycocotools reads them; what paints a polygon's border too, as OpenCV does, adds up to a pixel there. An
    image's pixels in no object are background.

    Attributes:
        segmentation: one of SEGMENTATIONS.
    """

    name = 'coco'
    files = (
        '{part}/{name}.png',
        'annotations/{part}.json',
    )
    segmentation: str = RLE

    def __post_init__(self):
        super().__post_init__()
        if self.segmentation not in SEGMENTATIONS:
            raise UserError(f'`segmentation`={self.segmentation} is none of {", ".join(SEGMENTATIONS)}')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        encode = _polygons
        if dataset.task.classes and self.segmentation == RLE:
            encode = partial(_run_lengths, import_extra('pycocotools.mask', 'formats').encode)
        (outdir / 'annotations').mkdir()
        for split in (TRAIN, VAL):
            records = partial(dataset.kept, self.val, split)
            (outdir / split).mkdir()
            for record in progress(records()):
                shutil.copyfile(dataset.folder / record['image'], outdir / split / _file_name(record))
            if dataset.task.classes:
                write_coco(
                    outdir / 'annotations' / f'instances_{split}.json',
                    categories=_class_categories(dataset.task),
                    file_name=_file_name,
                    records=records,
                    image_hw=dataset.image_hw,
                    objects=lambda record: _objects(dataset.mask(record), encode),
                )
            if dataset.task.keypoints:
                write_coco(
                    outdir / 'annotations' / f'keypoints_{split}.json',
                    categories=[keypoint_category(dataset.task)],
                    file_name=_file_name,
                    records=records,
                    image_hw=dataset.image_hw,
                    objects=keypoint_object,
                )


def _file_name(record: dict) -> str:
    return f'{name_of_record(record)}.png'


def _class_categories(task: Task) -> list[dict]:
    """All classes but the background."""
    names = enumerate(task.classes[1:], 1)
    return [{'id': class_id, 'name': name, 'supercategory': ''} for class_id, name in names]


def write_coco(
    path: Path,
    categories: list[dict],
    file_name: Callable[[dict], str],
    records: Callable[[], Iterator[dict]],
    image_hw: tuple[int, int],
    objects: Callable[[dict], Iterable[dict]],
) -> None:
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
    images = (
        {'id': number, 'file_name': file_name(record), 'height': height, 'width': width}
        for number, record in enumerate(records(), FIRST_ID)
    )
    ids = itertools.count(FIRST_ID)
    annotations = (
        {'id': next(ids), 'image_id': number, **found}
        for number, record in enumerate(records(), FIRST_ID)
        for found in objects(record)
    )
    with path.open('w', encoding='utf-8') as file:
        file.write(
            '{"info": {"description": "x and y from the upper left corner: the centre of the first pixel is '
            f'(0.5, 0.5)"}},\n"categories": {json.dumps(categories)},\n"images": ['
        )
        file.writelines(_separated(images))
        file.write('],\n"annotations": [')
        file.writelines(_separated(annotations))
        file.write(']}\n')


def keypoint_category(task: Task) -> dict:
    """The category of keypoints; COCO counts them from 1."""
    return {
        'id': 1,
        'name': 'object',
        'supercategory': '',
        'keypoints': task.keypoints,
        'skeleton': [[one + 1, other + 1] for one, other in task.skeleton],
    }


def keypoint_object(record: dict) -> Iterator[dict]:
    """The one annotation with keypoints of a manifest's record."""
    yield {
        'category_id': 1,
        'iscrowd': 0,
        'keypoints': record['keypoints'],
        'num_keypoints': sum(seen > 0 for seen in record['keypoints'][2::3]),
        'bbox': record['box'],
        'area': record['box'][2] * record['box'][3],
    }


def _objects(mask: np.ndarray, encode: Callable[[ConnectedRegion, tuple[int, int]], object]) -> Iterator[dict]:
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


def _polygons(region: ConnectedRegion, image_hw: tuple[int, int]) -> list[list[int]]:
    return [polygon.reshape(-1).tolist() for polygon in find_polygons(region)]


def _separated(items: Iterable[dict]) -> Iterator[str]:
    for index, item in enumerate(items):
        yield f',\n{json.dumps(item)}' if index else json.dumps(item)
