"""Colours that mean class ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.formats.mask_pixels import TRANSPARENT

NEAR = 4
"""Levels by which programs that manage colours may change one."""


@dataclass(frozen=True)
class Colors:
    """The id of each of some colours, and what gives them their meaning, for messages."""

    ids: Mapping[Any, int]
    source: str

    def of(self, colors: Sequence[Any]) -> list[Any]:
        """The id of each colour; None: it has none. What is transparent has no label."""
        return [IGNORE if color == TRANSPARENT else self.ids.get(color) for color in colors]

    def nearly_of(self, colors: Sequence[Any]) -> list[Any]:
        """The same, and ids of colours that are as good as known, if they are ids of nothing else in the picture."""
        near = [
            self._near(color) if color and found is None else found for color, found in zip(colors, self.of(colors))
        ]
        there = [class_id for class_id in near if class_id is not None]
        return near if len(set(there)) == len(there) else self.of(colors)

    def _near(self, color: Any) -> int | None:
        found = [known for known in self.ids if max(abs(one - other) for one, other in zip(color, known)) <= NEAR]
        return self.ids[found[0]] if len(found) == 1 else None
