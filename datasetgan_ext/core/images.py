"""Image files that others made: opened in one place, so that whatever is wrong with one is told alike."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image

from datasetgan_ext.core.errors import UserError

PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
    PIL.Image.DecompressionBombError,
)
"""All that Pillow raises of a file that is no image, damaged, or too large for the memory: it bounds the pixels."""


@contextmanager
def open_image(path: Path) -> Iterator[PIL.Image.Image]:
    """An image file, which is closed at the end. The block reads it, and does nothing else.

    Raises:
        UserError: the file is missing, or cannot be read as an image.
    """
    try:
        with PIL.Image.open(path) as image:
            yield image
    except PILLOW_ERRORS as error:
        raise UserError(f'{path} cannot be read as an image: {error}') from error


def read_rgb(path: Path) -> np.ndarray:
    """Any image as uint8 [H, W, 3].

    Raises:
        UserError: the file cannot be read as an image.
    """
    with open_image(path) as image:
        return np.asarray(image.convert('RGB'))
