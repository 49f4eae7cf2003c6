"""Which images to label first: what an order is worth on the demo, and where some classes are in few images.

Of each 100 candidates, drawn from `demo/more`, an order takes the first 4 and 8 without seeing labels, and what learns
from those is scored on 60 other images. "Random, all classes" does see them: it draws until each class is there.
At truncation 0.7 the labels are those of `demo/more`, at 1 what the demo's interpreter says. The hard tasks are made
from them: background, car, and one part of it, which is another class in that tenth of the images in which it is
largest or smallest, or brightest or darkest in a colour; those that cannot be told apart with all labels are left out.

What learns is a linear discriminant of the 96 largest principal components of the hypercolumns, for which thousands of
trainings take minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from tqdm import tqdm

from benchmarks.measure import write_result
from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.differences import layers_with_differences
from datasetgan_ext.interpreter.pixels import choose_pixels, gather_hypercolumns
from datasetgan_ext.labeling.selection import Look, choose_diverse, look_of, standardized

SEEDS = range(3000, 3200)
SCORED, CANDIDATES, COUNTS = 60, 100, (4, 8)
DRAWN, BALANCE, STRIDE = 1536, 0.5, 4
COMPONENTS, SHRINKAGE, PRIOR = 96, 0.02, 0.8
RARE_SHARE, LEARNABLE = 0.1, 0.25
BACKGROUND, CAR, PART, RARE = range(4)
BODY = 1


@dataclass(frozen=True)
class Picture:
    """One image. `drawn` and `drawn_classes` are pixels to learn from, `grid` and `grid_classes` those to score;
    `counts` is how many pixels each class has, and `color` the mean colour of the body."""

    drawn: np.ndarray
    drawn_classes: np.ndarray
    grid: np.ndarray
    grid_classes: np.ndarray
    counts: np.ndarray
    color: np.ndarray
    look: Look


@dataclass(frozen=True)
class Kind:
    """A task: for each image, the class that each of the demo's classes is in it."""

    classes: int
    meaning: np.ndarray


def pictures(truncation: float) -> list[Picture]:
    """All images, their hypercolumns reduced to principal components."""
    generator = load_generator(DEMO)
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    labels = {one.name: one.mask for one in read_mask_folder(DEMO_FOLDER / 'more' / 'masks', task)}
    options = generator.check_options(SamplingOptions(trunc=truncation))
    labeler = Labeler(generator, load_interpreter(DEMO), options)
    differences = layers_with_differences(generator.layers)
    height, width = generator.image_hw
    grid = np.arange(height * width).reshape(height, width)[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].reshape(-1)
    raw = []
    for seed in tqdm(SEEDS, desc=f'truncation {truncation:g}', unit='image'):
        synthesis = generator.synthesize([seed], options)
        mask = labels[f'seed{seed:07}'] if truncation == 0.7 else next(iter(labeler([seed]))).mask
        flat = mask.reshape(-1)
        drawn = choose_pixels(mask, DRAWN, BALANCE, np.random.RandomState(seed))
        values = [
            gather_hypercolumns(
                [maps[0] for maps in synthesis.features], *np.divmod(places, width), (height, width), differences
            )
            for places in (drawn, grid)
        ]
        colors = synthesis.images[0].cpu().numpy().reshape(height * width, -1)[flat == BODY]
        counts = np.bincount(flat, minlength=len(task.classes))
        raw.append((*values, flat[drawn], flat[grid], counts, colors.mean(axis=0), look_of(synthesis.features)))
    pixels = torch.cat([one[0][::6] for one in raw]).float()
    mean, deviation = pixels.mean(dim=0), pixels.std(dim=0).clamp_min(1e-5)
    pixels = (pixels - mean) / deviation
    axes = torch.linalg.eigh(pixels.T @ pixels / len(pixels)).eigenvectors[:, -COMPONENTS:]

    def reduced(values: torch.Tensor) -> np.ndarray:
        return (((values.float() - mean) / deviation) @ axes).double().numpy()

    return [
        Picture(reduced(drawn), drawn_classes, reduced(cells), cell_classes, *rest)
        for drawn, cells, drawn_classes, cell_classes, *rest in raw
    ]


