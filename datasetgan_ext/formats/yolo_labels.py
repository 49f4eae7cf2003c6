"""YOLO's text files, one an image: a line "class x y x y ..." for each outline, in shares of the image's sides.

The names of the classes are in a data.yaml, classes.txt or obj.names beside them or above. The files do not tell the
size of an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.text import read_text
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, reading
from datasetgan_ext.formats.shapes import NoArea, Polygon, ShapeError, finite

PATHS = 'DIR with data.yaml or classes.txt, and text files'
TOOL = 'YOLO'
TABLES = ('data.yaml', 'dataset.yaml', 'data.yml', 'classes.txt', 'obj.names')
FOLDERS_ABOVE = 3
"""How far above the labels the table of classes may lie."""
LINE = re.compile(r'\d+(\s+[-+]?\d*\.?\d+([eE][-+]?\d+)?){4,}\s*')


def is_label_text(text: str) -> bool:
    """Whether each line is a class number and coordinates."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(LINE.fullmatch(line.strip()) for line in lines)


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each text file, in the order of names, or of a single one.

    Raises:
        UserError: there is no table of classes, a class is not in it, or there are boxes or poses instead of outlines.
    """
    files = files_by_suffix(path, '.txt', below=True) if path.is_dir() else [path]
    names = _names(path, argument)
    for file in files:
        with reading(str(file), TOOL):
            text = read_text(file)
        if text.strip() and not is_label_text(text) or file.name in TABLES:
            continue
        drawing = Drawing(image_name(file.stem, str(file)), file, shares=True)
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            where = f'{file} line {number}'
            with reading(where, TOOL):
                class_id, *values = line.split()
                if int(class_id) >= len(names):
                    raise ShapeError(f'its class is {class_id}; the table has {len(names)}, from 0: {", ".join(names)}')
                drawing.shapes.append(Shape(names[int(class_id)], where, _region(values)))
        yield drawing


def _region(values: list[str]) -> Polygon | NoArea:
    if len(values) == 4:
        return NoArea("it is a box, of YOLO's detection; masks take outlines: export YOLO segmentation, or COCO")
    if len(values) % 2:
        raise ShapeError(
            f'it has {len(values)} numbers; an outline has x and y of each corner. Is it a pose? Export COCO keypoints'
        )
    return Polygon(finite(values, (-1,)).reshape(-1, 2))


def _names(path: Path, argument: str) -> list[str]:
    folders = [path if path.is_dir() else path.parent]
    folders += list(folders[0].resolve().parents)[:FOLDERS_ABOVE]
    found = [folder / name for folder in folders for name in TABLES if (folder / name).is_file()]
    if path.is_dir() and not found:
        found = files_by_suffix(path, '.yaml', '.yml', '.names', below=True)
    if not found:
        raise UserError(
            f'`{argument}`={path} holds text files of YOLO, and no table of their classes; put {TABLES[0]} or '
            f'{TABLES[3]} beside them, or export again, as COCO'
        )
    with reading(str(found[0]), TOOL):
        text = read_text(found[0])
    if found[0].suffix.lower() not in ('.yaml', '.yml'):
        return [line.strip() for line in text.splitlines() if line.strip()]
    if re.search(r'^kpt_shape\s*:', text, re.MULTILINE):
        raise UserError(f'{found[0]} is of YOLO poses, which are not read; export COCO keypoints instead')
    names = _names_in_yaml(text)
    if not names:
        raise UserError(f'{found[0]} has no "names" that can be read; write them as "names: [car, wheel]"')
    return names


def _names_in_yaml(text: str) -> list[str]:
    """The list or mapping "names", in one line or in many; numbers count from 0."""
    match = re.search(r'^names\s*:[ \t]*(.*(?:\n[ \t]+.*|\n[ \t]*-.*|\n(?=[\]}]).*)*)', text, re.MULTILINE)
    if match is None:
        return []
    body = re.sub(r'\s#.*', '', match[1]).strip()
    entries = body.strip('[]{} \n').split(',') if body[:1] in ('[', '{') else body.splitlines()
    found = {}
    for place, entry in enumerate(part.strip().removeprefix('- ').strip() for part in entries if part.strip()):
        number = re.match(r'(\d+)\s*:\s*', entry)
        name = entry[number.end() :] if number else entry
        found[int(number[1]) if number else place] = name.strip().strip('\'"')
    return [found[index] for index in range(len(found))] if set(found) == set(range(len(found))) else []
