"""Pictures of plain shapes with their true masks: another data set than the demo's cars, to pretrain networks on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ('background', 'disc', 'ring', 'triangle', 'square', 'pentagon', 'star', 'cross', 'bar')
PALETTE = tuple((40 * (index % 3) + 80 * (index > 0), 28 * index, 255 - 30 * index) for index in range(len(CLASSES)))
FINER = 2
SHAPES = (3, 9)
"""Fewest and most in a picture."""
STRIPED = 0.3
"""Chance that a shape, or the ground, is striped."""


class Drawing(NamedTuple):
    """
    Attributes:
        image: uint8 [H, W, 3], RGB.
        mask: uint8 [H, W], ids of `CLASSES`.
    """

    image: np.ndarray
    mask: np.ndarray


def draw(seed: int, resolution: int = 128) -> Drawing:
    """The picture of a seed, `resolution` pixels wide and high."""
    random = np.random.RandomState([seed, 1])
    side = FINER * resolution
    image, parts = _fill(random, side), Image.new('L', (side, side))
    for _ in range(random.randint(*SHAPES)):
        part = random.randint(1, len(CLASSES))
        stencil = _stencil(random, CLASSES[part], side)
        image.paste(_fill(random, side), mask=stencil)
        parts.paste(part, mask=stencil)
    size = (resolution, resolution)
    image = image.filter(ImageFilter.GaussianBlur(0.5 * FINER)).resize(size, Image.Resampling.BOX)
    return Drawing(np.asarray(image), np.asarray(parts.resize(size, Image.Resampling.NEAREST)))


def _fill(random: np.random.RandomState, side: int) -> Image.Image:
    """A picture of a gradient between two colours, maybe with stripes."""
    first, last = random.uniform(0, 255, (2, 3))
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    angle = random.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    share = 0.5 + 0.25 * along
    if random.uniform() < STRIPED:
        share = np.where(np.sin(random.uniform(15, 50) * along) > 0, share, 1 - share)
    return Image.fromarray((first + share[..., None] * (last - first)).clip(0, 255).astype(np.uint8))


def _stencil(random: np.random.RandomState, name: str, side: int) -> Image.Image:
    """Where a shape of a random size, place and turn is: 255, elsewhere 0."""
    stencil = Image.new('L', (side, side))
    brush = ImageDraw.Draw(stencil)
    center, radius = random.uniform(0.1, 0.9, 2) * side, random.uniform(0.06, 0.3) * side
    turn = random.uniform(0, 2 * np.pi)

    def polygon(radii: list[float], angles: np.ndarray, fill: int = 255) -> None:
        points = np.stack([np.cos(angles + turn), np.sin(angles + turn)], axis=1) * np.array(radii)[:, None] * radius
        brush.polygon([tuple(point) for point in points + center], fill=fill)

    if name in ('disc', 'ring'):
        circle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        polygon([1] * 60, circle)
        if name == 'ring':
            polygon([0.6] * 60, circle, 0)
    elif name == 'cross':
        corners = np.arctan2(0.3, 1)
        angles = [turned + part for turned in np.arange(4) * np.pi / 2 for part in (-corners, corners, np.pi / 4)]
        polygon([1, 1, 0.3 * np.sqrt(2)] * 4, np.array(angles))
    elif name == 'star':
        polygon([1, 0.42] * 5, np.arange(10) * np.pi / 5)
    elif name == 'bar':
        polygon([1] * 4, np.array([-0.15, 0.15, np.pi - 0.15, np.pi + 0.15]))
    else:
        count = {'triangle': 3, 'square': 4, 'pentagon': 5}[name]
        polygon([1] * count, np.arange(count) * 2 * np.pi / count)
    return stencil
