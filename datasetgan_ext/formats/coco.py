"""COCO's JSON: {"images": [...], "categories": [...], "annotations": [...]}.

Read: an annotation's "segmentation" (polygons, or runs: a list, or compressed as pycocotools writes it) is a region of
the class that its category names; its "keypoints" are x, y and visibility of each keypoint that the category lists.

Written: the same, object by object; `coco_dataset` has the folders around it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import image_stem
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.shapes import (
    Bitmap,
    NoArea,
    Polygon,
    Region,
    ShapeError,
    Together,
    are_shares,
    bits_from_runs,
    finite,
)

PATHS = 'FILE.json'
FIRST_ID = 1  # COCO's own evaluation takes an annotation 0 for none
UNLABELED = 'unlabeled'
"""What the "info" of a file of ours says of pixels in no object."""
OUTLINE = 'segmentation'
"""What the "info" of a file of ours has where a "segmentation" is that of the object with keypoints, of no class."""
DESCRIPTION = 'x and y from the upper left corner: the centre of the first pixel is (0.5, 0.5)'


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each image; annotations in the order of the file. Ids may be numbers, or the same as text.

    Raises:
        UserError: the file is not COCO's, an annotation is of an unknown image or category, or an id stands for two.
    """
    content = read_json(path, argument)
    source = f'`{argument}`={path}'
    with reading(source, 'COCO ("images", "annotations" and "categories")'):
        categories = _by_id(content['categories'], 'name', source, 'categories')
        images = _by_id(content['images'], 'file_name', source, 'images')
        info = content.get('info') or {}
        complete = isinstance(info, dict) and info.get(UNLABELED) == 'background'
        drawings = {number: _drawing(image, path, complete) for number, image in images.items()}
        annotations = list(content['annotations'])
        regions = not isinstance(info, dict) or OUTLINE not in info
        names = _keypoint_names(info) or _keypoint_names(content)
    for number, annotation in enumerate(annotations, 1):
        with reading(f'{source}: annotation {number}', 'COCO'):
            for key, known in (('image_id', drawings), ('category_id', categories)):
                if _id(annotation[key]) not in known:
                    kind = 'image' if known is drawings else 'category'
                    there = '"images"' if known is drawings else '"categories"'
                    raise UserError(
                        f'{source}: annotation {number} is of {kind} {annotation[key]!r}, which is not among {there}'
                    )
            drawing = drawings[_id(annotation['image_id'])]
            category = categories[_id(annotation['category_id'])]
            where = f'{path} image {drawing.image} annotation {annotation.get("id", number)}'
        with reading(f'{where} ({category["name"]})', 'COCO'):
            segmentation = annotation.get('segmentation') if regions else None
            if isinstance(segmentation, list) and len(segmentation) == 1 and isinstance(segmentation[0], dict):
                (segmentation,) = segmentation  # runs in a list, as polygons are
            if drawing.image_hw is None and isinstance(segmentation, dict):
                height, width = segmentation['size']
                drawing.image_hw = image_size(height, width, where)
            drawing.shapes += _shapes(
                {**annotation, 'segmentation': segmentation}, category, names, drawing.image_hw, where
            )
    yield from drawings.values()


