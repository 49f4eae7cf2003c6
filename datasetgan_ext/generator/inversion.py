"""GAN inversion: the w vectors, one for each layer, whose image is most like a photo.

By optimisation in W+ (Abdal et al., Image2StyleGAN, arXiv 1904.03189), from the guess of an encoder or the best of some
random w. What is moved is w in standard deviations along the axes of its distribution, so that one step size suits all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from datasetgan_ext.core.choices import PROJECTION_STEPS
from datasetgan_ext.generator.encoder import Encoder, images_for, look, shrunk, to_values, train_encoder, values_of
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions, center_crop
from datasetgan_ext.generator.upstream import plain_warnings
from datasetgan_ext.metrics.pictures import explained, psnr, ssim

LEARNING_RATE = 0.2
RAMP_UP, RAMP_DOWN = 0.05, 0.25
"""Shares of the steps in which the learning rate rises and falls, as in upstream's projector.py."""
PULL = 0.005
"""Weight of the mean square of w in standard deviations along each axis: 1 for a random w."""
SMOOTHING = 0.1
"""Difference of an image's values, which are in -1..1, up to which it counts by its square (Charbonnier's loss)."""
PERCEPTUAL_WEIGHT = 0.1
LEVELS = 4
"""Of the image pyramid: each has half the side of the one before it."""
STATISTICS_SEEDS = 4096
"""Random w of which mean and covariance are taken."""
START_SEEDS = 256
"""Of them, those whose images are made: to compare them with the photo for a start, or to see what is usual."""
USUAL = 0.95
"""Share of the network's own images that are less strange than 1."""
START_SIDE = 16
"""Pixels of these images' longer side."""
AT_ONCE = 8
"""Images per forward pass where only images are wanted."""
SMALLEST_VARIANCE = 1e-4
"""Of w along an axis, as a share of the largest."""


@dataclass(frozen=True)
class Inverted:
    """What was found for one photo.

    Attributes:
        w: float32 [num_ws, w_dim].
        image: uint8 [H, W, C], its image, cropped.
        psnr: of the image against the photo, in dB.
        explained: share of the photo's variance that the image explains: 0 where it is no better than one flat colour.
        perceptual: distance of the two, see `Inversion.perceptual_kind`.
        strangeness: how much less the encoder understands the photo than the network's own images: the distance between
            its guess of w for the photo and for what the network makes of that guess, in units that a twentieth of the
            network's own images exceed. A network can be driven to pictures of things that it never saw, with features
            that mean nothing; the encoder cannot. None = there is no encoder.
    """

    w: np.ndarray
    image: np.ndarray
    psnr: float
    explained: float
    perceptual: float
    strangeness: float | None


class Space(NamedTuple):
    """The distribution of a network's w: its mean [w_dim], the matrices of `axes_of`, and some w [N, w_dim]."""

    mean: torch.Tensor
    whiten: torch.Tensor
    color: torch.Tensor
    starts: torch.Tensor


