"""Small things that many tests need: a tiny random generator with labelled samples, and an interpreter for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'  # before Triton is imported, with the package

from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator import patching
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import generate_samples
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import find_upstream
from datasetgan_ext.interpreter.optimization import options_from
from datasetgan_ext.interpreter.training import TrainingSet

CLASSES = ('background', 'dark', 'bright')


def make_network(seed: int = 0, resolution: int = 16, img_channels: int = 3) -> torch.nn.Module:
    torch.manual_seed(seed)
    return StandInGenerator(8, 0, 8, resolution, img_channels, {'num_layers': 2}, {'channel_base': 64})


@pytest.fixture
def generator() -> Generator:
    return Generator(make_network(), 'tiny')


@pytest.fixture
def task() -> Task:
    return Task.from_names(list(CLASSES))


@pytest.fixture
def samples(generator, tmp_path):
    """Four samples of the tiny generator, in `tmp_path`/samples."""
    return generate_samples(generator, SamplingOptions(trunc=0.7), [0, 1, 2, 3], tmp_path / 'samples')


@pytest.fixture
def labels(samples, task, tmp_path) -> Path:
    """Masks of the four samples, by their brightness."""
    folder = tmp_path / 'labels'
    folder.mkdir()
    for sample in samples.samples:
        gray = np.asarray(png.PIL.Image.open(samples.folder / sample.image)).mean(axis=2)
        low, high = np.quantile(gray, [0.5, 0.8])
        mask = (gray > low).astype(np.uint8) + (gray > high)
        png.write_mask(folder / f'{sample.name}.png', mask.astype(np.uint8), task.flat_palette)
    return folder


@pytest.fixture
def interpreter(generator, samples, labels, task):
    pairs = samples.pair(read_mask_folder(labels, task), task)
    options = options_from('default', models=3, max_steps=40)
    return TrainingSet(generator, samples, pairs, task, options, progress=False).train()


def clone_upstream(folder: Path) -> Path:
    """Clones the pinned commit into a new folder, or skips the test that asks for it."""
    if find_upstream() is None:
        pytest.skip('the stylegan2_ada_pytorch submodule is not checked out')
    subprocess.run(['git', 'clone', '--quiet', '--shared', find_upstream(), folder], check=True)
    subprocess.run(['git', '-C', folder, 'checkout', '--quiet', patching.PINNED], check=True)
    return folder


@pytest.fixture
def pinned_upstream(tmp_path) -> Path:
    """A clone of the pinned commit, to change at will."""
    return clone_upstream(tmp_path / 'upstream')


@pytest.fixture(scope='session')
def patched_upstream(tmp_path_factory) -> Path:
    """A clone of the pinned commit with all patches in it, to be left as it is."""
    folder = clone_upstream(tmp_path_factory.mktemp('patched') / 'upstream')
    patching.patch(folder)
    return folder
