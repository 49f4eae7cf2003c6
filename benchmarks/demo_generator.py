"""How far the demo's generated cars are from drawings that the generator never saw: sliced Wasserstein distance.

The score of Karras et al. 2018 (arXiv 1710.10196, section 5), which needs no trained network: 7x7 patches of each level
of a Laplacian pyramid, normalised per channel, compared along random directions; times 1000, smaller is better. The
same score between two sets of drawings is what a perfect generator would get.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.demo.rebuild import FIRST_HELD_OUT, RESOLUTION, TRUNCATION
from benchmarks.demo.world import draw
from benchmarks.measure import write_result
from datasetgan_ext import load_generator
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.generator.sampling import SamplingOptions

IMAGES = 2048
PATCH, PATCHES_PER_IMAGE = 7, 64
DIRECTIONS = 256
SMALLEST_LEVEL = 16


def pyramid(images: torch.Tensor) -> dict[int, torch.Tensor]:
    """Laplacian pyramid of float [N, 3, S, S]: by size, the detail that the next smaller size lacks."""
    taps = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    kernel = torch.outer(taps, taps).expand(3, 1, 5, 5)
    levels = {}
    while images.shape[2] > SMALLEST_LEVEL:
        blurred = F.conv2d(F.pad(images, (2, 2, 2, 2), 'reflect'), kernel, groups=3)
        smaller = blurred[:, :, ::2, ::2]
        levels[images.shape[2]] = images - F.interpolate(smaller, scale_factor=2, mode='bilinear')
        images = smaller
    levels[images.shape[2]] = images
    return levels


def descriptors(level: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Random patches of a level as rows, normalised per colour channel over the set: float [P, 3 * 49]."""
    count, size = len(level), level.shape[2] - PATCH + 1
    image = torch.arange(count).repeat_interleave(PATCHES_PER_IMAGE)
    row, column = (torch.randint(size, (len(image),), generator=random) for _ in range(2))
    offset = torch.arange(PATCH)
    rows, columns = (row[:, None] + offset)[:, :, None], (column[:, None] + offset)[:, None, :]
    patches = level.permute(0, 2, 3, 1)[image[:, None, None], rows, columns].permute(0, 3, 1, 2)
    mean, deviation = patches.mean(dim=(0, 2, 3), keepdim=True), patches.std(dim=(0, 2, 3), keepdim=True)
    return ((patches - mean) / deviation).flatten(1)


def sliced_wasserstein(one: np.ndarray, other: np.ndarray) -> dict[int, float]:
    """Distance between two sets of images, uint8 [N, S, S, 3], times 1000, by the size of the pyramid's level."""
    random = torch.Generator().manual_seed(0)
    levels = [pyramid(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1) for images in (one, other)]
    distances = {}
    for size in levels[0]:
        first, second = (descriptors(level[size], random) for level in levels)
        directions = F.normalize(torch.randn(first.shape[1], DIRECTIONS, generator=random), dim=0)
        difference = (first @ directions).sort(dim=0).values - (second @ directions).sort(dim=0).values
        distances[size] = 1000 * float(difference.abs().mean())
    return distances


def main():
    drawings = np.stack([draw(FIRST_HELD_OUT + index, RESOLUTION).image for index in range(2 * IMAGES)])
    generator = load_generator(DEMO)
    sets = {'drawings': drawings[IMAGES:]}
    for trunc in (1.0, TRUNCATION):
        options = SamplingOptions(trunc=trunc)
        sets[f'generated, truncation {trunc:g}'] = np.concatenate(
            [generator.synthesize([seed], options).images.numpy() for seed in range(IMAGES)]
        )
    scores = {name: sliced_wasserstein(drawings[:IMAGES], images) for name, images in sets.items()}
    for name, score in scores.items():
        print(
            f'{name}: {np.mean(list(score.values())):.2f}  '
            + ', '.join(f'{size}: {value:.2f}' for size, value in score.items())
        )
    write_result('demo_generator', {'images': IMAGES, 'sliced_wasserstein_1e3': scores})


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
