"""The label formats by name: one module each, all read into annotations."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.names import find_image, listed
from datasetgan_ext.core.notes import collecting_notes, note
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import coco, cvat, datumaro, label_studio, labelme, png, supervisely, via, voc, yolo
from datasetgan_ext.formats.drawing import annotate
from datasetgan_ext.formats.folder import KEYPOINTS_FILE
from datasetgan_ext.formats.foreign import format_of_file, formats_of_folder, is_of_one_image
from datasetgan_ext.formats.mask_folder import MASKS_TO_BE, read_mask_folder
from datasetgan_ext.formats.mask_meaning import AUTO, check_mask_values
from datasetgan_ext.formats.name_tables import READERS

DRAWN = {
    'labelme': labelme,
    'coco': coco,
    'cvat': cvat,
    'label-studio': label_studio,
    'via': via,
    'supervisely': supervisely,
    'datumaro': datumaro,
    'yolo': yolo,
}
"""Formats of shapes, which may be regions, keypoints, or both."""

IN_FOLDERS = ('labelme', 'supervisely', 'yolo')
"""Those of DRAWN with a file for each image."""

FORMATS = {'png': png, **DRAWN, 'voc': voc}
"""All formats; those that are not DRAWN are of masks."""

MAX_LOOKED_AT, MAX_COLORS = 50, 64
"""Pictures beside label files that are looked at, lest they be masks; and colours that a mask has at most."""
TEXTS = ('.json', '.xml', '.ndjson', '.jsonl')
"""Suffixes of files with the labels of many images."""
UNLABELED = {'background': 0, 'ignore': IGNORE}
"""Value of pixels that no shape covers, by the name of `unlabeled`."""

log = logging.getLogger(__name__)


@dataclass
class ReadLabels:
    """Labels, and how they were understood.

    Attributes:
        annotations: of all images.
        label_format: of `labels`, a name in FORMATS; None = there are none but keypoints.
        notes: what was passed over or assumed, a line each.
    """

    annotations: list[Annotation]
    label_format: str | None
    notes: list[str]


def read_annotations(
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
    image_hw: Mapping[str, tuple[int, int]] | None = None,
    mask_values: str = AUTO,
) -> list[Annotation]:
    """As `read_labels`; what was passed over is logged."""
    read = read_labels(task, labels, keypoints, label_format, unlabeled, image_hw, mask_values)
    for line in read.notes:
        log.warning('%s', line)
    return read.annotations


def read_labels(
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
    image_hw: Mapping[str, tuple[int, int]] | None = None,
    mask_values: str = AUTO,
) -> ReadLabels:
    """All labels of all images: masks where the task has classes, keypoints where it has keypoints.

    Args:
        task: what is labelled.
        labels: `labels`, in one of FORMATS; masks, keypoints, or both. Keypoints that lie beside masks as our page
            writes them (keypoints.json) are taken along.
        keypoints: `keypoints`, in one of DRAWN; with it, keypoints in `labels` are passed over.
        label_format: of `labels`, a name in FORMATS, or 'auto' to recognise it by its content.
        unlabelled: a name in UNLABELLED.
        image_hw: height and width of each labelled image by its name; None = they are not known.
        mask_values: what the pixels of masks are, one of MASK_VALUES: class ids, colours, or 'auto' to find out.

    Raises:
        UserError: a source is missing or of no use for the task; or from the format's module.
    """
    if labels is None and keypoints is None:
        argument, kind = ('labels', 'classes') if task.classes else ('keypoints', 'keypoints')
        raise UserError(f'`{argument}` is missing: `classes` lists {kind}')
    if labels is not None and keypoints is not None and not task.classes:
        raise UserError(f'`labels`={labels} is of no use: `classes` lists no classes')
    if keypoints is not None and not task.keypoints:
        raise UserError(f'`keypoints`={keypoints} is of no use: `classes` lists no keypoints')
    check_mask_values(mask_values)
    found: dict[str, Annotation] = {}
    name = None
    with collecting_notes() as notes:
        if labels is not None:
            name, path = _format_of(Path(labels), label_format)
            _tell_of_folders_below(Path(labels), name)
            beside = Path(labels) / KEYPOINTS_FILE
            if name not in DRAWN and beside.is_file():
                keypoints = _beside_masks(beside, task, keypoints)
            part = task.only(classes=True, keypoints=keypoints is None)
            for one in _read(part, name, path, unlabeled, image_hw, mask_values):
                other = found.setdefault(one.name, one)
                if other is not one:
                    raise UserError(
                        f'`labels`: {other.source} and {one.source} are both of the image {one.name}; keep one'
                    )
        if keypoints is not None:
            for one in _read_keypoints(task, Path(keypoints), image_hw):
                if one.name in found:
                    found[one.name].keypoints = one.keypoints
                    found[one.name].image_hw = one.image_hw
                    found[one.name].keypoints_source = one.source
                else:
                    found[one.name] = one
    return ReadLabels(list(found.values()), name, notes)


def _tell_of_folders_below(folder: Path, name: str) -> None:
    """Tell what of a folder's subfolders is not read although it may hold labels."""
    links = [path for path in sorted(folder.rglob('[!.]*')) if path.is_symlink() and not path.is_file()]
    if links:
        note(f'{folder}: links to folders, or to nothing, are passed over: {listed(list(map(str, links)))}')
    below = [path for path in files_by_suffix(folder, '.png', below=True) if path.parent != folder]
    if name in DRAWN and any(map(_may_be_mask, below[:MAX_LOOKED_AT])):
        note(
            f'{folder}: {len(below)} PNG files in folders below may be masks, and are passed over: {name} is read. '
            'Give the folder of the masks alone if these are meant'
        )


