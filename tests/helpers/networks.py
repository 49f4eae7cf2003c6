"""The tiny random generator that most tests use, and its classes."""

from __future__ import annotations

import torch

from datasetgan_ext.generator.standin import StandInGenerator

CLASSES = ('background', 'dark', 'bright')


def make_network(seed: int = 0, resolution: int = 16, img_channels: int = 3) -> torch.nn.Module:
    torch.manual_seed(seed)
    return StandInGenerator(8, 0, 8, resolution, img_channels, {'num_layers': 2}, {'channel_base': 64})
