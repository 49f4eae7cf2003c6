"""mIoU on the demo's 24 held-out samples after training on 16: the default preset against the reference preset.

And the default preset with fewer and with more pixels of each labelled image. The reference preset runs without its
label clean-up (a class below 30 pixels becomes background), which was made for images of 512 pixels and deletes the
small parts of these cars.
"""
from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch

from benchmarks.measure import write_result
from datasetgan_ext import Labeler, load_generator
from datasetgan_ext.evaluation.segmentation import SegmentationScore
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.interpreter.optimization import PRESETS, options_from
from datasetgan_ext.interpreter.training import TrainingSet
from datasetgan_ext.labels import png
from datasetgan_ext.labels.samples import SampleSet
from datasetgan_ext.labels.task import Task

TRAINED_ON, SCORED_ON = range(16), range(16, 40)
SEEDS = range(3)
PIXELS_PER_IMAGE = (64, 256, 1024, 4096, 'all')


def summary_of(scores: list[SegmentationScore], classes: Sequence[str]) -> dict:
    """Mean over the training seeds of mIoU and IoU, and the standard deviation of mIoU."""
    means = [score.mean_iou for score in scores]
    return {'mean_iou': float(np.mean(means)), 'std': float(np.std(means, ddof=1)),
            'iou': {name: float(np.mean([score.iou[index] for score in scores]))
                    for index, name in enumerate(classes)}}


def measure(preset: str, pixels: int | str | None) -> dict:
    """Train on each seed and score; `pixels` per image, None = the preset's own number."""
    generator = load_generator(DEMO)
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    masks = list(png.read_folder(DEMO_FOLDER / 'samples' / 'masks'))
    training = samples.pair(masks, task, list(TRAINED_ON))
    heldout = samples.pair(masks, task, list(SCORED_ON))
    scores = []
    for seed in SEEDS:
        options = options_from(preset, seed=seed, min_class_pixels=0, pixels_per_image=pixels)
        interpreter = TrainingSet(generator, samples, training, task, options, progress=False).train()
        scores.append(SegmentationScore(len(task.classes)))
        for labelled, (_, annotation) in zip(Labeler(generator, interpreter)(SCORED_ON), heldout):
            scores[-1].add(annotation.mask, labelled.mask)
    summary = summary_of(scores, task.classes)
    print(f'{preset}, {pixels or "its own number of"} pixels per image: mIoU {summary["mean_iou"]:.4f} '
          f'± {summary["std"]:.4f}', flush=True)
    return summary


def main():
    cases = [(preset, None) for preset in PRESETS] + [('default', pixels) for pixels in PIXELS_PER_IMAGE]
    cores = os.cpu_count()
    with multiprocessing.get_context('spawn').Pool(cores, torch.set_num_threads, (1,)) as pool:
        results = pool.starmap(measure, cases, chunksize=1)
    presets = dict(zip(PRESETS, results))
    curve = [{'pixels_per_image': pixels, **result} for pixels, result in zip(PIXELS_PER_IMAGE, results[len(PRESETS):])]
    ratio = (1 - presets['default']['mean_iou']) / (1 - presets['reference']['mean_iou'])
    print(f'error (1 - mIoU), default / reference: {ratio:.3f}')
    write_result('demo_accuracy', {'trained_on': list(TRAINED_ON), 'scored_on': list(SCORED_ON), 'seeds': list(SEEDS),
                                   'presets': presets, 'curve': curve, 'error_ratio': ratio})


if __name__ == '__main__':
    main()
