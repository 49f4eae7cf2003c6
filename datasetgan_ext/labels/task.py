"""The task: which classes there are, and their colours."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import UserError

MAX_CLASSES = 255


@dataclass(frozen=True)
class Task:
    """Classes in the order of their ids; the first is the background.

    Attributes:
        classes: names, no two alike.
        palette: an RGB colour (0..255) for each class, no two alike.
    """
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]

    @classmethod
    def read(cls, path: str | Path) -> Task:
        """Read a class file: JSON with `classes` (and `palette`, if you like), or text with a class a line.

        Raises:
            UserError: the file is missing or malformed, or holds no, too many or repeated classes or colours.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding='utf-8-sig')
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f'--classes={path} cannot be read ({error}); give a text file with a class a line, '
                            'or JSON with "classes"') from error
        if path.suffix == '.json':
            try:
                content = json.loads(text)
            except json.JSONDecodeError as error:
                raise UserError(f'--classes={path} is not valid JSON: {error}') from error
            if not isinstance(content, dict) or not isinstance(content.get('classes'), list):
                raise UserError(f'--classes={path} has no list named "classes"')
            names, palette = content['classes'], content.get('palette')
        else:
            names, palette = [line.strip() for line in text.splitlines() if line.strip()], None
        return cls.from_names(names, palette, path)

    @classmethod
    def from_names(cls, names: list[str], palette: list | None = None, source: str | Path = 'classes') -> Task:
        """Check names and colours; without a palette, make one of clearly different colours."""
        if not 2 <= len(names) <= MAX_CLASSES:
            raise UserError(f'--classes={source} lists {len(names)} classes; it takes 2 to {MAX_CLASSES}, '
                            'the first of which is the background')
        for name in names:
            if not isinstance(name, str) or not name.isprintable() or not name.strip() or names.count(name) > 1:
                raise UserError(f'--classes={source}: {name!r} is listed twice or is not a name')
        colours = distinct_colours(len(names)) if palette is None else palette
        valid = isinstance(colours, list) and all(
            isinstance(colour, (list, tuple)) and len(colour) == 3
            and all(type(value) is int and 0 <= value <= 255 for value in colour) for colour in colours)
        colours = [tuple(colour) for colour in colours] if valid else []
        if len(colours) != len(names) or len(set(colours)) != len(colours):
            raise UserError(f'--classes={source}: "palette" must give each of the {len(names)} classes '
                            'an RGB colour of its own, three whole numbers in 0..255')
        return cls(tuple(names), tuple(colours))

    @property
    def flat_palette(self) -> list[int]:
        """Colours as Pillow's putpalette takes them."""
        return [value for colour in self.palette for value in colour]


def distinct_colours(count: int) -> list[tuple[int, int, int]]:
    """Black for the background, then `count - 1` RGB colours, each as far as can be from all before it."""
    levels = np.linspace(0, 255, 8).round().astype(int)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), axis=-1).reshape(-1, 3)
    candidates = candidates[candidates.max(axis=1) >= 140]
    chosen = [np.zeros(3, dtype=int)]
    nearest = np.full(len(candidates), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.square(candidates - chosen[-1]).sum(axis=1))
        chosen.append(candidates[nearest.argmax()])
    return [tuple(colour.tolist()) for colour in chosen]