def kinds(images: Sequence[Picture], pool: Sequence[int]) -> dict[str, Kind]:
    """The demo's own task, and those in which one class is in a tenth of the pool's images."""
    classes = len(images[0].counts)
    found = {'all classes': Kind(classes, np.tile(np.arange(classes), (len(images), 1)))}
    figures = {f'size of {part}': (part, np.array([one.counts[part] for one in images])) for part in range(1, classes)}
    figures |= {f'colour {index}': (BODY, np.array([one.color[index] for one in images])) for index in range(3)}
    for name, (part, values) in figures.items():
        for end, sign in (('least', 1), ('most', -1)):
            rare = sign * values <= np.quantile(sign * values[pool], RARE_SHARE)
            meaning = np.full((len(images), classes), CAR)
            meaning[:, 0] = BACKGROUND
            meaning[:, part] = np.where(rare, RARE, PART)
            found[f'{name}, {end}'] = Kind(4, meaning)
    return found


def iou(images: Sequence[Picture], kind: Kind, labeled: Sequence[int], scored: Sequence[int]) -> np.ndarray:
    """IoU of each class, after learning from some images: Fisher's discriminant with a common covariance."""
    values = np.concatenate([images[index].drawn for index in labeled])
    classes = np.concatenate([kind.meaning[index][images[index].drawn_classes] for index in labeled])
    counts = np.zeros(kind.classes)
    for index in labeled:
        np.add.at(counts, kind.meaning[index], images[index].counts)
    means = np.zeros((kind.classes, COMPONENTS))
    within = values.copy()
    for class_id in np.unique(classes):
        means[class_id] = values[classes == class_id].mean(axis=0)
        within[classes == class_id] -= means[class_id]
    covariance = within.T @ within / len(within)
    covariance += SHRINKAGE * np.trace(covariance) / COMPONENTS * np.eye(COMPONENTS)
    weights = np.linalg.solve(covariance, means.T)
    known = np.isin(np.arange(kind.classes), classes)
    bias = np.where(known, PRIOR * np.log(np.maximum(counts, 1)) - 0.5 * (means.T * weights).sum(axis=0), -np.inf)
    predicted = (np.concatenate([images[index].grid for index in scored]) @ weights + bias).argmax(axis=1)
    true = np.concatenate([kind.meaning[index][images[index].grid_classes] for index in scored])
    confusion = np.bincount(true * kind.classes + predicted, minlength=kind.classes**2).reshape(2 * [kind.classes])
    hit = np.diag(confusion)
    return hit / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1) - hit, 1)


def with_all_classes(images, kind: Kind, candidates: np.ndarray, number: int, rng: np.random.RandomState) -> np.ndarray:
    """Random images, drawn again until each class of the candidates is there; at most 3000 times."""
    held = [frozenset(kind.meaning[index][images[index].counts > 0].tolist()) for index in candidates]
    wanted = frozenset().union(*held)
    for _ in range(3000):
        chosen = rng.choice(len(candidates), number, replace=False)
        if frozenset().union(*(held[index] for index in chosen)) == wanted:
            break
    return candidates[chosen]


