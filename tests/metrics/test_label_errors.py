import numpy as np
import pytest

from datasetgan_ext import load_generator
from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.cross_validation import cross_validate
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.metrics.label_errors import LabelError, find_label_errors


def test_regions_that_are_labeled_otherwise():
    labeled, predicted, uncertainty = (np.zeros((10, 12), np.uint8) for _ in range(3))
    labeled[2:5, 3:9] = 1  # 18 pixels, the ensemble says background
    labeled[7:9, 0:2] = 2  # 4 pixels
    predicted[7:9, 8:10] = 1  # 4 pixels of background
    errors = find_label_errors('car', labeled, predicted, uncertainty)
    nowhere = np.empty(0)
    assert errors == [
        LabelError('car', 1, 0, 18, 0, 6.0, 3.5, nowhere),
        LabelError('car', 0, 1, 4, 0, 9.0, 8.0, nowhere),
        LabelError('car', 2, 0, 4, 0, 1.0, 8.0, nowhere),
    ]
    assert errors[2].pixels.tolist() == [7 * 12, 7 * 12 + 1, 8 * 12, 8 * 12 + 1]


@pytest.mark.parametrize('change', ['unsure', 'unlabelled', 'border'])
def test_what_is_no_mistake(change):
    labeled, predicted, uncertainty = np.zeros((10, 12), np.uint8), np.zeros((10, 12), np.uint8), np.zeros((10, 12))
    labeled[2:5, 3:9] = 1
    if change == 'unsure':
        uncertainty[:] = 0.3
    elif change == 'unlabelled':
        labeled[2:5, 3:9] = IGNORE
    else:
        predicted[3:5, 3:9] = 1  # a line of one pixel is left
    assert find_label_errors('car', labeled, predicted, uncertainty) == []


def test_cross_validation_finds_a_planted_mistake():
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    pairs = samples.pair(read_mask_folder(DEMO_FOLDER / 'samples' / 'masks', task), task, list(range(4)))
    mask = pairs[2][1].mask
    assert (mask[4:28, 20:108] == task.classes.index('background')).all()
    hub, window = task.classes.index('hub'), task.classes.index('window')
    hub_y = np.argwhere(mask == hub)[:, 0].mean()
    mask[mask == hub] = window
    mask[4:28, 20:108] = window  # sky
    options = options_from('default', models=2, pixels_per_image=500, max_steps=150)
    training_set = TrainingSet(load_generator('demo'), samples, pairs, task, options, progress=False)
    errors = cross_validate(training_set, progress=False).label_errors
    worst = errors[0]
    assert (worst.name, worst.labeled, worst.expected) == ('seed0000002', window, task.classes.index('background'))
    assert (worst.x, worst.y) == (pytest.approx(64, abs=3), pytest.approx(16, abs=3))
    assert [
        error
        for error in errors
        if (error.name, error.labeled, error.expected) == ('seed0000002', window, hub) and abs(error.y - hub_y) < 3
    ]
