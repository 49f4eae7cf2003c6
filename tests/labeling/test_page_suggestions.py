"""The page in a browser: a person takes suggestions, and has labels checked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from tests.helpers.page import (
    FIRST,
    FOURTH,
    SECOND,
    SIDE,
    THIRD,
    only_classes,
    only_keypoints,
    true_keypoints,
    truth,
)

pytestmark = pytest.mark.browser


def test_a_suggestion_is_shown_and_accepted(assisted):
    assisted.page.click('#suggest')
    assisted.page.wait_for_selector('#suggest-state.error')
    assert 'at least two classes' in assisted.text('#suggest-state')
    assisted.has_labeled(FIRST, truth(FIRST))
    assisted.go_to(SECOND)
    assisted.brush_size(4)
    assisted.drag((2, 2), (8, 2))
    drawn = assisted.saved_mask(SECOND)
    assisted.suggestion()
    assisted.waits_for_text('#suggest-state', 'Paint over')
    # the others have been measured; an image that is finished at that moment would not be ranked
    assisted.has_learned()
    assert (assisted.saved_mask(SECOND) == drawn).all()  # nothing is a label before a person has accepted it
    assisted.page.check('#uncertainty')
    assisted.press('Enter')
    accepted = assisted.saved_mask(SECOND)
    assert (accepted[drawn != IGNORE] == drawn[drawn != IGNORE]).all() and (accepted != IGNORE).all()
    assert (accepted == truth(SECOND)).mean() > 0.85
    assisted.press('Control+z')
    assert (assisted.saved_mask(SECOND) == drawn).all()
    assisted.page.select_option('#order', 'worth')
    order = assisted.page.eval_on_selector_all('#list li', 'items => items.map(item => item.dataset.name)')
    measured = assisted.page.evaluate('fetch("/api/suggest").then(reply => reply.json())')['uncertainty']
    assert len(measured) == 4 and order[-1] == FIRST  # which is finished
    assert sorted(order[:3]) == sorted(set(measured) - {FIRST})


@only_keypoints
def test_suggested_keypoints_are_dragged_confirmed_and_taken_away(assisted, demo_task):
    true = true_keypoints(demo_task)
    assert not assisted.page.is_visible('#check')
    assisted.press('s')
    assisted.page.wait_for_selector('#suggest-state.error')
    assert 'place keypoints on another image first' in assisted.text('#suggest-state')
    for name in (FIRST, THIRD, FOURTH):
        assisted.has_labeled(name, keypoints=true[name])
    assisted.go_to(SECOND)
    assisted.suggestion()
    proposed = assisted.state('current.proposed')
    there = [index for index in range(len(demo_task.keypoints)) if proposed[index][2]]
    distances = [np.hypot(*np.subtract(proposed[index][:2], true[SECOND][index, :2])) for index in there]
    assert len(there) >= 4 and np.median(distances) < SIDE / 12
    assert assisted.saved_points(demo_task, SECOND) is None  # not before they are confirmed

    dragged, clicked, dropped = there[:3]
    goal = true[SECOND][dragged, :2] + (3, -4)
    assisted.drag(proposed[dragged][:2], goal)
    assisted.click(*proposed[clicked][:2])
    assisted.page.locator('#keypoints .name').nth(dropped).click()
    assisted.press('Delete')
    saved = assisted.saved_points(demo_task, SECOND)
    assert np.abs(saved[dragged] - (*goal, 2)).max() < 0.1 and np.abs(saved[clicked] - proposed[clicked]).max() < 0.1
    assert (saved[:, 2] > 0).sum() == 2
    assisted.page.click('#accept')
    saved = assisted.saved_points(demo_task, SECOND)
    assert saved[dropped, 2] == 0 and np.flatnonzero(saved[:, 2]).tolist() == sorted({*there} - {dropped})
    assisted.press('Control+z')
    assert (assisted.saved_points(demo_task, SECOND)[:, 2] > 0).sum() == 2


@only_classes
def test_a_planted_mistake_is_found_and_mended(assisted, demo_task):
    assisted.page.click('#check')
    assisted.waits_for_text('#check-state', 'two images at least')
    assisted.errors.clear()  # the browser notes the refused request
    wrong = truth(SECOND)
    largest = np.bincount(wrong[wrong > 0]).argmax()
    other = 1 + largest % 2
    planted = wrong == largest
    wrong[planted] = other
    # the fourth car is so like the second that each would be told to be as the other is
    for name, mask in ((FIRST, truth(FIRST)), (SECOND, wrong), (THIRD, truth(THIRD))):
        assisted.has_labeled(name, mask)
    assisted.reload()
    assisted.page.click('#check')
    assisted.page.wait_for_selector('#next-doubt:enabled')
    assisted.press('.')
    assisted.opened(SECOND)
    assisted.waits_for_text('#check-state', f'{demo_task.classes[other]}, or {demo_task.classes[largest]}?')
    assisted.page.select_option('#order', 'doubts')
    first = assisted.page.locator('#list li').first
    assert first.get_attribute('data-name') == SECOND and 'doubt' in first.inner_text()
    before = assisted.saved_mask(SECOND)
    left = assisted.module('doubts', 'page.listDoubts().length')
    assisted.press('y')
    mended = assisted.saved_mask(SECOND)
    changed = mended != before
    assert changed.any() and (mended[changed] == largest).all() and planted[changed].mean() > 0.9
    assisted.wait_for_module('doubts', f'page.listDoubts().length === {left - 1}')
    assisted.go_to(SECOND)
    assisted.press('Control+z')
    assert (assisted.saved_mask(SECOND) == before).all()

    assisted.press('.')
    number = assisted.module('doubts', 'page.listDoubts().length')
    assisted.page.wait_for_selector('#doubt-row:not([hidden])')
    assisted.press('w')
    assisted.wait_for_module('doubts', f'page.listDoubts().length === {number - 1}')
    assisted.saved()
    assisted.reload(assisted.page.get_attribute('#canvas', 'data-name'))  # it is remembered
    assisted.wait_for_module('doubts', f'page.listDoubts().length === {number - 1}')
    assert (assisted.saved_mask(SECOND) == before).all()


def put_doubts(person, scores):
    """Has two regions of each image doubted: of the first class, which is labelled everywhere, by scores for each."""
    person.page.evaluate(
        """async scores => {
        const {state, tell} = await import('/state.js');
        for (const [name, [one, other]] of Object.entries(scores)) {
            const doubt = (score, first) => ({sample: name, labeled: 0, expected: 1, score, pixels: [first, first + 1],
                key: `0>1@${first + 1}`});
            state.samples.get(name).doubts = [doubt(one, 100), doubt(other, 9000)];
        }
        tell('labels');
    }""",
        scores,
    )


@only_classes
def test_doubts_of_all_images_come_the_surest_first_and_are_settled_by_keys(person):
    for name in (FIRST, SECOND):
        person.has_labeled(name, np.zeros((SIDE, SIDE), np.uint8))
    person.reload()
    put_doubts(person, {FIRST: [0.9, 0.2], SECOND: [0.8, 0.3]})
    steps = [('.', FIRST, 0.9), ('.', SECOND, 0.8), ('w', SECOND, 0.3), ('y', FIRST, 0.2), ('w', FIRST, 0.9)]
    for key, name, score in steps:
        person.press(key)
        person.wait_for_state(f'doubted?.score === {score}')
        person.opened(name)
    person.press('w')  # the last one
    person.waits_for_text('#message', 'That was the last doubt')
    person.saved()
    changed = [person.saved_mask(name).ravel().nonzero()[0].tolist() for name in (FIRST, SECOND)]
    assert changed == [[], [9000, 9001]]
    notes = json.loads((person.folder / '.page.json').read_text())['images']
    assert {name: notes[name]['kept'] for name in notes} == {FIRST: ['0>1@9001', '0>1@101'], SECOND: ['0>1@101']}
