"""Label Studio's JSON export: a list of tasks, each with its image and the annotations' results.

Results of the types polygonlabels, rectanglelabels, ellipselabels and brushlabels are regions of a class, those of type
keypointlabels are keypoints; so are polygon, rectangle, ellipse, brush and keypoint beside a result "labels".
Coordinates are per cent of the image's width and height.

Written: tasks with predictions, a brush for each class and a keypoint for each. `tasks.json` is what "Import" takes,
`interface.xml` is the code of the labelling interface. Label Studio has no hidden keypoints: those are written as the
others.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from datasetgan_ext.core.annotation import OCCLUDED
from datasetgan_ext.core.class_names import IGNORE_LABEL
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import SUFFIXES, listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
from datasetgan_ext.formats.shapes import Bitmap, Ellipse, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE.json'
COMMON_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp')
"""Of images; they go before others."""
TYPES = ('polygonlabels', 'rectanglelabels', 'ellipselabels', 'brushlabels', 'keypointlabels')

GEOMETRIES = tuple(kind.removesuffix('labels') for kind in TYPES)
TWO_RESULTS = (*GEOMETRIES, 'labels')
"""Types of the two results of one shape."""
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
                '("JSON-MIN" leaves out what is needed); from another tool, export COCO'
            )
    if (
        content
        and not any(task['annotations'] for task in content)
        and any(task.get('predictions') for task in content)
    ):
        raise UserError(
            f'{source} holds predictions alone, which nobody has looked at; accept them in Label Studio (Submit), and '
            'export again'
        )
    others: Counter[str] = Counter()
    drafts = []
    for number, task in enumerate(content, 1):
        where = f'{path} task {task.get("id", number)}' if isinstance(task, dict) else source
        with reading(where, 'Label Studio'):
            drawing = _drawing(task, path, where)
            annotations = [one for one in task['annotations'] if not one.get('was_cancelled')]
            if len(annotations) > 1:
                raise UserError(f'{where}: {drawing.image} has {len(annotations)} annotations; keep one of them')
            results = [result for one in annotations for result in one['result']]
            others.update(result['type'] for result in results if result['type'] in NOT_SHAPES)
            drafts += [drawing.image] if task.get('drafts') else []
        for index, parts in _by_shape(results):
            shape_where = f'{path} image {drawing.image} result {index}'
            with reading(shape_where, 'Label Studio'):
                shape = _shape(parts, drawing, shape_where)
                if shape is not None:
                    drawing.shapes.append(shape)
        yield drawing
    if others:
        told = ', '.join(f'{count} {kind}' for kind, count in others.items())
        note(f'{source}: results that are no shapes are passed over: {told}')
    if drafts:
        note(f'{source}: drafts that nobody has submitted are passed over: {listed(drafts)}')


def _drawing(task: dict, path: Path, where: str) -> Drawing:
    """Label Studio puts eight characters of its own before the names of uploaded files."""
    if 'data' not in task:
        raise UserError(
            f'{where} is not as Label Studio writes it: it has no "data"; export "JSON" from there, or COCO from the '
            'tool that wrote it'
        )
    texts = [text for text in task['data'].values() if isinstance(text, str)]
    images = [text for text in texts if any(suffix in text.lower() for suffix in COMMON_SUFFIXES)]
    if not images:
        images = [text for text in texts if PurePosixPath(_file_of(text)).suffix.lower() in SUFFIXES]
    if len(images) != 1:
        raise UserError(
            f'{where} has {len(images)} images under "data"; one is needed: leave one there, that which was labelled'
        )
    file = _file_of(images[0])
    name = image_name(file, where)
    uploaded = task.get('file_upload') or '/upload/' in file
    shorter = re.sub(r'^[0-9a-f]{8}-', '', name) if uploaded else name
    return Drawing(shorter, path, image=file, other_names=(name,), per_cent=True)


def _file_of(address: str) -> str:
    """The path of an image's file in its address."""
    parts = urlsplit(address)
    of_query = parse_qs(parts.query).get('d')
    return of_query[0] if of_query else unquote(parts.path)


