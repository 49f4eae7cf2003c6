"""The page in a browser: a person draws, undoes, saves, takes a suggestion and places keypoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.formats.shapes import Polygon
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER, load_generator
from datasetgan_ext.generator.samples import SampleSet, generate_samples
from tests.helpers.serving import serving

sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')

CHROMIUM = Path('/usr/bin/chromium')
FIRST, SECOND = 'seed0000000', 'seed0000001'
SIDE = SampleSet.read(DEMO_FOLDER / 'samples').image_hw[0]


@pytest.fixture(scope='module')
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f'{CHROMIUM} is not there')
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def generator():
    return load_generator('demo')


class Person:
    """Works on the page; coordinates are pixels of the image."""

    def __init__(self, browser, server, folder: Path):
        self.page = browser.new_context(viewport={'width': 1280, 'height': 800}).new_page()
        self.page.set_default_timeout(20_000)
        self.errors = []
        self.page.on('pageerror', lambda error: self.errors.append(str(error)))
        self.page.on('console', lambda message: message.type == 'error' and self.errors.append(message.text))
        self.folder = folder
        self.page.goto(server.url)
        self.opened(FIRST)

    def opened(self, name):
        self.page.wait_for_selector(f'#canvas[data-name={name}][data-scale]')

    def go_to(self, name):
        self.page.click(f'#list li[data-name={name}] button')
        self.opened(name)

    def at(self, x, y):
        box = self.page.locator('#canvas').bounding_box()
        scale, left, top = self.page.eval_on_selector(
            '#canvas', 'c => [c.dataset.scale, c.dataset.x, c.dataset.y].map(Number)'
        )
        return box['x'] + left + x * scale, box['y'] + top + y * scale

    def click(self, x, y, **settings):
        self.page.mouse.click(*self.at(x, y), **settings)

    def drag(self, *points):
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point))
        self.page.mouse.up()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def brush_size(self, size):
        self.page.eval_on_selector('#size', f'e => {{ e.value = {size}; e.dispatchEvent(new Event("input")); }}')

    def saved_mask(self, name=FIRST):
        """What is on disk once the page says that it is saved."""
        self.page.wait_for_selector('#saved[data-state=saved]')
        return read_mask(self.folder / f'{name}.png')

    def has_labeled(self, name, mask=None, keypoints=None):
        """Has the server keep labels, past the page."""
        for what, body in (('mask', mask), ('keypoints', keypoints)):
            if body is not None:
                self.page.evaluate(
                    """async ([path, numbers, raw]) => {
                    const body = raw ? new Uint8Array(numbers) : JSON.stringify(numbers);
                    if (!(await fetch(path, {method: 'PUT', body})).ok) throw new Error(path);
                }""",
                    [
                        f'/api/samples/{name}/{what}',
                        (body.ravel() if what == 'mask' else body).tolist(),
                        what == 'mask',
                    ],
                )

    def saved_points(self, task, name=FIRST):
        """The keypoints on disk once the page says that they are saved: [x, y, visibility] of each."""
        self.page.wait_for_selector('#saved[data-state=saved]')
        found = {one.name: one.keypoints for one in read_annotations(task, None, self.folder / 'keypoints.json')}
        return np.column_stack([found[name].points, found[name].visibility]) if name in found else None

    def suggestion(self):
        self.page.click('#suggest')
        self.page.wait_for_selector('#accept:enabled')


@pytest.fixture
def task():
    return Task.read(DEMO_FOLDER / 'task.json')


@pytest.fixture
def person(browser, generator, task, tmp_path):
    options = SampleSet.read(DEMO_FOLDER / 'samples').options
    samples = generate_samples(generator, options, [0, 1, 2, 3], tmp_path / 'samples', progress=False)
    with serving(samples, task, tmp_path / 'labels', generator) as server:
        person = Person(browser, server, tmp_path / 'labels')
        yield person
        assert not person.errors
        person.page.context.close()


def truth(name):
    return read_mask(DEMO_FOLDER / 'samples' / 'masks' / f'{name}.png')


def true_keypoints(task):
    """[x, y, visibility] of each keypoint of the demo's samples, by name."""
    found = read_annotations(task, None, DEMO_FOLDER / 'samples' / 'keypoints.json')
    return {one.name: np.column_stack([one.keypoints.points, one.keypoints.visibility]) for one in found}


