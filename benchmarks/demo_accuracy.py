"""mIoU on the demo's 24 held-out samples after training on 16: the default preset against the reference preset.

The reference preset runs without its label clean-up (a class below 30 pixels becomes background), which was made for
images of 512 pixels and deletes the small parts of these cars.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

from benchmarks.measure import one_thread_each, write_result
from datasetgan_ext import Labeler, load_generator
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import PRESETS, TrainingOptions, options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.metrics.segmentation import SegmentationScore

TRAINED_ON, SCORED_ON = range(16), range(16, 40)
SEEDS = range(3)


def train_and_score(
    options: TrainingOptions,
    trained_on: Sequence[int],
    scored_on: Sequence[int],
    change: Callable[[Generator], None] | None = None,
) -> SegmentationScore:
    """Train on some of the demo's samples and score on others; `change` is done to the generator beforehand."""
    generator = load_generator(DEMO)
    if change is not None:
        change(generator)
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    masks = read_mask_folder(DEMO_FOLDER / 'samples' / 'masks', task)
    training, heldout = (samples.pair(masks, task, list(seeds)) for seeds in (trained_on, scored_on))
    training_set = TrainingSet(generator, samples, training, task, options, progress=False)
    interpreter = train_interpreter(training_set, progress=False)
    score = SegmentationScore(len(task.classes))
    for labeled, (_, annotation) in zip(Labeler(generator, interpreter)(scored_on), heldout):
        score.add(annotation.mask, labeled.mask)
    return score


def summary_of(scores: Sequence[SegmentationScore], classes: Sequence[str]) -> dict:
    """Mean over the training seeds of mIoU and IoU, and the standard deviation of mIoU."""
    means = [score.mean_iou for score in scores]
    return {
        'mean_iou': float(np.mean(means)),
        'std': float(np.std(means, ddof=1)) if len(means) > 1 else None,
        'iou': {name: float(np.mean([score.iou[index] for score in scores])) for index, name in enumerate(classes)},
    }


def main():
    jobs = [
        (options_from(preset, seed=seed, min_class_pixels=0), TRAINED_ON, SCORED_ON)
        for preset in PRESETS
        for seed in SEEDS
    ]
    with one_thread_each() as pool:
        scores = list(pool.map(train_and_score, *zip(*jobs)))
    classes = Task.read(DEMO_FOLDER / 'task.json').classes
    presets = {
        preset: summary_of(scores[index * len(SEEDS) :][: len(SEEDS)], classes) for index, preset in enumerate(PRESETS)
    }
    for preset, summary in presets.items():
        print(f'{preset}: mIoU {summary["mean_iou"]:.4f} ± {summary["std"]:.4f}')
    ratio = (1 - presets['default']['mean_iou']) / (1 - presets['reference']['mean_iou'])
    print(f'error (1 - mIoU), default / reference: {ratio:.3f}')
    write_result(
        'demo_accuracy',
        {
            'trained_on': list(TRAINED_ON),
            'scored_on': list(SCORED_ON),
            'seeds': list(SEEDS),
            'presets': presets,
            'error_ratio': ratio,
        },
    )


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
