"""Supervisely's JSON, one file an image, in the folders ann/ of a project.

Objects of the geometries bitmap, polygon and rectangle are regions of a class, points are keypoints. Coordinates that
are whole numbers count pixels: (0, 0) is the first one, and a rectangle holds its last; others are places.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.images import PILLOW_ERRORS
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.shapes import MAX_SIDE, Bitmap, Holed, NoArea, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE or DIR of JSON files (a project)'
TOOL = 'Supervisely'
MAX_BYTES = MAX_SIDE * MAX_SIDE
"""Of a bitmap, unpacked."""


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each file of a project, in the order of names, or of a single file.

    Raises:
        UserError: a file is not Supervisely's.
    """
    others = []
    for file in files_by_suffix(path, '.json', below=True) if path.is_dir() else [path]:
        content = read_json(file, argument)
        if path.is_dir() and not (isinstance(content, dict) and isinstance(content.get('objects'), list)):
            if file.name not in ('meta.json', 'key_id_map.json') and file.parent.name != 'img_info':
                others.append(str(file))
            continue
        yield _drawing(file, content)
    if others:
        note(f'{path}: files that are no annotations of Supervisely are passed over: {listed(others)}')


def _drawing(path: Path, content: Any) -> Drawing:
    with reading(str(path), TOOL):
        # IMAGE.png.json
        drawing = Drawing(image_name(path.stem, str(path)), path, image=path.stem)
        drawing.image_hw = image_size(content['size']['height'], content['size']['width'], str(path))
        objects = list(content['objects'])
    for number, found in enumerate(objects, 1):
        where = f'{path} object {number}'
        with reading(where, TOOL):
            label, kind = found['classTitle'], found['geometryType']
            if kind == 'point':
                (point,) = finite(found['points']['exterior'], (1, 2))
                drawing.shapes.append(Shape(label, where, point=_places(point)))
            else:
                drawing.shapes.append(Shape(label, where, _region(kind, found), is_box=kind == 'rectangle'))
    return drawing


def _region(kind: str, found: dict) -> Region:
    if kind in ('bitmap', 'alpha_mask'):
        left, top = finite(found['bitmap']['origin'], (2,)).round().astype(int).tolist()
        return Bitmap(_bits(found['bitmap']['data']), left, top)
    if kind == 'rectangle':
        corners = finite(found['points']['exterior'], (2, 2))
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        last = 1 if (corners == corners.round()).all() else 0
        return box(left, top, right + last, bottom + last)
    if kind == 'polygon':
        outer = Polygon(_places(finite(found['points']['exterior'], (-1, 2))))
        holes = [Polygon(_places(finite(hole, (-1, 2)))) for hole in found['points'].get('interior') or []]
        return Holed(outer, holes) if holes else outer
    return NoArea(f'a {kind} cannot be read; draw a bitmap, polygon or rectangle for a class, a point for a keypoint')


def _places(points: np.ndarray) -> np.ndarray:
    """Pixels, by whole numbers, as the places of their centres."""
    return points + 0.5 if (points == points.round()).all() else points


def _bits(text: str) -> np.ndarray:
    """Bool [h, w] from a PNG, deflated once more, in base64; where it has an alpha channel, that counts."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MAX_BYTES)
        with PIL.Image.open(io.BytesIO(unpacked), formats=['PNG']) as image:
            pixels = np.asarray(image)
    except (*PILLOW_ERRORS, TypeError, zlib.error) as error:
        raise ShapeError(f'its bitmap is no deflated PNG in base64 ({error})') from error
    return (pixels if pixels.ndim == 2 else pixels[:, :, -1]) != 0
