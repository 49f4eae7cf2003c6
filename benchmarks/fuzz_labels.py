"""Targets of fuzz.py: the readers of label files, `labels:FORMAT`."""

from __future__ import annotations

import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import VISIBLE, Keypoints
from datasetgan_ext.core.task import Task

TASK = Task.from_json(
    {
        'classes': ['background', 'car', 'wheel'],
        'palette': [[0, 0, 0], [255, 0, 0], [0, 0, 255]],
        'keypoints': ['head', 'tail'],
    },
    'classes',
)
NAME = 'seed0000000'
SIDE = 16
FILES = {
    'png': f'{NAME}.png',
    'labelme': f'{NAME}.json',
    'coco': 'annotations.json',
    'cvat': 'annotations.xml',
    'label-studio': 'tasks.json',
    'via': 'via.json',
    'supervisely': f'{NAME}.png.json',
    'datumaro': 'default.json',
    'yolo': f'{NAME}.txt',
    'name-table': 'labelmap.txt',
    'keypoints': 'keypoints.json',
}
"""The file of each format that is damaged."""
MASK_COLORS = np.zeros((SIDE, SIDE, 3), np.uint8)
MASK_COLORS[2:9, 2:12] = 255, 0, 0
PNG_BESIDE = ('name-table', 'keypoints')
"""Formats whose file lies beside a mask."""

OUTLINE = [2, 2, 12, 2, 12, 9, 2, 9]
REGION = {
    'shape_attributes': {'name': 'polygon', 'all_points_x': OUTLINE[::2], 'all_points_y': OUTLINE[1::2]},
    'region_attributes': {'class': 'car'},
}
BY_HAND = {
    'labelme': {
        'shapes': [
            {'label': 'car', 'shape_type': 'polygon', 'points': [[2, 2], [12, 2], [12, 9]], 'flags': {}},
            {'label': 'wheel', 'shape_type': 'circle', 'points': [[8, 8], [10, 8]]},
            {'label': 'wheel', 'shape_type': 'rectangle', 'points': [[1, 1], [4, 5]]},
            {'label': 'head', 'shape_type': 'point', 'points': [[3, 3]], 'flags': {'occluded': True}},
        ],
        'imagePath': f'{NAME}.png',
        'imageHeight': SIDE,
        'imageWidth': SIDE,
    },
    'coco': {
        'images': [{'id': 1, 'file_name': f'{NAME}.png', 'height': SIDE, 'width': SIDE}],
        'categories': [{'id': 1, 'name': 'car', 'keypoints': ['head', 'tail'], 'skeleton': []}],
        'annotations': [
            {'id': 1, 'image_id': 1, 'category_id': 1, 'segmentation': [OUTLINE], 'keypoints': [3, 3, 2, 9, 9, 1]},
            {
                'id': 2,
                'image_id': 1,
                'category_id': 1,
                'iscrowd': 1,
                'segmentation': {'size': [SIDE, SIDE], 'counts': [100, 56, 100]},
            },
        ],
    },
    'label-studio': [
        {
            'id': 1,
            'data': {'image': f'/data/upload/1/01234567-{NAME}.png'},
            'annotations': [
                {
                    'result': [
                        {
                            'type': 'polygonlabels',
                            'original_width': SIDE,
                            'original_height': SIDE,
                            'value': {'points': [[10, 10], [80, 10], [80, 60]], 'polygonlabels': ['car']},
                        },
                        {
                            'type': 'ellipselabels',
                            'original_width': SIDE,
                            'original_height': SIDE,
                            'value': {'x': 50, 'y': 50, 'radiusX': 20, 'radiusY': 10, 'ellipselabels': ['wheel']},
                        },
                    ]
                }
            ],
        }
    ],
    'via': {f'{NAME}.png100': {'filename': f'{NAME}.png', 'size': 100, 'regions': [REGION], 'file_attributes': {}}},
    'supervisely': {
        'size': {'height': SIDE, 'width': SIDE},
        'objects': [
            {
                'classTitle': 'car',
                'geometryType': 'polygon',
                'points': {'exterior': [[2, 2], [12, 2], [12, 9]], 'interior': []},
            }
        ],
    },
    'datumaro': {
        'info': {},
        'categories': {'label': {'labels': [{'name': 'car', 'parent': ''}], 'attributes': []}},
        'items': [
            {
                'id': NAME,
                'image': {'path': f'{NAME}.png', 'size': [SIDE, SIDE]},
                'annotations': [{'type': 'polygon', 'label_id': 0, 'points': OUTLINE, 'z_order': 0}],
            }
        ],
    },
}
"""Right content of the JSON formats, in the spellings that our writers do not use."""


