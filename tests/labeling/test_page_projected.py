"""The page in a browser with projected photos: the photo is labelled, its projection is seen while a key is held."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.generator import inversion
from datasetgan_ext.generator.projected_samples import PhotoProjector
from datasetgan_ext.generator.sampling import SamplingOptions
from tests.helpers.page import FIRST, SIDE, Person
from tests.helpers.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture
def projected(demo_generator, tmp_path, monkeypatch):
    """A white photo, which the network cannot show."""
    monkeypatch.setattr(inversion, 'STATISTICS_SEEDS', 256)
    monkeypatch.setattr(inversion, 'START_SEEDS', 2)
    (tmp_path / 'photos').mkdir()
    PIL.Image.new('RGB', (SIDE, SIDE), 'white').save(tmp_path / 'photos' / f'{FIRST}.png')
    found = inversion.Inversion(demo_generator, SamplingOptions(), steps=1, encoder_images=0)
    return PhotoProjector(found, find_photos([tmp_path / 'photos']), tmp_path / 'projected')(progress=False).samples


def shown(person):
    """float [3]: the mean color of what is drawn in the middle of the image."""
    person.page.evaluate('() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
    data = person.page.evaluate(
        """async ([from, to]) => {
        const {toScreen} = await import('/view.js');
        const [[left, top], [right, bottom]] = [toScreen([from, from]), toScreen([to, to])];
        const pen = document.getElementById('canvas').getContext('2d');
        return [...pen.getImageData(left, top, right - left, bottom - top).data];
    }""",
        [20, SIDE - 20],
    )
    return np.reshape(data, (-1, 4))[:, :3].mean(axis=0)


def test_a_photo_is_shown_and_its_projection_while_a_key_is_held(context, projected, demo_task, tmp_path):
    (sample,) = projected.samples
    made = np.asarray(PIL.Image.open(projected.projection_path(sample)))[20:-20, 20:-20].mean(axis=(0, 1))
    with serving(projected, demo_task, tmp_path / 'labels') as server:
        person = Person(context, server.url, tmp_path / 'labels')
        assert shown(person).min() > 250
        person.page.keyboard.down('Shift')
        person.page.keyboard.down('M')
        person.wait_for_state('current.projection?.naturalWidth > 0')
        assert np.abs(shown(person) - made).max() < 6 and made.min() < 230
        person.page.keyboard.up('M')
        person.page.keyboard.up('Shift')
        assert shown(person).min() > 250
        assert not person.errors
