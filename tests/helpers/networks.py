"""The tiny random generator that most tests use, and its classes."""

from __future__ import annotations

import torch

from datasetgan_ext.generator.standin import StandInGenerator

CLASSES = ('background', 'dark', 'bright')


def make_network(seed: int = 0, resolution: int = 16, img_channels: int = 3) -> torch.nn.Module:
    torch.manual_seed(seed)
    return StandInGenerator(8, 0, 8, resolution, img_channels, {'num_layers': 2}, {'channel_base': 64})


def make_tall_network(seed: int = 0) -> torch.nn.Module:
    """A network of images 32 pixels high and 16 wide, whose `img_resolution` tells of one side alone: 32."""
    network = make_network(seed, resolution=32)
    for module in network.modules():
        if hasattr(module, 'const'):
            module.const = torch.nn.Parameter(module.const.detach()[:, :, ::2].contiguous())
        if hasattr(module, 'noise_const'):
            module.noise_const = module.noise_const[:, ::2].contiguous()
    return network
