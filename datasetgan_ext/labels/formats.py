"""The label formats by name: one module each, all read into annotations."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datasetgan_ext.errors import UserError
from datasetgan_ext.labels import coco, labelme, png
from datasetgan_ext.labels.annotation import Annotation, Keypoints
from datasetgan_ext.labels.task import Task

FORMATS = {'png': png.read_folder}


def read_annotations(task: Task, labels: str | None, keypoints: str | None,
                     label_format: str = 'auto') -> list[Annotation]:
    """All labels of all images: masks where the task has classes, keypoints where it has keypoints.

    Args:
        task: what is labelled.
        labels: `--labels`, masks in one of FORMATS; 'auto' takes the one format that there is so far, PNG masks.
        keypoints: `--keypoints`, a COCO file or a folder of LabelMe files.
        label_format: see there.

    Raises:
        UserError: a source is missing or of no use for the task; or from the format's module.
    """
    for flag, source, names, kind in (('--labels', labels, task.classes, 'classes'),
                                      ('--keypoints', keypoints, task.keypoints, 'keypoints')):
        if source is None and names and not (labels or keypoints):
            raise UserError(f'{flag} is missing: --classes lists {kind}')
        if source is not None and not names:
            raise UserError(f'{flag}={source} is of no use: --classes lists no {kind}')
    annotations = {}
    if labels is not None:
        reader = FORMATS['png' if label_format == 'auto' else label_format]
        annotations = {annotation.name: annotation for annotation in reader(labels)}
    if keypoints is not None:
        for name, found in _read_keypoints(Path(keypoints), task):
            if name in annotations:
                annotations[name].keypoints = found
            else:
                annotations[name] = Annotation(name, None, Path(keypoints), found)
    return list(annotations.values())


def _read_keypoints(path: Path, task: Task) -> Iterator[tuple[str, Keypoints]]:
    if path.is_dir():
        return labelme.read_keypoints(path, task)
    if not path.exists():
        raise UserError(f'--keypoints={path}: no such file; give a COCO JSON file, or a folder of LabelMe JSON files')
    return coco.read_keypoints(path, task)
