"""A person who works on the labelling page, in Debian's Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from tests.helpers.browser import CHOSEN, PATIENCE_MS

FIRST, SECOND, THIRD, FOURTH = (f'seed{seed:07}' for seed in range(4))
SIDE = SampleSet.read(DEMO_FOLDER / 'samples').image_hw[0]
"""Of the demo's images."""
DEMO_TASK = Task.read(DEMO_FOLDER / 'task.json')


class Person:
    """Works on the page; coordinates are pixels of the image."""

    def __init__(self, context, url: str, folder: Path):
        self.page = context.new_page()
        self.errors = []
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        self.page.on('console', lambda message: message.type == 'error' and self.errors.append(message.text))
        self.folder = folder
        self.page.goto(url)
        self.opened(FIRST)

    def opened(self, name):
        self.page.wait_for_selector(f'#canvas[data-name={name}]')

    def go_to(self, name):
        self.page.click(f'#list li[data-name={name}] button')
        self.opened(name)

    def reload(self, name=FIRST):
        self.page.reload()
        self.opened(name)

    def module(self, name, expression):
        """The value of an expression with what a module of the page exports."""
        return self.page.evaluate(f"async () => {{ const page = await import('/{name}.js'); return {expression}; }}")

    def state(self, expression):
        return self.module('state', f'page.state.{expression}')

    def wait_for_module(self, name, condition):
        """Waits until a condition on what a module exports holds; Playwright's own wait takes any promise for true."""
        self.page.evaluate(
            f"""async () => {{
            const page = await import('/{name}.js');
            const end = performance.now() + {PATIENCE_MS};
            while (!({condition})) {{
              if (performance.now() > end) throw new Error(`did not come: {condition}`);
              await new Promise(resolve => setTimeout(resolve, 20));
            }}
        }}"""
        )

    def wait_for_state(self, condition):
        self.wait_for_module('state', f'page.state.{condition}')

    def at(self, x, y):
        """Where on the screen a place of the image is."""
        [left, top], view = self.page.evaluate(
            """async () => {
            const {state} = await import('/state.js');
            const box = document.getElementById('canvas').getBoundingClientRect();
            return [[box.left, box.top], state.current.view];
        }"""
        )
        return left + view['x'] + x * view['scale'], top + view['y'] + y * view['scale']

    def whole(self, x, y):
        """The nearest place of the image that is a whole CSS pixel of the screen: Firefox knows no parts of them."""
        (left, top), (right, bottom) = self.at(0, 0), self.at(1, 1)
        across, down = (round(place) for place in self.at(x, y))
        return (across - left) / (right - left), (down - top) / (bottom - top)

    def click(self, x, y, **settings):
        self.page.mouse.click(*self.at(x, y), **settings)

    def double_click(self, x, y):
        self.page.mouse.dblclick(*self.at(x, y))
        if CHOSEN == 'firefox':  # which gets two single clicks from Playwright
            self.page.evaluate("document.getElementById('canvas').dispatchEvent(new MouseEvent('dblclick'))")

    def hover(self, x, y):
        self.page.mouse.move(*self.at(x, y))

    def drag(self, *points):
        self.hover(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.hover(*point)
        self.page.mouse.up()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def brush_size(self, size):
        self.page.eval_on_selector('#size', f'e => {{ e.value = {size}; e.dispatchEvent(new Event("input")); }}')

    def text(self, selector):
        return self.page.inner_text(selector)

    def waits_for_text(self, selector, text):
        self.page.locator(selector, has_text=text).first.wait_for()

    def saved(self):
        """Waits until the page says that all is saved."""
        self.page.wait_for_selector('#saved[data-state=saved]')

    def saved_mask(self, name=FIRST):
        self.saved()
        return read_mask(self.folder / f'{name}.png')

    def saved_mask_now(self, name=FIRST):
        """What is on disk, whatever the page says."""
        return read_mask(self.folder / f'{name}.png')

    def saved_points(self, task, name=FIRST):
        """The keypoints on disk: [x, y, visibility] of each."""
        self.saved()
        found = {one.name: one.keypoints for one in read_annotations(task, None, self.folder / 'keypoints.json')}
        return np.column_stack([found[name].points, found[name].visibility]) if name in found else None

    def has_labeled(self, name, mask=None, keypoints=None):
        """Has the server keep labels, past the page."""
        if mask is not None:
            self._put(f'/api/samples/{name}/mask', mask.tobytes())
        if keypoints is not None:
            self._put(f'/api/samples/{name}/keypoints', json.dumps(keypoints.tolist()).encode())

    def _put(self, path, body):
        origin = self.page.evaluate('location.origin')
        reply = self.page.context.request.put(origin + path, data=body)
        assert reply.ok, reply.text()

    def suggestion(self):
        self.page.click('#suggest')
        self.page.wait_for_selector('#accept:enabled')

    def has_learned(self):
        """Waits until the page's helper has nothing to do any more."""
        self.page.wait_for_selector('#learning[data-phase=idle]:has-text("Learned")', timeout=3 * PATIENCE_MS)


def put_suggestion(person, mask=None, points=None):
    """Gives the open image a suggestion, as the server would."""
    person.page.evaluate(
        """async ([mask, points]) => {
        const {state, tell} = await import('/state.js');
        const {paintOverlay} = await import('/overlay.js');
        if (mask) {
            state.current.suggestion = new Uint8Array(mask);
            state.current.uncertainty = new Uint8Array(mask.length);
        }
        if (points) state.current.proposed = points;
        paintOverlay();
        tell('suggestion');
    }""",
        [None if mask is None else mask.ravel().tolist(), points],
    )


def truth(name):
    return read_mask(DEMO_FOLDER / 'samples' / 'masks' / f'{name}.png')


def true_keypoints(task):
    """[x, y, visibility] of each keypoint of the demo's samples, by name."""
    found = read_annotations(task, None, DEMO_FOLDER / 'samples' / 'keypoints.json')
    return {one.name: np.column_stack([one.keypoints.points, one.keypoints.visibility]) for one in found}


def nothing():
    """A mask without a label."""
    return np.full((SIDE, SIDE), IGNORE, np.uint8)


def brushed(mask, points, size, class_id):
    """Paints the pixels whose centre is within half the size of a line through `points`."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    for (ax, ay), (bx, by) in zip(points, points[1:]):
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        mask[np.hypot(x - ax - along * dx, y - ay - along * dy) <= size / 2 + 1e-9] = class_id
    return mask


only_classes = pytest.mark.parametrize('demo_task', [DEMO_TASK.only(True, False)], ids=['classes'])
only_keypoints = pytest.mark.parametrize('demo_task', [DEMO_TASK.only(False, True)], ids=['keypoints'])
