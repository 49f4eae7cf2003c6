"""What the ensemble of the page learns, and from which maps."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from datasetgan_ext.core.crops import Crop
from datasetgan_ext.generator.projections import Projection
from datasetgan_ext.labeling import maps as maps_module
from datasetgan_ext.labeling.learning import LIVE, Learner, NothingToLearn, live_options
from datasetgan_ext.labeling.live import ENOUGH_STEPS, FIRST_STEPS, Pupil
from datasetgan_ext.labeling.maps import MapCache
from datasetgan_ext.labeling.store import open_store
from datasetgan_ext.labeling.suggest import NICENESS, step_back
from datasetgan_ext.labeling.suggestion import Suggestion
from tests.helpers.page import DEMO_TASK, FIRST, SECOND, SIDE, THIRD, true_keypoints, truth


@pytest.fixture
def store(demo_samples, tmp_path):
    with open_store(demo_samples, DEMO_TASK, tmp_path / 'labels') as store:
        yield store


@pytest.fixture
def learner(demo_generator, store):
    return Learner(demo_generator, store)


def wrong(learner, pupil, name):
    mask = learner.predict(pupil.fused(learner), name).masks[0].cpu().numpy()
    return int((mask != truth(name)).sum())


def test_learning_goes_on_from_the_weights_that_are_there(learner, store):
    store.save_mask(FIRST, truth(FIRST).tobytes())
    pupil = Pupil()
    pupil.take(learner.lesson(THIRD))
    pupil.study()
    first = wrong(learner, pupil, THIRD)
    assert pupil.progress == FIRST_STEPS / ENOUGH_STEPS and first < 2000
    store.save_mask(SECOND, truth(SECOND).tobytes())
    pupil.take(learner.lesson(THIRD))
    # the same function still, though other figures standardise its input
    assert wrong(learner, pupil, THIRD) == pytest.approx(first, abs=20)
    while not pupil.is_done:
        pupil.study()
    assert wrong(learner, pupil, THIRD) < first


def test_an_images_own_keypoints_are_learned_once_all_are_placed(learner, store):
    points = true_keypoints(DEMO_TASK)[FIRST].tolist()
    store.save_keypoints(FIRST, points)
    missing = [index for index, (_, _, seen) in enumerate(points) if not seen]
    assert len(missing) < len(points)
    if missing:
        with pytest.raises(NothingToLearn):
            learner.lesson(FIRST)
        store.notes.save(FIRST, {'absent': missing, 'kept': []})
    assert learner.lesson(FIRST).task.keypoints == DEMO_TASK.keypoints
    store.save_keypoints(FIRST, [[0, 0, 0], *points[1:]])
    store.notes.save(FIRST, {'absent': [], 'kept': []})
    with pytest.raises(NothingToLearn, match='at least two classes'):
        learner.lesson(FIRST)
    assert learner.lesson(SECOND).task.keypoints == DEMO_TASK.keypoints


def test_maps_are_kept_and_made_once(demo_generator, demo_samples, monkeypatch):
    made = []
    synthesize = demo_generator.synthesize
    monkeypatch.setattr(demo_generator, 'synthesize', lambda ids, *rest: made.append(ids) or synthesize(ids, *rest))
    one, other = demo_samples.samples[:2]
    cache = MapCache(demo_generator, demo_samples.options)
    assert cache(one) is cache(one) and cache.has(one.name) and cache.has_room
    narrow = MapCache(demo_generator, demo_samples.options, most_bytes=cache(one).bytes + 1)
    narrow(one)
    assert not narrow.has_room
    assert narrow.once(one) is narrow(one)
    assert narrow.once(other).image.shape == cache(one).image.shape and narrow.has(one.name)
    narrow(other)
    assert narrow.has(other.name) and not narrow.has(one.name)
    assert made == [[one.seed], [one.seed], [other.seed], [other.seed]]


def test_large_maps_are_kept_smaller(demo_generator, demo_samples, store, monkeypatch):
    monkeypatch.setattr(maps_module, 'SIDE', 32)
    cache = MapCache(demo_generator, demo_samples.options)
    assert cache.small_hw == (32, 32)
    assert {layer.hw for layer in cache.layers} == {(4, 4), (8, 8), (16, 16), (32, 32)}
    sample = demo_samples.samples[0]
    features = demo_generator.synthesize([sample.seed], demo_samples.options).features
    small = cache(sample).features
    assert torch.allclose(small[0].float(), features[0], atol=1e-2)
    # of four by four pixels the four in the middle
    middle = features[-1].unfold(2, 4, 4).unfold(3, 4, 4)[..., 1:3, 1:3].mean((-1, -2))
    assert torch.allclose(small[-1].float(), middle, atol=1e-2)


def test_what_is_seen_of_a_large_image_is_refined(demo_generator, store, monkeypatch):
    """With maps of a quarter of the size, a prediction is coarse at first; a box is then known to the pixel."""
    monkeypatch.setattr(maps_module, 'SIDE', 32)
    learner = Learner(demo_generator, store)
    store.save_mask(FIRST, truth(FIRST).tobytes())
    pupil = Pupil()
    pupil.take(learner.lesson(FIRST))
    while not pupil.is_done:
        pupil.study()
    coarse = learner.predict(pupil.fused(learner), FIRST).masks[0].cpu().numpy()
    rows, columns = learner.places()
    assert coarse.shape == (32, 32) and rows.tolist() == columns.tolist() == [place // 4 for place in range(SIDE)]
    fine = learner.predict(pupil.fused(learner, (0, 0, SIDE, SIDE)), FIRST).masks[0].cpu().numpy()
    part = learner.predict(pupil.fused(learner, (40, 50, 72, 90)), FIRST).masks[0].cpu().numpy()
    assert (part == fine[50:90, 40:72]).mean() > 0.999
    assert (fine != truth(FIRST)).sum() < (coarse[rows][:, columns] != truth(FIRST)).sum()


def test_strips_of_a_suggestion():
    coarse = np.array([[1, 2], [3, 4]], np.uint8)
    places = np.repeat([0, 1], 512)
    suggestion = Suggestion('x', coarse, coarse, (places, places), [], 1, frozenset(), 1, 1)
    assert suggestion.mask.shape == (1024, 1024) and suggestion.glance.tolist() == coarse.tolist()
    assert suggestion.mask[511:513, 511:513].tolist() == coarse.tolist()
    box = 100, 500, 612, 900
    strips = []
    while strip := suggestion.next_strip(box):
        strips.append(strip)
        left, upper, right, lower = strip
        suggestion.refine(strip, *[np.full((lower - upper, right - left), 9, np.uint8)] * 2)
    assert strips == [(100, 500, 612, 756), (100, 756, 612, 900)]
    refined = np.zeros((1024, 1024), bool)
    refined[500:900, 100:612] = True
    assert ((suggestion.mask == 9) == refined).all()
    assert suggestion.next_strip((200, 600, 300, 700)) is None  # it is within what is known
    assert suggestion.next_strip(None) == (0, 0, 1024, 128)
    small = Suggestion('x', coarse, coarse, (np.arange(2), np.arange(2)), [], 1, frozenset(), 1, 1)
    assert small.next_strip(None) is None


@pytest.mark.skipif(sys.platform != 'linux', reason='threads have no priority of their own')
def test_the_helper_steps_back_and_the_rest_does_not():
    seen = []

    def work():
        step_back()
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(19, before + NICENESS)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_photos_that_are_not_trusted_teach_nothing(demo_generator, demo_samples, demo_task, tmp_path):
    doubtful = Projection(
        image=demo_samples.samples[0].image,
        sha256=demo_samples.samples[0].sha256,
        latent='latents/a.npz',
        file='a.jpg',
        file_sha256='',
        crop=Crop((SIDE, SIDE), (0, 0, SIDE, SIDE), (SIDE, SIDE)),
        psnr=12.0,
        explained=0.1,
        perceptual=0.9,
        strangeness=1.0,
        trusted=False,
        w=demo_generator.ws([0], demo_samples.options)[0].cpu().numpy(),
    )
    first, *others = demo_samples.samples
    samples = replace(demo_samples, samples=(replace(first, projection=doubtful), *others), projecting={})
    with open_store(samples, demo_task.only(classes=True, keypoints=False), tmp_path / 'labels') as store:
        learner = Learner(demo_generator, store)
        store.save_mask(FIRST, truth(FIRST).tobytes())
        with pytest.raises(NothingToLearn, match='1 of the labelled photos are not trusted'):
            learner.lesson(SECOND)
        store.save_mask(SECOND, truth(SECOND).tobytes())
        assert learner.lesson(SECOND).images == (SECOND,)


def test_what_is_learned_of_an_image_fits_into_the_time_that_a_person_waits():
    small, large, largest = (live_options(channels) for channels in (500, 4000, 50_000))
    assert (small.max_steps, small.pixels_per_image, small.batch) == (600, 4096, LIVE.batch)
    assert (large.pixels_per_image, large.batch) == (2000, LIVE.batch // 2)
    assert largest.pixels_per_image == 1024
