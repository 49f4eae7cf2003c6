"""Which samples of a dataset are shown: the most certain, the middling, the most uncertain and the dropped ones, and
those that a person labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasetgan_ext.core.seeds import sample_id
from datasetgan_ext.formats.folder import read_manifest

DROPPED = 'dropped'
BY_HAND = 'labelled by hand'


class Score(NamedTuple):
    """What a sample is sorted by; scores compare as they are sorted, each id has its place."""

    uncertainty: float
    id: int
    kept: bool


def read_scores(manifest: Path) -> list[Score]:
    """The scores of all samples that have an uncertainty, from the most certain to the most uncertain one."""
    records = (record for record in read_manifest(manifest) if record['uncertainty'] is not None)
    return sorted(Score(record['uncertainty'], sample_id(record), record['kept']) for record in records)


def read_by_hand(manifest: Path) -> list[Score]:
    """The kept samples that a person labelled whole, by their ids. They have no uncertainty; here it is 0."""
    records = (record for record in read_manifest(manifest) if record['uncertainty'] is None)
    return sorted(Score(0.0, sample_id(record), True) for record in records if record['kept'])


def stratify(scores: list[Score], count: int, by_hand: Sequence[Score] = ()) -> dict[str, list[Score]]:
    """Choose at most `count` samples of each stratum; of kept samples none is in two of them.

    Args:
        scores: sorted.
        count: how many to show.
        by_hand: samples that a person labelled, a stratum of their own.

    Returns:
        The chosen samples, sorted, by the name of their stratum; strata without a sample are left out.
    """
    kept = [score for score in scores if score.kept]
    dropped = [score for score in scores if not score.kept]
    middle = (len(kept) - count) // 2
    parts = (
        [kept[:count], kept[middle : middle + count], kept[-count:]]
        if len(kept) > 3 * count
        else [[kept[index] for index in part] for part in np.array_split(np.arange(len(kept)), 3)]
    )
    steps = np.linspace(0, len(dropped) - 1, min(count, len(dropped))).round().astype(int)
    strata = dict(zip(('most certain', 'median', 'most uncertain'), parts))
    strata[DROPPED] = [dropped[step] for step in steps]
    strata[BY_HAND] = list(by_hand[:count])
    return {name: part for name, part in strata.items() if part}
