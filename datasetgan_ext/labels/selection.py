"""Which images to label next."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from tqdm import tqdm

from datasetgan_ext.labeler import Labeler

POOL = 4
"""So many times the wanted number of most uncertain images are looked at for differences."""


def choose_seeds(labeler: Labeler, candidates: Iterable[int], number: int, labelled: Sequence[int] = (),
                 progress: bool = True) -> list[int]:
    """Seeds of images that the ensemble is unsure of and that differ from each other.

    Of the `POOL * number` most uncertain candidates, each choice is the one whose style w is farthest from those of all
    images that are labelled or chosen already (k-centre greedy, Sener & Savarese 2018, arXiv 1708.00489, sec. 5.1); the
    first is the most uncertain one where none is labelled.

    Args:
        labeler: labels the candidates.
        candidates: seeds to choose from; labelled ones among them are passed over.
        number: how many to choose, at most.
        labelled: seeds of images that have labels.
        progress: show a bar.

    Returns:
        Seeds in the order of choice.
    """
    done = set(labelled)
    candidates = [seed for seed in candidates if seed not in done]
    bar = tqdm(labeler(candidates), total=len(candidates), desc='candidates', unit='image',
               disable=None if progress else True)
    ranking = sorted((-sample.uncertainty, sample.seed) for sample in bar)
    pool = [seed for _, seed in ranking[:POOL * number]]
    styles = {seed: labeler.generator.ws([seed], labeler.options).mean(dim=1)[0].cpu().numpy()
              for seed in [*pool, *labelled]}

    def nearest(seed: int, others: Sequence[int]) -> float:
        return min((float(np.linalg.norm(styles[seed] - styles[other])) for other in others), default=np.inf)

    distances = {seed: nearest(seed, labelled) for seed in pool}
    chosen: list[int] = []
    while distances and len(chosen) < number:
        # the pool's order, most uncertain first, decides between equals
        best = max(distances, key=distances.get)
        chosen.append(best)
        del distances[best]
        for seed in distances:
            distances[seed] = min(distances[seed], nearest(seed, [best]))
    return chosen
