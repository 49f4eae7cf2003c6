"""The page for everyone: axe-core finds nothing, in light, dark and forced colours, in all sizes, with dialogs open."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.browser import needs_media
from tests.helpers.page import FIRST, SIDE, Person, only_classes, put_suggestion
from tests.helpers.serving import serving

pytestmark = pytest.mark.browser


@pytest.mark.parametrize('scheme', ['light', 'dark', 'forced'])
@pytest.mark.parametrize('dialog', ['none', 'help', 'clash', 'overview'])
def test_axe_finds_nothing(findings, context, demo_samples, demo_task, tmp_path, scheme, dialog):
    with serving(demo_samples, demo_task, tmp_path / 'labels', arguments=[]) as server:
        person = Person(context, server.url, tmp_path / 'labels')
        if scheme == 'forced':
            person.page.emulate_media(forced_colors='active')
            needs_media(person.page, '(forced-colors: active)')
        else:
            person.page.emulate_media(color_scheme=scheme)
            needs_media(person.page, f'(prefers-color-scheme: {scheme})')
        put_suggestion(person, np.full((SIDE, SIDE), 3, np.uint8))
        person.press('q')
        person.page.click('#view-section summary')
        for part in (
            'end',
            'train-output',
            'suggest-section',
            'check-section',
            'doubt-row',
            'order-row',
            'uncertainty-row',
        ):
            person.page.evaluate('id => { document.getElementById(id).hidden = false; }', part)
        if dialog == 'overview':
            person.press('Home')
            person.page.wait_for_selector('#overview[open]')
        elif dialog == 'help':
            person.press('h')
        elif dialog == 'clash':
            person.has_labeled(FIRST, np.zeros((SIDE, SIDE), np.uint8))
            person.click(40.5, 40.5)
            person.page.wait_for_selector('#clash[open]')
        assert findings(person.page) == []


def test_what_the_training_prints_stays_in_its_column(context, demo_samples, demo_task, tmp_path):
    with serving(demo_samples, demo_task, tmp_path / 'labels', arguments=[]) as server:
        person = Person(context, server.url, tmp_path / 'labels')
        person.page.set_viewport_size({'width': 853, 'height': 480})
        right, left = person.page.evaluate("""() => {
            const output = document.getElementById('train-output');
            document.getElementById('end').hidden = output.hidden = false;
            output.textContent = 'a word '.repeat(100);
            return [output.getBoundingClientRect().right, document.querySelector('aside').getBoundingClientRect().left];
        }""")
        assert right <= left


@pytest.mark.parametrize('size', [(1280, 720), (853, 480), (2560, 1440)], ids=['laptop', '150 %', 'large'])
def test_nothing_is_out_of_the_window(person, size):
    person.page.set_viewport_size({'width': size[0], 'height': size[1]})
    for tool in 'bek':
        person.press(tool)
        outside = person.page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, summary')].filter(one => {
            const box = one.getBoundingClientRect();
            const list = one.closest('ul, ol, aside, dialog');
            return box.width && !list && (box.left < 0 || box.right > innerWidth || box.bottom > innerHeight);
        }).map(one => one.outerHTML)"""
        )
        assert outside == []
        across = person.page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
        assert across[0] <= across[1]


@only_classes
def test_a_low_window_shows_classes_one_below_the_other(person):
    person.page.set_viewport_size({'width': 853, 'height': 480})
    over = person.page.evaluate("""() => {
        const list = document.getElementById('classes');
        const scrolls = getComputedStyle(list).overflowY !== 'visible';
        const last = (scrolls ? list : list.lastElementChild).getBoundingClientRect().bottom;
        return last - document.getElementById('blank-row').getBoundingClientRect().top;
    }""")
    assert over <= 0, 'classes lie over what comes after them'
