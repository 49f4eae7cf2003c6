"""The tiny random generator that most tests use, its classes, and clones of upstream's code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from datasetgan_ext.generator import patching
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import find_upstream

CLASSES = ('background', 'dark', 'bright')


def make_network(seed: int = 0, resolution: int = 16, img_channels: int = 3) -> torch.nn.Module:
    torch.manual_seed(seed)
    return StandInGenerator(8, 0, 8, resolution, img_channels, {'num_layers': 2}, {'channel_base': 64})


def clone_upstream(folder: Path) -> Path:
    """Clones the pinned commit into a new folder, or skips the test that asks for it."""
    if find_upstream() is None:
        pytest.skip('the stylegan2_ada_pytorch submodule is not checked out')
    subprocess.run(['git', 'clone', '--quiet', '--shared', find_upstream(), folder], check=True)
    subprocess.run(['git', '-C', folder, 'checkout', '--quiet', patching.PINNED], check=True)
    return folder


def make_tall_network(seed: int = 0) -> torch.nn.Module:
    """A network of images 32 pixels high and 16 wide, whose `img_resolution` tells of one side alone: 32."""
    network = make_network(seed, resolution=32)
    for module in network.modules():
        if hasattr(module, 'const'):
            module.const = torch.nn.Parameter(module.const.detach()[:, :, ::2].contiguous())
        if hasattr(module, 'noise_const'):
            module.noise_const = module.noise_const[:, ::2].contiguous()
    return network
