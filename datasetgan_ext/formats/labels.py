"""The label formats by name: one module each, all read into annotations."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import coco, cvat, label_studio, labelme, png, voc
from datasetgan_ext.formats.drawing import annotate, read_json

DRAWN = {'labelme': labelme, 'coco': coco, 'cvat': cvat, 'label-studio': label_studio}
"""Formats of shapes, which may be regions, keypoints, or both."""

FORMATS = {'png': png, **DRAWN, 'voc': voc}
"""All formats; those that are not DRAWN are of masks."""

UNLABELED = {'background': 0, 'ignore': IGNORE}
"""Value of pixels that no shape covers, by the name of `unlabeled`."""

log = logging.getLogger(__name__)


def read_annotations(
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
) -> list[Annotation]:
    """All labels of all images: masks where the task has classes, keypoints where it has keypoints.

    Args:
        task: what is labelled.
        labels: `labels`, in one of FORMATS; masks, keypoints, or both.
        keypoints: `keypoints`, in one of DRAWN; with it, keypoints in `labels` are passed over.
        label_format: of `labels`, a name in FORMATS, or 'auto' to recognise it by its content.
        unlabelled: a name in UNLABELLED.

    Raises:
        UserError: a source is missing or of no use for the task; or from the format's module.
    """
    if labels is None and keypoints is None:
        argument, kind = ('labels', 'classes') if task.classes else ('keypoints', 'keypoints')
        raise UserError(f'`{argument}` is missing: `classes` lists {kind}')
    if labels is not None and keypoints is not None and not task.classes:
        raise UserError(f'`labels`={labels} is of no use: `classes` lists no classes')
    annotations = {}
    if labels is not None:
        annotations = {
            annotation.name: annotation
            for annotation in _read_labels(
                task.only(classes=True, keypoints=keypoints is None), Path(labels), label_format, unlabeled
            )
        }
    if keypoints is not None:
        if not task.keypoints:
            raise UserError(f'`keypoints`={keypoints} is of no use: `classes` lists no keypoints')
        name = recognize(Path(keypoints), 'keypoints', DRAWN)
        for found in annotate(
            DRAWN[name].read(Path(keypoints), 'keypoints'), task.only(False, True), f'`keypoints`={keypoints}'
        ):
            if found.name in annotations:
                annotations[found.name].keypoints = found.keypoints
                annotations[found.name].image_hw = found.image_hw
            else:
                annotations[found.name] = found
    return list(annotations.values())


def labeled_part(task: Task, annotations: list[Annotation]) -> Task:
    """The task without its classes where no image has a mask, and without its keypoints where none has keypoints."""
    return task.only(
        any(annotation.mask is not None for annotation in annotations),
        any(annotation.keypoints is not None for annotation in annotations),
    )


def _read_labels(task: Task, path: Path, label_format: str, unlabeled: str) -> list[Annotation]:
    name = label_format
    if name == 'auto':
        name = recognize(path, 'labels', FORMATS)
        log.info('`labels`=%s: taken as %s (`label_format`)', path, name)
    elif not path.exists():
        raise UserError(f'`labels`={path}: no such file or folder; {name} takes {FORMATS[name].PATHS}')
    if name not in DRAWN:
        if not task.classes:
            raise UserError(f'`labels`={path} is of no use: `classes` lists no classes')
        if UNLABELED[unlabeled]:
            raise UserError(
                f'`unlabeled`={unlabeled} is of no use with `labels`={path}, which holds masks ({name}): '
                f'each of their pixels has a value; give those without a label the value {IGNORE}'
            )
        found = png.read_folder(path, task.palette) if name == 'png' else voc.read(path, task)
        if not found:
            raise UserError(f'`labels`={path} holds no mask; masks are PNG files named as the samples')
        return found
    return annotate(DRAWN[name].read(path), task, f'`labels`={path}', UNLABELED[unlabeled])


def recognize(path: Path, argument: str, among: dict) -> str:
    """The name of the format of a file or folder, by its content.

    Raises:
        UserError: it is in none of the formats, or in more than one.
    """
    choices = '; '.join(f'{name}: {among[name].PATHS}' for name in among)
    if not path.exists():
        raise UserError(f'`{argument}`={path}: no such file or folder; it takes one of these formats: {choices}')
    if path.is_dir() and not any(path.glob('[!.]*')):
        raise UserError(f'`{argument}`={path} is empty: nothing is labelled yet; label some of the samples first')
    possible = _formats_of_folder(path, argument) if path.is_dir() else [_format_of_file(path, argument)]
    found = [name for name in possible if name in among]
    if len(found) == 1:
        return found[0]
    fix = 'name it with `label_format`' if argument == 'labels' else 'keep one of them there'
    if found:
        raise UserError(f'`{argument}`={path} could be {" or ".join(found)}; {fix}')
    raise UserError(
        f'`{argument}`={path} is in no known format; it takes one of these'
        f'{", named with `label_format`" if argument == "labels" else ""}: {choices}'
    )


def _formats_of_folder(folder: Path, argument: str) -> list[str]:
    json_formats = {_format_of_file(path, argument) for path in sorted(folder.glob('[!.]*.json'))}
    signs = {
        'voc': (folder / voc.MASKS).is_dir(),
        'cvat': (folder / cvat.FILE).is_file(),
        'png': any(folder.glob('[!.]*.png')),
        'labelme': 'labelme' in json_formats,
    }
    found = [name for name, there in signs.items() if there]
    if not found and json_formats == {None}:
        return ['labelme']  # its reader says what is wrong with the files
    return found


def _format_of_file(path: Path, argument: str) -> str | None:
    if zipfile.is_zipfile(path):
        raise UserError(f'`{argument}`={path} is a zip archive; unpack it, and give the file or folder that is in it')
    try:
        start = path.read_text(encoding='utf-8-sig').lstrip()[:1]
    except (OSError, ValueError):
        start = ''
    if start == '<':
        return 'cvat'
    if start not in ('{', '[') and path.suffix != '.json':
        return None
    content = read_json(path, argument)
    if isinstance(content, list):
        return 'label-studio'
    if isinstance(content, dict) and 'shapes' in content:
        return 'labelme' if 'annotations' not in content else None
    return 'coco' if isinstance(content, dict) and {'images', 'annotations', 'categories'} & set(content) else None
