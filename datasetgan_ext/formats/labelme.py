"""LabelMe's JSON files, one an image: {"shapes": [{"label", "shape_type", "points", "flags", "mask"}], "imagePath"}.

Shapes of the types polygon, rectangle, oriented_rectangle, circle and mask are regions of a class, those of type point
are keypoints. A point whose flag "occluded" is ticked is occluded. The label `__ignore__` leaves a region out.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import OCCLUDED, VISIBLE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import PILLOW_ERRORS
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.shapes import Bitmap, Ellipse, NoArea, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE or DIR of JSON files'


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each JSON file of a folder, in the order of names, or of a single file; not of hidden ones.

    Raises:
        UserError: a file is not LabelMe's, or labels an image of another name.
    """
    for file in sorted(path.glob('*.json')) if path.is_dir() else [path]:
        if not file.name.startswith('.'):
            yield _drawing(file, read_json(file, argument))


def _drawing(path: Path, content: object) -> Drawing:
    with reading(str(path), 'LabelMe'):
        shapes = list(content['shapes'])
        # LabelMe finds the image from the JSON file's folder; with --output that is ../images/NAME
        image = content.get('imagePath')
        name = path.stem if image is None else image_name(re.sub(r'^(\.\.[/\\])+', '', image), str(path))
        if name != path.stem:
            raise UserError(f'{path} labels the image {image!r}; give the file the name of its image, {name}.json')
        drawing = Drawing(name, path)
        if content.get('imageHeight') is not None or content.get('imageWidth') is not None:
            drawing.image_hw = image_size(content.get('imageHeight'), content.get('imageWidth'), str(path))
    for number, shape in enumerate(shapes, 1):
        where = f'{path} shape {number}'
        with reading(where, 'LabelMe'):
            if shape['shape_type'] == 'point':
                occluded = bool((shape.get('flags') or {}).get('occluded'))
                (point,) = finite(shape['points'], (1, 2))
                drawing.shapes.append(
                    Shape(shape['label'], where, point=point, visibility=OCCLUDED if occluded else VISIBLE)
                )
            else:
                drawing.shapes.append(Shape(shape['label'], where, _region(shape)))
    return drawing


def _region(shape: dict) -> Region:
    kind, points = shape['shape_type'], shape['points']
    if kind == 'polygon':
        return Polygon(points)
    if kind == 'oriented_rectangle':
        return Polygon(finite(points, (4, 2)))
    if kind == 'rectangle':
        return box(*finite(points, (2, 2)).ravel())
    if kind == 'circle':
        center, rim = finite(points, (2, 2))
        return Ellipse(center, np.repeat(np.hypot(*(rim - center)), 2))
    if kind == 'mask':
        corners = finite(points, (2, 2))
        left, top = corners[0].round().astype(int)
        return Bitmap(_bits(shape['mask']), int(left), int(top))
    return NoArea(
        f'a shape of type {kind!r} has no area; draw a polygon, rectangle, circle or mask for a class, '
        'a point for a keypoint'
    )


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
