"""The demo's keypoints: how good they are, what they cost beside the classes, and what their uncertainty is worth.

Trained on 16 samples with both heads, scored on the other 24 and on 200 further images: a tenth of those is enough to
tell what dropping the most uncertain ones does. Absent keypoints are made by a narrow crop of the samples, which cuts
off lights and bumpers.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

from benchmarks.demo.rebuild import MORE
from benchmarks.measure import write_result
from datasetgan_ext import Labeler, load_generator
from datasetgan_ext.core.annotation import ABSENT, Annotation, Keypoints
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import center_crop
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.metrics.keypoints import KeypointScore
from datasetgan_ext.metrics.segmentation import SegmentationScore

TRAINED_ON, SCORED_ON = range(16), range(16, 40)
TIMED_SEEDS, ROUNDS = range(1000, 1064), 5
DROPPED = 0.1


def train(generator, samples, annotations, task, preset='default'):
    pairs = samples.pair(annotations, task, list(TRAINED_ON))
    options = options_from(preset, min_class_pixels=0)
    return train_interpreter(TrainingSet(generator, samples, pairs, task, options))


def score(generator, interpreter, annotations, seeds=SCORED_ON) -> dict:
    """Scores on labelled images, and the mean error of those that are left when the least certain are dropped."""
    by_name = {annotation.name: annotation for annotation in annotations}
    classes = interpreter.task.classes
    segmentation, keypoints, errors = SegmentationScore(len(classes)), KeypointScore(interpreter.image_hw), []
    for labeled in Labeler(generator, interpreter)(seeds):
        truth = by_name[labeled.name]
        segmentation.add(truth.mask, labeled.mask)
        keypoints.add(truth.keypoints, labeled.keypoints, truth.mask)
        both = (truth.keypoints.visibility != ABSENT) & (labeled.keypoints.visibility != ABSENT)
        distance = np.linalg.norm(truth.keypoints.points - labeled.keypoints.points, axis=1)[both]
        errors.append((labeled.uncertainty, distance))
    errors.sort(key=lambda error: error[0])
    certain = errors[: len(errors) - round(DROPPED * len(errors))]
    return {
        'mean_iou': segmentation.mean_iou,
        **keypoints.to_json(),
        'mean_error_px_of_the_certain': float(np.concatenate([distance for _, distance in certain]).mean()),
    }


def cropped(samples, annotations, crop_hw, folder):
    """The samples with a central crop, and their labels."""
    generator = load_generator(DEMO)
    rows, columns = center_crop(generator.image_hw, crop_hw)
    options = replace(samples.options, crop_hw=crop_hw)
    narrow = generate_samples(generator, options, [sample.seed for sample in samples.samples], folder)
    moved = []
    for annotation in annotations:
        points = annotation.keypoints.points - np.array([columns.start, rows.start], dtype=np.float32)
        inside = ((points >= 0) & (points <= np.array(crop_hw[::-1]))).all(axis=1)
        visibility = np.where(inside, annotation.keypoints.visibility, ABSENT).astype(np.uint8)
        moved.append(
            Annotation(
                annotation.name, annotation.mask[rows, columns], annotation.source, Keypoints(points, visibility)
            )
        )
    return narrow, moved


def seconds(labeler) -> float:
    start = time.perf_counter()
    for _ in labeler(TIMED_SEEDS):
        pass
    return time.perf_counter() - start


def main():
    generator = load_generator(DEMO)
    samples, task = SampleSet.read(DEMO_FOLDER / 'samples'), Task.read(DEMO_FOLDER / 'task.json')
    annotations = read_annotations(task, DEMO_FOLDER / 'samples' / 'masks', DEMO_FOLDER / 'samples' / 'keypoints.json')
    both = train(generator, samples, annotations, task)
    without = train(generator, samples, annotations, task.only(classes=True, keypoints=False))
    more = read_annotations(task, DEMO_FOLDER / 'more' / 'masks', DEMO_FOLDER / 'more' / 'keypoints.json')
    scores = {
        'default': score(generator, both, annotations),
        f'default, {len(MORE)} more images': score(generator, both, more, MORE),
        'reference': score(generator, train(generator, samples, annotations, task, 'reference'), annotations),
    }
    with tempfile.TemporaryDirectory() as folder:
        narrow, moved = cropped(samples, annotations, (128, 112), Path(folder))
        scores['narrow crop'] = score(generator, train(generator, narrow, moved, task), moved)
    labelers = {'classes': Labeler(generator, without), 'both': Labeler(generator, both)}
    times = {name: [] for name in labelers}
    for _ in range(ROUNDS):
        for name, labeler in labelers.items():
            times[name].append(seconds(labeler))
    best = {name: min(values) for name, values in times.items()}
    print(json.dumps(scores, indent=1))
    print(f'seconds for {len(TIMED_SEEDS)} images: {best}; both / classes: {best["both"] / best["classes"]:.3f}')
    write_result('demo_keypoints', {'scores': scores, 'seconds': times, 'cost_ratio': best['both'] / best['classes']})


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
