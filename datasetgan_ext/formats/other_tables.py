"""Files beside masks that say which class a number or a colour is, in a form that is not known here.

They are not read: but where one plainly says something else than the class file, either of the two may be meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from datasetgan_ext.core.class_names import BACKGROUND
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.core.text import composed, read_text
from datasetgan_ext.formats.mask_pixels import Rgb

SUFFIXES = ('.txt', '.csv', '.tsv', '.json', '.yaml', '.yml', '.names', '.xml', '.pbtxt', '')
MAX_BYTES = 1 << 20
LINES, LONGEST = ('.txt', '.csv', '.tsv', '.names'), 6
"""Suffixes of files with a class a line, and how many words such a line has at most: others are prose."""
"""Of files that may be tables of classes."""
COLOR = re.compile(r'#[0-9a-f]{6}\b|(?<![\w.])\d{1,3}(?:\s*,\s*|\s+)\d{1,3}(?:\s*,\s*|\s+)\d{1,3}(?![\w.])', re.I)
NUMBER = re.compile(r'(?<![\w.#-])\d{1,9}(?![\w.])')


class Named(NamedTuple):
    """A name in a text, and where it begins and ends."""

    name: str
    start: int
    end: int


def check_numbers(others: Sequence[Path], task: Task) -> None:
    """Raises UserError where a file has the classes, at other numbers than the class file or, all of them, in another
    order.

    Numbers from 0 without the background are those of a class list, not of masks, and contradict nothing.
    """
    for path, text, names in _tables(others, task):
        wanted = [composed(name) for name in task.classes[1:]]
        listed = [name for name in wanted if name in {found.name for found in names}]
        numbers = {name: int(number) for name, number in _stated(NUMBER, COLOR.sub(_blank, text), names).items()}
        is_whole = len(listed) == len(wanted)
        if not is_whole and len(set(numbers.values())) < len(numbers):
            continue  # counts of things, for example
        if numbers and max(numbers.values()) <= len(task.classes):
            base = 1 if set(numbers) == set(listed) and 0 in numbers.values() else 0
            right = all(numbers.get(name, place - base) == place - base for place, name in enumerate(wanted, 1))
            there = sorted(listed, key=lambda name: numbers[name])
            told = f' ({", ".join(f"{number} = {name}" for name, number in numbers.items())})'
        else:
            there, told = [found.name for found in names if found.name in wanted], ''
            right = there == wanted or not is_whole
        if not right:
            raise UserError(
                f'`labels`: {path} lies beside the masks and lists the classes in the order {", ".join(there)}{told}; '
                f'the class file has {", ".join(wanted)}, from number 1. If that is what the numbers in the masks '
                'mean, bring the lines of the class file into that order; if they are ids of the class file, say so '
                'with `mask_values`=index, or move that file away'
            )


def check_colors(others: Sequence[Path], task: Task) -> None:
    """Raises UserError where a file gives a colour of the class file's palette to another class."""
    classes = [composed(name) for name in task.classes]
    for path, text, names in _tables(others, task):
        for name, found in _stated(COLOR, text, names).items():
            color = _rgb(found)
            if name in classes and color in task.palette and classes[task.palette.index(color)] != name:
                raise UserError(
                    f'`labels`: {path} lies beside the masks and says that the colour {color} is {name}; in the '
                    f'"palette" of the class file it is {classes[task.palette.index(color)]}. Mend the one that is '
                    'wrong; if it is the table, say with `mask_values`=color that the class file is right'
                )


def _tables(others: Sequence[Path], task: Task) -> Iterator[tuple[Path, str, list[Named]]]:
    """The files that have two classes or more besides the background, in capitals or not: their text, and the names, as
    the task has them, in the order in which they stand.

    The background is among them if it stands there under any of its names.
    """
    classes = [composed(name) for name in task.classes]
    flags = re.IGNORECASE if len({name.casefold() for name in classes}) == len(classes) else 0
    for path in others:
        if path.suffix.lower() not in SUFFIXES or path.stat().st_size > MAX_BYTES:
            continue
        try:
            text = composed(read_text(path))
        except (OSError, ValueError):
            continue
        found = [one for one in (_find(name, text, flags) for name in classes[1:]) if one is not None]
        if len(found) < min(2, len(classes) - 1):
            continue
        is_whole = len(found) == len(classes) - 1
        in_lines = path.suffix.lower() in ('', *LINES)
        if (
            in_lines
            and not (is_whole and path.suffix)
            and any(len(line.split()) > LONGEST for line in text.splitlines())
        ):
            continue
        named = (_find(classes[0], text, flags), *(_find(name, text, re.IGNORECASE) for name in BACKGROUND))
        background = next(filter(None, named), None)
        if background is not None:
            found.append(background._replace(name=classes[0]))
        yield path, text, sorted(found, key=lambda one: one.start)


def _find(name: str, text: str, flags: int) -> Named | None:
    place = re.search(rf'(?<!\w){re.escape(name)}(?!\w)', text, flags)
    return Named(name, *place.span()) if place else None


def _stated(pattern: re.Pattern, text: str, names: Sequence[Named]) -> dict[str, str]:
    """What a text says of each name: the one match after each of them, or before each; empty if that is not plain."""
    bounds = [0, *(border for one in names for border in (one.start, one.end)), len(text)]
    between = [pattern.findall(text[start:end]) for start, end in zip(bounds[::2], bounds[1::2])]
    before = [between[0][-1:], *between[1:-1]]
    after = [*between[1:-1], between[-1][:1]]
    plain = [side for side in (before, after) if all(len(found) == 1 for found in side)]
    return {one.name: found[0] for one, found in zip(names, plain[0])} if len(plain) == 1 else {}


def _blank(match: re.Match) -> str:
    return ' ' * len(match[0])


def _rgb(text: str) -> Rgb:
    values = bytes.fromhex(text[1:]) if text[0] == '#' else map(int, re.findall(r'\d+', text))
    red, green, blue = values
    return red, green, blue
