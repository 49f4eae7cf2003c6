"""COCO's JSON: {"images": [...], "categories": [...], "annotations": [...]}.

An annotation's "segmentation" (polygons, or runs: a list, or compressed as pycocotools writes it) is a region of the
class that its category names; its "keypoints" are x, y and visibility of each keypoint that the category lists.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import UserError
from datasetgan_ext.labels.annotation import ABSENT, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.labels.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.labels.shapes import Bitmap, NoArea, Polygon, Region, ShapeError, Together, bits_from_runs, finite

PATHS = 'FILE.json'


def read(path: Path, flag: str = '--labels') -> Iterator[Drawing]:
    """The drawing of each image; annotations in the order of the file.

    Raises:
        UserError: the file is not COCO's, or an annotation is of an unknown image or category.
    """
    content, source = read_json(path, flag), f'{flag}={path}'
    with reading(source, 'COCO ("images", "annotations" and "categories")'):
        drawings, categories = {}, {category['id']: category for category in content['categories']}
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
                raise UserError(f'{source}: annotation {number} is of image {annotation["image_id"]!r}, which is not '
                                'among "images"')
            if annotation['category_id'] not in categories:
                raise UserError(f'{source}: annotation {number} is of category {annotation["category_id"]!r}, which '
                                'is not among "categories"')
            drawing = drawings[annotation['image_id']]
            where = f'{path} image {drawing.name} annotation {annotation.get("id", number)}'
        with reading(where, 'COCO'):
            drawing.shapes += _shapes(annotation, categories[annotation['category_id']], drawing.image_hw, where)
    yield from drawings.values()


def flat_keypoints(keypoints: Keypoints) -> list[float]:
    """x, y and visibility of each keypoint in a row, as COCO has them; hundredths of pixels."""
    return [value for (x, y), seen in zip(keypoints.points.tolist(), keypoints.visibility.tolist())
            for value in (round(x, 2), round(y, 2), seen)]


def _shapes(annotation: dict, category: dict, image_hw: tuple[int, int] | None, where: str) -> list[Shape]:
    shapes, names = [], category.get('keypoints') or []
    segmentation = annotation.get('segmentation')
    if segmentation:
        shapes.append(Shape(category['name'], where, _region(segmentation, image_hw)))
    if 'keypoints' in annotation and names:
        values = annotation['keypoints']
        if not isinstance(values, list) or len(values) != 3 * len(names):
            count = len(values) if isinstance(values, list) else 'no'
            raise ShapeError(f'it has {count} values under "keypoints"; {len(names)} keypoints take {3 * len(names)}: '
                             'x, y and visibility of each')
        triples = finite(values, (len(values),)).reshape(-1, 3)
        if not np.isin(triples[:, 2], (ABSENT, OCCLUDED, VISIBLE)).all():
            raise ShapeError('a visibility is none of 0 (absent), 1 (occluded), 2 (visible)')
        shapes += [Shape(name, where, point=triple[:2], visibility=int(triple[2]))
                   for name, triple in zip(names, triples)]
    if not shapes:
        shapes.append(Shape(category['name'], where, NoArea(
            'it has neither "segmentation" nor "keypoints", a box at most; draw polygons or masks')))
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
