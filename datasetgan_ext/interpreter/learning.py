"""From labelled samples to an interpreter."""
from __future__ import annotations

import logging

import numpy as np
from tqdm import tqdm

from datasetgan_ext.errors import UserError
from datasetgan_ext.evaluation.segmentation import SegmentationScore
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import center_crop
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.sampling import PixelSet, choose_pixels, gather_pixels
from datasetgan_ext.interpreter.training import TrainingOptions, train_ensemble
from datasetgan_ext.labels.annotation import Annotation, clean_up
from datasetgan_ext.labels.samples import Sample, SampleSet
from datasetgan_ext.labels.task import Task

log = logging.getLogger(__name__)

LARGE_GIB = 8

LabeledPairs = list[tuple[Sample, Annotation]]


def train_interpreter(generator: Generator, samples: SampleSet, pairs: LabeledPairs, task: Task,
                      options: TrainingOptions, progress: bool = True) -> Interpreter:
    """Train on hand-labelled samples.

    Args:
        generator: the network that made them.
        samples: the folder they are from.
        pairs: from `samples.pair`.
        task: classes and palette.
        options: how to train.
        progress: show progress bars.

    Raises:
        UserError: the network or an image is not the one that was labelled.
    """
    parts = collect_pixels(generator, samples, pairs, options, progress)
    return _fit(generator, samples, pairs, parts, task, options, progress)


def cross_validate(generator: Generator, samples: SampleSet, pairs: LabeledPairs, task: Task,
                   options: TrainingOptions, progress: bool = True) -> SegmentationScore:
    """Leave one image out at a time: train on the others, score the labels predicted for it.

    Raises:
        UserError: there is only one labelled image.
    """
    if len(pairs) < 2:
        raise UserError('--cross-validate needs at least two labelled images')
    parts = collect_pixels(generator, samples, pairs, options, progress)
    score = SegmentationScore(len(task.classes))
    for left_out in tqdm(range(len(pairs)), desc='cross-validation', unit='image', disable=None if progress else True):
        rest = [index for index in range(len(pairs)) if index != left_out]
        interpreter = _fit(generator, samples, [pairs[i] for i in rest], [parts[i] for i in rest], task, options,
                           progress=False)
        sample, annotation = pairs[left_out]
        synthesis = generator.synthesize([sample.seed], samples.options)
        score.add(annotation.mask, interpreter.fused_for(generator)(synthesis.features).masks[0].cpu().numpy())
    return score


def collect_pixels(generator: Generator, samples: SampleSet, pairs: LabeledPairs, options: TrainingOptions,
                   progress: bool = True) -> list[PixelSet]:
    """Hypercolumns and classes of the chosen pixels of each labelled image.

    Each image is made again and compared with the picture that was labelled; only the chosen pixels' hypercolumns are
    kept of its features.
    """
    samples.check_network(generator)
    sampling = generator.check_options(samples.options)
    rows, columns = center_crop(generator.image_hw, sampling.crop_hw)
    _warn_if_large(generator, samples, len(pairs), options)
    parts = []
    for sample, annotation in tqdm(pairs, desc='features', unit='image', disable=None if progress else True):
        synthesis = generator.synthesize([sample.seed], sampling)
        samples.check_image(sample, synthesis.images[0].cpu().numpy())
        mask = clean_up(annotation.mask, options.min_class_pixels)
        # a source of its own for each seed: what is drawn from an image does not depend on the other images
        chosen = choose_pixels(mask, options.pixels_per_image, options.balance,
                               np.random.RandomState([options.seed, sample.seed]))
        parts.append(gather_pixels([maps[0] for maps in synthesis.features], mask, chosen, generator.image_hw,
                                   (rows.start, columns.start)))
    return parts


def _fit(generator: Generator, samples: SampleSet, pairs: LabeledPairs, parts: list[PixelSet], task: Task,
         options: TrainingOptions, progress: bool) -> Interpreter:
    pixels = PixelSet.join(parts)
    absent = sorted(set(range(len(task.classes))) - set(pixels.classes.unique().tolist()))
    if absent:
        log.warning('No labelled pixel of %s: the interpreter will never predict it',
                    ', '.join(task.classes[class_id] for class_id in absent))
    ensemble, report = train_ensemble(pixels, len(task.classes), options, progress)
    training = {**options.to_json(), **report.to_json(), 'images': len(pairs),
                'seeds': [sample.seed for sample, _ in pairs]}
    return Interpreter(ensemble.cpu(), task, generator.layers, samples.options, samples.image_hw, generator.source,
                       generator.fingerprint, training)


def _warn_if_large(generator: Generator, samples: SampleSet, images: int, options: TrainingOptions) -> None:
    pixels = min(options.pixels_per_image or np.inf, np.prod(samples.image_hw)) * images
    gib = pixels * sum(layer.channels for layer in generator.layers) * 4 / 2**30
    if gib > LARGE_GIB:
        log.warning('The hypercolumns of %d pixels take about %.0f GiB of memory; --pixels-per-image=2000 takes less',
                    pixels, gib)
