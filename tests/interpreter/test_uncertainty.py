import math

import pytest
import torch

from datasetgan_ext.core import choices
from datasetgan_ext.interpreter.uncertainty import (
    SCORES,
    divergence_and_entropy,
    foreground_mean,
    jensen_shannon,
    majority_vote,
    top_tenth,
)


def pixel(*members) -> torch.Tensor:
    """Probabilities of one pixel, [M, K, 1]."""
    return torch.tensor(members)[..., None]


@pytest.mark.parametrize(
    'members, label',
    [
        (([0.6, 0.4], [0.6, 0.4], [0.0, 1.0]), 0),  # two votes to one, though the mean says 1
        (([0.9, 0.1], [0.2, 0.8]), 0),  # tie: the mean says 0
        (([0.6, 0.4], [0.1, 0.9]), 1),  # tie: the mean says 1, not the smallest id
        (([0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.2, 0.3]), 1),
    ],
)
def test_majority_vote(members, label):
    assert majority_vote(pixel(*members)).tolist() == [label]


@pytest.mark.parametrize(
    'members, divergence',
    [
        (([1.0, 0.0], [1.0, 0.0]), 0.0),
        (([0.5, 0.5], [0.5, 0.5]), 0.0),  # unsure, but of one mind
        (([1.0, 0.0], [0.0, 1.0]), math.log(2)),
        (([0.75, 0.25], [0.25, 0.75]), math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)),
    ],
)
def test_jensen_shannon(members, divergence):
    assert jensen_shannon(pixel(*members)).item() == pytest.approx(divergence, abs=1e-6)


def test_jensen_shannon_is_never_negative():
    assert (jensen_shannon(torch.randn(10, 4, 1).softmax(dim=1).expand(10, 4, 1000)) >= 0).all()


def test_divergence_and_entropy_of_a_pixel():
    divergence, entropy = divergence_and_entropy(pixel([1.0, 0.0], [0.0, 1.0]))
    assert divergence.item() == pytest.approx(math.log(2)) and entropy.item() == pytest.approx(math.log(2))
    divergence, entropy = divergence_and_entropy(pixel([0.5, 0.5], [0.5, 0.5]))
    assert divergence.item() == 0 and entropy.item() == pytest.approx(math.log(2))


def test_the_mean_of_the_top_tenth():
    pixels = torch.arange(20.0).reshape(1, 4, 5)
    assert top_tenth(pixels).tolist() == [18.5]
    assert top_tenth(torch.tensor([[[1.0, 3.0]]])).tolist() == [3.0]


def test_the_mean_of_the_foreground():
    pixels = torch.tensor([[[1.0, 2.0], [6.0, 100.0]], [[1.0, 2.0], [6.0, 100.0]], [[5.0, 5.0], [5.0, 7.0]]])
    masks = torch.tensor([[[1, 2], [1, 0]], [[0, 3], [0, 0]], [[0, 0], [0, 0]]], dtype=torch.uint8)
    assert foreground_mean(pixels, masks).tolist() == [3.0, 2.0, 7.0]  # the last has none: its top tenth
    for index in range(3):
        assert foreground_mean(pixels[index, None], masks[index, None]) == foreground_mean(pixels, masks)[index]


def test_scores_of_images():
    masks = torch.tensor([[[0, 1], [1, 0]]], dtype=torch.uint8)
    divergence = torch.tensor([[[0.49, 0.04], [0.16, 0.0]]])
    entropies = torch.tensor([[[0.6, 0.1], [0.5, 0.0]]])
    assert SCORES['labels'](masks, divergence, entropies).item() == pytest.approx((0.1 + 0.2 + 0.5 + 0.4) / 2)
    assert SCORES['paper'](masks, divergence, entropies).item() == pytest.approx(0.49)
    assert tuple(SCORES) == choices.SCORES
