"""Datumaro's own JSON: {"categories": {...}, "items": [{"id", "annotations", "image"}]}.

Annotations of the types polygon, bbox, ellipse and mask are regions of a class, painted in the order of their z_order;
points are keypoints, whose names are in the categories.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datasetgan_ext.core.annotation import OCCLUDED, VISIBLE
from datasetgan_ext.core.text import composed
from datasetgan_ext.formats.coco import region_of
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, read_json, reading
from datasetgan_ext.formats.shapes import Ellipse, NoArea, Polygon, Region, ShapeError, box, finite

PATHS = 'FILE.json'
TOOL = 'Datumaro'
NOT_SHAPES = ('label', 'caption')


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each item, in the order of the file.

    Raises:
        UserError: the file is not Datumaro's.
    """
    content = read_json(path, argument)
    with reading(f'`{argument}`={path}', TOOL):
        names = [label['name'] for label in content['categories']['label']['labels']]
        points = {
            one['label_id']: one['labels'] for one in (content['categories'].get('points') or {}).get('items', [])
        }
        items = list(content['items'])
    for item in items:
        with reading(str(path), TOOL):
            # of videos and point clouds nothing is read
            media = item.get('image') or item.get('media') or {}
            file = media.get('path') or item['id']
            own_name = composed(item['id'].rsplit('/', 1)[-1])  # an id has no suffix
            image = item['id'] if '/' in item['id'] and '/' not in file else file
            drawing = Drawing(image_name(file, str(path)), path, image=image, other_names=(own_name,))
            if media.get('size'):
                height, width = media['size']
                drawing.image_hw = image_size(height, width, f'{path} item {item["id"]}')
            annotations = [one for one in item['annotations'] if one['type'] not in NOT_SHAPES]
            annotations.sort(key=lambda one: one.get('z_order') or 0)
        for number, annotation in enumerate(annotations, 1):
            where = f'{path} item {item["id"]} annotation {annotation.get("id") or number}'
            with reading(where, TOOL):
                label_id = annotation.get('label_id')
                if type(label_id) is not int or not 0 <= label_id < len(names):
                    raise ShapeError(f'its label_id is {label_id!r}; "categories" has {len(names)} labels, from 0')
                if annotation['type'] == 'points':
                    drawing.shapes += _points(annotation, names[label_id], points.get(label_id) or [], where)
                elif annotation['type'] == 'skeleton':
                    for element in annotation['elements']:
                        name = names[element['label_id']]
                        drawing.shapes += _points(element, name, [name], where)
                else:
                    if drawing.image_hw is None and 'rle' in annotation:
                        height, width = annotation['rle']['size']
                        drawing.image_hw = image_size(height, width, where)
                    region = _region(annotation, drawing.image_hw)
                    group = annotation.get('group') or None
                    is_box = annotation['type'] == 'bbox' and not _rotation(annotation)
                    drawing.shapes.append(Shape(names[label_id], where, region, is_box=is_box, group=group))
        yield drawing


def _points(annotation: dict, label: str, names: list[str], where: str) -> Iterator[Shape]:
    places = finite(annotation['points'], (-1,))
    if len(places) % 2:
        raise ShapeError(f'it has {len(places)} coordinates, an even number is needed')
    places = places.reshape(-1, 2)
    visibility = annotation.get('visibility') or [VISIBLE] * len(places)
    names = names or [label] * (len(places) == 1)
    if len(visibility) != len(places) or names and len(names) != len(places):
        raise ShapeError(f'it has {len(places)} points, {len(visibility)} visibilities and {len(names)} names')
    if not all(seen in (0, 1, 2) for seen in visibility):
        raise ShapeError('a visibility is none of 0 (absent), 1 (occluded), 2 (visible)')
    if len(places) == 1 and _attributes(annotation).get('occluded') is True and visibility[0] == VISIBLE:
        visibility = [OCCLUDED]
    for index, (point, seen) in enumerate(zip(places, visibility)):
        yield Shape(names[index] if names else label, where, point=point, visibility=int(seen), unnamed=not names)


def _attributes(annotation: dict) -> dict:
    """CVAT's own of a shape stand among them: "occluded" of a point, "rotation" of a box."""
    found = annotation.get('attributes')
    return found if isinstance(found, dict) else {}


def _rotation(annotation: dict) -> float:
    """Of a box, clockwise in degrees about its centre."""
    found = _attributes(annotation).get('rotation')
    return float(found) if isinstance(found, (int, float)) else 0.0


def _region(annotation: dict, image_hw: tuple[int, int] | None) -> Region:
    kind = annotation['type']
    if kind == 'mask':
        return region_of(annotation['rle'], image_hw)
    if kind == 'polygon':
        values = finite(annotation['points'], (-1,))
        if len(values) % 2:
            raise ShapeError(f'its polygon has {len(values)} numbers; x and y of each corner take an even count')
        return Polygon(values.reshape(-1, 2))
    if kind == 'bbox':
        x, y, width, height = finite(annotation['bbox'], (4,))
        return box(x, y, x + width, y + height, _rotation(annotation))
    if kind == 'ellipse':
        left, top, right, bottom = finite(annotation['points'], (4,))
        center, radii = ((left + right) / 2, (top + bottom) / 2), (abs(right - left) / 2, abs(bottom - top) / 2)
        return Ellipse(finite(center, (2,)), finite(radii, (2,)))
    return NoArea(f'a {kind} has no area; draw a polygon, box or mask for a class, points for keypoints')
