"""A tiny labelled world: a bright square, whose left and right half are two classes, with a keypoint in each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.png import write_image, write_mask

SIDE = 16
TASK = Task.from_json(
    {'classes': ['background', 'left', 'right'], 'keypoints': ['west', 'east'], 'left_right_pairs': [[0, 1]]},
    'squares.py',
)


def draw_square(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, mask, and keypoints [2, 3] with visibility."""
    random = np.random.RandomState(seed)
    top, left = random.randint(1, SIDE - 9, 2)
    image = random.randint(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + 8, left : left + 4, 0] = 250
    image[top : top + 8, left + 4 : left + 8, 2] = 250
    mask[top : top + 8, left : left + 4], mask[top : top + 8, left + 4 : left + 8] = 1, 2
    return image, mask, np.array([[left + 2, top + 4, 2], [left + 6, top + 4, 2]], np.float32)


def write_world(folder: Path, seeds: range, masks: bool = True, keypoints: bool = True) -> Path:
    """images/, masks/, keypoints.json and task.json."""
    for kind in ('images', 'masks')[: 1 + masks]:
        (folder / kind).mkdir(parents=True)
    images, annotations = [], []
    for number, seed in enumerate(seeds):
        image, mask, points = draw_square(seed)
        write_image(folder / 'images' / f'square{seed:03d}.png', image)
        if masks:
            write_mask(folder / 'masks' / f'square{seed:03d}.png', mask, TASK.flat_palette)
        images.append({'id': number, 'file_name': f'square{seed:03d}.png', 'height': SIDE, 'width': SIDE})
        annotations.append({'id': number, 'image_id': number, 'category_id': 1, 'keypoints': points.ravel().tolist()})
    if keypoints:
        categories = [{'id': 1, 'name': 'square', 'keypoints': list(TASK.keypoints)}]
        (folder / 'keypoints.json').write_text(
            json.dumps({'images': images, 'annotations': annotations, 'categories': categories})
        )
    (folder / 'task.json').write_text(json.dumps(TASK.to_json()))
    return folder
