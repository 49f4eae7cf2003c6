"""The robot that labels: what it sees, what its operations paint and take, and that it labels right."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import datasetgan_ext
from datasetgan_ext.core.annotation import IGNORE, Annotation, Keypoints
from datasetgan_ext.formats.shapes import Polygon
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER, load_generator
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.labeling.store import open_store
from tests.helpers.page import DEMO_TASK

ROOT = Path(datasetgan_ext.__file__).parents[1]
SIDE = 40


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(ROOT), *sys.path])


def scene(**boxes) -> np.ndarray:
    """Background with boxes in it: class=(left, top, right, bottom)."""
    ids = np.zeros((SIDE, SIDE), np.uint8)
    for name, (left, top, right, bottom) in boxes.items():
        ids[top:bottom, left:right] = int(name[1:])
    return ids


def test_faults_that_are_seen():
    from benchmarks.robot.faults import find_faults

    truth = scene(c1=(10, 10, 30, 30), c2=(2, 2, 6, 4))
    assert find_faults(truth, truth) == []
    shown = truth.copy()
    shown[10, 10:30] = 0  # a thin one along a border
    shown[20:25, 20:24] = 3
    shown[2, 2:6] = 0  # half of a small part
    shown[35, 35] = 1
    found = [(fault.class_id, fault.area) for fault in find_faults(shown, truth)]
    assert found == [(1, 20), (2, 4)]


def test_what_comes_of_painting():
    from benchmarks.robot.faults import outcome

    truth = scene(c1=(0, 0, 10, 10))
    shown = np.full_like(truth, IGNORE)
    shown[0, :10] = 1
    shown[20, :20] = 0
    painted = np.zeros(truth.shape, bool)
    painted[0, :] = True  # 10 right already, 30 without a label that are background
    painted[1, :] = True  # 10 to be won, 30 likewise
    painted[20, :] = True  # 20 right ones lost, 20 without a label
    assert outcome(painted, 1, shown, truth) == (10, 30 + 30 + 40)


def test_polygons_paint_what_the_page_paints_and_take_a_click_a_corner():
    from benchmarks.robot import costs
    from benchmarks.robot.hand import inside, outline, polygon

    corners = np.array([(3.2, 4.1), (30.7, 8.4), (22.3, 35.9), (7.6, 20.2)])
    expected = np.zeros((SIDE, SIDE), np.uint8)
    Polygon(corners).paint(expected, 1)
    assert (inside(corners, (SIDE, SIDE)) == (expected == 1)).all()

    box = scene(c1=(5, 8, 25, 30)) == 1
    assert len(outline(box)) == 4
    operation = polygon(box, 7)
    assert (operation.pixels == box).all() and operation.class_id == 7
    assert operation.seconds == {'corners': pytest.approx(4 * 1.3), 'keys': costs.KEY}
    dot = np.zeros((SIDE, SIDE), bool)
    dot[3, 4] = True
    assert (polygon(dot, 1).pixels == dot).all()


def test_a_stroke_stays_where_it_may_be_and_is_as_short_as_it_can():
    from benchmarks.robot import costs
    from benchmarks.robot.faults import Fault
    from benchmarks.robot.hand import stroke

    bar = scene(c1=(5, 10, 35, 15)) == 1
    random = np.random.RandomState(0)
    operation = stroke(Fault(1, bar, int(bar.sum())), bar, 5, 6, random)
    assert not (operation.pixels & ~bar).any()
    assert operation.pixels[bar].mean() > 0.7
    assert operation.size == 5 and operation.tool == 'brush'
    # from one end to the other in one piece
    assert operation.seconds['strokes'] == pytest.approx(costs.POINT + costs.stroke_seconds(25, 1), abs=0.05)
    assert stroke(Fault(1, bar, int(bar.sum())), bar, 9, 6, random) is None, 'thicker than the bar'


def test_choosing_takes_keys_and_the_slider():
    from benchmarks.robot.hand import Hand, Operation

    hand = Hand()
    pixels = np.zeros((2, 2), bool)
    first = Operation('brush', 12, pixels, {'strokes': 2.0}, 5)
    assert hand.seconds(first) == {
        'deciding': 1.35,
        'keys': pytest.approx(3 * 0.28),
        'strokes': 2.0,
        'clicks': pytest.approx(2 * 1.2),
    }
    hand.take(first)
    assert hand.seconds(first) == {'deciding': 1.35, 'keys': 0.0, 'strokes': 2.0}
    other = Operation('fill', 3, pixels, {'clicks': 1.3})
    assert hand.seconds(other) == {'deciding': 1.35, 'keys': pytest.approx(2 * 0.28), 'clicks': 1.3}


@pytest.fixture(scope='module')
def demo_samples(tmp_path_factory):
    options = SampleSet.read(DEMO_FOLDER / 'samples').options
    folder = tmp_path_factory.mktemp('demo') / 'samples'
    return generate_samples(load_generator('demo'), options, [0, 1], folder, progress=False)


class Helper:
    """Suggests always the same."""

    def __init__(self, mask, points):
        self.mask = mask
        self.points = points

    def suggest(self, name):
        from benchmarks.robot.helpers import Suggested

        return Suggested(self.mask, self.points, 2.0)

    prepared = suggest

    def study(self):
        pass


@pytest.fixture
def truth(demo_samples):
    mask = np.zeros(demo_samples.image_hw, np.uint8)
    mask[40:80, 20:100] = 1
    mask[50:60, 30:50] = 2
    points = np.zeros((len(DEMO_TASK.keypoints), 2), np.float32)
    seen = np.zeros(len(DEMO_TASK.keypoints), np.uint8)
    points[0], seen[0] = (30, 70), 2
    points[1], seen[1] = (90, 70), 2
    return Annotation(demo_samples.samples[0].name, mask, Path('truth.png'), Keypoints(points, seen))


def test_polygons_from_nothing(demo_samples, truth, tmp_path):
    from benchmarks.robot.costs import Clock
    from benchmarks.robot.pages import Page
    from benchmarks.robot.person import Person

    clock = Clock()
    with open_store(demo_samples, DEMO_TASK, tmp_path) as store:
        Person(Page(store, clock), 0).label(truth)
        assert (store.mask(truth.name) == truth.mask).all()
        assert store.keypoints(truth.name)[:3] == [[30, 70, 2], [90, 70, 2], [0, 0, 0]]
    assert clock.operations['polygon'] == 2
    # two polygons of four corners
    assert clock.seconds['corners'] == pytest.approx(8 * 1.3)
    # next image, polygon tool, two classes, two times Enter, keypoint tool
    assert clock.seconds['keys'] == pytest.approx(7 * 0.28)
    # two polygons, rest is background
    assert clock.seconds['deciding'] == pytest.approx(3 * 1.35)
    # twelve keypoints of which two are there
    assert clock.seconds['keypoints'] == pytest.approx(12 * 1.35 + 2 * 1.3 + 10 * 0.28)
    assert clock.seconds['waiting'] == 0


@pytest.mark.parametrize('way, waiting', [('OnKey', 2.0), ('Renewed', 2.0 - 1.35)])
def test_only_what_is_wrong_is_mended(demo_samples, truth, tmp_path, way, waiting):
    from benchmarks.robot import pages
    from benchmarks.robot.costs import Clock
    from benchmarks.robot.person import Person

    suggested = truth.mask.copy()
    suggested[suggested == 2] = 1  # a part is missing
    suggested[100:104, 100:104] = 5  # and one is there that is none
    points = [[31, 70, 2], [90, 75, 2], *[[0, 0, 0]] * (len(DEMO_TASK.keypoints) - 2)]
    clock = Clock()
    with open_store(demo_samples, DEMO_TASK, tmp_path) as store:
        other = list(store.samples)[1]
        store.save_mask(other, truth.mask.tobytes())
        Person(getattr(pages, way)(store, clock, Helper(suggested, points)), 0).label(truth)
        assert (store.mask(truth.name) == truth.mask).all()
        # one is near enough, one has been moved
        assert store.keypoints(truth.name)[:2] == [[31, 70, 2], [90, 70, 2]]
    mended = clock.operations['fill'] + clock.operations['polygon'] + clock.operations['brush']
    assert mended == 2 and clock.operations['accept'] == 1 and clock.operations['drag'] == 1
    assert clock.seconds['waiting'] == pytest.approx(waiting if way == 'OnKey' else 2 * waiting)


def test_a_suggested_region_that_fits_badly_is_refused(demo_samples, truth, tmp_path):
    from benchmarks.robot.costs import Clock
    from benchmarks.robot.pages import Renewed

    clock = Clock()
    with open_store(demo_samples, DEMO_TASK, tmp_path) as store:
        page = Renewed(store, clock, Helper(truth.mask, []))
        page.open(truth.name)
        page.refuse(truth.mask == 2)
        page.accept()
        mask = store.mask(truth.name)
    assert (mask[truth.mask == 2] == IGNORE).all()
    assert (mask[truth.mask != 2] == truth.mask[truth.mask != 2]).all()
    assert clock.seconds['clicks'] == pytest.approx(1.3)


def test_minutes_to_a_score():
    from benchmarks.labelling import minutes_to

    curve = [(1, 0.5), (3, 0.7), (4, 0.6), (8, 0.8)]
    assert minutes_to(0.6, curve) == pytest.approx(2)
    assert minutes_to(0.75, curve) == pytest.approx(7)
    assert minutes_to(0.4, curve) == 1
    assert minutes_to(0.9, curve) is None


def test_the_summary_says_where_the_time_goes():
    from benchmarks.labelling import Point, summary, table
    from benchmarks.robot.costs import KINDS

    def point(labelled, score, **seconds):
        return Point(labelled, score, 0.01, 0.0, {**dict.fromkeys(KINDS, 0.0), **seconds}, {'polygon': 2 * labelled})

    polygons = [[point(1, 0.5, corners=60), point(2, 0.8 + more, corners=120)] for more in (0, 0.02)]
    now = [[point(1, 0.6, strokes=20, keys=10), point(2, 0.9, strokes=40, keys=20)]] * 2
    found = summary({'polygons': polygons, 'now': now})
    assert found['target'] == pytest.approx(0.81)
    assert found['ways']['polygons']['minutes_to_target'] == pytest.approx(2)
    assert found['ways']['now']['minutes_to_target'] == pytest.approx(0.5 + 0.5 * 0.7)
    assert found['ways']['now']['shares']['strokes'] == pytest.approx(2 / 3)
    assert found['ways']['polygons']['operations_of_an_image'] == {'polygon': 2.0}
    assert found['ways']['polygons']['curve'][1]['mean_iou'] == {
        'mean': pytest.approx(0.81),
        'std': pytest.approx(0.02 / np.sqrt(2)),
    }
    lines = table(found).splitlines()
    assert lines[2] == '| minutes to 81.0 % mIoU | 2 | 1 |'
    assert lines[3] == '| minutes to 81.0 %, which all reach | 2 | 1 |'
    assert lines[4] == '| minutes an image | 1.0 | 0.5 |'
    assert '| of the time: strokes of the brush | 0 % | 67 % |' in lines