class Inversion:
    """Finds the w vectors of photos, several at once.

    Attributes:
        perceptual_kind: what the perceptual distance is measured with: 'discriminator', the mean squared difference of
            its features, scaled to length 1 at each pixel as in LPIPS (Zhang et al., arXiv 1801.03924); without one,
            'ssim', 1 - SSIM.
        image_hw: height and width of the images, cropped.
        encoder_images: see `__init__`.
    """

    def __init__(
        self,
        generator: Generator,
        options: SamplingOptions,
        discriminator: Any = None,
        steps: int = PROJECTION_STEPS,
        encoder_images: int | None = None,
    ):
        """
        Args:
            generator: the network.
            options: class, noise mode and crop of the images, checked; photos are as large as the crop.
            discriminator: upstream's, of the same snapshot; None = images are compared by pixels alone.
            steps: of the optimisation.
            encoder_images: that an encoder learns from, which makes the first guess; 0 = the best of some random w is
                taken; None = as many as are made in some minutes, see `images_for`.
        """
        self.generator = generator
        self.options = options
        self.steps = steps
        self.perceptual_kind = 'ssim' if discriminator is None else 'discriminator'
        self._discriminator = None if discriminator is None else discriminator.to(generator.device)
        self._rows, self._columns = center_crop(generator.image_hw, options.crop_hw)
        self.image_hw = (self._rows.stop - self._rows.start, self._columns.stop - self._columns.start)
        self.encoder_images = images_for(generator) if encoder_images is None else encoder_images
        self._encoder: Encoder | None = None
        self._untruncated = replace(options, trunc=1.0, trunc_cutoff=None, mix_styles=0.0)

    @property
    def encoder(self) -> Encoder | None:
        """Makes the first guesses; trained when it is first asked for, unless one was given. None = there is none."""
        if self._encoder is None and self.encoder_images:
            space = self._space
            self._encoder = train_encoder(
                self.generator, self._untruncated, space.whiten, space.mean, self.encoder_images
            )
        return self._encoder

    def use_encoder(self, encoder: Encoder) -> None:
        """Take one that was trained before, for the same network, options and number of images."""
        self._encoder = encoder.to(self.generator.device)

    def __call__(self, photos: Sequence[np.ndarray]) -> list[Inverted]:
        """The w vectors of photos.

        Args:
            photos: uint8 [H, W, C] each, of the size and the channels of the generator's images, cropped.
        """
        targets = to_values(torch.from_numpy(np.stack(photos)).to(self.generator.device))
        found = self._optimize(targets, self._guess(targets))
        made = self.generator.synthesize(range(len(photos)), self.options, lambda ids: found[list(ids)]).images
        images = made.cpu().numpy()
        if self._discriminator is None:
            perceptual = [1 - ssim(photo, image) for photo, image in zip(photos, images)]
        else:
            with torch.no_grad():
                perceptual = distance_of(self._features(to_values(made)), self._features(targets)).tolist()
        return [
            Inverted(w.cpu().numpy(), image, psnr(photo, image), explained(photo, image), distance, strangeness)
            for w, image, photo, distance, strangeness in zip(
                found, images, photos, perceptual, self._strangeness(targets)
            )
        ]

    @cached_property
    def _space(self) -> Space:
        seeds = range(STATISTICS_SEEDS)
        parts = [self.generator.ws(seeds[i : i + 256], self._untruncated)[:, 0] for i in range(0, len(seeds), 256)]
        ws = torch.cat(parts).float()
        mean = ws.mean(dim=0)
        whiten, color = axes_of(ws - mean)
        return Space(mean, whiten, color, ws[:START_SEEDS])

    @torch.no_grad()
    def _guess(self, targets: torch.Tensor) -> torch.Tensor:
        """Where to begin with each photo: float32 [N, w_dim]."""
        if self.encoder is not None:
            return self._space.mean + self.encoder(look(targets)) @ self._space.color
        distances = (shrunk(targets, START_SIDE)[:, None] - self._small_starts[None]).abs().mean(dim=(2, 3, 4))
        return self._space.starts[distances.argmin(dim=1)]

    def _whole(self, images: torch.Tensor) -> torch.Tensor:
        """The network's whole image, black where the photo is not: it is the middle."""
        if images.shape[2:] == self.generator.image_hw:
            return images
        whole = images.new_full((*images.shape[:2], *self.generator.image_hw), -1)
        whole[:, :, self._rows, self._columns] = images
        return whole

    def _synthesize(self, ws: torch.Tensor) -> torch.Tensor:
        """float32 [N, C, H, W], about -1..1, cropped; in 32 bits everywhere, for the gradient's sake."""
        with plain_warnings():
            images = self.generator.network.synthesis(ws, noise_mode=self.options.noise_mode, force_fp32=True)
        return images[:, :, self._rows, self._columns]

    @cached_property
    def _small_starts(self) -> torch.Tensor:
        """The images of the starts when small: float32 [N, C, h, w], -1..1."""
        return torch.cat([shrunk(self._images_of(part), START_SIDE) for part in self._space.starts.split(AT_ONCE)])

    def _images_of(self, ws: torch.Tensor) -> torch.Tensor:
        """See `values_of`; the same w for each layer, float32 [N, w_dim]."""
        return values_of(self.generator, ws[:, None].expand(-1, self.generator.num_ws, -1), self.options)

    @torch.no_grad()
    def _misunderstood(self, images: torch.Tensor) -> torch.Tensor:
        """How far the encoder's guess is from its guess of what the network makes of it: [N, C, H, W] -> [N], the mean
        square in standard deviations of w."""
        assert self.encoder is not None
        guessed = self.encoder(look(images))
        again = self.encoder(look(self._images_of(self._space.mean + guessed @ self._space.color)))
        return (guessed - again).square().mean(dim=1)

    @cached_property
    def _usual(self) -> torch.Tensor:
        """Above what value a twentieth of the network's own images is misunderstood."""
        parts = [self._misunderstood(self._images_of(part)) for part in self._space.starts.split(AT_ONCE)]
        return torch.cat(parts).quantile(USUAL)

    def _strangeness(self, targets: torch.Tensor) -> list[float | None]:
        if self.encoder is None:
            return [None] * len(targets)
        return (self._misunderstood(targets) / self._usual).tolist()

    def _optimize(self, targets: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """float32 [N, num_ws, w_dim]."""
        with torch.inference_mode(False), torch.enable_grad():
            targets, starts = targets.clone(), starts.clone()
            mean, whiten, color = (part.clone() for part in self._space[:3])
            moved = ((starts - mean) @ whiten)[:, None].repeat(1, self.generator.num_ws, 1)
            moved.requires_grad_()
            features = None if self._discriminator is None else self._features(targets)
            optimizer = torch.optim.Adam([moved])
            for step in range(self.steps):
                optimizer.param_groups[0]['lr'] = LEARNING_RATE * rate(step / self.steps)
                images = self._synthesize(mean + moved @ color)
                loss = pyramid_distance(images, targets).sum()
                if features is not None:
                    loss = loss + PERCEPTUAL_WEIGHT * distance_of(self._features(images), features).sum()
                loss = loss + PULL * moved.square().mean(dim=(1, 2)).sum()
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            return (mean + moved @ color).detach()

    def _features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the discriminator's blocks give, scaled to length 1 at each pixel: [N, C_l, h_l, w_l] each."""
        network: Any = self._discriminator
        full = self._whole(images)
        features = []
        x = None
        for resolution in network.block_resolutions:
            x, full = getattr(network, f'b{resolution}')(x, full, force_fp32=True)
            features.append(F.normalize(x, dim=1))
        return features


def rate(progress: float) -> float:
    """Share of the learning rate when a share of the steps is done: it rises, stays, and falls as a cosine."""
    falling = 0.5 - 0.5 * math.cos(math.pi * min(1, (1 - progress) / RAMP_DOWN))
    return falling * min(1, progress / RAMP_UP + 0.01)


def axes_of(centered: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Axes of a distribution around 0.

    Args:
        centered: float32 [N, D].

    Returns:
        Two matrices [D, D]: a row vector times the first is in standard deviations along the axes; times the second, it
        is back.
    """
    variances, axes = torch.linalg.eigh((centered.T.double() @ centered.double() / len(centered)).cpu())
    deviations = variances.clamp_min(SMALLEST_VARIANCE * variances.max()).sqrt()
    return (axes / deviations).float().to(centered.device), (axes * deviations).T.float().to(centered.device)


def pyramid_distance(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum over the levels of an image pyramid of Charbonnier's mean distance: [N, C, H, W] twice -> [N]."""
    total = images.new_zeros(len(images))
    difference = images - targets
    for _ in range(LEVELS):
        total = total + ((difference.square() + SMOOTHING**2).sqrt() - SMOOTHING).mean(dim=(1, 2, 3))
        if min(difference.shape[2:]) < 2:
            break
        difference = F.avg_pool2d(difference, 2)
    return total


def distance_of(one: list[torch.Tensor], other: list[torch.Tensor]) -> torch.Tensor:
    """Mean squared difference of features of length 1, over pixels and then layers: [N], 0..4."""
    return torch.stack([(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(one, other)]).mean(dim=0)
