"""The stand-in annotator: files, and that a few steps teach it something."""

import numpy as np
import torch

from benchmarks.demo.annotator import Annotator, measure, train_annotator
from benchmarks.demo.world import CLASSES, KEYPOINTS, draw


def test_saved_and_loaded(tmp_path):
    torch.manual_seed(0)
    annotator = Annotator()
    annotator.save(tmp_path / 'annotator.safetensors')
    images = np.stack([draw(seed, 64).image for seed in range(2)])
    first, second = annotator.label(images), Annotator.load(tmp_path / 'annotator.safetensors').label(images)
    assert all(np.array_equal(one, other) for one, other in zip(first, second))


def test_it_learns_from_drawings():
    drawings = [draw(seed, 64) for seed in range(8)]
    torch.manual_seed(0)
    before = measure(Annotator(), drawings)
    after = measure(train_annotator(64, drawings=32, steps=40), drawings)
    assert after['mean_iou'] > before['mean_iou'] + 0.05
    assert set(after['iou']) == set(CLASSES) and set(after['keypoint_error_px']) == {'mean', *KEYPOINTS}
    assert np.sum(after['visibility']) == 8 * len(KEYPOINTS)
