"""Image files that others made: opened in one place, so that whatever is wrong with one is told alike."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps

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
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')
"""Of files that are taken for images, in lower case."""
MAX_PIXELS = 120_000_000
"""Of one image: cameras of 108 megapixels are admitted."""
BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels: the white that browsers and viewers show."""

HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')
SUBFILE_TYPE, REDUCED = 254, 1
"""TIFF's tag NewSubfileType, and its bit that says: this is a smaller version of another picture of the file."""
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""TIFF's tags of how pixels are stored."""
WHITE_IS_ZERO, UNSIGNED = 0, 1
"""Values of the last two."""


@contextmanager
def open_image(path: Path, content: bytes | None = None) -> Iterator[PIL.Image.Image]:
    """An image file, which is closed at the end. The block reads it, and does nothing else.

    Args:
        path: of the file.
        content: the same if it is in memory already; None = it is read.

    Raises:
        UserError: the file is missing, or cannot be read as an image.
    """
    try:
        with PIL.Image.open(path if content is None else BytesIO(content)) as image:
            yield image
    except PILLOW_ERRORS as error:
        # a file in memory has no name that a message should tell
        text = _unknown(path, content) if isinstance(error, PIL.UnidentifiedImageError) else error
        raise UserError(f'{path} cannot be read as an image: {text}') from error


def _unknown(path: Path, content: bytes | None) -> str:
    """What is said of a file that Pillow does not know."""
    with suppress(OSError), BytesIO(content) if content is not None else path.open('rb') as file:
        head = file.read(12)
        if head[4:8] == b'ftyp' and head[8:] in HEIC_BRANDS:
            return "it is in HEIC, Apple's format, which Pillow does not know; save it as JPEG"
    return 'it is in no format that Pillow knows'


def read_rgb(path: Path, content: bytes | None = None) -> np.ndarray:
    """Any image as a person sees it: uint8 [H, W, 3], RGB.

    The image is turned as its EXIF orientation says. Gray, palette and CMYK become RGB; 16 bits a channel are scaled to
    8; transparent pixels show BACKGROUND. Of a file of many pages, the first is read.

    Args:
        path, content: see `open_image`.

    Raises:
        UserError: the file cannot be read as an image, has more than MAX_PIXELS pixels, or begins with a thumbnail.
    """
    with open_image(path, content) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(
                f'it has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}; save it at a smaller size'
            )
        tags = getattr(image, 'tag_v2', {})
        if tags.get(SUBFILE_TYPE, 0) & REDUCED:
            raise ValueError(
                "its first picture is a small copy of another, as in a camera's raw files; save it as JPEG or PNG"
            )
        return np.asarray(_eight_bits(PIL.ImageOps.exif_transpose(image), tags))


def upright_hw(path: Path) -> tuple[int, int]:
    """Height and width of an image as `read_rgb` reads it; from the file's head alone unless EXIF turns it.

    Raises:
        UserError: the file cannot be read as an image.
    """
    with open_image(path) as image:
        if image.getexif().get(PIL.ExifTags.Base.Orientation, 1) != 1:
            image = PIL.ImageOps.exif_transpose(image)  # of some formats, Pillow turns the size before the pixels
        return image.height, image.width


def _eight_bits(image: PIL.Image.Image, tags: Mapping[int, Any]) -> PIL.Image.Image:
    """In RGB.

    Args:
        image: upright.
        tags: of TIFF, empty for other formats.
    """
    if image.mode.startswith('I'):
        # Pillow has 16-bit pixels as I;16 or as I, which may hold 32
        values = np.asarray(image).astype(np.int64)
        bits = max(tags.get(BITS_PER_SAMPLE, (16,)))
        if bits > 16 or values.min() < 0 or values.max() > 65535:
            raise ValueError('its pixels have more than 16 bits; save it in 8 or 16 bits')
        if set(tags.get(SAMPLE_FORMAT, (UNSIGNED,))) != {UNSIGNED}:
            raise ValueError('its pixels are numbers with a sign, whose range nobody knows; save it in 8 or 16 bits')
        levels = (255 * values / (2**bits - 1)).round().astype(np.uint8)
        # Pillow turns the levels of 8 bits itself
        image = PIL.Image.fromarray(255 - levels if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else levels)
    elif image.mode == 'F':
        raise ValueError('its pixels are floating-point numbers, whose range nobody knows; save it in 8 or 16 bits')
    if image.has_transparency_data:
        ground = PIL.Image.new('RGBA', image.size, (*BACKGROUND, 255))
        image = PIL.Image.alpha_composite(ground, image.convert('RGBA'))
    return image.convert('RGB')
