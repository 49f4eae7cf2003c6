"""Images and masks as PNG files. A mask is an 8-bit palette or grey image whose pixel value is the class id."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from datasetgan_ext.errors import UserError
from datasetgan_ext.labels.annotation import Annotation


def read_folder(folder: str | Path) -> Iterator[Annotation]:
    """Every PNG mask of a folder, in the order of names. Hidden files are passed over.

    Raises:
        UserError: the folder does not exist, or a file is not an index mask.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f'--labels={folder} is not a folder')
    for path in sorted(folder.glob('*.png')):
        if not path.name.startswith('.'):
            yield Annotation(path.stem, read_mask(path), path)


def read_mask(path: Path) -> np.ndarray:
    """Class ids of a PNG mask: uint8 [H, W].

    Raises:
        UserError: the file cannot be read as an image, or its pixels are colours instead of class ids.
    """
    try:
        with PIL.Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f'{path} cannot be read as an image: {error}') from error
    if mode not in ('P', 'L', '1'):
        raise UserError(f'{path} has {mode} pixels; a mask is an 8-bit grey or palette PNG whose pixel values are '
                        'class ids')
    return pixels.astype(np.uint8)


def read_image(path: Path) -> np.ndarray:
    """A grey or RGB image as `write_image` writes it: uint8 [H, W, C].

    Raises:
        UserError: the file cannot be read as an image.
    """
    try:
        with PIL.Image.open(path) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f'{path} cannot be read as an image: {error}') from error
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a uint8 [H, W, C] image as PNG, grey where C is 1."""
    PIL.Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(path, format='PNG', compress_level=1)


def write_mask(path: Path, mask: np.ndarray, flat_palette: list[int]) -> None:
    """Write uint8 [H, W] class ids as an 8-bit palette PNG."""
    image = PIL.Image.fromarray(mask)
    # a shorter palette would make Pillow pack the pixels into fewer bits
    image.putpalette(flat_palette + [0] * (768 - len(flat_palette)))
    image.save(path, format='PNG', compress_level=1)
