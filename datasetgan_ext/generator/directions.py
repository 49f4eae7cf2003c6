"""Steps in W towards a class: which images take one, and how far it goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

STEP = 3.0
"""Length of a step, in standard deviations of the latents along it."""

DRAW = 0x5EE7
"""Keeps the draw of a seed's class apart from other draws from the same seed."""


@dataclass(frozen=True)
class Direction:
    """Where in W, without truncation, images show more of a class.

    Attributes:
        name: of the class.
        share: of the images that take a step, in 0..1.
        vector: w_dim numbers; its length is the standard deviation of the latents along it.
        limit: farthest place along it that a step leads to, in its lengths from the origin of W: the farthest that was
            seen.
        scanned: images that were looked at to find it.
    """

    name: str
    share: float
    vector: tuple[float, ...]
    limit: float
    scanned: int

    def to_json(self) -> dict:
        """JSON-ready dict; `from_json` reads it back."""
        return {**asdict(self), 'vector': list(self.vector)}

    @classmethod
    def from_json(cls, fields: dict) -> Direction:
        """Read what `to_json` writes; raises TypeError, KeyError or ValueError if it is anything else."""
        direction = cls(**{**fields, 'vector': tuple(map(float, fields['vector']))})
        if not np.isfinite([*direction.vector, direction.limit]).all():
            raise ValueError('a direction of what are no numbers')
        return direction

    def length(self, w: np.ndarray) -> float:
        """How far an image's step goes: STEP, or less where it would leave what was seen, but never backwards.

        Args:
            w: [w_dim], the image's own latent without truncation.

        Returns:
            In standard deviations, rounded, so that the manifest has the very number.
        """
        vector = np.array(self.vector)
        place = vector @ w / (vector @ vector)
        return round(float(np.clip(self.limit - place, 0, STEP)), 4)


class Step(NamedTuple):
    """What an image was moved by.

    Attributes:
        name: the class that it leads to.
        length: in lengths of the direction's vector.
    """

    name: str
    length: float


def direction_of(seed: int, directions: Sequence[Direction]) -> Direction | None:
    """The direction in which a seed's image goes, if it is one of those that do.

    It follows from the arguments alone; images that go in the first direction at a small share also do at a larger one.
    """
    draw, so_far = np.random.RandomState([seed, DRAW]).uniform(), 0.0
    for direction in directions:
        so_far += direction.share
        if draw < so_far:
            return direction
    return None


def described(directions: Sequence[Direction]) -> str | None:
    """Classes and shares as the flag has them, with a digest of where their directions lead; None = there are none."""
    if not directions:
        return None
    digest = hashlib.sha256(json.dumps([one.to_json() for one in directions]).encode()).hexdigest()
    return f'{",".join(f"{one.name}={one.share:g}" for one in directions)} (directions {digest[:12]})'
