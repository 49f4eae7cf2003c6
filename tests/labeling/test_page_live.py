"""The page in a browser: suggestions that come by themselves, parts of them, similar pixels, all images at a glance."""

from __future__ import annotations

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from tests.helpers.page import (
    DEMO_TASK,
    FIRST,
    SECOND,
    SIDE,
    THIRD,
    only_classes,
    put_suggestion,
    truth,
)

pytestmark = pytest.mark.browser


def suggested(person):
    """The suggestion that is shown: uint8 [H, W], IGNORE where there is none or a label."""
    person.wait_for_state('current.suggestion')
    ids = person.state('current.mask.map((id, i) => id === 255 ? page.state.current.suggestion[i] : 255)')
    return np.array(ids, np.uint8).reshape(SIDE, SIDE)


def squares():
    """A suggestion of two squares of class 4 and one of class 5, on background."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:20, 10:20] = mask[40:50, 10:20] = 4
    mask[70:80, 10:20] = 5
    return mask


@only_classes
def test_a_suggestion_comes_after_strokes_and_follows_them(assisted):
    assisted.waits_for_text('#suggest-state', 'at least two classes')
    assert 'error' not in (assisted.page.get_attribute('#suggest-state', 'class') or '')
    true = truth(FIRST)
    assisted.brush_size(4)
    assisted.press('0')
    assisted.drag((10, 10), (110, 12))  # sky
    body = np.argwhere(true == 1).mean(0)
    assisted.press('1')
    assisted.drag((body[1] - 8, body[0]), (body[1] + 8, body[0]))
    assisted.page.wait_for_selector('#accept:enabled')  # no key was pressed
    drawn = assisted.saved_mask()
    shown = suggested(assisted)
    assert set(np.unique(shown)) <= {0, 1, IGNORE} and (shown[drawn != IGNORE] == IGNORE).all()
    assisted.press('6')
    wheel = np.argwhere(true == 6).mean(0)
    assisted.drag((wheel[1], wheel[0]), (wheel[1] + 3, wheel[0]))
    assisted.wait_for_state('current.suggestion.includes(6)')  # it has been renewed
    mask = assisted.saved_mask()
    assert (mask[drawn != IGNORE] == drawn[drawn != IGNORE]).mean() > 0.9  # but for what the last stroke crossed
    assert (mask != IGNORE).sum() < 1500  # nothing else is a label


@only_classes
def test_the_next_images_suggestion_is_ready_and_the_last_one_is_there_still(assisted):
    assisted.has_labeled(FIRST, truth(FIRST))
    assisted.go_to(SECOND)
    assisted.has_learned()
    assert set(assisted.state('serials')) == {FIRST, SECOND, THIRD, 'seed0000003'}
    serial = assisted.state('current.serial')
    assert serial > 0
    assisted.go_to(THIRD)
    assisted.page.wait_for_selector('#accept:enabled')
    assisted.go_to(SECOND)
    assert assisted.state('current.serial') == serial and assisted.page.is_enabled('#accept')
    assert (suggested(assisted) == truth(SECOND)).mean() > 0.85


@only_classes
def test_it_can_be_switched_off_and_dismissed(assisted):
    assisted.press('a')
    assert not assisted.page.is_checked('#auto')
    assisted.has_labeled(FIRST, truth(FIRST))
    assisted.go_to(SECOND)
    assisted.brush_size(4)
    assisted.drag((2, 2), (8, 2))
    assisted.saved()
    assisted.page.wait_for_timeout(1500)
    assert assisted.state('current.suggestion') is None
    assisted.press('a')
    assisted.page.wait_for_selector('#accept:enabled')
    assisted.press('Escape')
    assert assisted.state('current.suggestion') is None
    assisted.drag((2, 12), (8, 12))
    assisted.has_learned()
    assert assisted.state('current.suggestion') is None  # not again, before it is asked for
    assisted.press('s')
    assisted.page.wait_for_selector('#accept:enabled')


@only_classes
def test_a_suggestion_goes_with_the_labels_that_it_was_learned_from(assisted):
    assisted.has_labeled(FIRST, truth(FIRST))
    assisted.go_to(SECOND)
    assisted.page.wait_for_selector('#accept:enabled')
    assisted.go_to(FIRST)
    assisted.page.click('#clear')
    assisted.saved()
    assisted.go_to(SECOND)
    assisted.page.wait_for_selector('#accept:disabled')
    assisted.wait_for_state('current.suggestion === null')
    assisted.waits_for_text('#suggest-state', 'at least two classes')


def test_one_region_or_one_class_is_accepted(person):
    put_suggestion(person, squares())
    person.brush_size(4)
    person.press('1')
    person.drag((15, 12), (15, 13))
    drawn = person.saved_mask()
    person.page.keyboard.down('Control')
    person.click(12.5, 18.5)
    person.page.keyboard.up('Control')
    region = np.zeros((SIDE, SIDE), bool)
    region[10:20, 10:20] = True
    expected = np.where(region & (drawn == IGNORE), 4, drawn)
    assert (person.saved_mask() == expected).all()  # one of the two squares, and not over what was drawn
    person.press('Control+z')
    assert (person.saved_mask() == drawn).all()
    person.hover(12.5, 45.5)
    person.press('Control+Shift+Enter')
    region[40:50, 10:20] = True
    assert (person.saved_mask() == np.where(region & (drawn == IGNORE), 4, drawn)).all()
    person.hover(12.5, 12.5)
    person.press('Control+Enter')
    person.waits_for_text('#message', 'Nothing is suggested there')


def test_one_region_or_one_class_is_refused(person):
    put_suggestion(person, squares())
    person.click(12.5, 12.5, button='right')
    assert np.array_equal(suggested(person)[10:20, 10:20], np.full((10, 10), IGNORE))
    assert (suggested(person)[40:50, 10:20] == 4).all()
    person.hover(12.5, 75.5)
    person.press('Control+Backspace')
    person.page.keyboard.down('Shift')
    person.click(60.5, 60.5, button='right')
    person.page.keyboard.up('Shift')
    left = suggested(person)
    assert set(np.unique(left)) == {4, IGNORE} and (left == 4).sum() == 100
    person.press('Control+z')
    assert (suggested(person) == 0).sum() == SIDE**2 - 300
    person.press('Enter')
    accepted = person.saved_mask()
    assert (accepted[10:20, 10:20] == IGNORE).all() and (accepted[70:80, 10:20] == IGNORE).all()
    assert (accepted[40:50, 10:20] == 4).all() and accepted[60, 60] == 0


@only_classes
def test_what_is_refused_is_not_suggested_again(assisted):
    assisted.has_labeled(FIRST, truth(FIRST))
    assisted.go_to(SECOND)
    assisted.has_learned()
    y, x = np.argwhere(suggested(assisted) == 1)[0]
    assisted.hover(x + 0.5, y + 0.5)
    assisted.press('Control+Shift+Backspace')
    assert 1 not in suggested(assisted)
    was = suggested(assisted) == IGNORE
    serial = assisted.state('current.serial')
    assisted.press('0')
    assisted.drag((3, 3), (9, 3))
    assisted.wait_for_state(f'current.serial > {serial}')
    now = suggested(assisted)
    assert (now[was] != 1).all()


@only_classes
def test_similar_pixels_are_marked_and_taken(assisted):
    tire = truth(FIRST) == 6
    y, x = np.argwhere(tire)[tire.sum() // 2]
    assisted.press('z')
    assisted.click(x + 0.5, y + 0.5)
    assisted.wait_for_state('mark?.distances.size === 4')
    sizes = [marked(assisted).sum()]
    assisted.hover(60, 60)
    for turn in (-300, 300, 300):
        assisted.page.mouse.wheel(0, turn)
        assisted.page.wait_for_timeout(50)
        sizes.append(marked(assisted).sum())
    assert sizes[1] > sizes[0] == sizes[2] > sizes[3] > 0
    assisted.press('i')
    assert marked(assisted).sum() < sizes[3]
    assisted.press('o')
    assert assisted.state('current.view.fitted')  # the wheel has not zoomed

    region = marked(assisted)
    assert region[y, x] and (tire[region].mean() > 3 * tire.mean())
    assisted.press('Home')
    assisted.page.wait_for_selector('#overview[open]')
    yellow = assisted.page.eval_on_selector_all(
        '#tiles canvas',
        """sheets => sheets.map(sheet => {
            const {data} = sheet.getContext('2d').getImageData(0, 0, sheet.width, sheet.height);
            return data.filter((value, i) => i % 4 === 3 && value === 255 && data[i - 3] === 255).length;
        })""",
    )
    assert len(yellow) == 4 and yellow[0] == region.sum() and sum(yellow[1:]) > 0
    assisted.press('Escape')
    assisted.press('6', 'z', 'Enter')
    assert (assisted.saved_mask() == np.where(region, 6, IGNORE)).all()
    assert assisted.state('mark') is None
    assisted.click(x + 0.5, y + 0.5)
    assisted.wait_for_state('mark?.distances.size === 4')
    assisted.press('Escape')
    assert assisted.state('mark') is None


def marked(person):
    """bool [H, W]: what is marked in the open image."""
    found = person.module(
        'similar', f'Array.from({{length: {SIDE**2}}}, (_, i) => page.markedAt()(i % {SIDE}, Math.floor(i / {SIDE})))'
    )
    return np.array(found).reshape(SIDE, SIDE)


@only_classes
def test_all_images_are_seen_at_a_glance(assisted):
    assisted.has_labeled(FIRST, truth(FIRST))
    assisted.reload()
    assisted.has_learned()
    assisted.press('Home')
    assisted.page.wait_for_selector(f'#tiles li[data-name={THIRD}] .figures:has-text("suggested")')
    tiles = assisted.page.eval_on_selector_all('#tiles li', 'tiles => tiles.map(tile => tile.innerText)')
    assert len(tiles) == 4 and 'labelled' in tiles[0]
    seen = assisted.page.eval_on_selector(
        f'#tiles li[data-name={THIRD}] canvas',
        'sheet => [...sheet.getContext("2d").getImageData(0, 0, sheet.width, sheet.height).data]',
    )
    seen = np.array(seen, np.uint8).reshape(SIDE, SIDE, 4)
    colors = np.array(DEMO_TASK.palette, np.uint8)[truth(THIRD)]
    assert ((seen[..., :3] == colors).all(axis=2) | (truth(THIRD) == 0)).mean() > 0.9
    assisted.page.click(f'#tiles li[data-name={THIRD}] button')
    assisted.opened(THIRD)
    assert not assisted.page.is_visible('#overview')


def test_a_save_sends_what_has_changed(person):
    person.page.evaluate("""() => {
        window.sent = [];
        const real = window.fetch;
        window.fetch = (path, options) => {
            if (path.includes('/mask?') && options.method === 'PUT') window.sent.push([path, options.body.length]);
            return real(path, options);
        };
    }""")
    person.brush_size(4)
    person.press('2')
    person.drag((20, 30), (26, 30))
    person.saved()
    assert person.page.evaluate('sent') == [[f'/api/samples/{FIRST}/mask?box=18,28,28,32', 10 * 4]]
    person.press('Control+z')
    person.saved()
    assert person.page.evaluate('sent.length') == 2
    assert person.module('state', '[...page.state.current.mask].every(id => id === 255)')
    person.drag((20, 30), (26, 30))
    mask = person.saved_mask()
    assert (mask[28:32, 18:28] != IGNORE).sum() == (mask != IGNORE).sum() > 20
