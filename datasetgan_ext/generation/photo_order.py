"""Photos in the order in which a person's labels would teach a network most."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.seeds import PHOTO
from datasetgan_ext.formats.folder import read_manifest
from datasetgan_ext.labeling.selection import choose_apart

LISTED = 200
"""Photos at most that are put in an order: nobody labels more before training again."""
POOL = 4
"""So many times as many of the most uncertain photos are looked at for differences."""


def write_order(path: Path, manifest: Path, count: int = LISTED) -> None:
    """Write the files of the photos to label next, one a line, the most useful first.

    Of the most uncertain photos, the first is the most uncertain one, and each other is the one that looks least like
    all before it (k-centre greedy, Sener & Savarese 2018, arXiv 1708.00489, sec. 5.1): in the colours of a small copy,
    and in its shares of the classes.

    Args:
        path: file to write.
        manifest: of a finished run over photos.
        count: photos to list, at most.
    """
    ranking = sorted((-record['uncertainty'], record[PHOTO]) for record in read_manifest(manifest))
    pool = [number for _, number in ranking[: POOL * count]]
    wanted = set(pool)
    styles = {}
    files = {}
    for record in read_manifest(manifest):
        if record[PHOTO] in wanted:
            styles[record[PHOTO]] = _style(record)
            files[record[PHOTO]] = ' '.join(record['file'].splitlines())
    chosen = choose_apart(pool, styles, [], min(count, len(pool)))
    write_atomically(path, ''.join(f'{files[number]}\n' for number in chosen).encode())


def _style(record: dict) -> np.ndarray:
    """Colours and shares of classes, each part with a length of at most 1."""
    colors = np.frombuffer(bytes.fromhex(record['look']), np.uint8) / 255
    pixels = np.array(record['pixels_per_class'], dtype=float)
    return np.concatenate([colors / len(colors) ** 0.5, pixels / max(1.0, pixels.sum())])