def brushed(mask, points, size, class_id):
    """Paints the pixels whose centre is within half the size of a line through `points`."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    for (ax, ay), (bx, by) in zip(points, points[1:]):
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        mask[np.hypot(x - ax - along * dx, y - ay - along * dy) <= size / 2 + 1e-9] = class_id


def test_what_is_drawn_is_on_disk(person):
    expected = np.full((SIDE, SIDE), IGNORE, np.uint8)
    assert not any(person.folder.iterdir())
    person.press('b', '1')
    person.brush_size(5)
    stroke = [(10.5, 12.5), (30.5, 12.5), (40.5, 30.5)]
    person.drag(*stroke)
    brushed(expected, stroke, 5, 1)
    assert (person.saved_mask() == expected).all()

    person.press('2', 'p')
    corners = [(20.3, 30.2), (50.1, 35.7), (42.4, 58.2), (15.2, 50.6)]
    for corner in corners:
        person.click(*corner)
    person.press('Enter')
    Polygon(np.array(corners)).paint(expected, 2)
    before_undo = expected.copy()
    assert (person.saved_mask() == expected).all()

    person.press('e')
    person.drag((30.5, 40.5), (34.5, 40.5))
    brushed(expected, [(30.5, 40.5), (34.5, 40.5)], 5, 0)
    assert (person.saved_mask() == expected).all()
    person.press('Control+z')
    assert (person.saved_mask() == before_undo).all()
    person.press('Control+Shift+z')
    assert (person.saved_mask() == expected).all()

    person.press('3', 'g')
    person.click(32.5, 40.5)
    expected[expected == 0] = 3
    assert (person.saved_mask() == expected).all()
    person.page.click('#rest')
    expected[expected == IGNORE] = 0
    assert (person.saved_mask() == expected).all()

    person.page.reload()
    person.opened(FIRST)
    assert 'labelled' in person.page.inner_text(f'#list li[data-name={FIRST}]')
    person.press('4', 'b')
    person.brush_size(1)
    person.drag((3.5, 60.5), (9.5, 60.5))
    expected[60, 3:10] = 4
    assert (person.saved_mask() == expected).all()


def squares(path, side, left):
    """Overwrites an image with squares of colours that differ from all neighbours', from column `left` on."""
    rows, columns = np.indices((SIDE, SIDE))
    number = rows // side * 32 + (columns - left) // side
    PIL.Image.fromarray(
        np.stack([number * 67 % 256, number * 101 % 256, number * 149 % 256], axis=2).astype(np.uint8)
    ).save(path)
    return number


@pytest.mark.parametrize('left', [0, 3])
def test_a_click_fills_a_region_and_a_drag_all_that_it_crosses(person, left):
    square = squares(person.folder.parent / 'samples' / 'images' / f'{FIRST}.png', 8, left)
    person.page.reload()
    person.opened(FIRST)
    person.press('r', '2')
    person.brush_size(8)
    person.page.wait_for_selector(f'#canvas[data-regions-of={FIRST}][data-cell="8"]')
    person.click(20.5, 28.5)
    expected = np.where(square == square[28, 20], 2, IGNORE)
    assert (person.saved_mask() == expected).all()
    person.press('3')
    person.drag((20.5, 12.5), (40.5, 12.5), (40.5, 24.5))
    for y, x in ((12, 20), (12, 28), (12, 36), (12, 40), (20, 40), (24, 40)):
        expected[square == square[y, x]] = 3
    assert (person.saved_mask() == expected).all()
    person.press('Control+z', 'n')
    person.click(20.5, 28.5)
    person.page.wait_for_selector('#saved[data-state=saved]')
    assert not any(person.folder.iterdir())


def test_regions_are_connected_and_cover_the_image(person):
    person.press('r')
    person.page.wait_for_selector(f'#canvas[data-regions-of={FIRST}]')
    labels, starts = person.page.evaluate('[[...superpixels.labels], [...superpixels.starts]]')
    labels, sizes = np.reshape(labels, (SIDE, SIDE)), np.diff(starts)
    assert (np.bincount(labels.ravel()) == sizes).all() and sizes.min() > 0
    assert [ndimage.label(labels == label)[1] for label in range(len(sizes))] == [1] * len(sizes)
    assert 0.5 < len(sizes) / (SIDE / person.page.evaluate('superpixels.cell')) ** 2 < 2


def test_undoing_everything_leaves_no_file(person):
    person.drag((20.5, 20.5), (30.5, 20.5))
    assert (person.saved_mask() == 1).any()
    person.press('Control+z')
    person.page.wait_for_selector('#saved[data-state=saved]')
    assert not any(person.folder.iterdir())


