"""Which images to label next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from tqdm import tqdm

from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import Labeler

Key = TypeVar('Key', int, str)
Look = Sequence[np.ndarray]
"""What an image looks like to its generator: of each layer, float32 [C_l], the mean of its channels over the pixels."""
ODD_SHARE = 0.25
"""Of the images, those with the least company."""
NEIGHBORS = 5
"""So many nearest ones are an image's company."""
SMALLEST_DEVIATION = 1e-6
SMALLEST_REST = 1e-4
"""Of a squared length of 1 on average: what is left of a look that others make up."""
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


def look_of(features: Sequence[torch.Tensor]) -> Look:
    """What the first image of a batch looks like to its generator.

    Args:
        features: one [N, C_l, h_l, w_l] map per layer.
    """
    return [maps[0].float().mean(dim=(1, 2)).cpu().numpy() for maps in features]


def choose_diverse_seeds(
    generator: Generator,
    options: SamplingOptions,
    candidates: Iterable[int],
    number: int,
    labeled: Sequence[int] = (),
    progress: bool = True,
) -> list[int]:
    """Seeds of images that differ most from each other: `choose_diverse` by what they look like to their generator.

    Args:
        generator: makes the images.
        options: how.
        candidates: seeds to choose from; labelled ones among them are passed over.
        number: how many to choose, at most.
        labeled: seeds of images that have labels.
        progress: show a bar.

    Returns:
        Seeds in the order of choice.
    """
    options = generator.check_options(options)
    seeds = sorted({*candidates, *labeled})
    bar = tqdm(seeds, desc='candidates', unit='image', disable=None if progress else True)
    with torch.inference_mode():
        looks = {seed: look_of(generator.synthesize([seed], options).features) for seed in bar}
    return choose_diverse(looks, labeled, number)


def choose_diverse(looks: Mapping[Key, Look], labeled: Sequence[Key], number: int | None = None) -> list[Key]:
    """Images that differ most from what is labelled or chosen already.

    The first is the most typical one. Each other is the one whose look is farthest from all mixtures of the looks
    before it, so that each shows something new (greedy choice of a determinantal point process: Chen, Zhang & Zhou
    2018, arXiv 1709.05135, sec. 3). Odd pictures, the quarter that has the least company, come last.
    Looks are standardised over all images, and each layer has the same weight. No random number is drawn.

    Args:
        looks: of each image, labelled ones too.
        labeled: images that have labels.
        number: how many to choose, at most; None = all.

    Returns:
        In the order of choice. Of equals, the smaller key comes first.
    """
    images = sorted(looks)
    places = {image: place for place, image in enumerate(images)}
    before = [places[image] for image in labeled]
    number = min(len(images) - len(before), len(images) if number is None else number)
    if number <= 0:
        return []
    values = standardized([looks[image] for image in images])
    products = values @ values.T
    rest = np.diag(products).copy()
    distances = np.maximum(rest + rest[:, None] - 2 * products, 0)
    company = np.sort(distances, axis=1)[:, 1 : 1 + NEIGHBORS].sum(axis=1)
    odd = company > np.quantile(company, 1 - ODD_SHARE)
    free = np.ones(len(images), bool)
    free[before] = False
    directions = np.zeros((len(before) + number, len(images)))
    chosen = list(before)
    for step, direction in enumerate(directions):
        if step == len(chosen):
            worth = rest if step else -distances.sum(axis=1)
            allowed = free & ~odd if (free & ~odd).any() else free
            chosen.append(int(np.where(allowed, worth, -np.inf).argmax()))
            free[chosen[-1]] = False
        place = chosen[step]
        if rest[place] > 0:
            direction[:] = (products[place] - directions[:step, place] @ directions[:step]) / rest[place] ** 0.5
        rest = rest - direction**2
        rest[rest < SMALLEST_REST] = 0
    return [images[place] for place in chosen[len(before) :]]


def standardized(looks: Sequence[Look]) -> np.ndarray:
    """float64 [N, C] of N looks: each channel with mean 0 and deviation 1, the layers of equal weight, and the squared
    length of a look 1 on average."""
    parts = []
    for layer in zip(*looks):
        values = np.stack(layer).astype(np.float64)
        values -= values.mean(axis=0)
        values /= np.maximum(values.std(axis=0), SMALLEST_DEVIATION)
        parts.append(values / (values.shape[1] * len(looks[0])) ** 0.5)
    return np.concatenate(parts, axis=1)
