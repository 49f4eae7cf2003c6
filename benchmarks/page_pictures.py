"""Take the pictures of the labelling page in docs/, with the demo: regions, a suggestion, all images, and a doubt.

Needs `pip install 'datasetgan-ext[test]'` and Debian's chromium. `--window=2560x1440 --outdir=DIR` shows how the page
looks in a large window.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.measure import ROOT
from benchmarks.suggestions import label
from datasetgan_ext import load_generator
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.labeling.server import Server
from datasetgan_ext.labeling.store import LabelStore, open_store
from datasetgan_ext.labeling.suggest import Suggester

CHROMIUM = '/usr/bin/chromium'
SEEDS, LABELED = range(12), 5
WAIT_MS = 180_000


@contextlib.contextmanager
def labeled_page(width: int, height: int):
    """The page in a window of so many pixels, with the first images of the demo, some of them labelled; its store."""
    samples = DEMO_FOLDER / 'samples'
    task, generator = Task.read(DEMO_FOLDER / 'task.json'), load_generator(DEMO)
    truth = {found.name: found for found in read_annotations(task, samples / 'masks', samples / 'keypoints.json')}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        drawn = generate_samples(generator, SampleSet.read(samples).options, list(SEEDS), folder / 'samples', False)
        store = stack.enter_context(open_store(drawn, task, folder / 'labels'))
        for name in list(store.samples)[:LABELED]:
            label(store, truth[name])
        server = stack.enter_context(Server('127.0.0.1', 0, store, stack.enter_context(Suggester(generator, store))))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM)
        stack.callback(browser.close)
        page = browser.new_page(viewport={'width': width, 'height': height})
        page.set_default_timeout(WAIT_MS)
        page.goto(server.url)
        yield page, store


def picture(page: Page, path: Path) -> None:
    page.wait_for_selector('#saved[data-state=saved]')
    page.wait_for_timeout(300)  # the next frame
    page.screenshot(path=path)


def state(page: Page, what: str):
    """A part of the page's state."""
    return page.evaluate(f"async () => (await import('/state.js')).state.{what}")


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """The place on the screen of a pixel of the image."""
    box = page.locator('#canvas').bounding_box()
    view = state(page, 'current.view')
    return box['x'] + view['x'] + x * view['scale'], box['y'] + view['y'] + y * view['scale']


def regions(page: Page, store: LabelStore, folder: Path) -> None:
    """Three regions of an unlabelled image are painted, the pointer is over a fourth."""
    name = list(store.samples)[-1]
    page.click(f'#list li[data-name={name}] button')
    page.wait_for_selector(f'#canvas[data-name={name}]')
    page.keyboard.press('a')  # nothing is suggested by itself
    page.keyboard.press('r')
    page.eval_on_selector('#size', "slider => { slider.value = 9; slider.dispatchEvent(new Event('input')); }")
    page.wait_for_selector(f'#canvas[data-regions-of={name}][data-cell="9"]')
    height, width = store.sample_set.image_hw
    page.keyboard.press('1')
    for x in (0.4, 0.5, 0.6):
        page.mouse.click(*at(page, x * width, 0.68 * height))
    page.mouse.move(*at(page, 0.8 * width, 0.63 * height))
    picture(page, folder / 'label-regions.png')
    for _ in range(3):
        page.keyboard.press('Control+z')
    page.keyboard.press('a')


def suggestion(page: Page, store: LabelStore, folder: Path) -> None:
    """A suggestion with its keypoints; two of these are confirmed."""
    page.click(f'#list li[data-name={list(store.samples)[LABELED]}] button')
    page.keyboard.press('k')
    page.wait_for_selector('#accept:enabled')
    page.wait_for_selector('#learning[data-phase=idle]:has-text("Learned")')
    page.wait_for_selector('#order-row:not([hidden])')
    page.select_option('#order', 'worth')
    for index in (0, 1):
        point = state(page, f'current.proposed[{index}]')
        if point[2]:
            page.mouse.click(*at(page, *point[:2]))
    page.mouse.move(*at(page, 4, 4))
    picture(page, folder / 'label-page.png')


def overview(page: Page, store: LabelStore, folder: Path) -> None:
    """All images, with labels and suggestions."""
    page.keyboard.press('Home')
    page.wait_for_function(
        "() => [...document.querySelectorAll('#tiles .figures')].every(text => text.textContent) "
        "&& document.querySelector('#tiles .figures') !== null"
    )
    picture(page, folder / 'label-overview.png')
    page.keyboard.press('Escape')


def check(page: Page, store: LabelStore, folder: Path) -> None:
    """A mistake is planted, found and looked at."""
    name = list(store.samples)[1]
    mask = store.mask(name).copy()
    counts = np.bincount(mask[mask != 0])
    largest = int(counts.argmax())
    mask[mask == largest] = 2 if largest != 2 else 1
    store.save_mask(name, mask.tobytes())
    page.reload()
    page.wait_for_selector('#canvas[data-name]')
    page.click('#check')
    page.wait_for_selector('#next-doubt:enabled')
    page.keyboard.press('.')
    page.wait_for_selector('#doubt-row:not([hidden])')
    page.select_option('#order', 'doubts')
    picture(page, folder / 'label-check.png')


@click.command()
@click.option('--window', default='1280x720', show_default=True, metavar='WxH', help='size in pixels')
@click.option('--outdir', type=click.Path(path_type=Path, file_okay=False), default=ROOT / 'docs')
def main(window: str, outdir: Path):
    outdir.mkdir(parents=True, exist_ok=True)
    with labeled_page(*map(int, window.split('x'))) as (page, store):
        for take in (regions, suggestion, overview, check):
            take(page, store, outdir)


if __name__ == '__main__':
    main()