def test_a_double_click_closes_a_polygon_and_escape_gives_it_up(person):
    person.press('p')
    for corner in ((10, 10), (50, 10), (50, 40)):
        person.click(*corner)
    person.press('Escape')
    for corner in ((12.2, 12.2), (30.2, 12.2)):
        person.click(*corner)
    person.page.mouse.dblclick(*person.at(28.4, 31.7))
    expected = np.full((SIDE, SIDE), IGNORE, np.uint8)
    Polygon(np.array([(12.2, 12.2), (30.2, 12.2), (28.4, 31.7)])).paint(expected, 1)
    assert (person.saved_mask() == expected).all()


def test_drawing_is_exact_when_zoomed_and_moved(person):
    for _ in range(4):
        person.page.mouse.move(*person.at(40, 40))
        person.page.mouse.wheel(0, -300)
    before = person.at(40, 40)
    person.page.keyboard.down('Space')
    person.page.mouse.down()
    person.page.mouse.move(before[0] - 60, before[1] + 30)
    person.page.mouse.up()
    person.page.keyboard.up('Space')
    person.page.wait_for_timeout(50)
    assert np.allclose(person.at(40, 40), (before[0] - 60, before[1] + 30), atol=1)
    person.brush_size(2)
    person.drag((40, 40), (46, 40))
    expected = np.full((SIDE, SIDE), IGNORE, np.uint8)
    brushed(expected, [(40, 40), (46, 40)], 2, 1)
    assert (person.saved_mask() == expected).all()


def test_keypoints_are_placed_moved_and_hidden(person, task):
    names = list(task.keypoints)
    person.press('k')
    person.click(20.25, 40.5)
    person.click(44.5, 41.5)
    person.drag((20.25, 40.5), (22.5, 38.5))
    person.press('v')
    person.page.wait_for_selector('#saved[data-state=saved]')
    [found] = read_annotations(task, None, person.folder / 'keypoints.json')
    assert found.name == FIRST and found.keypoints.visibility.tolist() == [1, 2] + [0] * (len(names) - 2)
    assert np.abs(found.keypoints.points[:2] - [(22.5, 38.5), (44.5, 41.5)]).max() < 0.06
    person.press('Control+z', 'Control+z')
    person.page.wait_for_selector('#saved[data-state=saved]')
    [category] = json.loads((person.folder / 'keypoints.json').read_text())['categories']
    [undone] = read_annotations(task, None, person.folder / 'keypoints.json')
    assert category['keypoints'] == names and abs(undone.keypoints.points[0][0] - 20.25) < 0.06


@pytest.mark.parametrize('task', [Task.read(DEMO_FOLDER / 'task.json').only(False, True)])
def test_keypoints_alone(person, task):
    assert not person.page.is_visible('#classes') and not person.page.is_visible('#check')
    person.press('b', '1', 'r', 'g', 'Enter')  # keys of what is not there
    person.click(20.25, 40.5)
    person.page.wait_for_selector('#saved[data-state=saved]')
    [found] = read_annotations(task, None, person.folder / 'keypoints.json')
    assert found.keypoints.visibility.tolist() == [2] + [0] * (len(task.keypoints) - 1)
    assert '1 of 4 done' in person.page.inner_text('#images h1')


@pytest.mark.parametrize('task', [Task.read(DEMO_FOLDER / 'task.json').only(True, False)])
def test_classes_alone(person):
    assert not person.page.is_visible('#keypoints')
    person.press('k', 'v', '9')
    person.page.click('#rest')
    assert (person.saved_mask() == 0).all()
    assert '1 of 4 done' in person.page.inner_text('#images h1')
    person.press('ArrowDown')
    person.opened(SECOND)


def test_a_suggestion_is_shown_and_accepted(person):
    person.page.click('#suggest')
    person.page.wait_for_selector('#suggest-state.error')
    assert 'at least two classes' in person.page.inner_text('#suggest-state')
    person.has_labeled(FIRST, truth(FIRST))
    person.go_to(SECOND)
    person.brush_size(4)
    person.drag((2, 2), (8, 2))
    drawn = person.saved_mask(SECOND)
    person.suggestion()
    # the others have been measured; an image that is finished at that moment would not be ranked
    person.page.locator('#suggest-state', has_text='Paint over').wait_for()
    assert (person.saved_mask(SECOND) == drawn).all()  # nothing is a label before a person has accepted it
    person.page.check('#uncertainty')
    person.press('Enter')
    accepted = person.saved_mask(SECOND)
    assert (accepted[drawn != IGNORE] == drawn[drawn != IGNORE]).all() and (accepted != IGNORE).all()
    assert (accepted == truth(SECOND)).mean() > 0.85
    person.press('Control+z')
    assert (person.saved_mask(SECOND) == drawn).all()
    person.page.select_option('#order', 'worth')
    order = person.page.eval_on_selector_all('#list li', 'items => items.map(item => item.dataset.name)')
    measured = person.page.evaluate('fetch("/api/suggest").then(reply => reply.json())')['uncertainty']
    assert len(measured) == 4 and order[-1] == FIRST  # which is finished
    assert sorted(order[:3]) == sorted(set(measured) - {FIRST})


