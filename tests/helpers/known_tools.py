"""Small files of VIA, Supervisely and Datumaro: on seed0000003, 5 x 6 pixels, a car from (1, 2) to (4, 4)."""

from __future__ import annotations

NAME, HW = 'seed0000003', (5, 6)
CORNERS = [[1, 2], [4, 2], [4, 4], [1, 4]]


def via_region(name: str = 'polygon', attributes: dict | None = None, **shape) -> dict:
    if not shape:
        shape = {'all_points_x': [x for x, _ in CORNERS], 'all_points_y': [y for _, y in CORNERS]}
    return {'shape_attributes': {'name': name, **shape}, 'region_attributes': attributes or {'type': 'car'}}


def via_file(*regions: dict, name: str = f'{NAME}.png') -> dict:
    found = list(regions) or [via_region()]
    return {f'{name}999': {'filename': name, 'size': 999, 'regions': found, 'file_attributes': {}}}


def supervisely_object(kind: str = 'polygon', label: str = 'car', **content) -> dict:
    if not content:
        # whole numbers are pixels: these are places
        content = {'points': {'exterior': [[x + 0.0001, y + 0.0001] for x, y in CORNERS], 'interior': []}}
    return {'id': 1, 'classId': 1, 'geometryType': kind, 'tags': [], 'classTitle': label, **content}


def supervisely_file(*objects: dict) -> dict:
    height, width = HW
    return {
        'description': '',
        'tags': [],
        'size': {'height': height, 'width': width},
        'objects': list(objects) or [supervisely_object()],
    }


def datumaro_annotation(kind: str = 'polygon', label_id: int = 1, **content) -> dict:
    if not content:
        content = {'points': [float(value) for corner in CORNERS for value in corner]}
    return {'id': 7, 'type': kind, 'attributes': {}, 'group': 0, 'label_id': label_id, 'z_order': 0, **content}


def datumaro_file(*annotations: dict, points: list | None = None, **item) -> dict:
    labels = [{'name': name, 'parent': '', 'attributes': []} for name in ('background', 'car', 'wheel')]
    categories = {'label': {'labels': labels, 'attributes': []}}
    if points is not None:
        categories['points'] = {'items': points}
    found = {
        'id': NAME,
        'annotations': list(annotations) or [datumaro_annotation()],
        'image': {'path': f'{NAME}.png', 'size': list(HW)},
    }
    return {'infos': {}, 'categories': categories, 'items': [found | item]}
