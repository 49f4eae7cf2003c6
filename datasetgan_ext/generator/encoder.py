"""A small network that looks at a picture and guesses its w: where an inversion begins.

It learns from images that the generator makes, whose w is known. A guess that has the layout right, where wheels are
and what kind of car it is, saves the optimisation from local minima that no number of steps leaves.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from datasetgan_ext.core.files import reading_tensors, save_atomically
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions

SIDE = 64
"""Of the pictures that it looks at: their longer side in pixels."""
WIDTHS = (32, 64, 128, 192)
HIDDEN = 512
IMAGES = 6000
"""That it learns from."""
CPU_PIXELS = 10**8
"""Pixels of images that a CPU makes for it: 6000 of 128², 1500 of 256²."""
FEWEST_IMAGES = 1000
"""With fewer it guesses worse than the best of some random w."""
FIRST_SEED = 2**31
"""Of these images: far from the seeds that people take."""
AT_ONCE = 16
BATCH = 64
EPOCHS = 8
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-2
NOISE = 0.03
"""Standard deviation of what is added to the pictures, whose values are in -1..1."""

FORMAT_VERSION = 1
KEY = 'datasetgan-encoder'


class Encoder(nn.Module):
    """Convolutions of stride 2, and two linear layers."""

    def __init__(self, channels: int, hw: tuple[int, int], w_dim: int):
        """
        Args:
            channels: of the images.
            hw: height and width of what `look` makes of them.
            w_dim: of what is guessed.
        """
        super().__init__()
        self.shape = {'channels': channels, 'hw': list(hw), 'w_dim': w_dim}
        widths = (channels, *WIDTHS)
        blocks = [
            nn.Sequential(nn.Conv2d(wide, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.LeakyReLU(0.2))
            for wide, wider in zip(widths, WIDTHS)
        ]
        with torch.no_grad():
            flat = nn.Sequential(*blocks, nn.Flatten()).eval()(torch.zeros(1, channels, *hw)).shape[1]
        self.layers = nn.Sequential(
            *blocks, nn.Flatten(), nn.Linear(flat, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, w_dim)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, C, h, w], -1..1, shrunk by `look` -> [N, w_dim], w in standard deviations along its axes."""
        return self.layers(images)

    def save(self, path: Path) -> None:
        """Write a safetensors file (atomically)."""
        metadata = {KEY: json.dumps({'version': FORMAT_VERSION, **self.shape})}
        save_atomically(path, lambda place: save_file(self.state_dict(), place, metadata))

    @classmethod
    def load(cls, path: Path) -> Encoder:
        """What `save` wrote, on the CPU, in evaluation mode; UserError where it is damaged."""
        with reading_tensors(path, 'outdir', 'datasetgan project', KEY, FORMAT_VERSION) as (content, state):
            encoder = cls(content['channels'], tuple(content['hw']), content['w_dim'])
            encoder.load_state_dict(state)
        return encoder.eval().requires_grad_(False)


def look(images: torch.Tensor) -> torch.Tensor:
    """Images as an encoder sees them: [N, C, H, W] -> [N, C, h, w]."""
    return shrunk(images, SIDE)


def shrunk(images: torch.Tensor, side: int) -> torch.Tensor:
    """Images whose longer side is about so many pixels, each the mean of what it covers: [N, C, H, W] -> [N, C, h, w].
    Smaller ones stay as they are."""
    return F.avg_pool2d(images, max(1, max(images.shape[2:]) // side))


def to_values(images: torch.Tensor) -> torch.Tensor:
    """uint8 [N, H, W, C] -> float32 [N, C, H, W], -1..1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def values_of(generator: Generator, ws: torch.Tensor, options: SamplingOptions) -> torch.Tensor:
    """What a network makes of w vectors, float32 [N, num_ws, w_dim]: float32 [N, C, H, W], -1..1, cropped, in steps of
    8 bits."""
    return to_values(generator.synthesize(range(len(ws)), options, lambda ids: ws[list(ids)]).images)


def images_for(generator: Generator) -> int:
    """How many images are made for an encoder; 0 = it would take too long where the generator computes."""
    if generator.device.type == 'cuda':
        return IMAGES
    count = min(IMAGES, CPU_PIXELS // math.prod(generator.image_hw))
    return count if count >= FEWEST_IMAGES else 0


def train_encoder(
    generator: Generator,
    options: SamplingOptions,
    whiten: torch.Tensor,
    mean: torch.Tensor,
    count: int,
    progress: bool = True,
) -> Encoder:
    """Learn to guess w from an image.

    Args:
        generator: makes the images.
        options: of the images, without truncation.
        whiten: float32 [w_dim, w_dim], see `inversion.axes_of`.
        mean: float32 [w_dim], of w.
        count: images to learn from.
        progress: show progress bars.

    Returns:
        The encoder, in evaluation mode, on the generator's device. The same arguments give the same weights on one
        machine.
    """
    device = generator.device
    hidden = None if progress else True
    pictures, guesses = [], []
    for first in tqdm(range(0, count, AT_ONCE), desc='images for the encoder', unit_scale=AT_ONCE, disable=hidden):
        seeds = range(FIRST_SEED + first, FIRST_SEED + min(first + AT_ONCE, count))
        ws = generator.ws(seeds, options)
        pictures.append(look(values_of(generator, ws, options)).half())
        guesses.append((ws[:, 0].float() - mean) @ whiten)
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        seen, wanted = torch.cat(pictures).clone(), torch.cat(guesses).clone()
        encoder = Encoder(seen.shape[1], (seen.shape[2], seen.shape[3]), wanted.shape[1]).to(device)
        optimizer = torch.optim.AdamW(encoder.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        batches = max(1, count // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * batches)
        for _ in tqdm(range(EPOCHS), desc='encoder', disable=hidden):
            for part in torch.randperm(count).tensor_split(batches):
                images = seen[part.to(device)].float()
                loss = F.mse_loss(
                    encoder(images + NOISE * torch.randn(images.shape).to(device)), wanted[part.to(device)]
                )
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
    return encoder.eval().requires_grad_(False)