@pytest.mark.parametrize('task', [Task.read(DEMO_FOLDER / 'task.json').only(False, True)])
def test_suggested_keypoints_are_dragged_confirmed_and_taken_away(person, task):
    true = true_keypoints(task)
    person.press('s')
    person.page.wait_for_selector('#suggest-state.error')
    assert 'place keypoints on another image first' in person.page.inner_text('#suggest-state')
    for name in (FIRST, 'seed0000002', 'seed0000003'):
        person.has_labeled(name, keypoints=true[name])
    person.go_to(SECOND)
    person.suggestion()
    proposed = person.page.evaluate('current.proposed')
    there = [index for index in range(len(task.keypoints)) if proposed[index][2]]
    distances = [np.hypot(*np.subtract(proposed[index][:2], true[SECOND][index, :2])) for index in there]
    assert len(there) >= 4 and np.median(distances) < SIDE / 12
    assert person.saved_points(task, SECOND) is None  # not before they are confirmed

    dragged, clicked, dropped = there[:3]
    goal = true[SECOND][dragged, :2] + (3, -4)
    person.drag(proposed[dragged][:2], goal)
    person.click(*proposed[clicked][:2])
    person.page.locator('#keypoints .name').nth(dropped).click()
    person.press('Delete')
    saved = person.saved_points(task, SECOND)
    assert np.abs(saved[dragged] - (*goal, 2)).max() < 0.1 and np.abs(saved[clicked] - proposed[clicked]).max() < 0.1
    assert (saved[:, 2] > 0).sum() == 2
    person.page.click('#accept')
    saved = person.saved_points(task, SECOND)
    assert saved[dropped, 2] == 0 and np.flatnonzero(saved[:, 2]).tolist() == sorted({*there} - {dropped})
    person.press('Control+z')
    assert (person.saved_points(task, SECOND)[:, 2] > 0).sum() == 2


@pytest.mark.parametrize('task', [Task.read(DEMO_FOLDER / 'task.json').only(True, False)])
def test_a_planted_mistake_is_found_and_mended(person, task):
    person.page.click('#check')
    person.page.locator('#check-state', has_text='two images at least').wait_for()
    person.errors.clear()  # the browser notes the refused request
    wrong = truth(SECOND)
    largest = np.bincount(wrong[wrong > 0]).argmax()
    other = 1 + largest % 2
    planted = wrong == largest
    wrong[planted] = other
    third = 'seed0000002'  # the fourth car is so like the second that each would be told to be as the other is
    for name, mask in ((FIRST, truth(FIRST)), (SECOND, wrong), (third, truth(third))):
        person.has_labeled(name, mask)
    person.page.reload()
    person.opened(FIRST)
    person.page.click('#check')
    person.page.wait_for_selector('#next-doubt:enabled', timeout=60_000)
    person.press('.')
    person.opened(SECOND)
    question = f'{task.classes[other]}, or {task.classes[largest]}?'
    person.page.locator('#check-state', has_text=question).wait_for()
    person.page.select_option('#order', 'doubts')
    first = person.page.locator('#list li').first
    assert first.get_attribute('data-name') == SECOND and 'doubt' in first.inner_text()
    before = person.saved_mask(SECOND)
    person.page.click('#change')
    mended = person.saved_mask(SECOND)
    changed = mended != before
    assert changed.any() and (mended[changed] == largest).all() and planted[changed].mean() > 0.9
    person.press('Control+z')
    assert (person.saved_mask(SECOND) == before).all()
    number = len(person.page.evaluate('listDoubts()'))
    person.page.click('#keep')
    person.page.wait_for_function(f'listDoubts().length === {number - 1}')
    assert (person.saved_mask(SECOND) == before).all()


def test_the_page_tells_that_the_server_is_gone_and_saves_later(person):
    person.page.route('**/mask', lambda route: route.abort())
    person.drag((20.5, 20.5), (30.5, 20.5))
    person.page.wait_for_selector('#saved[data-state="not saved"]')
    person.errors.clear()  # the browser notes the failed request
    assert not any(person.folder.iterdir())
    person.page.unroute('**/mask')
    assert (person.saved_mask() == 1).any()
    person.errors.clear()
