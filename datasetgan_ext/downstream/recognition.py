"""Which pictures are the same, whatever file format they went through: so that nothing is scored on what trained it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from scipy.spatial import cKDTree

SIDE = 8
"""Width and height of a thumbnail."""
TOLERANCE = 4
"""Levels (of 256) by which two thumbnails of one picture may differ, root mean square. Measured on 240 images of the
demo, the largest: 1.3 after JPEG of quality 50 or WebP; 11 or more between two pictures."""
CHUNK = 1024


@dataclass(frozen=True)
class Pictures:
    """What tells pictures from others.

    Attributes:
        numbers: int64 [N], content numbers: the same for the same pixels.
        thumbnails: uint8 [M, 3 * SIDE**2], the pictures scaled down, in the same order unless `merged`; files of
            earlier versions have none.
    """

    numbers: np.ndarray
    thumbnails: np.ndarray

    @classmethod
    def none(cls) -> Pictures:
        return cls(np.zeros(0, np.int64), np.zeros((0, 3 * SIDE**2), np.uint8))

    @classmethod
    def of(cls, images: Iterable[np.ndarray]) -> Pictures:
        """Of images, uint8 [H, W, 3]."""
        found = [(content_number(image), thumbnail(image)) for image in images]
        if not found:
            return cls.none()
        numbers, thumbnails = zip(*found)
        return cls(np.array(numbers, np.int64), np.stack(thumbnails))

    @classmethod
    def merged(cls, parts: Sequence[Pictures]) -> Pictures:
        """All of several, each once, sorted."""
        parts = [cls.none(), *parts]
        return cls(
            np.unique(np.concatenate([part.numbers for part in parts])),
            np.unique(np.concatenate([part.thumbnails for part in parts]), axis=0),
        )

    def take(self, indices: np.ndarray) -> Pictures:
        """Those of some indices."""
        return Pictures(self.numbers[indices], self.thumbnails[indices])

    def are_among(self, others: Pictures) -> np.ndarray:
        """bool [N]: which of these are among others, to the last pixel or but for what a lossy format does to them."""
        known = np.isin(self.numbers, others.numbers)
        if len(others.thumbnails) and len(self.thumbnails):
            # the fields' differences bound those of the quarters' means: few pictures are left to be compared in full
            tree = cKDTree(_quarters(others.thumbnails))
            radius = TOLERANCE * np.sqrt(3 * 4)
            for start in range(0, len(known), CHUNK):
                rows = self.thumbnails[start : start + CHUNK]
                near = tree.query_ball_point(_quarters(rows), radius * 1.000001)
                for index, (row, candidates) in enumerate(zip(rows.astype(np.float32), near), start):
                    if not known[index] and candidates:
                        squares = np.square(others.thumbnails[candidates] - row).mean(axis=1)
                        known[index] = squares.min() <= TOLERANCE**2
        return known


def content_number(image: np.ndarray) -> int:
    """The first 63 bits of the sha256 of an image's pixels and size."""
    digest = hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()
    return int.from_bytes(digest[:8], 'big') >> 1


def thumbnail(image: np.ndarray) -> np.ndarray:
    """uint8 [3 * SIDE**2]: an image, uint8 [H, W, 3], scaled down to the means of SIDE x SIDE fields."""
    small = PIL.Image.fromarray(image).resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8).reshape(-1)


def _quarters(thumbnails: np.ndarray) -> np.ndarray:
    """float [N, 12]: mean colours of the four quarters."""
    half = SIDE // 2
    fields = thumbnails.reshape(-1, 2, half, 2, half, 3)
    return fields.mean(axis=(2, 4)).reshape(len(thumbnails), -1)
