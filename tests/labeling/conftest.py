"""The labelling page, served for a person in a browser."""

from __future__ import annotations

import shutil

import pytest

from datasetgan_ext.generator.checkpoint import DEMO_FOLDER, load_generator
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.samples import SampleSet
from tests.helpers.page import DEMO_TASK, Person
from tests.helpers.serving import serving


@pytest.fixture(scope='package')
def demo_generator():
    return load_generator('demo')


@pytest.fixture(scope='package')
def demo_samples(demo_generator, tmp_path_factory):
    """Four samples of the demo; not to be changed."""
    options = SampleSet.read(DEMO_FOLDER / 'samples').options
    folder = tmp_path_factory.mktemp('demo') / 'samples'
    return generate_samples(demo_generator, options, [0, 1, 2, 3], folder, progress=False)


@pytest.fixture
def own_samples(demo_samples, tmp_path):
    """Four samples of the demo, to be changed at will."""
    return SampleSet.read(shutil.copytree(demo_samples.folder, tmp_path / 'samples'))


@pytest.fixture
def demo_task():
    return DEMO_TASK


@pytest.fixture
def context(browser):
    """A window of the browser, with cookies of its own."""
    context = browser.new_context(viewport={'width': 1280, 'height': 800})
    yield context
    context.close()


@pytest.fixture
def person(context, demo_samples, demo_task, tmp_path):
    """Works on a page that suggests nothing."""
    with serving(demo_samples, demo_task, tmp_path / 'labels') as server:
        person = Person(context, server.url, tmp_path / 'labels')
        yield person
        assert not person.errors


@pytest.fixture
def assisted(context, demo_samples, demo_generator, demo_task, tmp_path):
    """Works on a page that suggests labels."""
    with serving(demo_samples, demo_task, tmp_path / 'labels', demo_generator) as server:
        person = Person(context, server.url, tmp_path / 'labels')
        yield person
        assert not person.errors
