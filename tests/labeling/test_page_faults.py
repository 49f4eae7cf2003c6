"""The page in a browser: what a person who labels for hours ran into."""

from __future__ import annotations

import json

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from tests.helpers.browser import PATIENCE_MS, needs_media
from tests.helpers.page import (
    DEMO_TASK,
    FIRST,
    FOURTH,
    SECOND,
    SIDE,
    THIRD,
    Person,
    brushed,
    nothing,
    only_classes,
    only_keypoints,
    put_suggestion,
    truth,
)
from tests.helpers.serving import saved, serving, serving_process

pytestmark = pytest.mark.browser

MANY = Task.read('face-34')
HALF_A_CSS_PIXEL = 0.11
"""In pixels of the image: Firefox places a pointer at whole CSS pixels."""


def focused(person):
    return person.page.evaluate('document.activeElement.id')


def view(person):
    return person.state('current.view')


# ---- painting


def test_fill_takes_one_suggested_region(person):
    suggestion = np.zeros((SIDE, SIDE), np.uint8)
    suggestion[10:20, 10:30] = 4
    suggestion[40:50, 10:30] = 4
    put_suggestion(person, suggestion)
    person.press('2', 'g')
    person.click(15.5, 15.5)
    expected = nothing()
    expected[10:20, 10:30] = 2
    assert (person.saved_mask() == expected).all()
    person.press('4')
    person.click(15.5, 45.5)  # its own class: accepts that region alone
    expected[40:50, 10:30] = 4
    assert (person.saved_mask() == expected).all()


def test_a_protected_class_and_labels_at_all_are_not_painted_over(person):
    person.press('1')
    person.brush_size(6)
    person.drag((20, 20), (40, 20))
    expected = brushed(nothing(), [(20, 20), (40, 20)], 6, 1)
    person.press('q', '2')
    person.drag((30, 10), (30, 40))
    stroke = brushed(nothing(), [(30, 10), (30, 40)], 6, 2)
    expected = np.where((stroke == 2) & (expected != 1), 2, expected)
    assert (person.saved_mask() == expected).all()

    person.press('1', 'q', 'x', '3')  # the class is free again, but only what has no label is painted
    assert person.page.is_checked('#blank')
    person.drag((24, 10), (24, 40))
    stroke = brushed(nothing(), [(24, 10), (24, 40)], 6, 3)
    expected = np.where((stroke == 3) & (expected == IGNORE), 3, expected)
    assert (person.saved_mask() == expected).all()
    person.press('x')
    person.drag((24, 10), (24, 40))
    assert (person.saved_mask() == np.where(stroke == 3, 3, expected)).all()


# ---- keys and focus


@pytest.mark.parametrize('button', ['[data-tool=brush]', '#fit', '#classes [data-id="2"]'])
def test_after_a_click_on_a_button_keys_go_to_the_image(person, button):
    put_suggestion(person, np.full((SIDE, SIDE), 3, np.uint8))
    person.page.click(button)
    assert focused(person) == 'canvas'
    before = view(person)
    start = person.at(40, 40)
    person.page.mouse.move(*start)
    person.page.keyboard.down('Space')
    person.page.mouse.down()
    person.page.mouse.move(start[0] + 30, start[1])
    person.page.mouse.up()
    person.page.keyboard.up('Space')
    assert view(person)['x'] == pytest.approx(before['x'] + 30, abs=1)
    assert not saved(person.folder)  # nothing was painted
    person.press('Enter')
    assert (person.saved_mask() == 3).all()


def test_after_the_slider_arrow_keys_change_the_image(person):
    person.page.click('#size')
    assert focused(person) == 'canvas'
    person.press('ArrowDown')
    person.opened(SECOND)


def test_buttons_work_by_keyboard_alone(person):
    person.page.focus('[data-tool=polygon]')
    person.press('Enter')
    assert person.state('tool') == 'polygon'
    assert person.page.evaluate('document.activeElement.dataset.tool') == 'polygon'
    person.press('e')
    person.page.focus('#erase')
    person.press('ArrowDown')
    assert person.page.input_value('#erase') == '255' and focused(person) == 'erase'


