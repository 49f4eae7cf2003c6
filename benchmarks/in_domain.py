"""Why 16 labelled real images teach less than 16 labelled generated ones: which 16 they are, and what these show.

    python benchmarks/in_domain.py    # a minute of a CPU core for each training

Networks learn from 16 drawings with true labels, or from 16 of the demo's labelled samples, and are scored on drawings
that nothing has seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

from benchmarks.demo.rebuild import FIRST_HELD_OUT
from benchmarks.measure import one_thread_each, write_result
from benchmarks.table_data import write_drawings
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset, read_labeled
from datasetgan_ext.downstream.learners import FitOptions
from datasetgan_ext.downstream.networks import SMALL
from datasetgan_ext.downstream.training import TrainingPlan
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER

FEW = 16
STARTS = {'generated': (0, 16), 'drawings': (0, 16, 32)}
TESTED = 200
SIZE = (64, 64)
SMALL_PARTS = ('screen', 'light', 'grille', 'plate', 'handle', 'mirror')


def images_of(kind: str, start: int, work: Path) -> LabeledDataset:
    """FEW images from one on, with masks."""
    task = Task.read(DEMO_FOLDER / 'task.json')
    folder = DEMO_FOLDER / 'samples' if kind == 'generated' else work / 'drawings'
    return read_labeled(folder, task).only(classes=True, keypoints=False).take(range(start, start + FEW))


def train_and_score(work: Path, steps: int, case: tuple[str, int], seed: int) -> dict[str, float]:
    """IoU of each class, and their mean."""
    kind, start = case
    data = images_of(kind, start, work)
    options = FitOptions(
        steps=steps, batch=8, lr=1e-2, dice=1, every=steps, patience=1, keep_checkpoints=False, workers=0, seed=seed
    )
    plan = TrainingPlan(
        data=data,
        selection=None,
        val=0,
        unlabeled=None,
        image_hw=SIZE,
        architecture=SMALL,
        pretrained='none',
        mirror=True,
        options=options,
    )
    model = plan.train(work / f'{kind}-{start}-{seed}.safetensors')
    test = read_labeled(work / 'test').only(classes=True, keypoints=False)
    score = model.score(test).segmentation.to_json(data.task.classes)
    return {'mean_iou': score['mean_iou'], **score['iou']}


def pixels_of(images: Iterable) -> list[float]:
    """Share of the pixels that each class has, by its id."""
    counts = sum(np.bincount(image.mask.ravel(), minlength=256) for image in images)
    return (counts / counts.sum()).tolist()


def table(result: dict) -> str:
    """IoU of small parts, and in brackets how many of 10,000 pixels they have in what was learned from."""
    lines = [f'| learned from | mIoU, % | {" | ".join(SMALL_PARTS)} |', '|---' * (2 + len(SMALL_PARTS)) + '|']
    for title, row in result['rows'].items():
        spread = '' if row['std'] is None else f' ± {100 * row["std"]:.1f}'
        cells = [f'{100 * row["iou"][name]:.0f} ({1e4 * row["pixels"][name]:.0f})' for name in SMALL_PARTS]
        lines.append(f'| {title} | {100 * row["mean_iou"]:.1f}{spread} | {" | ".join(cells)} |')
    return '\n'.join(lines)


@click.command(help=__doc__)
@click.option('--runs', type=click.IntRange(min=1), default=3, show_default=True, help='Training seeds')
@click.option('--steps', type=click.IntRange(min=1), default=600, show_default=True, help='Updates')
@click.option('--jobs', type=click.IntRange(min=1), default=os.cpu_count(), show_default=True, help='Trainings at once')
def main(runs, steps, jobs):
    cases = [(kind, start) for kind, starts in STARTS.items() for start in starts]
    with TemporaryDirectory() as folder, one_thread_each(jobs) as pool:
        work = Path(folder)
        write_drawings(work / 'drawings', range(max(STARTS['drawings']) + FEW), pool.map)
        write_drawings(work / 'test', range(FIRST_HELD_OUT, FIRST_HELD_OUT + TESTED), pool.map)
        tasks = list(product(cases, range(runs)))
        scores = list(pool.map(partial(train_and_score, work, steps), *zip(*tasks)))
        rows = {}
        for case in cases:
            of_case = [score for (other, _), score in zip(tasks, scores) if other == case]
            means = [score['mean_iou'] for score in of_case]
            images = images_of(*case, work)
            rows[f'{case[0]} {case[1]} to {case[1] + FEW - 1}'] = {
                'mean_iou': float(np.mean(means)),
                'std': float(np.std(means, ddof=1)) if runs > 1 else None,
                'iou': {name: float(np.mean([score[name] for score in of_case])) for name in images.task.classes},
                'pixels': dict(zip(images.task.classes, pixels_of(images))),
            }
    result = {'runs': runs, 'steps': steps, 'tested_on': TESTED, 'rows': rows}
    write_result('in_domain', result)
    print(table(result))


if __name__ == '__main__':
    main()