def clusters(values: np.ndarray, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres and members of the best of five k-means."""
    runs = [kmeans2(values, number, minit='++', seed=5 * seed + start) for start in range(5)]
    return min(runs, key=lambda run: np.square(values - run[0][run[1]]).sum())


def by_k_means(looks: Sequence[Look], number: int, seed: int) -> list[int]:
    """Of each cluster the image nearest to its centre."""
    values = standardized(looks)
    centers, members = clusters(values, number, seed)
    distances = np.square(values[:, None] - centers).sum(axis=2)
    return [int(np.where(members == index, distances[:, index], np.inf).argmin()) for index in range(number)]


def by_typiclust(looks: Sequence[Look], number: int, seed: int) -> list[int]:
    """Of each cluster the image nearest to its twenty neighbours (Hacohen et al. 2022, arXiv 2202.02794)."""
    values = standardized(looks)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    _, members = clusters(values, number, seed)
    chosen = []
    for index in np.unique(members):
        own = np.flatnonzero(members == index)
        distances = np.linalg.norm(values[own][:, None] - values[own], axis=2)
        chosen.append(int(own[np.sort(distances, axis=1)[:, 1:21].mean(axis=1).argmin() if len(own) > 1 else 0]))
    return chosen


def by_difference(looks: Sequence[Look], number: int, seed: int) -> list[int]:
    """The package's own."""
    return choose_diverse(dict(enumerate(looks)), [], number)


BLIND: dict[str, Callable[[Sequence[Look], int, int], list[int]]] = {
    'random': lambda looks, number, seed: np.random.RandomState(seed + 1000).permutation(len(looks))[:number].tolist(),
    'k-means': by_k_means,
    'TypiClust': by_typiclust,
    "datasetgan's": by_difference,
}
SIGHTED = 'random, all classes'


def measure(truncation: float, runs: int) -> dict:
    """mIoU of each order, by the kind of tasks and the number of images; and how far from `SIGHTED`."""
    images = pictures(truncation)
    order = np.random.RandomState(0).permutation(len(images))
    scored, pool = order[:SCORED], order[SCORED:]
    tasks = {
        name: kind
        for name, kind in kinds(images, pool).items()
        if kind.classes > 4 or iou(images, kind, pool, scored)[RARE] >= LEARNABLE
    }
    scores: dict[tuple, list[list[float]]] = {}
    for run in tqdm(range(runs), desc='orders', unit='draw'):
        candidates = np.random.RandomState(run).permutation(pool)[:CANDIDATES]
        looks = [images[index].look for index in candidates]
        for number in COUNTS:
            blind = {name: candidates[choose(looks, number, run)] for name, choose in BLIND.items()}
            for task, kind in tasks.items():
                sighted = with_all_classes(images, kind, candidates, number, np.random.RandomState(run))
                of_tasks = 'easy' if task == 'all classes' else 'hard'
                for name, chosen in {SIGHTED: sighted, **blind}.items():
                    per_run = scores.setdefault((of_tasks, number, name), [[] for _ in range(runs)])
                    per_run[run].append(float(np.mean(iou(images, kind, chosen, scored))))
    result = {'hard_tasks': [name for name in tasks if name != 'all classes'], 'scores': []}
    for (of_tasks, number, name), per_run in scores.items():
        means = np.mean(per_run, axis=1)
        ahead = means - np.mean(scores[of_tasks, number, SIGHTED], axis=1)
        result['scores'].append(
            {
                'tasks': of_tasks,
                'labelled': number,
                'order': name,
                'mean_iou': float(means.mean()),
                'ahead': float(ahead.mean()),
                'std_of_mean': float(ahead.std(ddof=1) / runs**0.5),
            }
        )
    return result


@click.command(help=__doc__)
@click.option('--runs', type=click.IntRange(min=2), default=20, show_default=True, help='Draws of the candidates')
def main(runs):
    worlds = {f'{truncation:g}': measure(truncation, runs) for truncation in (0.7, 1.0)}
    for truncation, world in worlds.items():
        for row in world['scores']:
            print(
                f'truncation {truncation}, {row["tasks"]}, {row["labelled"]} images, {row["order"]}: '
                f'{100 * row["mean_iou"]:.2f} ({100 * row["ahead"]:+.2f} ± {100 * row["std_of_mean"]:.2f})'
            )
    write_result('selection', {'runs': runs, 'candidates': CANDIDATES, 'scored': SCORED, 'worlds': worlds})


if __name__ == '__main__':
    main()
