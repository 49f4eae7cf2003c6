"""What suggestions on the page are worth, with the demo's true labels as the person.

How much of an image has to be changed after a suggestion, and the suggestion's mIoU, by the number of images labelled
so far: in the page's order, which is always the same, and at random. Writes docs/labelling-curve.png too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
from tqdm import tqdm

from benchmarks.measure import ROOT, import_pyplot, write_result
from datasetgan_ext import load_generator
from datasetgan_ext.core.annotation import ABSENT, Annotation
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import flat_keypoints
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.labeling.learning import Learner
from datasetgan_ext.labeling.selection import choose_diverse
from datasetgan_ext.labeling.store import LabelStore, open_store
from datasetgan_ext.metrics.segmentation import SegmentationScore

COUNTS = (1, 3, 8, 16)
SEEDS = range(5)
"""Of the random order."""
POOL = 16
"""So many of the demo's samples may be labelled; the others are scored on."""
ORDERS = {'diverse': "in the page's order", 'random': 'at random'}
NEAR = 1 / 64
"""A suggested keypoint need not be moved if it is within this share of the image's side."""


class Benchmark:
    """The demo, a part of whose samples are scored on and never labelled."""

    def __init__(self):
        folder = DEMO_FOLDER / 'samples'
        self.generator = load_generator(DEMO)
        self.samples = SampleSet.read(folder)
        self.task = Task.read(DEMO_FOLDER / 'task.json')
        annotations = read_annotations(self.task, folder / 'masks', folder / 'keypoints.json')
        self.truth = {annotation.name: annotation for annotation in annotations}
        names = [sample.name for sample in self.samples.samples]
        self.pool, self.scored = names[:POOL], names[POOL:]
        self.features = {
            name: self.generator.synthesize([sample.seed], self.samples.options).features
            for name, sample in zip(names, self.samples.samples)
            if name in self.scored
        }

    def run(self, seed: int, order: str, bar: tqdm) -> list[dict]:
        """Figures after each of COUNTS images."""
        drawn = np.random.RandomState(seed).permutation(self.pool).tolist()
        figures = []
        with tempfile.TemporaryDirectory() as folder, open_store(self.samples, self.task, Path(folder)) as store:
            learner, labeled = Learner(self.generator, store), []
            for count in COUNTS:
                new = count - len(labeled)
                next_ones = [name for name in drawn if name not in labeled]
                if order == 'diverse':
                    looks = {name: learner.look(name) for name in self.pool}
                    next_ones = choose_diverse(looks, labeled, new)
                for name in next_ones[:new]:
                    label(store, self.truth[name])
                labeled += next_ones[:new]
                figures.append({'labelled': count, **self._changes(learner)})
                bar.update()
        return figures

    def _changes(self, learner: Learner) -> dict:
        """Pixels and keypoints of a scored image that differ from the suggestion, and of one that begins empty; and the
        suggestion's mIoU."""
        fused, changes, score = learner.train(asked=''), [], SegmentationScore(len(self.task.classes))
        for name in self.scored:
            prediction, truth = fused(self.features[name]), self.truth[name]
            found = prediction.keypoint_labels(0)
            score.add(truth.mask, prediction.masks[0].numpy())
            near = np.hypot(*(found.points - truth.keypoints.points).T) <= NEAR * max(truth.mask.shape)
            present, proposed = truth.keypoints.visibility != ABSENT, found.visibility != ABSENT
            changes.append(
                {
                    'pixels': int((prediction.masks[0].numpy() != truth.mask).sum()),
                    'pixels_from_nothing': int((truth.mask != 0).sum()),
                    'keypoints': int(((present != proposed) | (present & proposed & ~near)).sum()),
                    'keypoints_from_nothing': int(present.sum()),
                }
            )
        means = {key: float(np.mean([change[key] for change in changes])) for key in changes[0]}
        return {**means, 'mean_iou': score.mean_iou}


def label(store: LabelStore, truth: Annotation) -> None:
    """Draw the true labels."""
    store.save_mask(truth.name, truth.mask.tobytes())
    store.save_keypoints(truth.name, np.reshape(flat_keypoints(truth.keypoints), (-1, 3)).tolist())


def summary(runs: list[list[dict]]) -> list[dict]:
    """Mean and deviation over the runs of each figure, for each count; of a single run 0."""
    rows = []
    for rows_of_count in zip(*runs):
        row = {'labelled': rows_of_count[0]['labelled']}
        for key in rows_of_count[0].keys() - {'labelled'}:
            values = [run[key] for run in rows_of_count]
            row[key] = {'mean': float(np.mean(values)), 'std': statistics.stdev(values) if len(values) > 1 else 0.0}
        rows.append(row)
    return rows


def plot(orders: dict[str, list[dict]], path: Path) -> None:
    """Both curves side by side."""
    pyplot = import_pyplot()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout='constrained')
    for (order, rows), color in zip(orders.items(), ('#0b5cad', '#d1661c')):
        for axes, key, factor in ((left, 'pixels', 1), (right, 'mean_iou', 100)):
            means, deviations = (np.array([row[key][what] for row in rows]) * factor for what in ('mean', 'std'))
            axes.plot(COUNTS, means, 'o-', color=color, label=f'labelled {ORDERS[order]}')
            axes.fill_between(COUNTS, means - deviations, means + deviations, color=color, alpha=0.15, linewidth=0)
    nothing = orders['random'][0]['pixels_from_nothing']['mean']
    left.axhline(nothing, color='#566173', linestyle='--')
    left.annotate('drawing from nothing', (COUNTS[-1], nothing), ha='right', va='bottom', color='#566173')
    left.set(ylabel='pixels to change in an image', ylim=(0, nothing * 1.15))
    right.set(ylabel='mIoU of the suggestion, %')
    for axes in (left, right):
        axes.set_xscale('log', base=2)
        axes.set_xticks(COUNTS, map(str, COUNTS))
        axes.set_xlabel('labelled images')
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    right.legend(loc='lower right', frameon=False)
    figure.savefig(path, dpi=110)


def main():
    benchmark = Benchmark()
    seeds = {'diverse': SEEDS[:1], 'random': SEEDS}
    with tqdm(total=sum(map(len, seeds.values())) * len(COUNTS), unit='training') as bar:
        runs = {order: [benchmark.run(seed, order, bar) for seed in seeds[order]] for order in ORDERS}
    orders = {order: summary(of_order) for order, of_order in runs.items()}
    for order, rows in orders.items():
        for row in rows:
            figures = ', '.join(
                f'{key} {row[key]["mean"]:.4g} ± {row[key]["std"]:.2g}' for key in sorted(row.keys() - {'labelled'})
            )
            print(f'{row["labelled"]} images, {ORDERS[order]}: {figures}')
    write_result(
        'suggestions',
        {
            'pool': len(benchmark.pool),
            'scored': len(benchmark.scored),
            'seeds': list(SEEDS),
            'pixels_of_an_image': int(np.prod(benchmark.samples.image_hw)),
            'keypoint_tolerance': NEAR,
            'orders': orders,
        },
    )
    plot(orders, ROOT / 'docs' / 'labelling-curve.png')


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