def _by_shape(results: list[dict]) -> Iterator[tuple[int, list[dict]]]:
    """The results of each shape, which have one id, and the place of the first of them.

    <Labels> beside <Polygon> makes two results of one shape: one says what it is, and both say where.
    """
    shapes: dict[object, list[tuple[int, dict]]] = {}
    for index, result in enumerate(results, 1):
        apart = isinstance(result, dict) and result.get('id') is not None and result.get('type') in TWO_RESULTS
        shapes.setdefault(str(result['id']) if apart else index, []).append((index, result))
    for parts in shapes.values():
        yield parts[0][0], [result for _, result in parts]


def _shape(parts: list[dict], drawing: Drawing, where: str) -> Shape | None:
    """The shape that results with one id make; None = they are of another kind, such as choices."""
    parts = [part for part in parts if part['type'] not in NOT_SHAPES]
    if not parts:
        return None
    unknown = [part['type'] for part in parts if part['type'] not in (*TYPES, *TWO_RESULTS)]
    if unknown:
        raise ShapeError(f'results of type {unknown[0]!r} cannot be read; label with {", ".join(TYPES)}')
    for part in parts:
        if part.get('image_rotation'):
            raise ShapeError(
                f'it is of an image that was rotated by {part["image_rotation"]} degrees in Label Studio; the images '
                'of `samples` are not: rotate it back there, and label it as it is'
            )
        image_hw = image_size(part.get('original_height'), part.get('original_width'), where)
        if drawing.image_hw not in (None, image_hw):
            raise ShapeError(
                f'it is on an image of another size, {image_hw[1]} x {image_hw[0]} pixels, than the results before: '
                f'{drawing.image_hw[1]} x {drawing.image_hw[0]}; export the labels of one image'
            )
        drawing.image_hw = image_hw
    labels = []
    for part in parts:
        found = part['value'].get(part['type'] if part['type'] in TYPES else 'labels')
        labels += found if isinstance(found, list) else []
    if len(labels) != 1:
        listed = f': {", ".join(map(str, labels))}' if labels else ''
        raise ShapeError(f'it has {len(labels)} labels{listed}; one is needed')
    assert drawing.image_hw is not None
    value = parts[0]['value']
    kind = _geometry(parts[0]['type'], value)
    if kind == 'keypoint':
        return Shape(labels[0], where, point=_pixels((value['x'], value['y']), drawing.image_hw))
    is_box = kind == 'rectangle' and not value.get('rotation')
    return Shape(labels[0], where, _region(kind, value, drawing.image_hw), is_box=is_box)


def _geometry(kind: str, value: dict) -> str:
    """Which of GEOMETRIES a result is."""
    if kind != 'labels':
        return kind.removesuffix('labels')
    signs = {'points': 'polygon', 'rle': 'brush', 'radiusX': 'ellipse', 'height': 'rectangle', 'x': 'keypoint'}
    found = [geometry for key, geometry in signs.items() if key in value]
    if not found:
        raise ShapeError(f'it has no shape ({", ".join(value)}); label with {", ".join(TYPES)}')
    return found[0]


def _region(kind: str, value: dict, image_hw: tuple[int, int]) -> Region:
    if kind == 'polygon':
        return Polygon(_pixels(value['points'], image_hw))
    if kind == 'brush':
        if value.get('format') != 'rle':
            raise ShapeError(f'its format is {value.get("format")!r}, not "rle"')
        return Bitmap(brush_bits(value['rle'], image_hw))
    degrees = value.get('rotation') or 0
    if kind == 'rectangle':
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


TASKS_FILE, INTERFACE_FILE = 'tasks.json', 'interface.xml'
LENGTH_BITS = (3, 4, 8, 16)
"""Widths of the lengths in a brush's stream."""
POINT_WIDTH = 0.5
"""Of a keypoint on the screen, in per cent of the image's width."""


