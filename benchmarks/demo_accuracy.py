"""mIoU on the demo's 24 held-out samples after training on 16: the default preset against the reference preset.

The reference preset runs without its label clean-up (a class below 30 pixels becomes background), which was made for
images of 512 pixels and deletes every light of these small cars.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

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


def main():
    generator = load_generator(DEMO)
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    masks = list(png.read_folder(DEMO_FOLDER / 'samples' / 'masks'))
    training = samples.pair(masks, task, list(TRAINED_ON))
    heldout = samples.pair(masks, task, list(SCORED_ON))
    scores = {preset: [] for preset in PRESETS}
    for seed in SEEDS:
        for preset, runs in scores.items():
            options = options_from(preset, seed=seed, min_class_pixels=0)
            interpreter = TrainingSet(generator, samples, training, task, options).train()
            score = SegmentationScore(len(task.classes))
            for labelled, (_, annotation) in zip(Labeler(generator, interpreter)(SCORED_ON), heldout):
                score.add(annotation.mask, labelled.mask)
            runs.append(score.to_json(task.classes))
            print(f'{preset}, seed {seed}: mIoU {score.mean_iou:.4f}', flush=True)
    summary = {preset: {'mean_iou': float(np.mean([run['mean_iou'] for run in runs])),
                        'std': float(np.std([run['mean_iou'] for run in runs], ddof=1)),
                        'iou': {name: float(np.mean([run['iou'][name] for run in runs])) for name in task.classes}}
               for preset, runs in scores.items()}
    ratio = (1 - summary['default']['mean_iou']) / (1 - summary['reference']['mean_iou'])
    print(f'error (1 - mIoU), default / reference: {ratio:.3f}')
    write_result('demo_accuracy', {'trained_on': list(TRAINED_ON), 'scored_on': list(SCORED_ON), 'seeds': list(SEEDS),
                                   'presets': summary, 'error_ratio': ratio})


if __name__ == '__main__':
    main()
