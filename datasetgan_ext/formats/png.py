"""Images and masks as PNG files of ours: a mask is an 8-bit palette image whose pixel value is the class id.

Masks that others made are read by `mask_folder`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import open_image

PATHS = 'DIR of masks'
COMPRESSION = 1
"""Of the PNG files, 0 (none) to 9 (slow)."""


def read_mask(path: Path) -> np.ndarray:
    """Class ids of a PNG mask that `write_mask` wrote: uint8 [H, W].

    Raises:
        UserError: the file cannot be read as an image, or its pixels are colours instead of class ids.
    """
    with open_image(path) as image:
        mode, pixels = image.mode, np.asarray(image)
    if mode not in ('P', 'L', '1'):
        raise UserError(
            f'{path} has {mode} pixels; a mask is an 8-bit grey or palette PNG whose pixel values are class ids'
        )
    return pixels.astype(np.uint8)


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