@pytest.mark.parametrize('demo_task', [MANY], ids=['34 classes'])
def test_each_of_many_classes_has_a_key_and_the_chosen_one_is_in_view(person):
    def chosen():
        [pressed] = person.page.eval_on_selector_all(
            '#classes [aria-pressed=true].name', 'all => all.map(one => Number(one.dataset.id))'
        )
        return pressed

    def is_in_view(class_id):
        return person.page.evaluate(
            """id => {
            const row = document.querySelector(`#classes [data-id="${id}"]`).getBoundingClientRect();
            const list = document.getElementById('classes').getBoundingClientRect();
            return row.top >= list.top - 1 && row.bottom <= list.bottom + 1;
        }""",
            class_id,
        )

    person.press('2', '7')
    assert chosen() == 27 and is_in_view(27)
    person.click(30, 30)  # what is typed next is a number of its own
    person.press('1')
    assert chosen() == 1 and is_in_view(1)
    person.page.locator('#classes [data-id="27"]').click()
    person.press('1')
    assert chosen() == 1 and is_in_view(1) and focused(person) == 'canvas'
    person.press('c')
    person.page.keyboard.type(MANY.classes[30][:-1])
    person.press('Enter')
    assert chosen() == 30 and is_in_view(30) and focused(person) == 'canvas'
    person.press('c', 'Escape')
    assert chosen() == 30 and person.page.locator('#classes li:visible').count() == len(MANY.classes) + 1


@pytest.mark.parametrize('size', [(1280, 720), (2560, 1440)])
@pytest.mark.parametrize('demo_task', [MANY], ids=['34 classes'])
def test_the_list_of_classes_is_as_high_as_the_window_allows(person, size):
    person.page.set_viewport_size({'width': size[0], 'height': size[1]})
    height = person.page.evaluate("document.getElementById('classes').clientHeight")
    needed = person.page.evaluate("document.getElementById('classes').scrollHeight")
    assert height == needed or height > size[1] - 260
    panel = person.page.evaluate("(aside => [aside.scrollHeight, aside.clientHeight])(document.querySelector('aside'))")
    assert panel[0] <= panel[1]  # no scrolling panel around a scrolling list


KEYBOARDS = {
    'German brackets do not exist': [('i', 'KeyI', {}, 'resize', -1), ('o', 'KeyO', {}, 'resize', 1)],
    'French digits with Shift': [('3', 'Digit3', {'shiftKey': True}, 'class', 3)],
    'French digits without Shift': [('"', 'Digit3', {}, 'class', 3), ('-', 'Digit6', {}, 'class', 6)],
    'number pad': [('5', 'Numpad5', {}, 'class', 5)],
    'US': [
        ('[', 'BracketLeft', {}, 'resize', -1),
        (']', 'BracketRight', {}, 'resize', 1),
        ('4', 'Digit4', {}, 'class', 4),
    ],
    'Caps Lock': [('I', 'KeyI', {}, 'resize', -1)],
}


@pytest.mark.parametrize('layout', KEYBOARDS)
def test_keys_of_other_keyboards(person, layout):
    person.press('b')
    for key, code, more, what, expected in KEYBOARDS[layout]:
        person.click(100.5, 100.5)  # so that digits do not join
        before = person.state('sizes.brush')
        person.page.evaluate(
            'event => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", event))',
            {'key': key, 'code': code, 'bubbles': True, 'cancelable': True, **more},
        )
        if what == 'class':
            assert person.state('painted') == expected
        else:
            assert np.sign(person.state('sizes.brush') - before) == expected


def test_alt_click_takes_the_class_under_the_pointer(person):
    person.press('3')
    person.brush_size(9)
    person.click(40.5, 40.5)
    saved = person.saved_mask()
    person.press('5')
    person.page.keyboard.down('Alt')
    person.click(40.5, 40.5)
    person.page.keyboard.up('Alt')
    assert person.state('painted') == 3 and (person.saved_mask() == saved).all()
    person.press('5')
    person.hover(40.5, 40.5)
    person.press('t')
    assert person.state('painted') == 3


def watch_names(person):
    """Has the page note what it writes on the image: text, left end, base line and width."""
    person.page.evaluate("""() => {
        window.written = [];
        const real = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
            window.written.push([text, x, y, this.measureText(text).width]);
            return real.call(this, text, x, y);
        };
    }""")


