"""LabelMe's JSON files, one an image: {"shapes": [{"label", "shape_type", "points", "flags", "mask"}], "imagePath"}.

Shapes of the types polygon, rectangle, oriented_rectangle, circle and mask are regions of a class, as are rotation and
quadrilateral, which X-AnyLabeling has; those without a type are polygons, and those of type point are keypoints. A
point whose flag "occluded" is ticked is occluded, as is one that X-AnyLabeling calls "difficult". The label
`__ignore__` leaves a region out.

Written: a shape of type mask for each class, a point for each keypoint.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import OCCLUDED, VISIBLE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.images import PILLOW_ERRORS
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.text import composed
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
from datasetgan_ext.formats.shapes import TOLERANCE, Bitmap, Ellipse, NoArea, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE or DIR of JSON files'
OCCLUDED_FLAG = 'occluded'
MAX_KEYS = 6
"""Of an unknown file, that a message shows."""
UNLABELED = 'unlabeled'
"""What a file of ours says of pixels in no shape; LabelMe keeps it."""


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each JSON file of a folder and those in it, in the order of names, or of a single file.

    Files without shapes beside such that have some are passed over, with a note; so are hidden ones.

    Raises:
        UserError: a file is not LabelMe's, or labels an image of another name.
    """
    if not path.is_dir():
        yield _drawing(path, read_json(path, argument))
        return
    strange, found = [], False
    for file in files_by_suffix(path, '.json', below=True):
        content = read_json(file, argument)
        if isinstance(content, dict) and 'shapes' in content:
            found = True
            yield _drawing(file, content)
        else:
            strange.append((file, content))
    if not found:
        for file, content in strange:
            yield _drawing(file, content)
    elif strange:
        note(f'{path}: JSON files without shapes are passed over: {listed([str(file) for file, _ in strange])}')


def _drawing(path: Path, content: Any) -> Drawing:
    if not isinstance(content, dict) or 'shapes' not in content:
        there = ', '.join(f'"{key}"' for key in list(content)[:MAX_KEYS]) if isinstance(content, dict) else ''
        holds = f'an object with {there or "nothing"}' if isinstance(content, dict) else f'a {type(content).__name__}'
        raise UserError(
            f'{path} is in no known form: it holds {holds}, and is not as LabelMe writes it, with "shapes"; if another '
            'tool wrote it, export COCO from there, or masks as PNG files'
        )
    with reading(str(path), 'LabelMe'):
        shapes = list(content['shapes'])
        image = content.get('imagePath')
        name = path.stem if image is None else image_name(image, str(path))
        if composed(name) != composed(path.stem):
            raise UserError(f'{path} labels the image {image!r}; give the file the name of its image, {name}.json')
        drawing = Drawing(name, path, image=image or '', complete=content.get(UNLABELED) == 'background')
        height, width = content.get('imageHeight'), content.get('imageWidth')
        if height is not None or width is not None:
            drawing.image_hw = image_size(height, width, str(path))
        if content.get('imageData'):
            # where the two differ, LabelMe itself takes the size of the picture
            drawing.image_hw = _size_of(content['imageData']) or drawing.image_hw
    ticked: Counter[str] = Counter()
    for number, shape in enumerate(shapes, 1):
        where = f'{path} shape {number}'
        label = shape.get('label') if isinstance(shape, dict) else None
        with reading(where if label is None else f'{where} ({label})', 'LabelMe'):
            if shape.get('shape_type') == 'point':
                flags = [flag for flag, on in (shape.get('flags') or {}).items() if on]
                occluded = any(flag.lower() == OCCLUDED_FLAG for flag in flags) or shape.get('difficult') is True
                ticked.update(flag for flag in flags if flag.lower() != OCCLUDED_FLAG)
                (point,) = finite(shape['points'], (1, 2))
                drawing.shapes.append(
                    Shape(shape['label'], where, point=point, visibility=OCCLUDED if occluded else VISIBLE)
                )
            else:
                drawing.shapes.append(
                    Shape(
                        shape['label'],
                        where,
                        _region(shape),
                        is_box=shape.get('shape_type') == 'rectangle',
                        group=shape.get('group_id'),
                    )
                )
    if ticked:
        told = ', '.join(f'{flag!r} ({count})' for flag, count in ticked.items())
        note(f'{path}: flags of points that have no meaning here are passed over: {told}; "{OCCLUDED_FLAG}" has one')
    return drawing


