"""Keypoints from LabelMe's JSON files: shapes of type "point", labelled with the keypoint's name."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import UserError
from datasetgan_ext.labels.annotation import ABSENT, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.labels.names import check_names
from datasetgan_ext.labels.task import Task


def read_keypoints(folder: Path, task: Task) -> Iterator[tuple[str, Keypoints]]:
    """The name of each labelled image (the JSON file's, without suffix) and its keypoints, in the task's order.

    A point whose flag "occluded" is ticked is occluded; a keypoint without a point is absent.

    Raises:
        UserError: a file is not LabelMe's, or names a keypoint that the task lacks, or one twice.
    """
    for path in sorted(folder.glob('*.json')):
        try:
            shapes = json.loads(path.read_text(encoding='utf-8-sig'))['shapes']
            points = [(shape['label'], shape['points'], bool((shape.get('flags') or {}).get('occluded')))
                      for shape in shapes if shape['shape_type'] == 'point']
            values = np.array([point for _, point, _ in points], dtype=np.float32).reshape(len(points), 2)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f'{path} cannot be read as a LabelMe file ({type(error).__name__}: {error}); '
                            'it needs "shapes", each with a label, a shape_type and points') from error
        if not np.isfinite(values).all():
            raise UserError(f'{path}: a point is at no finite number')
        check_names(str(path), [label for label, _, _ in points], task.keypoints)
        found = Keypoints(np.zeros((len(task.keypoints), 2), np.float32),
                          np.full(len(task.keypoints), ABSENT, np.uint8))
        for (label, _, occluded), point in zip(points, values):
            index = task.keypoints.index(label)
            found.points[index], found.visibility[index] = point, OCCLUDED if occluded else VISIBLE
        yield path.stem, found
