"""The page in a browser: a person draws, undoes, saves and places keypoints."""

from __future__ import annotations

import json
import re

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.shapes import Polygon
from datasetgan_ext.labeling.server import PAGE
from tests.helpers.page import (
    FIRST,
    SECOND,
    SIDE,
    Person,
    brushed,
    nothing,
    only_classes,
    only_keypoints,
)
from tests.helpers.serving import saved, serving

pytestmark = pytest.mark.browser


def test_what_is_drawn_is_on_disk(person):
    expected = nothing()
    assert not saved(person.folder)
    person.press('b', '1')
    person.brush_size(5)
    stroke = [(10.5, 12.5), (30.5, 12.5), (40.5, 30.5)]
    person.drag(*stroke)
    brushed(expected, stroke, 5, 1)
    assert (person.saved_mask() == expected).all()

    person.press('2', 'p')
    corners = [person.whole(*corner) for corner in [(20.3, 30.2), (50.1, 35.7), (42.4, 58.2), (15.2, 50.6)]]
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

    person.reload()
    assert 'labelled' in person.text(f'#list li[data-name={FIRST}]')
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
def test_a_click_fills_a_region_and_a_drag_all_that_it_crosses(context, own_samples, demo_task, tmp_path, left):
    square = squares(own_samples.folder / 'images' / f'{FIRST}.png', 8, left)
    with serving(own_samples, demo_task, tmp_path / 'labels') as server:
        person = Person(context, server.url, tmp_path / 'labels')
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
        person.saved()
        assert not saved(person.folder)
        assert not person.errors


def test_regions_are_connected_and_cover_the_image(person):
    person.press('r')
    person.page.wait_for_selector(f'#canvas[data-regions-of={FIRST}]')
    labels, starts, cell = person.module(
        'regions', '[[...page.regions().labels], [...page.regions().starts], page.regions().cell]'
    )
    labels, sizes = np.reshape(labels, (SIDE, SIDE)), np.diff(starts)
    assert (np.bincount(labels.ravel()) == sizes).all() and sizes.min() > 0
    assert [ndimage.label(labels == label)[1] for label in range(len(sizes))] == [1] * len(sizes)
    assert 0.5 < len(sizes) / (SIDE / cell) ** 2 < 2


def test_undoing_everything_leaves_no_file(person):
    person.drag((20.5, 20.5), (30.5, 20.5))
    assert (person.saved_mask() == 1).any()
    person.press('Control+z')
    person.saved()
    assert not saved(person.folder)


def test_a_double_click_closes_a_polygon_and_escape_gives_it_up(person):
    person.press('p')
    for corner in ((10, 10), (50, 10), (50, 40)):
        person.click(*corner)
    person.press('Escape')
    corners = [person.whole(*corner) for corner in ((12.2, 12.2), (30.2, 12.2), (28.4, 31.7))]
    for corner in corners[:2]:
        person.click(*corner)
    person.double_click(*corners[2])
    expected = nothing()
    Polygon(np.array(corners)).paint(expected, 1)
    assert (person.saved_mask() == expected).all()


def test_drawing_is_exact_when_zoomed_and_moved(person):
    for _ in range(4):
        person.hover(40, 40)
        person.page.mouse.wheel(0, -300)
    before = person.at(40, 40)
    person.page.keyboard.down('Space')
    person.page.mouse.down()
    person.page.mouse.move(before[0] - 60, before[1] + 30)
    person.page.mouse.up()
    person.page.keyboard.up('Space')
    assert np.allclose(person.at(40, 40), (before[0] - 60, before[1] + 30), atol=1)
    person.brush_size(2)
    person.drag((40, 40), (46, 40))
    assert (person.saved_mask() == brushed(nothing(), [(40, 40), (46, 40)], 2, 1)).all()


def test_keypoints_are_placed_moved_and_hidden(person, demo_task):
    names = list(demo_task.keypoints)
    person.press('k')
    person.click(20.25, 40.5)
    person.click(44.5, 41.5)
    person.drag((20.25, 40.5), (22.5, 38.5))
    person.press('v')
    person.saved()
    [found] = read_annotations(demo_task, None, person.folder / 'keypoints.json')
    assert found.name == FIRST and found.keypoints.visibility.tolist() == [1, 2] + [0] * (len(names) - 2)
    assert np.abs(found.keypoints.points[:2] - [(22.5, 38.5), (44.5, 41.5)]).max() < 0.11  # half a CSS pixel
    person.press('Control+z', 'Control+z')
    person.saved()
    [category] = json.loads((person.folder / 'keypoints.json').read_text())['categories']
    [undone] = read_annotations(demo_task, None, person.folder / 'keypoints.json')
    assert category['keypoints'] == names and abs(undone.keypoints.points[0][0] - 20.25) < 0.06


@only_keypoints
def test_keypoints_alone(person, demo_task):
    assert not person.page.is_visible('#classes')
    person.press('b', '1', 'r', 'g', 'Enter')  # keys of what is not there
    person.click(20.25, 40.5)
    person.saved()
    [found] = read_annotations(demo_task, None, person.folder / 'keypoints.json')
    assert found.keypoints.visibility.tolist() == [2] + [0] * (len(demo_task.keypoints) - 1)
    assert '1 of 4 done' in person.text('#images h1')


@only_classes
def test_classes_alone(person):
    assert not person.page.is_visible('#keypoints')
    person.press('k', 'v', '9')
    person.page.click('#rest')
    assert (person.saved_mask() == 0).all()
    assert '1 of 4 done' in person.text('#images h1')
    person.press('ArrowDown')
    person.opened(SECOND)


def test_the_page_tells_that_the_server_is_gone_and_saves_later(person):
    person.page.route('**/mask*', lambda route: route.abort())
    person.drag((20.5, 20.5), (30.5, 20.5))
    person.page.wait_for_selector('#saved[data-state="not saved"]')
    assert not saved(person.folder)
    person.page.unroute('**/mask*')
    assert (person.saved_mask() == 1).any()
    person.errors.clear()  # the browser notes the failed request


def names_in(text: str) -> set[str]:
    """The names of constants, variables, functions and parameters of a module."""
    text = re.sub(r"//.*|'[^'\n]*'", '', text)
    single = re.findall(r'\b(?:const|let|function|class)\s+(\w+)|\b(\w+)\s*=>|\bcatch\s*\((\w+)\)', text)
    lists = re.findall(r'\bfunction\s+\w+\(([^)]*)\)|\(([^()]*)\)\s*=>|\b(?:const|let)\s+[{\[](.*?)[}\]]\s*=', text)
    parts = [part for groups in lists for group in groups for part in re.split(r'[,\[\]{}]', group)]
    # of `key: name` and `name = default`, the name
    names = [name for groups in single for name in groups] + [
        part.split('=')[0].split(':')[-1].strip(' .') for part in parts
    ]
    return {name for name in names if name}


def test_no_name_hides_one_of_windows(context):
    page = context.new_page()
    of_window = set(page.evaluate('() => { const all = []; for (const key in window) all.push(key); return all; }'))
    assert {'name', 'status', 'top', 'parent', 'event', 'length'} <= of_window
    found = {path.name: sorted(names_in(path.read_text()) & of_window) for path in PAGE.glob('*.js')}
    assert {module: names for module, names in found.items() if names} == {}
    assert names_in('const {a: name, b = 1} = x; (top, [c]) => 0; status => 1; function f(event) {}') == {
        *('name', 'b', 'top', 'c', 'status', 'event', 'f')
    }
