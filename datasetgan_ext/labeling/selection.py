"""Which images to label next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from datasetgan_ext.interpreter.labeler import Labeler

Key = TypeVar('Key', int, str)
STEP = 4
"""So many images are chosen at a time where all are put in an order."""
POOL = 4
"""So many times the wanted number of most uncertain images are looked at for differences."""


def choose_seeds(
    labeler: Labeler, candidates: Iterable[int], number: int, labeled: Sequence[int] = (), progress: bool = True
) -> list[int]:
    """Seeds of images that the ensemble is unsure of and that differ from each other.

    Of the `POOL * number` most uncertain candidates, each choice is the one whose style w is farthest from those of all
    images that are labelled or chosen already (k-centre greedy, Sener & Savarese 2018, arXiv 1708.00489, sec. 5.1); the
    first is the most uncertain one where none is labelled.

    Args:
        labeler: labels the candidates.
        candidates: seeds to choose from; labelled ones among them are passed over.
        number: how many to choose, at most.
        labeled: seeds of images that have labels.
        progress: show a bar.

    Returns:
        Seeds in the order of choice.
    """
    known = set(labeled)
    candidates = [seed for seed in candidates if seed not in known]
    bar = tqdm(
        labeler(candidates), total=len(candidates), desc='candidates', unit='image', disable=None if progress else True
    )
    ranking = sorted((-sample.uncertainty, sample.seed) for sample in bar)
    pool = [seed for _, seed in ranking[: POOL * number]]
    styles = {
        seed: labeler.generator.ws([seed], labeler.options).mean(dim=1)[0].cpu().numpy() for seed in [*pool, *labeled]
    }
    return choose_apart(pool, styles, labeled, number)


def choose_apart(
    pool: Sequence[Key], styles: Mapping[Key, np.ndarray], labeled: Sequence[Key], number: int
) -> list[Key]:
    """Of a pool of images, each choice the one farthest from all that are labelled or chosen already.

    Args:
        pool: images, by seed or by name, in the order that decides between equals: most uncertain first.
        styles: float32 [w_dim] of each image of the pool and each labelled one.
        labeled: images that have labels.
        number: how many to choose, at most.
    """

    def nearest(image: Key, others: Sequence[Key]) -> float:
        return min((float(np.linalg.norm(styles[image] - styles[other])) for other in others), default=np.inf)

    distances = {image: nearest(image, labeled) for image in pool}
    chosen: list[Key] = []
    while distances and len(chosen) < number:
        best = max(distances, key=distances.get)
        chosen.append(best)
        del distances[best]
        for image in distances:
            distances[image] = min(distances[image], nearest(image, [best]))
    return chosen


def label_order(
    uncertainty: Mapping[Key, float], styles: Mapping[Key, np.ndarray], labeled: Sequence[Key]
) -> list[Key]:
    """All images of `uncertainty` in the order in which to label them, `STEP` at a time by `choose_apart`.

    Args:
        uncertainty: of each image that is not labelled yet.
        styles: float32 [w_dim] of each image, labelled ones too.
        labeled: images that have labels.
    """
    waiting = sorted(uncertainty, key=lambda image: (-uncertainty[image], image))
    order: list[Key] = []
    while waiting:
        order += choose_apart(waiting[: POOL * STEP], styles, [*labeled, *order], STEP)
        waiting = [image for image in waiting if image not in order]
    return order