def names_of(person, count):
    """What was written last."""
    person.page.wait_for_function(f'() => window.written.length >= {count}')
    return person.page.evaluate(f'() => window.written.slice(-{count})')


def test_names_are_beside_the_pointer(person):
    person.press('3')
    person.brush_size(9)
    person.click(40.5, 40.5)
    person.press('5')
    watch_names(person)
    person.hover(41.5, 40.5)
    [(chosen, x, y, _), (under, _, lower, _)] = names_of(person, 2)
    assert [chosen, under] == [DEMO_TASK.classes[5], f'on {DEMO_TASK.classes[3]}']
    box = person.page.locator('#canvas').bounding_box()
    left, top = person.at(41.5, 40.5)
    assert 0 < x - (left - box['x']) < 80 and abs(y - (top - box['y'])) < 10 < lower - y < 25


@only_keypoints
def test_names_of_keypoints_do_not_lie_over_each_other(person, demo_task):
    put_suggestion(
        person, points=[[60, 60, 2], [63, 61, 2], [61, 62, 2], *[[0, 0, 0]] * (len(demo_task.keypoints) - 3)]
    )
    watch_names(person)
    person.press('j')
    written = names_of(person, 3)
    assert [text for text, *_ in written] == [f'{name}?' for name in demo_task.keypoints[:3]]
    for index, (_, x, y, width) in enumerate(written):
        for _, other_x, other_y, other_width in written[:index]:
            assert x >= other_x + other_width or other_x >= x + width or abs(y - other_y) >= 14


