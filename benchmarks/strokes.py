"""How fast a stroke shows on the labelling page, with 200 label errors outlined and the ensemble training.

Random networks of official shape, four labelled images, windows of 1280x720 and of 2560x1440. A stroke is 60 moves of a
mouse, 8 ms apart. Measured are the times between frames while it is drawn, and from a move (the first one that a frame
has, as the system stamps it) to when that frame has been painted. The server runs in a process of its own, as with the
command, and the training at its low priority. `--browser=firefox` needs a Playwright that can drive Debian's Firefox:
1.58 can.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
from playwright.sync_api import Page as Tab
from playwright.sync_api import Playwright, sync_playwright

from benchmarks.measure import write_result
from benchmarks.suggestion_time import LABELED, Page, mask_of, serve
from datasetgan_ext.core.annotation import IGNORE

RESOLUTIONS = (512, 1024)
WINDOWS = ((1280, 720), (2560, 1440))
DOUBTS, SQUARES = 200, 16
"""Label errors, and into how many squares a side is divided for them."""
LABELED_ROWS = 7 / 8
"""Of the open image; the rest has a suggestion."""
STROKES, MOVES, PAUSE = 12, 60, 0.008
WAIT_MS = 900_000
BUSY = ('training', 'predicting', 'refining', 'measuring')

WATCH = """async () => {
  const watched = window.watched = {frames: [], delays: [], moved: 0};
  const painted = new MessageChannel();
  painted.port1.onmessage = ({data}) => watched.delays.push(performance.now() - data);
  document.getElementById('canvas').addEventListener('pointermove', evt => {
    if (evt.buttons) watched.moved ||= evt.getCoalescedEvents()[0]?.timeStamp || evt.timeStamp;
  }, true);
  const frame = now => {
    watched.frames.push([now, watched.moved > 0]);
    if (watched.moved) painted.port2.postMessage(watched.moved);
    watched.moved = 0;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""

OUTLINE = """async ([doubts]) => {
  const {state, tell} = await import('/state.js');
  const {name} = state.current;
  state.samples.get(name).doubts = doubts.map((pixels, i) =>
    ({sample: name, labeled: 0, expected: 1, score: 1, pixels, key: String(i)}));
  tell('labels');
}"""


def launched(playwright: Playwright, browser: str):
    if browser == 'firefox':
        return playwright.firefox.launch(channel='moz-firefox', executable_path='/usr/bin/firefox-esr')
    return playwright.chromium.launch(executable_path='/usr/bin/chromium')


@contextlib.contextmanager
def served(resolution: int) -> Iterator[tuple[Page, str, list[str]]]:
    """A server with four labelled images and a fifth to draw on: who asks it, its address, the images' names."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context('spawn').Process(target=serve, args=(theirs, resolution), daemon=True)
    process.start()
    try:
        port, token, names = ours.recv()
        page = Page(port, token)
        for number, name in enumerate(names[:LABELED]):
            page('PUT', f'/api/samples/{name}/mask', mask_of(number, resolution))
        drawn_on = np.full((resolution, resolution), IGNORE, np.uint8)
        drawn_on[: int(resolution * LABELED_ROWS)] = 0
        page('PUT', f'/api/samples/{names[-1]}/mask', drawn_on.tobytes())
        yield page, f'http://127.0.0.1:{port}/?token={token}#{names[-1]}', names
    finally:
        process.kill()


def squares(resolution: int) -> list[list[int]]:
    """Pixels of so many squares that do not touch, row by row."""
    side = resolution // SQUARES
    index = np.arange(resolution**2).reshape(resolution, resolution)
    corners = [(y, x) for y in range(0, resolution, side) for x in range(0, resolution, side)][:DOUBTS]
    return [index[y : y + side - 1, x : x + side - 1].ravel().tolist() for y, x in corners]


def draw(tab: Tab, row: float) -> None:
    """A stroke over most of the image's width, at a share of its height."""
    view = tab.evaluate("async () => (await import('/state.js')).state.current.view")
    side = tab.evaluate("async () => (await import('/state.js')).state.width") * view['scale']
    box = tab.locator('#canvas').bounding_box()
    left, top = box['x'] + view['x'], box['y'] + view['y']
    tab.mouse.move(left + 0.1 * side, top + row * side)
    tab.mouse.down()
    start = time.perf_counter()
    for move in range(1, MOVES + 1):
        time.sleep(max(0, start + move * PAUSE - time.perf_counter()))
        tab.mouse.move(left + (0.1 + 0.8 * move / MOVES) * side, top + (row + 0.05 * np.sin(move / 4)) * side)
    tab.mouse.up()


def strokes(tab: Tab, page: Page, names: list[str], resolution: int) -> dict:
    """Draw while the ensemble learns what has just changed in another image."""
    tab.wait_for_selector('#accept:enabled', timeout=WAIT_MS)
    tab.evaluate(OUTLINE, [squares(resolution)])
    tab.keyboard.press('1')
    draw(tab, 0.5)
    tab.evaluate(WATCH)
    intervals, delays, busy = [], [], []
    for number in range(STROKES):
        ask(page, 'PUT', f'/api/samples/{names[0]}/mask', mask_of(number + LABELED, resolution))
        while phase(page) not in BUSY:
            time.sleep(0.02)
        tab.keyboard.press(str(1 + number % 2))  # so that each stroke changes something
        tab.evaluate('() => { watched.frames = []; watched.delays = []; }')
        draw(tab, 0.5)
        busy.append(phase(page) in BUSY)
        watched = tab.evaluate('() => watched')
        frames = watched['frames']
        intervals += [later[0] - earlier[0] for earlier, later in zip(frames, frames[1:]) if later[1]]
        delays += watched['delays']
    shown = tab.inner_text('#check-state')
    if not shown.startswith(f'{DOUBTS} doubts'):
        raise SystemExit(f'{DOUBTS} label errors were to be shown: {shown}')
    return {
        'frames': len(intervals),
        'frame_ms': quantiles(intervals),
        'delay_ms': quantiles(delays),
        'training_still_at_the_end': float(np.mean(busy)),
    }


def ask(page: Page, *what) -> bytes:
    page.connection.close()  # the server closes one that has been idle
    return page(*what)


def phase(page: Page) -> str:
    return json.loads(ask(page, 'GET', '/api/suggest'))['phase']


def quantiles(values: list[float]) -> dict:
    return {
        'median': float(np.median(values)),
        '95 %': float(np.quantile(values, 0.95)),
        'largest': float(np.max(values)),
    }


@click.command()
@click.option('--browser', type=click.Choice(['chromium', 'firefox']), default='chromium', show_default=True)
def main(browser: str):
    cases = []
    for resolution in RESOLUTIONS:
        with served(resolution) as (page, address, names), sync_playwright() as playwright:
            opened = launched(playwright, browser)
            for width, height in WINDOWS:
                tab = opened.new_page(viewport={'width': width, 'height': height})
                tab.set_default_timeout(WAIT_MS)
                tab.goto(address)
                case = {
                    'resolution': resolution,
                    'window': [width, height],
                    **strokes(tab, page, names, resolution),
                    'load_average': os.getloadavg()[0],
                }
                print(case, flush=True)
                cases.append(case)
                tab.close()
            version = opened.version
            opened.close()
    name = 'strokes' if browser == 'chromium' else f'strokes_{browser}'
    write_result(name, {'browser': f'{browser} {version}', 'doubts': DOUBTS, 'strokes': STROKES, 'cases': cases})


if __name__ == '__main__':
    main()
