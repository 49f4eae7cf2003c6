"""The task: which classes and keypoints there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasetgan_ext.core.class_names import order_problem, table_problem
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.palette import distinct_colors, is_made_up
from datasetgan_ext.core.text import read_text

MAX_CLASSES = 255
MAX_KEYPOINTS = 1000
READY_MADE = {path.stem: path for path in sorted(Path(__file__).with_name('tasks').glob('*.json'))}
"""Class files of DatasetGAN's experiments (arXiv 2104.06490, sec. 4) by name, as far as their names are published."""


@dataclass(frozen=True)
class Task:
    """Classes in the order of their ids, the first the background; and keypoints. One of the two may be empty.

    Attributes:
        classes: names, no two alike.
        palette: an RGB colour (0..255) for each class, no two alike.
        keypoints: names, no two alike.
        left_right_pairs: indices of keypoints that change places in a mirror image.
        skeleton: indices of keypoints that are joined by a line.
        palette_is_given: whether somebody chose the palette, so that colours of a mask may mean classes; one that was
            made up is for display alone. Fingerprints do not depend on it.
    """

    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    keypoints: tuple[str, ...] = ()
    left_right_pairs: tuple[tuple[int, int], ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    palette_is_given: bool = field(default=True, repr=False, compare=False)

    @classmethod
    def read(cls, path: str | Path) -> Task:
        """Read a class file: text with a class a line, or JSON with `classes`, `keypoints`, or both.

        JSON may also have a `palette`, and `left_right_pairs` and a `skeleton` as pairs of keypoints' indices (from 0).
        The name of one of READY_MADE stands for its file.

        Raises:
            UserError: the file is missing or malformed, holds no, too many or repeated classes or colours, or has the
                background at another place than the first.
        """
        path = READY_MADE.get(str(path), Path(path))
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            raise UserError(
                f'`classes`={path} cannot be read ({error}); give a text file with a class a line, '
                f'JSON with "classes" or "keypoints", or one of {", ".join(READY_MADE)}'
            ) from error
        if path.suffix.lower() == '.json':
            try:
                content = json.loads(text)
            except json.JSONDecodeError as error:
                raise UserError(f'`classes`={path} is not valid JSON: {error}') from error
            if not isinstance(content, dict) or not any(
                isinstance(content.get(key), list) for key in ('classes', 'keypoints')
            ):
                raise UserError(f'`classes`={path} has no list named "classes" or "keypoints"')
        else:
            content = {'classes': [line.strip() for line in text.splitlines() if line.strip()]}
            if problem := table_problem(path, content['classes']):
                raise UserError(
                    f'`classes`={path} {problem}; give a text file with a name a line and nothing else, the background '
                    'first, or JSON: {"classes": ["background", "car"]}'
                )
        task = cls.from_json(content, path)
        if problem := order_problem(task.classes):
            raise UserError(f'`classes`={path}: {problem}')
        return replace(task, palette_is_given=content.get('palette') is not None)

    @classmethod
    def from_json(cls, content: dict, source: str | Path) -> Task:
        """Check what `to_json` writes, or a class file of the same form.

        What `to_json` writes does not say who chose the palette; one that this program would make up counts as made up.
        """
        names, keypoints = content.get('classes') or [], content.get('keypoints') or []
        if not isinstance(names, list) or not isinstance(keypoints, list):
            raise UserError(f'`classes`={source}: "classes" and "keypoints" must be lists of names')
        task = cls.from_names(names, content.get('palette'), source) if names or not keypoints else cls((), ())
        if len(keypoints) > MAX_KEYPOINTS:
            raise UserError(f'`classes`={source} lists {len(keypoints)} keypoints; it takes {MAX_KEYPOINTS} at most')
        for name in keypoints:
            if problem := _name_problem(name, keypoints):
                raise UserError(f'`classes`={source}: keypoint {name!r} {problem}')
        pairs: dict[str, Any] = {}
        for key in ('left_right_pairs', 'skeleton'):
            pairs[key] = content.get(key) or []
            if not isinstance(pairs[key], list) or not all(_is_pair(pair, len(keypoints)) for pair in pairs[key]):
                raise UserError(
                    f'`classes`={source}: "{key}" must be a list of pairs of two different keypoints, '
                    f'by their index in 0..{len(keypoints) - 1}'
                )
            pairs[key] = tuple(tuple(pair) for pair in pairs[key])
        sides = [index for pair in pairs['left_right_pairs'] for index in pair]
        if len(set(sides)) < len(sides):
            raise UserError(f'`classes`={source}: "left_right_pairs" holds a keypoint twice')
        given = task.palette_is_given and not is_made_up(task.palette)
        return replace(task, keypoints=tuple(keypoints), palette_is_given=given, **pairs)

    def to_json(self) -> dict:
        """JSON-ready dict; `from_json` reads it back."""
        content = {'classes': list(self.classes), 'palette': [list(color) for color in self.palette]}
        if self.keypoints:
            content['keypoints'] = list(self.keypoints)
            content['skeleton'] = [list(pair) for pair in self.skeleton]
            content['left_right_pairs'] = [list(pair) for pair in self.left_right_pairs]
        return content

    @classmethod
    def from_names(cls, names: list[str], palette: list | None = None, source: str | Path = 'classes') -> Task:
        """Check names and colours; without a palette, make one of clearly different colours."""
        if not 2 <= len(names) <= MAX_CLASSES:
            raise UserError(
                f'`classes`={source} lists {len(names)} classes; it takes 2 to {MAX_CLASSES}, '
                'the first of which is the background'
            )
        for name in names:
            if problem := _name_problem(name, names):
                raise UserError(f'`classes`={source}: {name!r} {problem}')
        colors = distinct_colors(len(names)) if palette is None else palette
        valid = isinstance(colors, list) and all(
            isinstance(color, (list, tuple))
            and len(color) == 3
            and all(type(value) is int and 0 <= value <= 255 for value in color)
            for color in colors
        )
        colors = [tuple(color) for color in colors] if valid else []
        if len(colors) != len(names) or len(set(colors)) != len(colors):
            raise UserError(
                f'`classes`={source}: "palette" must give each of the {len(names)} classes '
                'an RGB colour of its own, three whole numbers in 0..255'
            )
        return cls(tuple(names), tuple(colors), palette_is_given=palette is not None)

    def only(self, classes: bool, keypoints: bool) -> Task:
        """The task without its classes, or without its keypoints."""
        task = self if classes else replace(self, classes=(), palette=())
        return task if keypoints else replace(task, keypoints=(), left_right_pairs=(), skeleton=())

    @property
    def flat_palette(self) -> list[int]:
        """Colours as Pillow's putpalette takes them."""
        return [value for color in self.palette for value in color]


def _name_problem(name: object, names: Sequence[object]) -> str:
    """Why something cannot stand in a list of names, '' if it can."""
    if not isinstance(name, str) or not name.strip():
        return 'is not a name'
    if not name.isprintable():
        hidden = next(character for character in name if not character.isprintable())
        return f'has the character U+{ord(hidden):04X}, which cannot be seen, so is not a name; leave it out'
    return 'is listed twice' if names.count(name) > 1 else ''


def _is_pair(pair: object, count: int) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and pair[0] != pair[1]
        and all(type(index) is int and 0 <= index < count for index in pair)
    )
