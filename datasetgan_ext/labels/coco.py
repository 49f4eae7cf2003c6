"""Keypoints in COCO's JSON: x, y, visibility for each keypoint of the category, one object an image."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import UserError
from datasetgan_ext.labels.annotation import ABSENT, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.labels.names import check_names
from datasetgan_ext.labels.task import Task


def read_keypoints(path: Path, task: Task) -> Iterator[tuple[str, Keypoints]]:
    """The name of each labelled image (its file name without folder and suffix) and its keypoints, in the task's order.

    Raises:
        UserError: no such file, no COCO keypoints, other keypoints than the task's, a wrong number of values, a
            visibility other than 0, 1, 2, or two objects in one image.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
        images = {image['id']: Path(image['file_name']).stem for image in content['images']}
        categories = {category['id']: category['keypoints'] for category in content['categories']
                      if category.get('keypoints')}
        annotations = [annotation for annotation in content['annotations'] if annotation['category_id'] in categories]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'--keypoints={path} cannot be read as COCO keypoints ({type(error).__name__}: {error}); it '
                        'needs "images", "annotations" and "categories", one of which lists "keypoints"') from error
    if not categories:
        raise UserError(f'--keypoints={path}: no category lists "keypoints"')
    seen = set()
    for annotation in annotations:
        names = categories[annotation['category_id']]
        check_names(f'--keypoints={path}', names, task.keypoints)
        if annotation.get('image_id') not in images:
            raise UserError(f'--keypoints={path}: annotation {annotation.get("id")} is of image '
                            f'{annotation.get("image_id")!r}, which is not among "images"')
        name = images[annotation['image_id']]
        if name in seen:
            raise UserError(f'--keypoints={path}: {name} has two objects with keypoints; label one object an image')
        seen.add(name)
        yield name, _keypoints(annotation.get('keypoints'), names, task, f'--keypoints={path}: {name}')


def flat_keypoints(keypoints: Keypoints) -> list[float]:
    """x, y and visibility of each keypoint in a row, as COCO has them; hundredths of pixels."""
    return [value for (x, y), seen in zip(keypoints.points.tolist(), keypoints.visibility.tolist())
            for value in (round(x, 2), round(y, 2), seen)]


def _keypoints(values: object, names: list[str], task: Task, source: str) -> Keypoints:
    if not isinstance(values, list) or len(values) != 3 * len(names):
        count = len(values) if isinstance(values, list) else 'no'
        raise UserError(f'{source} has {count} values under "keypoints"; {len(names)} keypoints take {3 * len(names)}: '
                        'x, y and visibility of each')
    try:
        triples = np.array(values, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise UserError(f'{source}: "keypoints" holds something that is no number ({error})') from error
    if not np.isin(triples[:, 2], (ABSENT, OCCLUDED, VISIBLE)).all():
        raise UserError(f'{source}: a visibility is none of 0 (absent), 1 (occluded), 2 (visible)')
    if not np.isfinite(triples).all():
        raise UserError(f'{source}: "keypoints" holds something that is no finite number')
    found = Keypoints(np.zeros((len(task.keypoints), 2), np.float32), np.full(len(task.keypoints), ABSENT, np.uint8))
    for name, (x, y, visibility) in zip(names, triples):
        index = task.keypoints.index(name)
        found.points[index], found.visibility[index] = (x, y), visibility
    return found
