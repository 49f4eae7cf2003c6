"""Which samples of a run are kept: decided over the whole run at its end, whatever the order they were made in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import check_names
from datasetgan_ext.core.task import Task

UNCERTAINTY = 'uncertainty'
MIN_PIXELS = 'min-pixels'
BALANCE = 'balance-classes'
REASONS = (UNCERTAINTY, MIN_PIXELS, BALANCE)
"""Why a sample is dropped, in the order in which samples are."""

LEAST_LEFT = 0.1
"""Share of the samples that balancing leaves, however rare a class is."""

UNITS = 10_000
"""A share is counted in these, because whole numbers are the same on every machine."""

AT_ONCE = 200
STEPS = 16
"""Balancing drops a sample at a time, or of larger numbers one in so many, if that is less than one in STEPS of those
that must go at the least."""


@dataclass(frozen=True)
class Curation:
    """What is asked of the samples that are kept.

    Attributes:
        keep: share of the samples that are certain enough, in (0, 1].
        min_pixels: least number of pixels that each must have of a class, by class id.
        balance: share of the kept samples in which each class shall be, in (0, 1]; None = as they come.
    """

    keep: float
    min_pixels: tuple[tuple[int, int], ...] = ()
    balance: float | None = None

    @classmethod
    def of(
        cls, task: Task, keep: float, min_pixels: Iterable[tuple[str, int]] = (), balance: float | None = None
    ) -> Curation:
        """Classes by their names.

        Raises:
            UserError: the task has no such class, or no classes at all.
        """
        numbers = dict(min_pixels)
        if not task.classes and (numbers or balance is not None):
            raise UserError(
                f'`{"min_pixels" if numbers else "balance_classes"}` counts pixels of classes, and this interpreter '
                'has keypoints alone; leave it out'
            )
        check_names(
            '`min_pixels`', {name: [f'{name}={number}'] for name, number in numbers.items()}, task.classes, 'class'
        )
        return cls(keep, tuple(sorted((task.classes.index(name), number) for name, number in numbers.items())), balance)

    def to_json(self, task: Task) -> dict:
        """As the flags have it."""
        return {
            'keep': self.keep,
            'min-pixels': ','.join(f'{task.classes[index]}={number}' for index, number in self.min_pixels) or None,
            'balance-classes': self.balance,
        }

    def dropped(
        self, ids: Sequence[int], pixels: Callable[[int], list[int]], by_hand: Sequence[int] = ()
    ) -> dict[int, str]:
        """The samples that are dropped, by their ids, and why.

        Of `keep`, `ceil(keep * number)` are certain enough, at least one. What a person labelled is certain, and does
        not count there; the other two look at classes alone, and at these images too.

        Args:
            ids: from the most certain to the most uncertain.
            pixels: of each class in a sample's image.
            by_hand: other samples, which a person labelled.
        """
        certain = max(1, math.ceil(self.keep * len(ids) - 1e-9))
        dropped = dict.fromkeys(ids[certain:], UNCERTAINTY)
        left = [*by_hand, *ids[:certain]]
        if not self.min_pixels and self.balance is None:
            return dropped
        counts = np.array([pixels(id) for id in left], dtype=np.int32)
        stays = np.ones(len(left), dtype=bool)
        for class_id, number in self.min_pixels:
            stays &= counts[:, class_id] >= number
        dropped |= {id: MIN_PIXELS for id, stay in zip(left, stays) if not stay}
        if self.balance is not None and stays.any():
            left = [id for id, stay in zip(left, stays) if stay]
            balanced = balance(counts[stays] > 0, self.balance)
            dropped |= {id: BALANCE for id, stay in zip(left, balanced) if not stay}
        return dropped


def balance(has: np.ndarray, share: float) -> np.ndarray:
    """Drop samples until each class is in a share of those that are left.

    Again and again, the samples go that do least for the classes that lack: a sample's worth is the sum of its classes'
    lacks. Classes of which there are not enough for LEAST_LEFT of the samples are worth something, too, but only the
    others are waited for. Should they all together be too much for LEAST_LEFT, the result is the best that was met,
    by the sum of the squares of what the shares lack.

    Args:
        has: bool [N, C], which classes each sample has, the samples in the order of the wish to keep them: of equally
            worthy ones the last goes first.
        share: in (0, 1].

    Returns:
        bool [N], which samples stay.
    """
    kinds, kind = np.unique(has, axis=0, return_inverse=True)
    kinds, kind = kinds.astype(np.float64), kind.reshape(-1)  # whole numbers below 2**53: exact in any order
    units, floor = max(1, round(share * UNITS)), max(1, math.ceil(len(has) * LEAST_LEFT))
    awaited = UNITS * has.sum(axis=0) >= units * floor
    left = best = np.arange(len(has))
    best_lack = None
    while True:
        counts = np.bincount(kind[left], minlength=len(kinds))
        lacks = np.maximum(units * len(left) - UNITS * (counts @ kinds), 0) * has.any(axis=0)
        lack = sum(int(lack) ** 2 for lack in lacks[awaited])
        if best_lack is None or lack * len(best) ** 2 < best_lack * len(left) ** 2:
            best, best_lack = left, lack
        if lack == 0 or len(left) == floor:
            return np.isin(np.arange(len(has)), best)
        # max / units samples without it must go before the scarcest class is in a share of the rest; small steps, since
        # each changes what the others are worth
        count = min(len(left) // AT_ONCE, int(lacks[awaited].max()) // units // STEPS)
        left = left[_most_worthy(kinds @ lacks, counts, kind[left], min(max(1, count), len(left) - floor))]


def _most_worthy(worth: np.ndarray, counts: np.ndarray, kind: np.ndarray, drop: int) -> np.ndarray:
    """bool [N]: all but the `drop` least worthy samples, of equally worthy ones the last.

    Args:
        worth: [K], of each kind of sample.
        counts: [K], how many samples there are of it.
        kind: [N], of each sample.
        drop: how many go.
    """
    order = np.argsort(worth, kind='stable')
    limit = worth[order[np.searchsorted(np.cumsum(counts[order]), drop)]]
    worths = worth[kind]
    stays = worths >= limit
    equal = np.flatnonzero(worths == limit)
    stays[equal[len(equal) - (drop - (len(kind) - stays.sum())) :]] = False
    return stays
