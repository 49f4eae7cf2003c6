"""What scores of images are worth, in cases that can be counted by hand."""

import numpy as np
import pytest
import torch

from benchmarks.image_score import SCORES, TRUE, Maps, mean_of_classes, members_classes, members_iou, summary_of, worth


def maps(members, mask=None, divergence=None) -> Maps:
    """Of an image of one row."""
    made = Maps.__new__(Maps)
    made.members = torch.tensor(members, dtype=torch.uint8)
    made.mask = torch.tensor([[mask or members[0]]], dtype=torch.uint8)
    made.divergence = made.entropy = torch.tensor([[divergence or [0.0] * len(members[0])]])
    made.classes = 3
    return made


def test_what_members_agree_on():
    assert members_iou(maps([[0, 1, 1, 2], [0, 1, 1, 2]])) == pytest.approx(0)
    # background 1, the others a half
    assert members_iou(maps([[0, 1, 1, 2], [0, 1, 2, 2]])) == pytest.approx(1 / 3)
    # of three pairs, one has class 2 nowhere
    assert members_iou(maps([[0, 1], [0, 1], [0, 2]])) == pytest.approx(1 - (1 + 1 / 3 + 0) / 3)
    assert members_classes(maps([[0, 1], [0, 2]])) == pytest.approx(0.5)
    assert members_classes(maps([[0, 1], [1, 0]])) == 0


def test_small_parts_count_as_much_as_large_ones():
    assert mean_of_classes(maps([[0, 1, 1, 2]], divergence=[9.0, 0.1, 0.3, 0.6])) == pytest.approx((0.2 + 0.6) / 2)
    assert mean_of_classes(maps([[0, 0]], divergence=[0.1, 0.5])) == 0.5


def test_all_scores_are_numbers():
    found = {name: score(maps([[0, 1, 1, 2], [0, 1, 2, 2]], divergence=[0.1] * 4)) for name, score in SCORES.items()}
    assert all(np.isfinite(value) for value in found.values()) and TRUE not in found


def confusion(right, wrong) -> np.ndarray:
    return np.array([[right, wrong], [0, right]])


def test_worth_of_a_score():
    images = [confusion(10, wrong) for wrong in (0, 5, 10, 20)]
    best = worth(images, [0.1, 0.2, 0.3, 0.4])
    assert best['correlation'] == pytest.approx(-1)
    assert worth(images, [4, 3, 2, 1])['correlation'] == pytest.approx(1)
    assert worth(images, [1, 2, 4, 3])['correlation'] == pytest.approx(-0.8)
    # a fifth of four images is none
    assert best['gain'] == {'0.05': pytest.approx(0), '0.1': pytest.approx(0), '0.2': pytest.approx(0)}
    ten = [confusion(10, 0)] * 9 + [confusion(10, 10)]
    gain = worth(ten, range(10))['gain']
    assert gain['0.05'] == pytest.approx(0)
    assert gain['0.1'] == pytest.approx(100 * (1 - 100 / 110))  # the last has all the mistakes


def test_means_over_the_seeds():
    run, other = (
        [(confusion(10, wrong), dict.fromkeys(SCORES, value)) for wrong, value in zip((0, 5), values)]
        for values in ((1, 2), (2, 1))
    )
    row = summary_of([run, run, other])['divergence, foreground']['correlation']
    assert row['mean'] == pytest.approx(-1 / 3) and row['std'] == pytest.approx(2 / 3**0.5)
    assert summary_of([run, other])[TRUE]['correlation'] == {'mean': pytest.approx(-1), 'std': pytest.approx(0)}


def test_a_score_that_says_the_same_of_all_images():
    assert np.isnan(worth([confusion(10, 0), confusion(10, 5)], [1, 1])['correlation'])
    row = summary_of([[(confusion(10, 0), dict.fromkeys(SCORES, 1)), (confusion(10, 5), dict.fromkeys(SCORES, 1))]])
    assert row['divergence, foreground']['correlation'] == {'mean': None, 'std': None}
