"""JSON of the VGG Image Annotator (VIA) 1 and 2: "Export annotations (as json)", or a saved project.

Regions of the shapes polygon, rect, circle and ellipse are regions of a class, points are keypoints. The label is the
one attribute of the region that has a value. The files do not tell the size of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, read_json, reading
from datasetgan_ext.formats.shapes import Ellipse, NoArea, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE.json'
TOOL = 'VIA ("Export annotations (as json)")'


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each image, in the order of the file.

    Raises:
        UserError: the file is not VIA's, or a region has no label or several.
    """
    content = read_json(path, argument)
    with reading(f'`{argument}`={path}', TOOL):
        records = list(content.get('_via_img_metadata', content).values())
        options = _options(content)
        if not records:
            raise UserError(f'`{argument}`={path} lists no image')
    for record in records:
        with reading(str(path), TOOL):
            file = record['filename']
            drawing = Drawing(image_name(file, str(path)), path, image=file)
            regions = record['regions']
            regions = list(regions.values() if isinstance(regions, dict) else regions)
        for number, region in enumerate(regions, 1):
            where = f'{path} image {file} region {number}'
            with reading(where, TOOL):
                label, shape = _label(region['region_attributes'], options), region['shape_attributes']
                if shape['name'] == 'point':
                    drawing.shapes.append(Shape(label, where, point=(shape['cx'], shape['cy'])))
                else:
                    drawing.shapes.append(Shape(label, where, _region(shape), is_box=shape['name'] == 'rect'))
        yield drawing


def _options(content: dict) -> dict[tuple[str, str], str]:
    """What a project calls the values of its attributes that are numbers, by attribute and value."""
    attributes = (content.get('_via_attributes') or {}).get('region') or {}
    return {
        (name, value): text
        for name, attribute in attributes.items()
        for value, text in (attribute.get('options') or {}).items()
        if value.isdigit() and isinstance(text, str) and text.strip()
    }


def _label(attributes: dict, options: Mapping[tuple[str, str], str]) -> str:
    """The one value; a checkbox has a dict of those that are ticked."""
    found = {}
    for name, value in attributes.items():
        ticked = [key for key, on in value.items() if on] if isinstance(value, dict) else [value]
        values = [text for text in ticked if isinstance(text, str) and text.strip() and text != 'undefined']
        if values:
            found[name] = [options.get((name, value), value) for value in values]
    labels = [label for values in found.values() for label in values]
    if len(labels) != 1:
        there = '; '.join(f'{name}: {", ".join(values)}' for name, values in found.items()) or 'none'
        raise ShapeError(
            f'it has {len(labels)} labels among its attributes ({there}); one is needed, in one attribute of the region'
        )
    return labels[0]


def _region(shape: dict) -> Region:
    kind = shape['name']
    if kind == 'polygon':
        if len(shape['all_points_x']) != len(shape['all_points_y']):
            raise ShapeError(
                f'it has {len(shape["all_points_x"])} x and {len(shape["all_points_y"])} y; as many are needed'
            )
        return Polygon(finite(list(zip(shape['all_points_x'], shape['all_points_y'])), (-1, 2)))
    if kind == 'rect':
        x, y = shape['x'], shape['y']
        return box(x, y, x + shape['width'], y + shape['height'])
    if kind == 'circle':
        return Ellipse(finite((shape['cx'], shape['cy']), (2,)), finite((shape['r'], shape['r']), (2,)))
    if kind == 'ellipse':
        center, radii = finite((shape['cx'], shape['cy']), (2,)), finite((shape['rx'], shape['ry']), (2,))
        return Ellipse(center, radii, float(np.degrees(shape.get('theta') or 0)))
    return NoArea(f'a {kind} has no area; draw a polygon, rect, circle or ellipse for a class, a point for a keypoint')
