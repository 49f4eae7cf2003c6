"""Tables beside masks in which a labelling tool says which class a colour is.

| file | its lines | tool |
|---|---|---|
| labelmap.txt | name:red,green,blue:parts:actions, where # starts a comment | CVAT, Datumaro |
| class_names.txt | a name; line k (from 0) is number k and has VOC's colour k | labelme2voc |
| label_colors.txt | red green blue name | CamVid |
| classification.txt | a name, as in class_names.txt | ISAT |
| class_mapping.csv | class_name,class_color after one line of these words; a colour is "R G B" or a grey level | V7 |
| _classes.csv | Pixel Value, Class after one line of these words | Roboflow |
| obj_class_to_machine_color.json | {name: [R, G, B]} | Supervisely |
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.class_names import BACKGROUND, IGNORE_LABEL, is_background
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.names import index_of
from datasetgan_ext.core.task import Task
from datasetgan_ext.core.text import read_text
from datasetgan_ext.formats.mask_pixels import Rgb

LABEL_MAP, CLASS_NAMES, LABEL_COLORS = 'labelmap.txt', 'class_names.txt', 'label_colors.txt'
CLASSIFICATION, CLASS_MAPPING, PIXEL_VALUES = 'classification.txt', 'class_mapping.csv', '_classes.csv'
MACHINE_COLORS = 'obj_class_to_machine_color.json'
ABOVE = (LABEL_MAP, LABEL_COLORS, CLASS_MAPPING, MACHINE_COLORS)
"""Tables that their tools write above the folder of the masks."""
FOLDERS_ABOVE = 2
BLACK = (0, 0, 0)


def voc_color(index: int) -> Rgb:
    """VOC's colour of a class: the bits of its id, three by three from the lowest, are the highest bits of R, G, B."""
    red, green, blue = (
        sum((index >> 3 * place + channel & 1) << 7 - place for place in range(3)) for channel in range(3)
    )
    return red, green, blue


@dataclass(frozen=True)
class NameTable:
    """What a table says.

    Attributes:
        path: its file.
        names: of each line.
        colors: of each line.
        has_numbers: whether a line's place in the table is a number of masks, and not its colour alone.
    """

    path: Path
    names: tuple[str, ...]
    colors: tuple[Rgb, ...]
    has_numbers: bool = False

    def unknown(self, mask: np.ndarray, task: Task) -> list[str]:
        """Names of lines that occur in a mask, uint8 [H, W], and are none of the task's."""
        lines = np.unique(mask[mask != IGNORE]).tolist()
        return [self.names[line] for line in lines if self._class_of(line, task) is None]

    def to_classes(self, mask: np.ndarray, task: Task) -> np.ndarray:
        """A mask of lines of this table in ids of the task, by name: uint8 [H, W]; IGNORE where it has no such name."""
        ids = np.full(256, IGNORE, np.uint8)
        for line in range(len(self.names)):
            class_id = self._class_of(line, task)
            ids[line] = IGNORE if class_id is None else class_id
        return ids[mask]

    def _class_of(self, line: int, task: Task) -> int | None:
        name = self.names[line]
        class_id = index_of(name, task.classes)
        if class_id is not None:
            return class_id
        if name == IGNORE_LABEL:
            return IGNORE
        return 0 if is_background(name) else None


def find_name_table(folder: Path, folders: Sequence[Path] = ()) -> NameTable | None:
    """The table of a folder of masks: in it, or else in the first of some others, below it, or above it.

    Raises:
        UserError: two tables say different things, or a table cannot be read.
    """
    above = [path for one in folder.resolve().parents[:FOLDERS_ABOVE] for path in _tables(one) if path.name in ABOVE]
    for found in (*map(_tables, (folder, *folders)), _tables(folder, below=True), above):
        contents = {path: path.read_bytes() for path in found}
        others = [path for path in found[1:] if path.name != found[0].name or contents[path] != contents[found[0]]]
        if others:
            raise UserError(
                f'`labels`: {found[0]} and {others[0]} both say what the masks mean; keep the one that is true, or '
                'give the folder of one of them'
            )
        if found:
            return _read(found[0])
    return None


def _tables(folder: Path, below: bool = False) -> list[Path]:
    suffixes = sorted({Path(name).suffix for name in READERS})
    return [path for path in files_by_suffix(folder, *suffixes, below=below) if path.name.lower() in READERS]


