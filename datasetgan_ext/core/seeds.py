"""Seed lists such as `0-99,200`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datasetgan_ext.core.errors import UserError

MAX_SEED = 2**32 - 1
MAX_COUNT = 10_000_000
LONGEST_SHOWN = 100
"""Characters of a list that a message has."""
SEED, PROJECTION, PHOTO = 'seed', 'projection', 'photo'
"""What a sample was made from, or that it is a photo, and the name of its number in a manifest."""


def sample_name(seed: int) -> str:
    """File name of a seed's image and mask, without the suffix."""
    return f'seed{seed:07d}'


def projected_name(row: int) -> str:
    """File name of the image and mask of a row of a projected_w.npz, without the suffix."""
    return f'proj{row:07d}'


def sample_id(record: dict) -> int:
    """The number of what a manifest's sample was made from: its seed, or the row of a projected_w.npz; or a photo's.

    Manifests of projected images that were written before `PROJECTION` was have a seed, too.
    """
    return next(record[name] for name in (PROJECTION, PHOTO, SEED) if name in record)


def parse_seeds(text: str, argument: str = 'seeds') -> list[int]:
    """Seeds of a list of numbers and ranges: '1,4-6' -> [1, 4, 5, 6].

    Raises:
        UserError: it is no such list, a range runs backwards, a seed is repeated or too large, or they are too many.
    """
    seeds: list[int] = []
    shown = text if len(text) <= LONGEST_SHOWN else f'{text[:LONGEST_SHOWN]}...'
    if re.search(r'[1-9]\d{10}', text, flags=re.ASCII):  # before Python refuses to read a number of thousands of digits
        raise UserError(f'`{argument}`={shown}: a seed is too large; seeds go up to {MAX_SEED}')
    for part in text.split(','):
        match = re.fullmatch(r'\s*(\d+)\s*(?:-\s*(\d+)\s*)?', part, flags=re.ASCII)
        if not match:
            raise UserError(
                f'`{argument}`={shown}: {part.strip()[:LONGEST_SHOWN]!r} is neither a number nor a range; '
                'write for example 0-99 or 1,4-6'
            )
        first = int(match[1].lstrip('0') or 0)
        last = int(match[2].lstrip('0') or 0) if match[2] else first
        if last < first:
            raise UserError(f'`{argument}`={shown}: the range {first}-{last} runs backwards; write {last}-{first}')
        if last > MAX_SEED:
            raise UserError(f'`{argument}`={shown}: {last} is too large; seeds go up to {MAX_SEED}')
        if len(seeds) + last - first >= MAX_COUNT:
            raise UserError(f'`{argument}`={shown} is more than {MAX_COUNT} seeds; split it into several folders')
        seeds.extend(range(first, last + 1))
    seen: set[int] = set()
    for seed in seeds:
        if seed in seen:
            raise UserError(f'`{argument}`={shown}: seed {seed} is there twice')
        seen.add(seed)
    return seeds


def format_seeds(seeds: Sequence[int]) -> str:
    """The shortest list that `parse_seeds` reads back to the same seeds: [1, 4, 5, 6] -> '1,4-6'."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ','.join(str(first) if first == last else f'{first}-{last}' for first, last in runs)
