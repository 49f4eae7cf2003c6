"""Images and masks as PNG files.

A mask is an 8-bit palette or grey image whose pixel value is the class id, or an RGB image in the colours of the class
file's palette.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import open_image

PATHS = 'DIR of masks'
MAX_COLORS = 10
"""Unknown colours that a message lists for one file."""
COMPRESSION = 1
"""Of the PNG files, 0 (none) to 9 (slow)."""

Colors = Mapping[tuple[int, int, int], int]
"""The class id of each RGB colour."""


def read_folder(folder: str | Path, palette: Sequence[tuple[int, int, int]] = ()) -> list[Annotation]:
    """Every PNG mask of a folder, in the order of names. Hidden files are passed over.

    Args:
        folder: of masks named as their images.
        palette: RGB colour of each class, for masks in colours; without it they are refused.

    Raises:
        UserError: the folder does not exist, a file is no mask, or there are colours that the palette lacks (all of
            them in one message).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f'`labels`={folder} is not a folder')
    paths = [path for path in sorted(folder.glob('*.png')) if not path.name.startswith('.')]
    colors = {tuple(color): index for index, color in enumerate(palette)}
    return annotations(paths, lambda path: read_ids(path, colors), 'the palette of `classes`')


def annotations(paths: Sequence[Path], read, table: str) -> list[Annotation]:
    """What `read` makes of each mask; it returns the ids and the number of pixels of each unknown colour.

    Raises:
        UserError: there are colours that `table`, so named, lacks; or from `read`.
    """
    found: list[Annotation] = []
    problems: list[str] = []
    for path in paths:
        mask, unknown = read(path)
        found.append(Annotation(path.stem, mask, path))
        if unknown:
            counts = sorted(unknown.items(), key=lambda item: -item[1])[:MAX_COLORS]
            listed = ', '.join(f'{color}: {count} pixels' for color, count in counts)
            more = f' and {len(unknown) - MAX_COLORS} more colours' if len(unknown) > MAX_COLORS else ''
            problems.append(f'{path} ({listed}{more})')
    if problems:
        raise UserError(
            f'`labels`: colours that {table} lacks, in {"; ".join(problems)}. Many of them mean a brush '
            'with soft edges, or JPEG: paint with hard edges, save as PNG'
        )
    return found


def read_mask(path: Path) -> np.ndarray:
    """Class ids of a PNG mask: uint8 [H, W].

    Raises:
        UserError: the file cannot be read as an image, or its pixels are colours instead of class ids.
    """
    return read_ids(path, {})[0]


def read_ids(path: Path, colors: Colors) -> tuple[np.ndarray, dict]:
    """Class ids of a mask, which is read by `colours` if it is in colours: uint8 [H, W]; and its unknown colours.

    Raises:
        UserError: the file cannot be read as an image, or has other pixels than a mask.
    """
    mode, pixels, _ = read_pixels(path)
    if mode in ('RGB', 'RGBA') and colors:
        return ids_of_colors(pixels, colors)
    if mode not in ('P', 'L', '1'):
        raise UserError(
            f'{path} has {mode} pixels; a mask is an 8-bit grey or palette PNG whose pixel values are '
            'class ids, or an RGB one in the colours of the class file'
        )
    return pixels.astype(np.uint8), {}


def read_pixels(path: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """Pillow's mode of a PNG, its pixels [H, W] or [H, W, C], and its palette [N, 3], empty if it has none.

    Raises:
        UserError: the file cannot be read as an image.
    """
    with open_image(path) as image:
        colors = image.getpalette('RGB') if image.mode == 'P' else None
        return image.mode, np.asarray(image), np.reshape(colors or [], (-1, 3)).astype(int)


def ids_of_colors(pixels: np.ndarray, colors: Colors) -> tuple[np.ndarray, dict[tuple[int, ...], int]]:
    """Class ids of pixels in colours, and the number of pixels of each colour that is unknown.

    Args:
        pixels: uint8 [H, W, 3 or 4]; a transparent pixel (alpha 0) is IGNORE, a half transparent one unknown.
        colours: the id of each colour.
    """
    shifts = 8 * np.arange(pixels.shape[2])
    found, inverse, counts = np.unique(
        (pixels.astype(np.int64) << shifts).sum(axis=2), return_inverse=True, return_counts=True
    )
    ids = np.full(len(found), IGNORE, np.uint8)
    unknown = {}
    for index, (code, count) in enumerate(zip(found.tolist(), counts.tolist())):
        color = tuple(code >> int(shift) & 255 for shift in shifts)
        alpha = color[3] if len(color) == 4 else 255
        if alpha == 255 and color[:3] in colors:
            ids[index] = colors[color[:3]]
        elif alpha:
            unknown[color] = count
    return ids[inverse].reshape(pixels.shape[:2]), unknown


def read_image(path: Path) -> np.ndarray:
    """A grey or RGB image as `write_image` writes it: uint8 [H, W, C].

    Raises:
        UserError: the file cannot be read as an image.
    """
    with open_image(path) as image:
        pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def write_image(path: Path | BinaryIO, image: np.ndarray, compression: int = COMPRESSION) -> None:
    """Write a uint8 [H, W, C] image as PNG, grey where C is 1; compression 0 (none) to 9 (slow)."""
    PIL.Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(
        path, format='PNG', compress_level=compression
    )


def write_mask(
    path: Path | BinaryIO, mask: np.ndarray, flat_palette: list[int], compression: int = COMPRESSION
) -> None:
    """Write uint8 [H, W] class ids as an 8-bit palette PNG; compression 0 (none) to 9 (slow)."""
    image = PIL.Image.fromarray(mask)
    # a shorter palette would make Pillow pack the pixels into fewer bits
    image.putpalette(flat_palette + [0] * (768 - len(flat_palette)))
    image.save(path, format='PNG', compress_level=compression)


def png_bytes(write: Callable[..., None], *arguments: object) -> bytes:
    """What `write_image` or `write_mask` would write."""
    buffer = io.BytesIO()
    write(buffer, *arguments)
    return buffer.getvalue()