def _read(path: Path) -> NameTable:
    try:
        lines = [line.strip() for line in read_text(path).lstrip('\ufeff').splitlines()]
        table = READERS[path.name.lower()](path, [line for line in lines if line])
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f'{path} cannot be read ({error}); its lines have the form {FORMS[path.name.lower()]}'
        ) from error
    for line, color in enumerate(table.colors):
        other = table.colors.index(color)
        if other != line:
            raise UserError(f'{path}: {table.names[line]!r} and {table.names[other]!r} have the same colour')
    if not 0 < len(table.names) < IGNORE:
        raise UserError(f'{path} lists {len(table.names)} classes; a mask takes 1 to {IGNORE}')
    return table


def _label_map(path: Path, lines: list[str]) -> NameTable:
    # the last three columns may be missing, or else a name may hold colons
    rows = [line.rsplit(':', 3) if line.count(':') > 3 else line.split(':') for line in lines if line[0] != '#']
    names, colors = [row[0] for row in rows], [row[1] for row in rows if len(row) > 1]
    if rows and len(colors) == len(rows) and not any(colors):
        return NameTable(path, tuple(names), tuple(voc_color(index) for index in range(len(rows))))
    if len(colors) < len(rows):
        raise ValueError('a line without a colour')
    return NameTable(path, tuple(names), tuple(_rgb(color.split(',')) for color in colors))


def _class_names(path: Path, lines: list[str]) -> NameTable:
    # labelme2voc's own list begins with what it leaves out, as number -1
    names = lines[1:] if lines[:1] == [IGNORE_LABEL] else lines
    return NameTable(path, tuple(names), tuple(voc_color(index) for index in range(len(names))), has_numbers=True)


def _label_colors(path: Path, lines: list[str]) -> NameTable:
    rows = [line.split(maxsplit=3) for line in lines if not line.startswith('#')]
    if any(len(row) < 4 for row in rows):
        raise ValueError('a line without a name')
    return NameTable(path, tuple(row[3] for row in rows), tuple(_rgb(row[:3]) for row in rows))


def _class_mapping(path: Path, lines: list[str]) -> NameTable:
    _check_head(lines, 'class_name,class_color')
    rows = [(name, color.split()) for name, color in csv.reader(lines[1:])]
    colors = [_rgb(color * 3 if len(color) == 1 else color) for _, color in rows]
    return NameTable(path, tuple(name for name, _ in rows), tuple(colors))


def _pixel_values(path: Path, lines: list[str]) -> NameTable:
    _check_head(lines, 'pixelvalue,class')
    rows = list(csv.reader(lines[1:], skipinitialspace=True))
    return NameTable(path, tuple(name for _, name in rows), tuple(_rgb([value] * 3) for value, _ in rows))


def _check_head(lines: list[str], head: str) -> None:
    if not lines or lines[0].lower().replace(' ', '') != head:
        raise ValueError(f'its first line is {lines[0] if lines else ""!r}')


def _machine_colors(path: Path, lines: list[str]) -> NameTable:
    """What no object covers is black there, and has no line."""
    colors = {name: _rgb(color) for name, color in json.loads('\n'.join(lines)).items()}
    if BLACK not in colors.values():
        colors = {BACKGROUND[0]: BLACK, **colors}
    return NameTable(path, tuple(colors), tuple(colors.values()))


def _rgb(texts: Sequence[str | int]) -> Rgb:
    red, green, blue = (int(text) for text in texts)
    if not all(0 <= level <= 255 for level in (red, green, blue)):
        raise ValueError(f'({red}, {green}, {blue}) is no colour of 0 to 255')
    return red, green, blue


READERS = {
    LABEL_MAP: _label_map,
    CLASS_NAMES: _class_names,
    LABEL_COLORS: _label_colors,
    CLASSIFICATION: _class_names,
    CLASS_MAPPING: _class_mapping,
    PIXEL_VALUES: _pixel_values,
    MACHINE_COLORS: _machine_colors,
}
FORMS = {
    LABEL_MAP: '"name:red,green,blue::"',
    CLASS_NAMES: '"name"',
    LABEL_COLORS: '"red green blue name"',
    CLASSIFICATION: '"name"',
    CLASS_MAPPING: '"name,red green blue", after "class_name,class_color"',
    PIXEL_VALUES: '"number,name", after "Pixel Value, Class"',
    MACHINE_COLORS: '"name: [red, green, blue]", in JSON',
}
