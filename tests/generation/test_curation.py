"""Which samples are kept, in cases that can be counted by hand."""

import numpy as np
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generation.curation import Curation, balance

TASK = Task.from_names(['background', 'wheel', 'window'])


def rows(*groups) -> np.ndarray:
    """Samples with these classes: each group is a number of samples and a string of 0 and 1."""
    return np.array([[char == '1' for char in text] for number, text in groups for _ in range(number)])


@pytest.mark.parametrize(
    'samples, share, kept',
    [
        # the ten that have the second class, and as many of the others, those first in line
        (rows((90, '10'), (10, '11')), 0.5, [*range(10), *range(90, 100)]),
        (rows((90, '10'), (10, '11')), 0.1, range(100)),
        # 10 of 33 is the least for a share of 0.3; the others stay as the first in line
        (rows((10, '100'), (20, '010'), (70, '001')), 0.3, [*range(10), *range(10, 23), *range(30, 40)]),
        # a class that no sample has is not missed
        (rows((20, '10')), 0.5, range(20)),
        # two of a hundred are too few for half of a tenth: not waited for
        (rows((98, '10'), (2, '11')), 0.5, range(100)),
        # two classes that never meet cannot both be in nine tenths, and half is what they have
        (rows((50, '10'), (50, '01')), 0.9, range(100)),
        (rows((70, '10'), (30, '01')), 0.9, [*range(30), *range(70, 100)]),
        (rows((1, '1')), 1.0, [0]),
    ],
)
def test_balance(samples, share, kept):
    assert np.flatnonzero(balance(samples, share)).tolist() == list(kept)


def test_balance_keeps_nearly_as_many_as_can_be():
    """Against the best that there is: the linear program of all choices, which may halve samples."""
    from scipy.optimize import linprog

    random = np.random.RandomState(0)
    samples = random.rand(2000, 6) < [1, 0.05, 0.1, 0.3, 0.6, 0.9]
    stays = balance(samples, 0.2)
    assert (samples[stays].mean(axis=0) >= 0.2).all()
    kinds, numbers = np.unique(samples, axis=0, return_counts=True)
    most = -linprog(
        -np.ones(len(kinds)),
        A_ub=0.2 - kinds.T,
        b_ub=np.zeros(6),
        bounds=np.stack([np.zeros(len(kinds)), numbers], axis=1),
    ).fun
    assert 0.98 * most < stays.sum() <= round(most)


def test_one_filter_after_the_other():
    pixels = {
        0: [9, 0, 0],
        1: [5, 4, 0],
        2: [5, 4, 0],
        3: [2, 4, 3],
        4: [2, 4, 3],
        5: [5, 4, 0],
        6: [0, 5, 4],
        7: [5, 3, 1],
    }
    asked = []

    def pixels_of(seed):
        asked.append(seed)
        return pixels[seed]

    order = [5, 3, 1, 2, 0, 7, 4, 6]
    assert Curation(0.75).dropped(order, pixels_of) == {4: 'uncertainty', 6: 'uncertainty'} and not asked
    curation = Curation.of(TASK, 0.75, [('wheel', 4)], 0.5)
    assert curation.dropped(order, pixels_of) == {
        4: 'uncertainty',
        6: 'uncertainty',
        0: 'min-pixels',
        7: 'min-pixels',
        1: 'balance-classes',
        2: 'balance-classes',
    }
    assert asked == order[:6]
    assert curation.to_json(TASK) == {'keep': 0.75, 'min-pixels': 'wheel=4', 'balance-classes': 0.5}


def test_classes_that_are_not_there():
    with pytest.raises(UserError, match=r"`min_pixels`: .*'Wheel' \(did you mean 'wheel'\?\)"):
        Curation.of(TASK, 0.9, [('Wheel', 4)])
    with pytest.raises(UserError, match='`balance_classes` counts pixels of classes'):
        Curation.of(Task((), (), ('nose',)), 0.9, balance=0.2)


def test_what_a_person_labelled_is_certain_and_does_not_count():
    order, by_hand = [5, 3, 1, 2], [0, 7]
    assert Curation(0.5).dropped(order, lambda _: [], by_hand) == {1: 'uncertainty', 2: 'uncertainty'}
    pixels = {0: [9, 0, 0], 7: [5, 4, 0], 5: [5, 4, 0], 3: [5, 4, 0]}
    curation = Curation.of(TASK, 0.5, [('wheel', 1)])
    assert curation.dropped(order, pixels.get, by_hand) == {1: 'uncertainty', 2: 'uncertainty', 0: 'min-pixels'}
    assert Curation(0.5).dropped([], lambda _: [], by_hand) == {}