class LabelStudioWriter(LabelWriter):
    """tasks.json; the images are where `address` says, as Label Studio serves files of its own disk."""

    name = 'label-studio'
    address = '/data/local-files/?d='

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self._ignored = False
        self._occluded = 0
        self._file = (outdir / TASKS_FILE).open('w', encoding='utf-8')
        self._file.write('[')

    def _write(self, label: LabeledFile) -> None:
        results = list(self._results(label))
        content = {
            'data': {'image': f'{self.address}{quote(label.file_name)}'},
            'predictions': [{'model_version': 'datasetgan', 'result': results}],
        }
        self._file.write(',\n' if len(self._files) > 1 else '\n')
        self._file.write(json.dumps(content, ensure_ascii=False))

    def _results(self, label: LabeledFile) -> Iterator[dict]:
        height, width = label.image_hw
        for number, (name, window) in enumerate(label.regions(self.task)):
            self._ignored |= name == IGNORE_LABEL
            bits = np.zeros(label.image_hw, dtype=bool)
            rows, columns = window.bits.shape
            bits[window.top : window.top + rows, window.left : window.left + columns] = window.bits
            value: dict[str, Any] = {'format': 'rle', 'rle': brush_stream(bits)}
            yield _result('brush', 'brushlabels', name, f'region{number}', label.image_hw, value)
        for number, (name, x, y, seen) in enumerate(label.points(self.task)):
            self._occluded += seen == OCCLUDED
            value = {'x': 100 * x / width, 'y': 100 * y / height, 'width': POINT_WIDTH}
            yield _result('point', 'keypointlabels', name, f'point{number}', label.image_hw, value)

    def close(self) -> None:
        """Finish the list of tasks, and write the interface."""
        self._file.write('\n]\n')
        self._file.close()
        if self._occluded:
            note(f'Label Studio knows no occluded keypoints: {self._occluded} are written as if they were to be seen')
        classes = [*self.task.classes[1:], *([IGNORE_LABEL] if self._ignored else [])]
        colors = {
            name: '#{:02x}{:02x}{:02x}'.format(*color) for name, color in zip(self.task.classes, self.task.palette)
        }
        rows = ['<View>', '  <Image name="image" value="$image" zoom="true"/>']
        for tag, name, labels in (
            ('BrushLabels', 'brush', classes),
            ('KeyPointLabels', 'point', self.task.keypoints),
        ):
            if labels:
                rows.append(f'  <{tag} name="{name}" toName="image">')
                for label in labels:
                    color = f' background="{colors[label]}"' if label in colors else ''
                    rows.append(f'    <Label value={quoteattr(label)}{color}/>')
                rows.append(f'  </{tag}>')
        rows.append('</View>')
        (self.outdir / INTERFACE_FILE).write_text('\n'.join(rows) + '\n', encoding='utf-8')


def _result(control: str, kind: str, label: str, number: str, image_hw: tuple[int, int], value: dict) -> dict:
    height, width = image_hw
    return {
        'id': number,
        'type': kind,
        'from_name': control,
        'to_name': 'image',
        'original_width': width,
        'original_height': height,
        'image_rotation': 0,
        'value': {**value, kind: [label]},
    }


def brush_stream(bits: np.ndarray) -> list[int]:
    """The bytes of a brush that painted bool [H, W]: what `label_studio.brush_bits` reads, and describes."""
    flat = bits.reshape(-1)
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1])).tolist()
    parts = [f'{4 * flat.size:032b}{8 - 1:05b}', *(f'{size - 1:04b}' for size in LENGTH_BITS)]
    for start, end in zip(starts, [*starts[1:], flat.size]):
        value = f'{255 if flat[start] else 0:08b}'
        left = 4 * (end - start)  # red, green, blue and alpha of each pixel
        while left:
            length = min(left, 1 << LENGTH_BITS[-1])
            width = next(place for place, size in enumerate(LENGTH_BITS) if length <= 1 << size)
            parts.append(f'1{width:02b}{length - 1:0{LENGTH_BITS[width]}b}{value}')
            left -= length
    text = ''.join(parts)
    text += '0' * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, 'big'))
