"""Colours that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BEST_HEX = """
    000000 ffff00 e8b9ff 7400ff 178b2e ffffe8 745d74 000046 8b74ff a2d174 a2a2a2 2e462e e8a200
    2e468b 8b8bb9 ffe8ff 172e46 ff1700 8ba274 0000a2 5d745d e8ff74 8b0000 8b5db9 ffffb9 b9d1b9
    7446e8 8ba2ff 74a22e b9b9d1 a2005d d1d146 a2748b 467400 b9002e 5d5d8b 2e2ea2 d1d1a2 e8d100
    e87400
"""
BEST = [(red, green, blue) for red, green, blue in map(bytes.fromhex, BEST_HEX.split())]
"""Black for the background, then each as far as can be from all before it where it lies over a picture, for normal,
red-blind and green-blind eyes; chosen by benchmarks/palette.py."""


def distinct_colors(count: int) -> list[tuple[int, int, int]]:
    """Black for the background, then `count - 1` RGB colours for classes."""
    return spread_colors(count, BEST[:count])


def is_made_up(palette: Sequence[tuple[int, int, int]]) -> bool:
    """Whether class colours are those that are made where none are given, by this or by an earlier version."""
    return list(palette) in (distinct_colors(len(palette)), spread_colors(len(palette)))


def spread_colors(count: int, first: list[tuple[int, int, int]] | None = None) -> list[tuple[int, int, int]]:
    """`count` RGB colours, each as far as can be from all before it in the RGB cube.

    Args:
        count: at most 300.
        first: the first of them, black if None.
    """
    levels = np.linspace(0, 255, 8).round().astype(int)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), axis=-1).reshape(-1, 3)
    candidates = candidates[candidates.max(axis=1) >= 140]
    chosen = [np.array(color) for color in first or [(0, 0, 0)]]
    nearest = np.full(len(candidates), np.inf)
    for color in chosen[:-1]:
        nearest = np.minimum(nearest, np.square(candidates - color).sum(axis=1))
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.square(candidates - chosen[-1]).sum(axis=1))
        chosen.append(candidates[nearest.argmax()])
    return [(red, green, blue) for red, green, blue in (color.tolist() for color in chosen)]