def _beside_masks(path: Path, task: Task, keypoints: str | Path | None) -> str | Path | None:
    """What `keypoints` is where there is a file of keypoints beside the masks."""
    if keypoints is not None:
        if Path(keypoints).resolve() != path.resolve():
            note(f'{path} is passed over: `keypoints`={keypoints} goes before it')
        return keypoints
    if task.keypoints:
        log.info('keypoints are read from %s', path)
        return path
    note(f'{path} holds keypoints, which are passed over: `classes` lists no keypoints')
    return None


def _read_keypoints(task: Task, path: Path, image_hw: Mapping[str, tuple[int, int]] | None) -> list[Annotation]:
    name, path = recognize(path, 'keypoints', DRAWN)
    return annotate(
        DRAWN[name].read(path, 'keypoints'), task.only(False, True), f'`keypoints`={path}', image_hw=image_hw
    )


def labeled_part(task: Task, annotations: list[Annotation]) -> Task:
    """The task without its classes where no image has a mask, and without its keypoints where none has keypoints."""
    return task.only(
        any(annotation.mask is not None for annotation in annotations),
        any(annotation.keypoints is not None for annotation in annotations),
    )


def _format_of(path: Path, label_format: str) -> tuple[str, Path]:
    """The name of the format of `labels`, and the file or folder to read."""
    if label_format == 'auto':
        name, inner = recognize(path, 'labels', FORMATS)
        log.info('`labels`=%s: taken as %s (`label_format`)', path, name)
        return name, inner
    if not path.exists():
        raise UserError(f'`labels`={path}: no such file or folder; {label_format} takes {FORMATS[label_format].PATHS}')
    if path.is_dir() and label_format in DRAWN and label_format not in IN_FOLDERS:
        files = [one for name, one in _formats_of_folder(path, 'labels') if name == label_format]
        if len(files) > 1:
            raise UserError(f'`labels`={path} holds {listed([str(one) for one in files])}; give the file that you mean')
        path = files[0] if files else path
    return label_format, path


def _read(
    task: Task,
    name: str,
    path: Path,
    unlabeled: str,
    image_hw: Mapping[str, tuple[int, int]] | None,
    mask_values: str,
) -> list[Annotation]:
    if name in DRAWN:
        if mask_values != AUTO:
            raise UserError(
                f'`mask_values`={mask_values} is of no use with `labels`={path}, which holds shapes ({name})'
            )
        drawings = (
            yolo.read(path, background=task.classes[0]) if name == 'yolo' and task.classes else DRAWN[name].read(path)
        )
        return annotate(drawings, task, f'`labels`={path}', UNLABELED[unlabeled], image_hw)
    if not task.classes:
        raise UserError(f'`labels`={path} is of no use: `classes` lists no classes')
    if UNLABELED[unlabeled]:
        raise UserError(
            f'`unlabeled`={unlabeled} is of no use with `labels`={path}, which holds masks ({name}): '
            f'each of their pixels has a value; give those without a label the value {IGNORE}'
        )
    found = read_mask_folder(path, task, mask_values) if name == 'png' else voc.read(path, task, mask_values)
    for annotation in found:
        annotation.name = find_image([annotation.name], image_hw or ()) or annotation.name
    if not found:
        raise UserError(f'`labels`={path} holds no mask; masks are PNG files named as the samples')
    return found