def _id(value: object) -> str:
    """An id as text: 5, 5.0 and "5" are one."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _by_id(items: list[dict], name: str, source: str, kind: str) -> dict[str, dict]:
    found: dict[str, dict] = {}
    for item in items:
        if kind == 'categories' and not isinstance(item.get(name), str):
            raise UserError(f'{source}: number {item["id"]} of {kind} has no {name!r}; export the file again')
        other = found.setdefault(_id(item['id']), item)
        if other is not item and (kind == 'images' or other[name] != item[name]):
            raise UserError(
                f'{source}: there are two {kind} with the id {item["id"]}, {other[name]!r} and {item[name]!r}'
            )
    return found


def _drawing(image: dict, path: Path, complete: bool) -> Drawing:
    file_name = image['file_name']
    where = f'{path} image {image["id"]}'
    drawing = Drawing(image_name(file_name, where), path, image=file_name, complete=complete)
    extra = image.get('extra')
    if isinstance(extra, dict) and isinstance(extra.get('name'), str):  # Roboflow's note of the file's old name
        drawing.other_names = (drawing.name,)
        drawing.name = image_stem(extra['name'])
    if image.get('height') is not None or image.get('width') is not None:
        drawing.image_hw = image_size(image.get('height'), image.get('width'), f'{path} image {file_name}')
    return drawing


def _keypoint_names(content: dict) -> list[str]:
    """Names of keypoints that stand elsewhere than in the category; empty if there are none."""
    for key in ('keypoint_names', 'keypoints'):
        names = content.get(key) if isinstance(content, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return []


def flat_keypoints(keypoints: Keypoints) -> list[float]:
    """x, y and visibility of each keypoint in a row, as COCO has them; hundredths of pixels."""
    return [
        value
        for (x, y), seen in zip(keypoints.points.tolist(), keypoints.visibility.tolist())
        for value in (round(x, 2), round(y, 2), seen)
    ]


def _shapes(
    annotation: dict, category: dict, names: list[str], image_hw: tuple[int, int] | None, where: str
) -> list[Shape]:
    shapes = []
    segmentation = annotation.get('segmentation')
    if segmentation:
        shapes.append(Shape(category['name'], where, region_of(segmentation, image_hw)))
    shapes += _keypoints(annotation, category, names, where)
    if not shapes:
        shapes.append(
            Shape(
                category['name'],
                where,
                NoArea('it has neither "segmentation" nor "keypoints", a box at most; draw polygons or masks'),
            )
        )
    return shapes


def _keypoints(annotation: dict, category: dict, names: list[str], where: str) -> Iterator[Shape]:
    values = annotation.get('keypoints')
    names = category.get('keypoints') or _keypoint_names(category) or _keypoint_names(annotation) or names
    if values is None or not names and not values:
        return
    if not isinstance(values, list) or len(values) != 3 * len(names) and names or len(values) % 3:
        count = len(values) if isinstance(values, list) else 'no'
        takes = f'{len(names)} keypoints take {3 * len(names)}' if names else 'each keypoint takes three'
        raise ShapeError(f'it has {count} values under "keypoints"; {takes}: x, y and visibility of each')
    triples = finite(values, (len(values),)).reshape(-1, 3)
    if not np.isin(triples[:, 2], (ABSENT, OCCLUDED, VISIBLE)).all():
        raise ShapeError('a visibility is none of 0 (absent), 1 (occluded), 2 (visible)')
    seen = triples[triples[:, 2] > 0, :2]
    if len(np.unique(seen, axis=0)) > 1 and are_shares(seen):
        raise ShapeError(
            'all its keypoints are in the first pixel of the image; COCO has them in pixels, these look like shares '
            'of its sides. Export them in pixels'
        )
    for index, triple in enumerate(triples):
        if names:
            yield Shape(names[index], where, point=triple[:2], visibility=int(triple[2]))
        elif len(seen):
            yield Shape(category['name'], where, point=triple[:2], visibility=int(triple[2]), unnamed=True)


def region_of(segmentation: list | dict, image_hw: tuple[int, int] | None) -> Region:
    """What a "segmentation" covers.

    Raises:
        ShapeError: it is neither polygons nor runs, or the runs are of another size than the image.
    """
    if isinstance(segmentation, list):
        parts = [Polygon(corners) for corners in _outlines(segmentation)]
        if parts and all(are_shares(part.corners) for part in parts):
            raise ShapeError(
                'all its corners are in the first pixel of the image; COCO has them in pixels, these look like '
                'shares of its sides. Export them in pixels'
            )
        return Together(parts)
    height, width = segmentation['size']
    if image_hw is None or (height, width) != image_hw:
        raise ShapeError(f'its mask is {height} x {width}, its image {image_hw} (height, width)')
    runs = segmentation['counts']
    bits = bits_from_runs(_runs(runs) if isinstance(runs, str) else runs, height * width)
    return Bitmap(bits.reshape(width, height).T)


def _outlines(segmentation: list) -> list[np.ndarray]:
    """The corners of each polygon: float64 [N, 2].

    They are a list of lists x, y, x, y; some converters write the one list alone, and some write pairs.
    """
    pairs = all(isinstance(part, list) and len(part) == 2 for part in segmentation)
    single = pairs and len(segmentation) > 2 or not any(isinstance(part, list) for part in segmentation)
    found = []
    for part in [segmentation] if single else segmentation:
        if isinstance(part, list) and part and all(isinstance(corner, list) for corner in part):
            found.append(finite(part, (-1, 2)))
            continue
        values = finite(part, (-1,))
        if len(values) % 2:
            raise ShapeError(
                f'a part of its polygon has {len(values)} numbers; x and y of each corner take an even count'
            )
        if len(values):
            found.append(values.reshape(-1, 2))
    return found


def _runs(text: str) -> list[int]:
    """Run lengths out of COCO's compressed text.

    A number takes a few characters, 5 bits each, lowest first; a sixth bit says that more follow, and the last
    character's fifth bit is the sign. From the fourth number on, each is the difference to the one before the last.
    """
    runs: list[int] = []
    value = shift = 0
    if text[:2] in ("b'", 'b"'):
        raise ShapeError("its compressed runs are written as Python shows bytes, b'...'; decode them: counts.decode()")
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


def write_coco(
    path: Path,
    categories: list[dict],
    file_name: Callable[[dict], str],
    records: Callable[[], Iterator[dict]],
    image_hw: tuple[int, int] | None,
    objects: Callable[[dict], Iterable[dict]],
    info: dict | None = None,
) -> None:
    """Write an annotation file object by object, so that memory does not grow with the dataset.

    Args:
        path: file to write.
        categories: as COCO has them.
        file_name: the name of a record's image file.
        records: starts anew at each call.
        image_hw: of all images; None = each record has its own.
        objects: a record's annotations, without `id` and `image_id`.
        info: what "info" has beside the description.
    """

    def entry(number: int, record: dict) -> dict:
        height, width = image_hw or record['image_hw']
        return {'id': number, 'file_name': file_name(record), 'height': height, 'width': width}

    images = (entry(number, record) for number, record in enumerate(records(), FIRST_ID))
    ids = itertools.count(FIRST_ID)
    annotations = (
        {'id': next(ids), 'image_id': number, **found}
        for number, record in enumerate(records(), FIRST_ID)
        for found in objects(record)
    )
    with path.open('w', encoding='utf-8') as file:
        file.write(head(categories, info or {}))
        file.writelines(_separated(images))
        file.write('],\n"annotations": [')
        file.writelines(_separated(annotations))
        file.write(']}\n')


def head(categories: list[dict], info: dict) -> str:
    """What stands before the images."""
    about = json.dumps({'description': DESCRIPTION, **info})
    return f'{{"info": {about},\n"categories": {json.dumps(categories)},\n"images": ['


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


def _separated(items: Iterable[dict]) -> Iterator[str]:
    for index, item in enumerate(items):
        yield f',\n{json.dumps(item)}' if index else json.dumps(item)
