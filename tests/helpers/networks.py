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