def _region(shape: dict) -> Region:
    # files of LabelMe 3 and before have polygons alone, and do not say so
    kind, points = shape.get('shape_type') or 'polygon', shape['points']
    if kind == 'polygon':
        return Polygon(points)
    if kind in ('oriented_rectangle', 'rotation', 'quadrilateral'):
        return Polygon(finite(points, (4, 2)))
    if kind == 'rectangle':
        return _rectangle(points)
    if kind == 'circle':
        center, rim = finite(points, (2, 2))
        return Ellipse(center, np.repeat(np.hypot(*(rim - center)), 2))
    if kind == 'mask':
        return _bitmap(shape)
    return NoArea(
        f'a shape of type {kind!r} has no area; draw a polygon, rectangle, circle or mask for a class, '
        'a point for a keypoint'
    )


def _rectangle(points: Any) -> Polygon:
    """From two opposite corners, as LabelMe has it, or from all four, as X-AnyLabeling has."""
    if not isinstance(points, list) or len(points) != 4:
        return box(*finite(points, (2, 2)).ravel())
    corners = finite(points, (4, 2))
    upright = box(*corners.min(axis=0), *corners.max(axis=0))
    # each corner of the upright box is one of the four, whichever comes first
    if (np.abs(corners[:, None] - upright.corners).max(axis=2).min(axis=0) > TOLERANCE / 2).any():
        raise ShapeError(
            f'it is a rectangle with the four corners {corners.tolist()}, which are those of no upright rectangle; '
            'make it a polygon'
        )
    return upright


def _bitmap(shape: dict) -> Bitmap:
    """The points are the centres of the first pixel and of the last, or of two other corners of the mask."""
    corners = finite(shape['points'], (2, 2))
    left, top = corners.min(axis=0).round().astype(int).tolist()
    bits = _bits(shape['mask'])
    width, height = (np.abs(corners[1] - corners[0]).round().astype(int) + 1).tolist()
    if max(abs(bits.shape[0] - height), abs(bits.shape[1] - width)) > TOLERANCE:
        raise ShapeError(
            f'its mask has {bits.shape[1]} x {bits.shape[0]} pixels, its points are the corners of '
            f'{width} x {height} pixels'
        )
    return Bitmap(bits, left, top)


def _size_of(data: str) -> tuple[int, int] | None:
    """Height and width of the picture that is in a file of LabelMe; None = it cannot be read."""
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as image:
            return image.height, image.width
    except (*PILLOW_ERRORS, TypeError):
        return None


def _bits(text: str) -> np.ndarray:
    """Bool [h, w] from a base64-encoded PNG."""
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=['PNG']) as image:
            pixels = np.asarray(image)
    except (*PILLOW_ERRORS, TypeError) as error:
        raise ShapeError(f'its "mask" is no PNG in base64 ({error})') from error
    if pixels.ndim != 2:
        raise ShapeError(f'its "mask" is a PNG with {pixels.shape[2]} channels; LabelMe writes black and white ones')
    return pixels != 0


VERSION = '5.5.0'
"""Of LabelMe, which has masks since 5.3."""


class LabelMeWriter(LabelWriter):
    """NAME.json beside the others, of the image IMAGE in `image_folder`."""

    name = 'labelme'
    image_folder = ''
    """Where LabelMe finds the images, from the JSON files' folder: empty, or a path that ends with a slash."""

    def _write(self, label: LabeledFile) -> None:
        shapes = [
            _shape(
                name,
                'mask',
                [
                    [window.left, window.top],
                    [window.left + window.bits.shape[1] - 1, window.top + window.bits.shape[0] - 1],
                ],
                mask=_png(window.bits),
            )
            for name, window in label.regions(self.task)
        ]
        shapes += [
            _shape(name, 'point', [[x, y]], flags={'occluded': True} if seen == OCCLUDED else {})
            for name, x, y, seen in label.points(self.task)
        ]
        height, width = label.image_hw
        content: dict[str, Any] = {
            'version': VERSION,
            'flags': {},
            'shapes': shapes,
            'imagePath': f'{self.image_folder}{label.file_name}',
            'imageData': None,
            'imageHeight': height,
            'imageWidth': width,
        }
        if label.mask is not None:
            content[UNLABELED] = 'background'
        path = self.outdir / f'{label.name}.json'
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + '\n', encoding='utf-8')


def _shape(label: str, kind: str, points: list, mask: str | None = None, flags: dict | None = None) -> dict:
    return {
        'label': label,
        'points': points,
        'group_id': None,
        'description': '',
        'shape_type': kind,
        'flags': flags or {},
        'mask': mask,
    }


def _png(bits: np.ndarray) -> str:
    """Bool [h, w] as a PNG in base64."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(bits.astype(np.uint8) * 255).convert('1').save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode('ascii')
