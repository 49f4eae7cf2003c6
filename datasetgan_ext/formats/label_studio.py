"""Label Studio's JSON export: a list of tasks, each with its image and the annotations' results.

Results of the types polygonlabels, rectanglelabels, ellipselabels and brushlabels are regions of a class, those of type
keypointlabels are keypoints. Coordinates are per cent of the image's width and height.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.shapes import Bitmap, Ellipse, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE.json'
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp')
TYPES = ('polygonlabels', 'rectanglelabels', 'ellipselabels', 'brushlabels', 'keypointlabels')

NOT_SHAPES = ('choices', 'textarea', 'rating', 'number', 'datetime', 'taxonomy', 'pairwise', 'ranker', 'relation')


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each task's image, in the order of the file. Predictions and cancelled annotations are left out.

    Raises:
        UserError: the file is not Label Studio's, an image was annotated twice, or a result is of another type.
    """
    content = read_json(path, argument)
    source = f'`{argument}`={path}'
    with reading(source, 'Label Studio ("JSON" export)'):
        if not isinstance(content, list) or not all('annotations' in task for task in content):
            raise UserError(
                f'{source} is no list of tasks with "annotations"; export it from Label Studio as "JSON" '
                '("JSON-MIN" leaves out what is needed)'
            )
    for number, task in enumerate(content, 1):
        where = f'{path} task {task.get("id", number)}' if isinstance(task, dict) else source
        with reading(where, 'Label Studio'):
            drawing = Drawing(_image(task, where), path)
            annotations = [one for one in task['annotations'] if not one.get('was_cancelled')]
            if len(annotations) > 1:
                raise UserError(f'{where}: {drawing.name} has {len(annotations)} annotations; keep one of them')
            results = [result for one in annotations for result in one['result']]
        for index, result in enumerate(results, 1):
            shape_where = f'{path} image {drawing.name} result {index}'
            with reading(shape_where, 'Label Studio'):
                kind = result['type']
                if kind in NOT_SHAPES:
                    continue
                if kind not in TYPES:
                    raise ShapeError(f'results of type {kind!r} cannot be read; label with {", ".join(TYPES)}')
                image_hw = image_size(result.get('original_height'), result.get('original_width'), shape_where)
                if drawing.image_hw not in (None, image_hw) or result.get('image_rotation'):
                    raise ShapeError(
                        'it is of another size than the results before, or of a rotated image; label the '
                        'images as they are'
                    )
                drawing.image_hw = image_hw
                drawing.shapes.append(_shape(kind, result['value'], image_hw, shape_where))
        yield drawing


def _image(task: dict, where: str) -> str:
    """Name of the task's image. Label Studio puts eight characters of its own before the names of uploaded files."""
    images = [
        text
        for text in task['data'].values()
        if isinstance(text, str) and any(suffix in text.lower() for suffix in IMAGE_SUFFIXES)
    ]
    if len(images) != 1:
        raise UserError(f'{where} has {len(images)} images under "data"; one is needed')
    address = urlsplit(images[0])
    path = unquote(parse_qs(address.query).get('d', [address.path])[0])
    name = image_name(path.lstrip('/'), where)
    uploaded = task.get('file_upload') or '/upload/' in path
    return re.sub(r'^[0-9a-f]{8}-', '', name) if uploaded else name


def _shape(kind: str, value: dict, image_hw: tuple[int, int], where: str) -> Shape:
    labels = value.get(kind)
    if not isinstance(labels, list) or len(labels) != 1:
        raise ShapeError(f'it has {len(labels or ())} labels; one is needed')
    if kind == 'keypointlabels':
        return Shape(labels[0], where, point=_pixels((value['x'], value['y']), image_hw))
    return Shape(labels[0], where, _region(kind, value, image_hw))


def _region(kind: str, value: dict, image_hw: tuple[int, int]) -> Region:
    if kind == 'polygonlabels':
        return Polygon(_pixels(value['points'], image_hw))
    if kind == 'brushlabels':
        if value.get('format') != 'rle':
            raise ShapeError(f'its format is {value.get("format")!r}, not "rle"')
        return Bitmap(brush_bits(value['rle'], image_hw))
    degrees = value.get('rotation') or 0
    if kind == 'rectanglelabels':
        x, y = _pixels((value['x'], value['y']), image_hw)
        width, height = _pixels((value['width'], value['height']), image_hw)
        return box(x, y, x + width, y + height, degrees, pivot=(x, y))
    return Ellipse(
        _pixels((value['x'], value['y']), image_hw), _pixels((value['radiusX'], value['radiusY']), image_hw), degrees
    )


def _pixels(per_cent: Sequence, image_hw: tuple[int, int]) -> np.ndarray:
    """x and y in pixels of points [..., 2] in per cent."""
    points = np.asarray(per_cent, dtype=np.float64)
    return finite(points, (2,) if points.ndim == 1 else (-1, 2)) * (image_hw[1], image_hw[0]) / 100


def brush_bits(encoded: list[int], image_hw: tuple[int, int]) -> np.ndarray:
    """Bool [H, W]: where a brush painted.

    The bytes are a stream of bits, highest first: the number of values (32 bits); bits of a value less one (5); four
    widths of lengths, less one (4 each). Then blocks: whether one value is repeated (1), which of the four widths its
    length has (2), the length less one, and the value, or that many values. The values are red, green, blue and alpha
    of the pixels, row by row; alpha says whether the pixel is painted.

    Raises:
        ShapeError: the stream is damaged, or not of an image of this size.
    """
    data = finite(encoded, (-1,))
    if not np.isin(data, np.arange(256)).all():
        raise ShapeError('its "rle" holds something that is no byte')
    bits = np.unpackbits(data.astype(np.uint8))
    text = ''.join(map(str, bits.tolist()))
    place = 0

    def take(size: int) -> int:
        nonlocal place
        place += size
        if place > len(text):
            raise ShapeError('its "rle" ends too early')
        return int(text[place - size : place], 2)

    count = take(32)
    word = take(5) + 1
    widths = [take(4) + 1 for _ in range(4)]
    if count != 4 * image_hw[0] * image_hw[1] or word != 8:
        raise ShapeError(
            f'its "rle" has {count} values of {word} bits, an image of {image_hw[1]} x {image_hw[0]} '
            f'pixels has {4 * image_hw[0] * image_hw[1]} of 8'
        )
    values = np.empty(count, np.uint8)
    filled = 0
    while filled < count:
        repeated = take(1)
        length = take(widths[take(2)]) + 1
        if filled + length > count:
            raise ShapeError('its "rle" holds more values than it says')
        if repeated:
            values[filled : filled + length] = take(word)
        elif place + length * word > len(text):
            raise ShapeError('its "rle" ends too early')
        else:
            values[filled : filled + length] = np.packbits(bits[place : place + length * word])
            place += length * word
        filled += length
    return values.reshape(*image_hw, 4)[:, :, 3] > 0