def recognize(path: Path, argument: str, among: dict) -> tuple[str, Path]:
    """The name of the format of a file or folder, by its content, and what is to be read: it, or the one file in it.

    Raises:
        UserError: it is in none of the formats, or in more than one.
    """
    choices = '; '.join(f'{name}: {among[name].PATHS}' for name in among)
    if not path.exists():
        raise UserError(f'`{argument}`={path}: no such file or folder; it takes one of these formats: {choices}')
    if path.is_dir() and not any(path.glob('[!.]*')):
        raise UserError(f'`{argument}`={path} is empty: nothing is labelled yet; label some of the samples first')
    possible = _formats_of_folder(path, argument) if path.is_dir() else [(format_of_file(path, argument), path)]
    found = [(name, inner) for name, inner in possible if name is not None and name in among]
    if len(found) == 1:
        return found[0]
    fix = 'name it with `label_format`' if argument == 'labels' else 'keep one of them there'
    if found:
        names = [name if inner == path else f'{name} ({inner.relative_to(path)})' for name, inner in found]
        if len({name for name, _ in found}) == 1:
            fix = 'give the file that you mean'
        raise UserError(f'`{argument}`={path} could be {" or ".join(names)}; {fix}')
    pictures = files_by_suffix(path, *MASKS_TO_BE, below=True) if path.is_dir() and 'png' in among else []
    if pictures:
        told = listed([str(one.relative_to(path)) for one in pictures])
        raise UserError(f'`{argument}`={path} holds no PNG files, and {told}; if these are masks, save them as PNG')
    for packed in files_by_suffix(path, '.zip', '.rar', '.7z', '.gz', '.tgz') if path.is_dir() else []:
        format_of_file(packed, argument)  # says to unpack it
    raise UserError(
        f'`{argument}`={path} is in no known format; it takes one of these'
        f'{", named with `label_format`" if argument == "labels" else ""}: {choices}'
    )


def _formats_of_folder(folder: Path, argument: str) -> list[tuple[str, Path]]:
    """Formats that a folder may have, each with what is to be read."""
    in_voc = voc.masks_folder(folder) is not None
    pictures = files_by_suffix(folder, '.png')
    files = [path for path in files_by_suffix(folder, *TEXTS, below=True) if path.name.lower() not in READERS]
    if argument == 'labels' and (in_voc or pictures):
        files = [path for path in files if path != folder / KEYPOINTS_FILE and not is_of_one_image(path)]
    known = [(format_of_file(path, argument), path) for path in files]
    by_image = {name for name, _ in known if name in IN_FOLDERS} | set(formats_of_folder(folder, argument))
    found = [('voc', folder)] if in_voc else []
    found += [(name, path) for name, path in known if name is not None and name in DRAWN and name not in IN_FOLDERS]
    if (found or by_image) and not any(map(_may_be_mask, pictures[:MAX_LOOKED_AT])):
        pictures = []  # what was labelled
    if pictures and not in_voc:
        found.append(('png', folder))
    found += [(name, folder) for name in IN_FOLDERS if name in by_image]
    jsons = [path for path in files if path.suffix.lower() == '.json']
    if not found and jsons and not any(name for name, _ in known):
        return [('labelme', folder)]  # its reader says what is wrong with the files
    if not found and files_by_suffix(folder, '.png', below=True):
        return [('png', folder)]
    return found


def _may_be_mask(path: Path) -> bool:
    """Whether a picture has few colours, as masks have."""
    try:
        with open_image(path) as image:
            if image.mode not in ('1', 'L', 'P', 'RGB', 'RGBA'):
                return True  # of 16 bits, for example
            colors = image.getcolors(MAX_COLORS)
    except UserError:
        return False
    return colors is not None and len(colors) > 1
