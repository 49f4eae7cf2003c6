import math

import pytest
import torch

from datasetgan_ext.interpreter.uncertainty import image_uncertainty, jensen_shannon, majority_vote


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


def test_image_uncertainty_is_the_mean_of_the_top_tenth():
    pixels = torch.arange(20.0).reshape(1, 4, 5)
    assert image_uncertainty(pixels).tolist() == [18.5]
    assert image_uncertainty(torch.tensor([[[1.0, 3.0]]])).tolist() == [3.0]
