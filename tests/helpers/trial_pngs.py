"""One picture in every lossless PNG encoding that tools and optimisers write, without any image library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""PNG's colour types."""
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, and steps of the passes of an interlaced PNG."""


def write_png(
    path: Path,
    values: np.ndarray,
    depth: int,
    color_type: int,
    palette: list | None = None,
    alphas: list[int] | None = None,
    interlaced: bool = False,
) -> Path:
    """Write stored values [H, W] or [H, W, C] as they are, with `depth` bits each; `alphas` become the tRNS chunk."""
    values = np.asarray(values, np.uint16).reshape(*values.shape[:2], -1)
    height, width = values.shape[:2]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b''.join(
        b'\0' + _packed(row, depth)
        for top, left, down, right in passes
        for row in values[top::down, left::right]
        if row.size
    )
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color_type, 0, 0, interlaced))]
    if palette is not None:
        chunks.append((b'PLTE', bytes(value for color in palette for value in color)))
    if alphas is not None:
        chunks.append((b'tRNS', bytes(alphas)))
    chunks += [(b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + b''.join(
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    return path


def _packed(row: np.ndarray, depth: int) -> bytes:
    if depth == 16:
        return row.astype('>u2').tobytes()
    bits = (row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def voc_color(index: int) -> tuple[int, int, int]:
    """Pascal VOC's colour of a class: (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), ..."""
    levels = [0, 0, 0]
    for bit in range(8):
        levels[bit % 3] |= (index >> bit & 1) << 7 - bit // 3
    return levels[0], levels[1], levels[2]


def with_alpha(pixels: np.ndarray, alpha: int | np.ndarray = 255) -> np.ndarray:
    """Values [H, W] or [H, W, C] with one channel more."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return np.concatenate([pixels, np.broadcast_to(alpha, pixels.shape[:2])[:, :, None]], axis=2)


def palette_encodings(ids: np.ndarray, colors: list) -> dict[str, Callable[[Path], Path]]:
    """Writers of one picture, `colors` [N, 3] at `ids` [H, W], as palette PNGs whose indices are the ids, or are not.

    N is 2 to 4; one more colour may stand at 255.
    """
    count = len(colors)
    filled = [*colors, *[(0, 0, 0)] * (256 - count)]
    turned = list(range(1, count)) + [0]
    place = np.argsort(turned)
    by_use = sorted(range(count), key=lambda index: -(ids == index).sum())
    order = np.argsort(by_use)
    doubled = np.where((np.indices(ids.shape).sum(axis=0) % 2 == 0) & (ids == 1), count, ids)
    return {
        'palette-8': lambda path: write_png(path, ids, 8, PALETTE, filled),
        'palette-8-short': lambda path: write_png(path, ids, 8, PALETTE, colors),
        'palette-4': lambda path: write_png(path, ids, 4, PALETTE, colors),
        'palette-2': lambda path: write_png(path, ids, 2, PALETTE, colors),
        'palette-8-interlaced': lambda path: write_png(path, ids, 8, PALETTE, colors, interlaced=True),
        'palette-8-opaque-trns': lambda path: write_png(path, ids, 8, PALETTE, colors, [255] * count),
        'palette-8-turned': lambda path: write_png(path, place[ids], 8, PALETTE, [colors[i] for i in turned]),
        'palette-8-reversed': lambda path: write_png(path, count - 1 - ids, 8, PALETTE, colors[::-1]),
        'palette-2-by-use': lambda path: write_png(path, order[ids], 2, PALETTE, [colors[i] for i in by_use]),
        'palette-8-far-off': lambda path: write_png(
            path, ids + 100, 8, PALETTE, [*[(9, 9, 9)] * 100, *colors, *[(9, 9, 9)] * (156 - count)]
        ),
        'palette-8-color-twice': lambda path: write_png(path, doubled, 8, PALETTE, [*colors, colors[1]]),
    }


IN_ORDER = (
    'palette-8',
    'palette-8-short',
    'palette-4',
    'palette-2',
    'palette-8-interlaced',
    'palette-8-opaque-trns',
)
"""Those of palette_encodings whose indices are the ids."""
REORDERED = (
    'palette-8-turned',
    'palette-8-reversed',
    'palette-2-by-use',
    'palette-8-far-off',
    'palette-8-color-twice',
)
TRUE_COLOR = ('rgb-8', 'rgb-16', 'rgb-8-interlaced', 'rgba-8')
GRAYS = ('gray-8', 'gray-8-interlaced', 'gray-alpha-8')
BLACK_AND_WHITE = (
    'gray-1',
    'gray-2',
    'gray-4',
    'gray-8',
    'gray-16',
    'gray-alpha-8',
    'palette-1',
    'palette-1-reversed',
    'palette-8',
    'rgb-8',
    'rgba-8',
)


def color_encodings(ids: np.ndarray, colors: list) -> dict[str, Callable[[Path], Path]]:
    """Writers of the same picture in true colour."""
    pixels = np.asarray(colors)[ids]
    return {
        'rgb-8': lambda path: write_png(path, pixels, 8, RGB),
        'rgb-16': lambda path: write_png(path, pixels * 257, 16, RGB),
        'rgb-8-interlaced': lambda path: write_png(path, pixels, 8, RGB, interlaced=True),
        'rgba-8': lambda path: write_png(path, with_alpha(pixels), 8, RGB_ALPHA),
    }


def gray_encodings(levels: np.ndarray) -> dict[str, Callable[[Path], Path]]:
    """Writers of a grey picture, 8-bit levels [H, W]."""
    return {
        'gray-8': lambda path: write_png(path, levels, 8, GRAY),
        'gray-8-interlaced': lambda path: write_png(path, levels, 8, GRAY, interlaced=True),
        'gray-alpha-8': lambda path: write_png(path, with_alpha(levels), 8, GRAY_ALPHA),
        'rgb-8': lambda path: write_png(path, np.repeat(levels[:, :, None], 3, axis=2), 8, RGB),
        'rgba-8': lambda path: write_png(path, with_alpha(np.repeat(levels[:, :, None], 3, axis=2)), 8, RGB_ALPHA),
        'palette-8': lambda path: write_png(path, levels, 8, PALETTE, [(i, i, i) for i in range(256)]),
    }


def black_and_white_encodings(white: np.ndarray) -> dict[str, Callable[[Path], Path]]:
    """Writers of one picture of black and white, bool [H, W]."""
    bits = white.astype(np.uint16)
    black_white = [(0, 0, 0), (255, 255, 255)]
    grays = gray_encodings(bits * 255)
    return {
        **{name: grays[name] for name in ('gray-8', 'gray-alpha-8', 'rgb-8', 'rgba-8')},
        'gray-1': lambda path: write_png(path, bits, 1, GRAY),
        'gray-2': lambda path: write_png(path, bits * 3, 2, GRAY),
        'gray-4': lambda path: write_png(path, bits * 15, 4, GRAY),
        'gray-16': lambda path: write_png(path, bits * 65535, 16, GRAY),
        'palette-1': lambda path: write_png(path, bits, 1, PALETTE, black_white),
        'palette-1-reversed': lambda path: write_png(path, 1 - bits, 1, PALETTE, black_white[::-1]),
        'palette-8': lambda path: write_png(path, bits, 8, PALETTE, black_white),
    }
