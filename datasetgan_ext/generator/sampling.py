"""How an image comes from a seed: the options that decide it, and latents from seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from datasetgan_ext.core.errors import UserError

MAX_NUMBER = 10**9
"""Among the options in a file."""


@dataclass(frozen=True)
class SamplingOptions:
    """Everything but the seed that decides which image a generator makes.

    Attributes:
        trunc: truncation psi; 1 = no truncation, 0 = the mean image (StyleGAN, arXiv 1812.04948, appendix B).
        trunc_cutoff: number of first w vectors that are truncated; None = all of them.
        noise_mode: 'const' (the network's stored noise), 'random' (drawn anew for each seed, from the seed) or 'none'.
        class_idx: class of a class-conditional network; None for an unconditional one.
        crop_hw: (height, width) of the central part of the image that is kept; None = the whole image.
        mix_styles: share of the images whose later layers take the styles of a second seed (StyleGAN, section 3.1).
    """

    trunc: float = 1.0
    trunc_cutoff: int | None = None
    noise_mode: str = 'const'
    class_idx: int | None = None
    crop_hw: tuple[int, int] | None = None
    mix_styles: float = 0.0

    def to_json(self) -> dict:
        """JSON-ready dict; `from_json` reads it back."""
        fields = asdict(self)
        fields['crop_hw'] = list(self.crop_hw) if self.crop_hw else None
        return fields

    @classmethod
    def from_json(cls, fields: dict) -> SamplingOptions:
        """Check what `to_json` writes; raises TypeError, KeyError or ValueError if it is anything else."""
        fields = dict(fields)
        fields['crop_hw'] = tuple(fields['crop_hw']) if fields['crop_hw'] else None
        options = cls(**fields)
        numbers = options.trunc, options.mix_styles
        counts = [count for count in (options.trunc_cutoff, options.class_idx) if count is not None]
        counts += options.crop_hw or ()
        known = all(type(number) in (int, float) and abs(number) <= MAX_NUMBER for number in numbers)
        known = known and all(type(count) is int and abs(count) <= MAX_NUMBER for count in counts)
        if not known or type(options.noise_mode) is not str or (options.crop_hw and len(options.crop_hw) != 2):
            raise ValueError('options of sampling that are no numbers')
        return options


class Mixing(NamedTuple):
    """Styles of a second seed, from a layer on.

    Attributes:
        seed: the second seed.
        first_w: the first w vector that is the second seed's, in 1..num_ws - 1.
    """

    seed: int
    first_w: int


def mixing_of(seed: int, probability: float, num_ws: int) -> Mixing | None:
    """What a seed's image is mixed with: with `probability` another seed from a random layer on, else nothing.

    It follows from the arguments alone; which images are mixed at a low probability are also mixed at a higher one.
    """
    if probability == 0 or num_ws < 2:
        return None
    random = np.random.RandomState([seed, num_ws])
    chosen = random.uniform() < probability
    mixing = Mixing(int(random.randint(2**32, dtype=np.uint32)), int(random.randint(1, num_ws)))
    return mixing if chosen else None


def latents_from_seeds(seeds: Sequence[int], z_dim: int) -> np.ndarray:
    """Latent codes as upstream's generate.py draws them: one `RandomState(seed)` per image.

    Returns:
        float64 array [N, z_dim] of standard normal values; row i depends on seeds[i] alone.
    """
    if len(seeds) == 0:
        return np.empty((0, z_dim))
    return np.stack([np.random.RandomState(seed).randn(z_dim) for seed in seeds])


def center_crop(full_hw: tuple[int, int], crop_hw: tuple[int, int] | None) -> tuple[slice, slice]:
    """Row and column slices of the central `crop_hw` of an image of `full_hw` (everything when None).

    Raises:
        UserError: the crop is larger than the image.
    """
    if crop_hw is None:
        return slice(0, full_hw[0]), slice(0, full_hw[1])
    if crop_hw[0] > full_hw[0] or crop_hw[1] > full_hw[1]:
        raise UserError(
            f"`crop_hw`={crop_hw[0]}x{crop_hw[1]} is larger than the network's image, "
            f'{full_hw[0]}x{full_hw[1]} (height x width)'
        )
    top, left = ((full - crop) // 2 for full, crop in zip(full_hw, crop_hw))
    return slice(top, top + crop_hw[0]), slice(left, left + crop_hw[1])
