"""What is known of a photo that was projected into a generator's W+ space."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage

from datasetgan_ext.core.crops import Crop
from datasetgan_ext.core.files import inside
from datasetgan_ext.core.images import open_image

GRAY = ('1', 'L')
WRONG_LEVELS = 48
"""Levels (of 256) by which the mean colour around a pixel may differ between a photo and its projection: beyond, the
pixel's features are of something else than what the photo shows, and its label is not learned."""
WRONG_SIDE = 5
"""Of the square of pixels around a pixel whose mean colour is compared."""


@dataclass(frozen=True)
class Projection:
    """A photo's place in W+ (Abdal et al., Image2StyleGAN, arXiv 1904.03189: a w vector for each layer).

    Attributes:
        image: G(w), a file below the samples' folder.
        sha256: of the pixels of G(w).
        latent: the file of w below the samples' folder, as upstream's projector.py writes it.
        file: the photo's path below the folder of all photos, with slashes.
        file_sha256: of the photo's file.
        crop: the part of the photo that was projected.
        psnr: of G(w) against that part, in dB.
        explained: share of that part's variance that G(w) explains.
        perceptual: distance of the two; what it is measured with, the folder tells.
        strangeness: of the photo to the network, see `Inverted`; None = unknown.
        trusted: whether labels of the photo may be learned at w.
        w: float32 [num_ws, w_dim].
    """

    image: str
    sha256: str
    latent: str
    file: str
    file_sha256: str
    crop: Crop
    psnr: float
    explained: float
    perceptual: float
    strangeness: float | None
    trusted: bool
    w: np.ndarray = field(compare=False, repr=False)

    def to_json(self) -> dict:
        """JSON-ready, without `w`; `from_json` reads it back."""
        fields = {name: value for name, value in vars(self).items() if name not in ('w', 'crop')}
        return {**fields, 'photo_hw': list(self.crop.photo_hw), 'box': list(self.crop.box)}

    @classmethod
    def from_json(cls, fields: dict, folder: Path, image_hw: tuple[int, int]) -> Projection:
        """What `to_json` gave.

        Raises:
            UserError: a path leaves the folder.
            ValueError, KeyError, TypeError, OSError: it is damaged, or w is missing.
        """
        fields = dict(fields)
        height, width = map(int, fields.pop('photo_hw'))
        left, top, right, bottom = map(int, fields.pop('box'))
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise ValueError(f'the box of {fields["file"]} is not inside the photo')
        crop = Crop((height, width), (left, top, right, bottom), image_hw)
        with np.load(inside(folder, fields['latent']), allow_pickle=False) as file:
            (w,) = file['w'].astype(np.float32)
        inside(folder, fields['image'])
        return cls(**fields, crop=crop, w=w)


def wrong_pixels(photo: np.ndarray, projected: np.ndarray) -> np.ndarray:
    """Where a projection shows something else than the photo: bool [H, W].

    Args:
        photo, projected: uint8 [H, W, C].
    """
    difference = np.abs(photo.astype(np.float32) - projected).mean(axis=2)
    return ndimage.uniform_filter(difference, WRONG_SIDE, mode='nearest') > WRONG_LEVELS


def read_pixels(path: Path) -> np.ndarray:
    """An image of a samples' folder: uint8 [H, W, C], grey where C is 1; UserError where it cannot be read."""
    with open_image(path) as image:
        pixels = np.asarray(image.convert('L' if image.mode in GRAY else 'RGB'))
    return pixels.reshape(*pixels.shape[:2], -1)


def pixel_sha256(image: np.ndarray) -> str:
    """sha256 (hex) of a uint8 [H, W, C] image's pixels, whatever file format they were in."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
