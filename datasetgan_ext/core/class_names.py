"""Lists of class names: what stands in their place in class files, and which name is the background."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

BACKGROUND = ('background', '_background_', '__background__')
"""Names that tools give to what no shape covers."""
IGNORE_LABEL = '__ignore__'
"""LabelMe's label of regions that are left out; understood in every format."""

NUMBER_FIRST = re.compile(r'0*([0-9]+)\s*[:.,;=)\s]\s*\S')
"""A number and a name: "0: background", "1 car"."""
YAML = re.compile(r'(names|nc|train|val|path)\s*:|- ')
SEPARATORS = ',;:=\t'
SHOWN = 60
"""Characters of a line that a message shows."""


def is_background(name: str) -> bool:
    """Whether a name says background, whatever the case of its letters."""
    return name.lower() in BACKGROUND


def table_problem(path: Path, lines: Sequence[str]) -> str:
    """Why the lines of a class file in text, without blank ones, are no names alone; '' if they may be."""
    shown = next((line for line in lines if line.startswith(('# ', '//')) or line == '#'), None)
    if lines and lines[0].startswith('#'):
        shown = lines[0]
    if shown is not None:
        return f'has the line {shown[:SHOWN]!r}, and comments count as classes there'
    if path.suffix.lower() in ('.yaml', '.yml') or lines and all(map(YAML.match, lines)):
        return 'is YAML'
    if len(lines) < 2:
        return ''
    numbers = [match[1] for match in map(NUMBER_FIRST.match, lines) if match]
    if len(numbers) == len(lines):
        other = next((line for place, line in enumerate(lines) if numbers[place] != str(place)), lines[0])
        return f'numbers its lines (as in {other[:SHOWN]!r}), and the place of a line is its number, from 0'
    for separator in SEPARATORS:
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and 0 not in counts:
            return f'has columns (as in {lines[0][:SHOWN]!r})'
    return ''


def order_problem(names: Sequence[str]) -> str:
    """Why names cannot be classes in the order of their ids, the first the background; '' if they can."""
    if IGNORE_LABEL in names:
        return f'{IGNORE_LABEL!r} is no class: regions of that label are left out anyway; leave it out of the list'
    place = next((place for place, name in enumerate(names) if place and is_background(name)), None)
    if place is None:
        return ''
    if is_background(names[0]):
        return (
            f'{names[0]!r} and {names[place]!r} are both names of the background; keep that which labels have, as the '
            'first'
        )
    return (
        f'{names[place]!r} is number {place}, and the first class, {names[0]!r}, is what no shape covers; put '
        f'{names[place]!r} first. If the numbers in masks follow the old order, write that list into a class_names.txt '
        'beside the masks'
    )
