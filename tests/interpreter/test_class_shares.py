import math

import numpy as np
import pytest
import torch

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.interpreter.class_shares import count_classes, undo_balance
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.pixels import NO_CLASS, PixelSet
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import PRESETS, options_from
from datasetgan_ext.interpreter.training_set import TrainingSet


def test_pixels_of_each_class_in_images_that_are_labelled_nearly_in_full():
    full = np.zeros((4, 5), np.uint8)
    full[0] = 2
    with_border, strokes = full.copy(), full.copy()
    with_border[3, :2] = IGNORE
    strokes[3, :3] = IGNORE
    assert count_classes([full, with_border, strokes], 3).tolist() == [[15, 0, 5], [13, 0, 5], [0, 0, 0]]
    assert count_classes([], 2).shape == (0, 2)


@pytest.mark.parametrize('strength', [1.0, 0.5])
def test_each_logit_moves_by_the_logarithm_of_how_much_too_often_its_class_was_drawn(strength):
    """Drawn half and half, they are nine to one: the logits move by ln(0.9 / 0.5) and ln(0.1 / 0.5)."""
    ensemble = Ensemble(2, 3, (4, 4), 5)
    drawn = torch.tensor([0, 0, 1, 1, NO_CLASS])
    undo_balance(ensemble, drawn, torch.tensor([[50, 10, 0], [40, 0, 0]]), strength)
    expected = [strength * math.log(1.8), strength * math.log(0.2), 0, 0, 0]
    np.testing.assert_allclose(ensemble.biases[-1].detach(), [expected] * 2, rtol=1e-6)
    assert all((bias == 0).all() for bias in list(ensemble.biases)[:-1])


def test_a_class_that_is_in_no_full_image_keeps_its_logit():
    ensemble = Ensemble(1, 3, (4, 4), 3)
    undo_balance(ensemble, torch.tensor([0, 1, 2]), torch.tensor([[30, 10, 0]]), 1)
    # the two others are drawn half and half
    np.testing.assert_allclose(ensemble.biases[-1][0].detach(), [math.log(1.5), math.log(0.5), 0], rtol=1e-6)
    undo_balance(ensemble, torch.tensor([0, 1, 2]), torch.zeros(0, 3, dtype=torch.int64), 1)
    np.testing.assert_allclose(ensemble.biases[-1][0].detach(), [math.log(1.5), math.log(0.5), 0], rtol=1e-6)


def test_classes_that_cannot_be_told_apart_are_called_what_they_mostly_are():
    """All pixels look alike; nine of ten are of class 0, but both are drawn equally often."""
    classes = torch.arange(400) % 2
    pixels = PixelSet(torch.randn(400, 4).half(), classes, torch.zeros_like(classes), torch.zeros(400, 0))
    options = options_from('default', models=3, max_steps=60, label_smoothing=0.0)
    ensemble, _ = train_ensemble(pixels, 2, 0, options, progress=False)
    undo_balance(ensemble, classes, torch.tensor([9, 1]), 1.0)
    shares = ensemble(torch.randn(3, 500, 4)).softmax(dim=2)[:, :, 1].mean().item()
    assert 0.05 < shares < 0.2


def test_training_sets_undo_it_for_the_images_that_were_learned(generator, samples, labels, task):
    """The second image is left out: of the first, a quarter is of class 1, and half of the pixels drawn are."""
    pairs = samples.pair(read_mask_folder(labels, task), task)[:2]
    for (_, annotation), rows in zip(pairs, (4, 16)):
        annotation.mask[:] = 0
        annotation.mask[:rows] = 1
    options = options_from('default', pixels_per_image=64, balance=1.0, unbalance=0.5)
    training_set = TrainingSet(generator, samples, pairs, task, options, progress=False)
    ensemble = Ensemble(1, 4, (4, 4), len(task.classes))
    training_set.undo_balance(ensemble, PRESETS['default'])
    assert (ensemble.biases[-1] == 0).all()
    training_set.undo_balance(ensemble, options, [1])
    expected = [0.5 * math.log(1.5), 0.5 * math.log(0.5), 0]
    np.testing.assert_allclose(ensemble.biases[-1][0].detach(), expected, rtol=1e-6)


def test_interpreters_are_trained_so(generator, samples, labels, task):
    pairs = samples.pair(read_mask_folder(labels, task), task)
    biases = {}
    for unbalance in (0.0, 1.0):
        options = options_from('default', models=2, max_steps=20, pixels_per_image=64, unbalance=unbalance)
        training_set = TrainingSet(generator, samples, pairs, task, options, progress=False)
        biases[unbalance] = train_interpreter(training_set, progress=False).ensemble.biases[-1]
    counts = sum(np.bincount(annotation.mask.reshape(-1), minlength=3) for _, annotation in pairs)
    drawn = training_set.pixels.classes.bincount().numpy()
    expected = np.log(counts / counts.sum()) - np.log(drawn / drawn.sum())
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(biases[1.0] - biases[0.0], [expected] * 2, atol=1e-5)
