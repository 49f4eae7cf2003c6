"""The report is one file that needs nothing else, and its slider works in a browser."""

import base64
import io
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.task import Task
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.report.page import data_uri, thumbnails, write_report
from datasetgan_ext.report.publish import Pictures
from tests.helpers.browser import needs_media
from tests.helpers.datasets import TASK, make_dataset

NASTY = '</script><script>alert("x")</script>&amp; <img src=x onerror=alert(1)>'
INFO = {
    'sources': {'network': NASTY, 'interpreter': 'i.safetensors'},
    'options': {'network': 'ab12', 'interpreter': 'cd34', 'trunc': 0.7, 'class': None},
    'batch': 1,
    'device': 'cpu',
    'versions': {'torch': '2.13'},
}


def write(folder, task=TASK, pictures=None) -> str:
    """The report on 20 samples of which two are dropped."""
    dataset = make_dataset(folder, task)
    info = {**dataset.info, **INFO}

    summary = SimpleNamespace(
        by_hand=0,
        samples=20,
        kept=18,
        uncertainty_cut=0.95,
        class_pixels=[0.5, 0.3, 0.2, 0.0],
        class_images=[18, 17, 16, 0],
        keypoint_images=[10, 9, 8],
    )
    write_report(
        folder / 'report.html',
        info,
        summary,
        folder / 'manifest.jsonl',
        pictures or (lambda record: (dataset.image(record), dataset.mask(record) if task.classes else None)),
    )
    return (folder / 'report.html').read_text()


def parsed(page: str) -> list[tuple[str, dict]]:
    found = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.append((tag, dict(attributes)))

    Parser().feed(page)
    return found


@pytest.mark.parametrize('classes, keypoints', [(True, True), (True, False), (False, True)])
def test_what_the_task_has_is_on_the_page(tmp_path, classes, keypoints):
    page = write(tmp_path / 'dataset', TASK.only(classes, keypoints))
    ids = {attributes.get('id') for _, attributes in parsed(page)}
    assert ('overlay' in ids, 'points' in ids) == (classes, keypoints)
    assert ('class="mask"' in page, '<circle' in page) == (classes, keypoints)
    assert ('>wheel</td>' in page, '>left</td>' in page) == (classes, keypoints)
    for text in ('most certain', 'median', 'most uncertain', 'dropped: uncertainty', '18', 'ab12', 'cd34', '0.9500'):
        assert text in page


def test_nothing_comes_from_elsewhere_and_names_are_escaped(tmp_path):
    names = (NASTY, *TASK.classes[1:])
    page = write(tmp_path / 'dataset', Task(names, TASK.palette, (NASTY, 'right', 'top')))
    tags = parsed(page)
    assert [tag for tag, _ in tags].count('script') == 1
    assert 'onerror' not in {name for _, attributes in tags for name in attributes}
    addresses = [attributes[name] for _, attributes in tags for name in ('src', 'href') if name in attributes]
    assert len(addresses) > 20 and all(address.startswith('data:') for address in addresses)
    assert 'url(' not in page and '@import' not in page


def test_the_same_dataset_makes_the_same_bytes(tmp_path):
    assert write(tmp_path / 'one') == write(tmp_path / 'other')


def test_samples_that_are_shown(tmp_path):
    shown = []

    def pictures(record):
        shown.append(record['seed'])
        return np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8)

    page = write(tmp_path / 'dataset', pictures=pictures)
    assert sorted(shown) == list(range(20)), 'each is read once'
    assert page.count('<figure>') == 20 + 8 and page.count(', dropped</figcaption>') == 2 * 2


def test_thumbnails_are_small_and_masks_stay_sharp():
    noise = np.random.RandomState(0)
    mask = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((512, 512), np.uint8))
    image, overlay = thumbnails(noise.randint(256, size=(1024, 1024, 3), dtype=np.uint8), mask, TASK)
    # 40 samples are shown at most
    assert 40 * (len(image) + len(overlay)) < 4e6
    with PIL.Image.open(io.BytesIO(base64.b64decode(overlay.partition(',')[2]))) as found:
        pixels = np.asarray(found.convert('RGBA'))
    assert pixels.shape == (192, 192, 4)
    assert (pixels[:96, :96, 3] == 0).all() and (pixels[96:, 96:] == (0, 0, 200, 255)).all()
    assert data_uri('png', b'abc') == 'data:image/png;base64,YWJj'


def test_a_sample_whose_files_are_gone_is_made_again(generator, interpreter, tmp_path):
    labeler = Labeler(generator, interpreter, batch=4)
    Run(labeler, range(6), tmp_path / 'dataset', Curation(0.5))()
    pictures = Pictures(tmp_path / 'dataset', labeler, range(6))
    record = {'seed': 5, 'image': 'images/seed0000005.png', 'mask': 'masks/seed0000005.png'}
    image, mask = pictures(record)
    (tmp_path / 'dataset' / record['mask']).unlink()
    again = pictures(record)
    assert np.array_equal(again[0], image) and np.array_equal(again[1], mask)


@pytest.mark.browser
def test_the_slider_changes_the_overlay(browser, tmp_path):
    black, red = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.uint8)
    write(tmp_path / 'dataset', TASK, lambda record: (black, red))
    context = browser.new_context()
    page = context.new_page()
    errors, requests = [], []
    page.on('console', lambda message: errors.append(message.text))
    page.on('pageerror', lambda error: errors.append(str(error)))
    page.on('request', lambda request: requests.append(request.url))
    page.goto((tmp_path / 'dataset' / 'report.html').as_uri())
    page.uncheck('#points')

    def shown_red() -> int:
        with PIL.Image.open(io.BytesIO(page.locator('.picture').first.screenshot())) as image:
            return image.convert('RGB').getpixel((image.width // 2, image.height // 2))[0]

    found = []
    for level in ('0', '50', '100'):
        page.fill('#overlay', level)
        found.append(shown_red())
    context.close()
    assert found == pytest.approx([0, 100, 200], abs=6)
    assert errors == [] and all(re.match('file:|data:', url) for url in requests)


@pytest.mark.browser
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('classes, keypoints', [(True, True), (False, True)])
def test_the_page_is_there_for_everyone(browser, findings, tmp_path, scheme, classes, keypoints):
    """axe-core finds nothing, and nothing is wider than the window."""
    write(tmp_path / 'dataset', TASK.only(classes, keypoints))
    context = browser.new_context(color_scheme=scheme, device_scale_factor=1.5)
    page = context.new_page()
    page.goto((tmp_path / 'dataset' / 'report.html').as_uri())
    needs_media(page, f'(prefers-color-scheme: {scheme})')
    found, beyond = [], []
    for width in (853, 320):  # a laptop at 150 %, a telephone
        page.set_viewport_size({'width': width, 'height': 480})
        found += findings(page)
        beyond.append(page.evaluate('(root => root.scrollWidth - root.clientWidth)(document.documentElement)'))
    context.close()
    assert found == []
    assert beyond == [0, 0]
