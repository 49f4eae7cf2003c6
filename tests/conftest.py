"""What many tests start from: a tiny random generator with labelled samples, and an interpreter for it.

Samples, labels and interpreter are made once in each process that runs tests. Every test has its own copy of them, to
change at will.
"""

from __future__ import annotations

import copy
import os
import shutil
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
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from tests.helpers.browser import Browser
from tests.helpers.networks import CLASSES, make_network
from tests.helpers.upstream import clone_upstream


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first, so that no process is left with one of them while the others have ended."""
    items.sort(key=lambda item: item.get_closest_marker('slow') is None)


@pytest.fixture
def generator() -> Generator:
    return Generator(make_network(), 'tiny')


@pytest.fixture
def task() -> Task:
    return Task.from_names(list(CLASSES))


@pytest.fixture(scope='session')
def original_samples(tmp_path_factory) -> SampleSet:
    folder = tmp_path_factory.mktemp('originals') / 'samples'
    return generate_samples(Generator(make_network(), 'tiny'), SamplingOptions(trunc=0.7), [0, 1, 2, 3], folder)


@pytest.fixture(scope='session')
def original_labels(original_samples, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('labels')
    palette = Task.from_names(list(CLASSES)).flat_palette
    for sample in original_samples.samples:
        gray = np.asarray(png.PIL.Image.open(original_samples.folder / sample.image)).mean(axis=2)
        low, high = np.quantile(gray, [0.5, 0.8])
        mask = (gray > low).astype(np.uint8) + (gray > high)
        png.write_mask(folder / f'{sample.name}.png', mask.astype(np.uint8), palette)
    return folder


@pytest.fixture(scope='session')
def original_interpreter(original_samples, original_labels) -> Interpreter:
    task = Task.from_names(list(CLASSES))
    pairs = original_samples.pair(read_mask_folder(original_labels, task), task)
    options = options_from('default', models=3, max_steps=40)
    generator = Generator(make_network(), 'tiny')
    training_set = TrainingSet(generator, original_samples, pairs, task, options, progress=False)
    return train_interpreter(training_set, progress=False)


@pytest.fixture
def samples(original_samples, tmp_path) -> SampleSet:
    """Four samples of the tiny generator, in `tmp_path`/samples."""
    shutil.copytree(original_samples.folder, tmp_path / 'samples')
    return SampleSet.read(tmp_path / 'samples')


@pytest.fixture
def labels(original_labels, tmp_path) -> Path:
    """Masks of the four samples by their brightness, in `tmp_path`/labels."""
    return shutil.copytree(original_labels, tmp_path / 'labels')


@pytest.fixture
def interpreter(original_interpreter) -> Interpreter:
    """Trained on the four samples."""
    return copy.deepcopy(original_interpreter)


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


@pytest.fixture(scope='session')
def browser():
    """One for all tests of a process: playwright takes no second one."""
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    with sync_api.sync_playwright() as playwright:
        browser = Browser(playwright)
        yield browser
        browser.close()


@pytest.fixture
def findings():
    """What axe-core finds wrong with a page for people who see or work differently: a rule and an element each."""
    axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason='axe-playwright-python is not installed')

    def find(page) -> list[tuple[str, str]]:
        response = axe.Axe().run(page).response
        return [(rule['id'], node['html']) for rule in response['violations'] for node in rule['nodes']]

    return find