def test_labels_are_hidden_or_outlined_while_a_key_is_held(person):
    def color(x, y):
        person.page.mouse.move(0, 0)
        person.page.evaluate('() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
        return person.page.evaluate(
            """async ([x, y]) => {
            const {toScreen} = await import('/view.js');
            const [across, down] = toScreen([x, y]);
            const canvas = document.getElementById('canvas');
            return [...canvas.getContext('2d').getImageData(across, down, 1, 1).data];
        }""",
            [x, y],
        )

    plain = color(40.5, 40.5)
    person.press('8')
    person.brush_size(15)
    person.click(40.5, 40.5)
    painted = color(40.5, 40.5)
    assert painted != plain
    person.page.keyboard.down('m')
    assert color(40.5, 40.5) == plain
    person.page.keyboard.up('m')
    assert color(40.5, 40.5) == painted
    person.page.keyboard.down('l')
    assert color(40.5, 40.5) == plain and color(40.5, 33.5) != plain
    person.page.keyboard.up('l')
    assert color(40.5, 40.5) == painted


def test_all_keys_are_in_one_dialog_that_can_be_searched(person):
    person.press('h')
    person.page.wait_for_selector('#help[open]')
    rows = person.page.locator('#help-list dl > div:visible')
    everything = rows.count()
    assert everything >= 30
    person.page.keyboard.type('occluded')
    assert 1 <= rows.count() < 5 and 'occluded' in rows.first.inner_text().lower()
    person.press('Escape', 'Escape')  # the search, then the dialog
    assert not person.page.is_visible('#help')
    person.press('p')
    assert person.state('tool') == 'polygon'


# ---- polygon


def test_corners_are_taken_back_and_the_first_one_closes(person):
    person.press('1')
    person.brush_size(3)
    person.click(5.5, 5.5)
    stroke = person.saved_mask()
    person.press('p')
    for corner in ((20, 20), (50, 20), (60, 60), (50, 50)):
        person.click(*corner)
    person.press('Backspace')
    assert len(person.state('current.polygon')) == 3
    person.press('Control+z')  # a corner, not the stroke before
    assert len(person.state('current.polygon')) == 2 and (person.saved_mask() == stroke).all()
    person.click(50, 50)
    person.press('b', 'p')  # another tool does not lose the corners
    assert len(person.state('current.polygon')) == 3
    person.click(20.3, 20.3)
    expected = stroke.copy()
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    expected[(columns > rows) & (columns < 50) & (rows > 20)] = 1
    saved = person.saved_mask()
    assert person.state('current.polygon') == [] and (saved == expected).mean() > 0.998 and saved[30, 45] == 1


# ---- the view


def wheel(person, x, y, **event):
    left, top = person.at(x, y)
    person.page.evaluate(
        'event => document.getElementById("canvas").dispatchEvent(new WheelEvent("wheel", event))',
        {'clientX': left, 'clientY': top, 'bubbles': True, 'cancelable': True, **event},
    )


def test_a_trackpad_pinches_and_swipes(person):
    before, place = view(person), person.at(40, 40)
    for _ in range(10):
        wheel(person, 40, 40, deltaY=-5, ctrlKey=True)
    assert view(person)['scale'] / before['scale'] == pytest.approx(np.exp(0.5), rel=1e-3)
    assert person.at(40, 40) == pytest.approx(place, abs=0.5)
    before = view(person)
    wheel(person, 40, 40, deltaX=30, deltaY=4)
    after = view(person)
    assert [after[key] - before[key] for key in ('scale', 'x', 'y')] == pytest.approx([0, -30, -4])


def test_the_image_is_fitted_to_a_window_of_another_size(person):
    def margins():
        box = person.page.locator('#canvas').bounding_box()
        left, top = person.at(0, 0)
        right, bottom = person.at(SIDE, SIDE)
        sides = [left - box['x'], top - box['y'], box['x'] + box['width'] - right, box['y'] + box['height'] - bottom]
        return min(sides), abs(sides[0] - sides[2])

    person.page.set_viewport_size({'width': 800, 'height': 1200})
    person.wait_for_state('current.view.scale < 4')
    least, crooked = margins()
    assert 0 < least < 20 and crooked < 1


def test_zoom_and_undo_are_kept_for_each_image(person):
    person.click(40.5, 40.5)
    person.saved()
    person.press('+', '+')
    zoomed = view(person)
    person.press('ArrowDown')
    person.opened(SECOND)
    assert view(person)['scale'] < zoomed['scale'] and person.page.is_disabled('#undo')
    person.press('ArrowUp')
    person.opened(FIRST)
    assert view(person) == zoomed
    person.press('Control+z')
    person.saved()
    assert not saved(person.folder)


# ---- images and suggestions


def test_quick_arrow_keys_move_as_many_images(person):
    held, slow = [], [True]  # slow, as on a busy machine
    person.page.route('**/mask*', lambda route: held.append(route) if slow else route.continue_())
    person.press('ArrowDown', 'ArrowDown', 'ArrowDown')
    person.wait_for_state(f"opening === '{FOURTH}'")
    slow.clear()
    for route in held:
        route.continue_()
    person.opened(FOURTH)


def test_a_suggestion_is_there_when_a_person_comes_back(person):
    put_suggestion(person, np.full((SIDE, SIDE), 3, np.uint8))
    person.press('ArrowDown')
    person.opened(SECOND)
    assert person.page.is_disabled('#accept')
    person.press('ArrowUp')
    person.opened(FIRST)
    assert person.page.is_enabled('#accept')
    person.press('Enter')
    assert (person.saved_mask() == 3).all()


def test_accept_and_next_is_one_key(assisted):
    assisted.has_labeled(SECOND, truth(SECOND))
    assisted.reload()
    put_suggestion(assisted, truth(FIRST))
    assisted.press('Shift+Enter')
    assisted.opened(THIRD)  # the second is finished
    assert (assisted.saved_mask(FIRST) == truth(FIRST)).all()
    assisted.page.wait_for_selector('#accept:enabled')  # its suggestion came by itself


def test_the_status_names_what_is_under_the_pointer(person):
    person.press('3')
    person.brush_size(9)
    person.click(40.5, 40.5)
    person.hover(40.5, 40.5)
    person.waits_for_text('#under', DEMO_TASK.classes[3])
    person.press('ArrowDown')  # the pointer stays where it is
    person.opened(SECOND)
    person.waits_for_text('#under', 'no label')
    put_suggestion(person, np.full((SIDE, SIDE), 5, np.uint8))
    person.waits_for_text('#under', f'{DEMO_TASK.classes[5]}, suggested')


def test_what_cannot_be_done_without_the_server_is_said(assisted):
    assisted.page.route('**/api/**', lambda route: route.abort())
    assisted.page.click(f'#list li[data-name={SECOND}] button')
    assisted.waits_for_text('#message', f'{SECOND} cannot be opened: the server does not answer')
    assisted.click(40.5, 40.5)
    assisted.page.wait_for_selector('#saved[data-state="not saved"]')
    assisted.press('s')
    assisted.waits_for_text('#suggest-state', 'not saved yet: the server does not answer')
    assert assisted.page.is_enabled('#suggest')
    assisted.page.unroute('**/api/**')
    assisted.saved()
    assisted.errors.clear()  # the browser notes the failed requests


# ---- keypoints


@only_keypoints
def test_skipped_absent_and_occluded_keypoints(person, demo_task):
    def chosen():
        return person.state('current.chosenPoint')

    def seen(index):
        return person.page.locator('#keypoints .seen').nth(index).inner_text()

    person.press('j')  # the first one comes later
    person.click(30.5, 30.5)
    assert chosen() == 2
    person.press('d')  # the third is not there
    assert chosen() == 3 and seen(2) == 'absent' and seen(0) == 'not done'
    person.click(50.5, 50.5, button='right')
    person.page.keyboard.down('Shift')
    person.click(70.5, 70.5)
    person.page.keyboard.up('Shift')
    saved = person.saved_points(demo_task)
    assert saved[:, 2].tolist() == [0, 2, 0, 1, 1] + [0] * (len(demo_task.keypoints) - 5)
    person.press('Shift+ArrowRight')  # the chosen one is not placed: it comes into the middle
    person.press('Shift+ArrowRight', 'Shift+ArrowDown')
    saved = person.saved_points(demo_task)
    assert saved[5].tolist() == [SIDE / 2 + 1, SIDE / 2 + 1, 2]
    person.reload()
    assert seen(2) == 'absent' and seen(0) == 'not done' and chosen() == 0
    assert f'5 of {len(demo_task.keypoints)} points' in person.text(f'#list li[data-name={FIRST}]')


LONG = 'the point at which the left mirror of the car touches its door'


@pytest.mark.parametrize(
    'demo_task', [Task(('background', LONG), ((0, 0, 0), (9, 99, 200)), (LONG, 'short'))], ids=['long names']
)
def test_long_names_hide_no_key_and_no_button(person):
    def inside(selector):
        return person.page.evaluate(
            """selector => {
            const box = document.querySelector(selector).getBoundingClientRect();
            return box.width > 0 && box.right <= document.querySelector('aside').getBoundingClientRect().right;
        }""",
            selector,
        )

    assert inside('#classes li:nth-child(2) .key') and inside('#classes li:nth-child(2) .guard')
    person.press('k')
    assert inside('#keypoints .seen')
    assert person.page.get_attribute('#keypoints .name', 'title') == LONG


# ---- touch and pen


def touch(person, kind, finger, x, y, pointer='touch', **more):
    left, top = person.at(x, y) if (x, y) != (None, None) else (0, 0)
    person.page.evaluate(
        """([kind, event]) => {
        const canvas = document.getElementById('canvas');
        canvas.setPointerCapture = () => {};    // there is no such pointer
        canvas.dispatchEvent(new PointerEvent(kind, event));
    }""",
        [
            kind,
            {
                'pointerId': finger,
                'pointerType': pointer,
                'clientX': left,
                'clientY': top,
                'width': 25,
                'height': 25,
                'button': -1 if kind == 'pointermove' else 0,
                'isPrimary': finger == 1,
                'bubbles': True,
                **more,
            },
        ],
    )


def test_one_finger_draws(person):
    person.brush_size(4)
    touch(person, 'pointerdown', 1, 20, 20)
    touch(person, 'pointermove', 1, 40, 20)
    touch(person, 'pointerup', 1, 40, 20)
    assert (person.saved_mask() == brushed(nothing(), [(20, 20), (40, 20)], 4, 1)).all()


@pytest.mark.parametrize('tool', ['b', 'p', 'g', 'k'])
def test_two_fingers_move_and_zoom_and_change_nothing(person, tool):
    person.press(tool)
    before = view(person)
    touch(person, 'pointerdown', 1, 40, 60)
    touch(person, 'pointerdown', 2, 60, 60)
    touch(person, 'pointermove', 1, 30, 60)
    now = view(person)
    assert now['scale'] / before['scale'] == pytest.approx(1.5)
    touch(person, 'pointerup', 2, 60, 60)
    touch(person, 'pointermove', 1, 10, 10)  # the finger that is left draws nothing
    touch(person, 'pointerup', 1, 10, 10)
    person.saved()
    assert view(person) == now and person.state('current.polygon') == []
    assert not saved(person.folder)


def test_a_palm_beside_a_pen_does_nothing_and_its_other_end_erases(person):
    person.brush_size(4)
    touch(person, 'pointerdown', 7, 20, 20, 'pen')
    touch(person, 'pointerdown', 1, 60, 80)
    touch(person, 'pointermove', 1, 70, 90)
    touch(person, 'pointermove', 7, 40, 20, 'pen')
    touch(person, 'pointerup', 1, 70, 90)
    touch(person, 'pointerup', 7, 40, 20, 'pen')
    expected = brushed(nothing(), [(20, 20), (40, 20)], 4, 1)
    assert (person.saved_mask() == expected).all()
    touch(person, 'pointerdown', 7, 30, 20, 'pen', button=5, buttons=32)
    touch(person, 'pointerup', 7, 30, 20, 'pen', button=5)
    assert (person.saved_mask() == brushed(expected, [(30, 20), (30, 20.001)], 4, 0)).all()


def test_a_palm_alone_does_nothing(person):
    touch(person, 'pointerdown', 1, 20, 20, width=90, height=120)
    touch(person, 'pointerup', 1, 20, 20, width=90, height=120)
    person.saved()
    assert not saved(person.folder)


# ---- two tabs, and the end


@pytest.fixture
def two(context, demo_samples, tmp_path):
    """Two tabs at one image."""
    with serving(demo_samples, DEMO_TASK, tmp_path / 'labels') as server:
        tabs = [Person(context, server.url, tmp_path / 'labels') for _ in range(2)]
        yield tabs
        for tab in tabs:
            assert [error for error in tab.errors if '412' not in error] == []


@pytest.mark.parametrize('answer', ['#keep-mine', '#take-theirs'])
def test_two_tabs_overwrite_nothing_unasked(two, answer):
    one, other = two
    one.brush_size(5)
    one.drag((20.5, 20.5), (40.5, 20.5))
    theirs = one.saved_mask()
    other.press('3')
    other.brush_size(5)
    other.drag((20.5, 60.5), (40.5, 60.5))
    other.page.wait_for_selector('#clash[open]')
    mine = brushed(nothing(), [(20.5, 60.5), (40.5, 60.5)], 5, 3)
    assert (other.saved_mask_now() == theirs).all() and other.page.is_visible('#clash-mine')
    other.page.click(answer)
    kept, lost = (mine, theirs) if answer == '#keep-mine' else (theirs, mine)
    assert (other.saved_mask() == kept).all()
    other.press('Control+z')
    assert (other.saved_mask() == lost).all()


def test_two_tabs_at_the_same_keypoints(two):
    one, other = two
    one.press('k')
    one.click(20.5, 20.5)
    one.saved()
    other.press('k')
    other.click(60.5, 60.5)
    other.page.wait_for_selector('#clash[open]')
    other.page.click('#take-theirs')
    assert np.allclose(other.saved_points(DEMO_TASK)[0], (20.5, 20.5, 2), atol=HALF_A_CSS_PIXEL)
    other.press('Control+z')
    assert np.allclose(other.saved_points(DEMO_TASK)[0], (60.5, 60.5, 2), atol=HALF_A_CSS_PIXEL)


def test_an_open_page_goes_on_after_a_crash(context, own_samples):
    command = [f'--samples={own_samples.folder}', f'--classes={DEMO_FOLDER}/task.json']
    with serving_process(*command) as (process, port, token):
        person = Person(context, f'http://127.0.0.1:{port}/?token={token}', own_samples.folder / 'labels')
        process.kill()
        process.wait()
        person.click(20.5, 20.5)
        person.page.wait_for_selector('#saved[data-state="not saved"]')
    with serving_process(*command):
        assert person.saved_mask()[20, 20] == 1


@pytest.mark.parametrize('what', ['mask', 'keypoints'])
def test_a_reply_that_is_lost_is_no_clash(person, what):
    person.press('b' if what == 'mask' else 'k')
    person.page.evaluate(
        """what => {
        window.answered = window.fetch;
        window.fetch = async (path, options) => {
            const reply = await window.answered(path, options);
            if (!path.includes(`/${what}`)) return reply;
            throw new TypeError('the reply is lost');
        };
    }""",
        what,
    )
    person.click(20.5, 20.5)
    person.page.wait_for_selector('#saved[data-state="not saved"]')  # but it is on disk
    person.click(60.5, 60.5)
    person.page.evaluate('() => { window.fetch = window.answered; }')
    person.saved()
    assert not person.page.is_visible('#clash')
    if what == 'mask':
        saved = person.saved_mask()
        assert saved[20, 20] == saved[60, 60] == 1
    else:
        placed = person.saved_points(DEMO_TASK)[:2]
        assert np.allclose(placed, [[20.5, 20.5, 2], [60.5, 60.5, 2]], atol=HALF_A_CSS_PIXEL)
    person.errors.clear()  # the browser notes the refused request


@only_classes
def test_the_end_shows_the_command_that_trains(context, demo_samples, demo_task, tmp_path):
    with serving(demo_samples, demo_task, tmp_path / 'labels', arguments=['--x']) as server:
        person = Person(context, server.url, tmp_path / 'labels')
        assert not person.page.is_visible('#end')
        for name in (FIRST, SECOND, THIRD, FOURTH):
            person.go_to(name)
            person.page.click('#rest')
            person.saved()
        person.page.wait_for_selector('#end:visible')
        assert person.text('#train-command') == 'datasetgan train --x'


@pytest.mark.slow
@only_classes
def test_the_end_trains_and_shows_scores(context, demo_samples, demo_task, tmp_path):
    classes = tmp_path / 'task.json'
    classes.write_text(json.dumps(demo_task.to_json()))
    arguments = [
        '--network=demo',
        f'--samples={demo_samples.folder}',
        f'--labels={tmp_path / "labels"}',
        f'--classes={classes}',
        '--models=1',
        '--pixels-per-image=200',
        f'--out={tmp_path / "interpreter.safetensors"}',
    ]
    with serving(demo_samples, demo_task, tmp_path / 'labels', arguments=arguments) as server:
        person = Person(context, server.url, tmp_path / 'labels')
        halves = np.repeat(np.arange(2, dtype=np.uint8), SIDE * SIDE // 2)
        for name in (FIRST, SECOND, THIRD, FOURTH):
            person.has_labeled(name, halves.reshape(SIDE, SIDE))
        person.reload()
        person.page.wait_for_selector('#end:visible')
        person.page.check('#cross-validate')
        person.page.click('#train')
        person.page.wait_for_selector('#cancel-training:visible')
        assert not person.page.is_visible('#train')
        person.page.click('#cancel-training')
        person.page.wait_for_function("() => document.getElementById('train-state').textContent === 'Cancelled.'")
        person.page.click('#train')
        person.page.wait_for_function(
            "() => document.getElementById('train-state').textContent.startsWith('Training for')"
        )
        person.reload()  # the page finds it running
        person.page.wait_for_selector('#cancel-training:visible')
        person.page.wait_for_function(
            "() => document.getElementById('train-state').textContent.startsWith('Done.')", timeout=3 * PATIENCE_MS
        )
        output = person.text('#train-output')
        assert '4 labelled images, ' in output and 'held-out pixels' in output
        assert 'Each labelled image predicted by an ensemble that was trained without it' in output
        assert 'mean' in output and (tmp_path / 'interpreter.safetensors').exists()
        assert not person.errors


# ---- for everyone


def test_the_focus_is_seen_on_the_image(person):
    person.press('Tab', 'Shift+Tab')
    person.page.focus('#canvas')
    person.press('b')
    outline = person.page.eval_on_selector('#canvas', 'e => getComputedStyle(e).outline')
    assert 'solid 3px' in outline


def test_forced_colors_show_swatches_and_the_tool(context, demo_samples, tmp_path):
    with serving(demo_samples, DEMO_TASK, tmp_path / 'labels') as server:
        person = Person(context, server.url, tmp_path / 'labels')
        person.page.emulate_media(forced_colors='active')
        needs_media(person.page, '(forced-colors: active)')
        color = person.page.eval_on_selector(
            '#classes [data-id="4"] .swatch', 'e => getComputedStyle(e).backgroundColor'
        )
        assert color == 'rgb({}, {}, {})'.format(*DEMO_TASK.palette[4])
        pressed, free = (
            person.page.eval_on_selector(f'[data-tool={tool}]', 'e => getComputedStyle(e).backgroundColor')
            for tool in ('brush', 'fill')
        )
        assert pressed != free


def test_many_doubts_cost_no_frame(person):
    """Their borders are drawn once for a view, not in each frame."""
    side = SIDE // 16
    doubts = [
        [(row * SIDE + column) for row in range(r, r + side - 1) for column in range(c, c + side - 1)]
        for r in range(0, SIDE, side)
        for c in range(0, SIDE, side)
    ][:201]
    person.page.click('#rest')
    person.saved()
    strokes = person.page.evaluate(
        """async doubts => {
        const {state, tell} = await import('/state.js');
        state.samples.get(state.current.name).doubts = doubts.map((pixels, i) =>
          ({sample: state.current.name, labeled: 0, expected: 1, score: 1, pixels, key: String(i)}));
        tell('labels');
        const real = CanvasRenderingContext2D.prototype.stroke;
        let number = 0;
        CanvasRenderingContext2D.prototype.stroke = function (...parts) { number++; return real.apply(this, parts); };
        const {redraw} = await import('/view.js');
        const counts = [];
        for (let frame = 0; frame < 3; frame++) {
            number = 0;
            redraw();
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
            counts.push(number);
        }
        return counts;
    }""",
        doubts,
    )
    assert strokes[1] < 20 and strokes[2] < 20
    assert f'{len(doubts)} doubts' in person.text('#check-state')


def test_the_sliders_of_the_view_show_at_once(person):
    put_suggestion(person, np.full((SIDE, SIDE), 3, np.uint8))
    seen = []
    for value in (0, 50, 100):
        person.page.eval_on_selector('#opacity', f'e => {{ e.value = {value}; e.dispatchEvent(new Event("input")); }}')
        seen.append(
            person.page.evaluate("""async () => {
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
            const {toScreen} = await import('/view.js');
            const pen = document.getElementById('canvas').getContext('2d');
            return [...pen.getImageData(...toScreen([40.5, 40.5]), 1, 1).data];
        }""")
        )
    assert len(set(map(tuple, seen))) == 3


def test_a_frame_of_a_stroke_draws_its_part_alone_and_the_same_as_all(person):
    """Of a large window, all takes longer than a frame where no GPU draws."""
    put_suggestion(person, np.full((SIDE, SIDE), 3, np.uint8))
    person.brush_size(7)
    person.page.evaluate("""() => {
        const frame = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        window.pixels = async () => {
            await frame();
            const canvas = document.getElementById('canvas');
            return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        };
        window.differences = async () => {
            const drawn = await pixels();
            (await import('/view.js')).redraw();
            const all = await pixels();
            return all.reduce((number, value, i) => number + (value !== drawn[i]), 0);
        };
    }""")
    person.press('2')
    person.hover(20.3, 20.7)
    person.page.mouse.down()
    for place in ((40.2, 24.1), (60.9, 30.3), (50.5, 60.8)):
        person.hover(*place)
        assert person.page.evaluate('differences()') == 0
    person.page.evaluate("() => { document.getElementById('canvas').getContext('2d').fillRect(0, 0, 1, 1); }")
    person.hover(45.2, 70.4)
    assert person.page.evaluate('pixels().then(all => [...all.slice(0, 4)])') == [
        0,
        0,
        0,
        255,
    ]  # nothing was drawn there
    person.page.mouse.up()
    for place in ((100.5, 100.5), (125.5, 3.5), (20.1, 90.9)):  # the cursor alone
        person.hover(*place)
        assert person.page.evaluate('differences()') == 0