def labels_target(argument: str, make: Callable, mutate_json: Callable, mutate_bytes: Callable):
    """The reader of one format, up to masks and keypoints.

    Args:
        argument: the format's name.
        make: makes a Target of a reader, a corpus, a mutation and a suffix.
        mutate_json: changes one value in JSON content, in place.
        mutate_bytes: another content, by a change of bytes.
    """
    from datasetgan_ext.formats.labels import read_annotations

    if argument not in FILES:
        raise SystemExit(f'labels:{argument} is none of {", ".join(f"labels:{name}" for name in FILES)}')

    def read(path: Path) -> object:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copyfile(path, Path(folder, FILES[argument]))
            if argument == 'yolo':
                Path(folder, 'classes.txt').write_text('car\nwheel\n')
            if argument in PNG_BESIDE:
                PIL.Image.fromarray(MASK_COLORS).save(Path(folder, f'{NAME}.png'))
            label_format = 'png' if argument in PNG_BESIDE else argument
            return read_annotations(TASK, folder, None, label_format, image_hw={NAME: (SIDE, SIDE)})

    def mutate(rng: random.Random, data: bytes) -> bytes:
        if FILES[argument].endswith('.json'):
            try:
                content = json.loads(data)
                for _ in range(rng.choice((1, 1, 2, 4))):
                    mutate_json(rng, content)
                return json.dumps(content).encode()
            except (ValueError, RecursionError, TypeError, IndexError, KeyError):
                return mutate_bytes(rng, data)
        if argument in ('cvat', 'yolo', 'name-table'):
            return _mutate_numbers(rng, data)
        return mutate_bytes(rng, data)

    return make(read, _corpus(argument), mutate, Path(FILES[argument]).suffix)


def _corpus(name: str) -> list[bytes]:
    """Right files: as our writer writes the format, and by hand."""
    from datasetgan_ext.formats.writers import WRITERS, write_annotations

    if name == 'keypoints':
        return _corpus('coco')[:1]
    if name == 'name-table':
        return [b'# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:255,0,0::\nwheel:0,0,255::\n']
    corpus = [json.dumps(BY_HAND[name]).encode()] if name in BY_HAND else []
    if name == 'yolo':
        corpus.append(b'0 0.1 0.1 0.8 0.1 0.8 0.6\n1 0.5 0.5 0.7 0.5 0.7 0.7\n')
    if name in WRITERS:
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[2:9, 2:12], mask[8:12, 3:6] = 1, 2
        keypoints = Keypoints(np.array([[3, 3], [9, 9]], np.float32), np.full(2, VISIBLE, np.uint8))
        with tempfile.TemporaryDirectory() as folder:
            write_annotations([(f'{NAME}.png', (SIDE, SIDE), mask, keypoints)], TASK, Path(folder), name)
            corpus += [path.read_bytes() for path in sorted(Path(folder).rglob(f'*{Path(FILES[name]).suffix}'))]
    return corpus


def _mutate_numbers(rng: random.Random, data: bytes) -> bytes:
    """A number of a text, or a word of it, becomes another."""
    words = re.findall(rb'[\w.+-]+', data)
    if not words:
        return data
    one = rng.choice(words)
    other = rng.choice(
        (b'0', b'-1', b'1e308', b'nan', b'inf', b'99999999999999999999', b'', b'0.5', rng.choice(words), one * 100)
    )
    return data.replace(one, other, rng.choice((1, -1)))
