"""From labelled samples to an interpreter."""
from __future__ import annotations

import logging

import numpy as np
import torch
from tqdm import tqdm

from datasetgan_ext.errors import UserError
from datasetgan_ext.evaluation.segmentation import SegmentationScore
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import center_crop
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.optimization import TrainingOptions, train_ensemble
from datasetgan_ext.interpreter.pixels import PixelSet, choose_pixels, gather_hypercolumns
from datasetgan_ext.labels.annotation import IGNORE, Annotation, clean_up
from datasetgan_ext.labels.samples import Sample, SampleSet
from datasetgan_ext.labels.task import Task

log = logging.getLogger(__name__)

LARGE_GIB = 8


class TrainingSet:
    """Labelled samples and the hypercolumns of their chosen pixels."""

    def __init__(self, generator: Generator, samples: SampleSet, pairs: list[tuple[Sample, Annotation]], task: Task,
                 options: TrainingOptions, progress: bool = True):
        """Choose pixels and gather their hypercolumns; no others are ever computed.

        Each image is made again and compared with the picture that was labelled. What is drawn from an image depends on
        its seed and `options.seed`, not on the other images.

        Args:
            generator: the network that made the samples.
            samples: the folder they are from.
            pairs: from `samples.pair`.
            task: classes and palette.
            options: how to draw pixels and train.
            progress: show progress bars.

        Raises:
            UserError: the network or an image is not the one that was labelled, or the labels hold fewer than two
                classes.
        """
        samples.check_network(generator)
        self.generator, self.samples, self.pairs, self.task, self.options = generator, samples, pairs, task, options
        self.progress = progress
        sampling = generator.check_options(samples.options)
        rows, columns = center_crop(generator.image_hw, sampling.crop_hw)
        masks = [clean_up(annotation.mask, options.min_class_pixels) for _, annotation in pairs]
        self._check_classes(masks)
        chosen = [choose_pixels(mask, options.pixels_per_image, options.balance,
                                np.random.RandomState([options.seed, sample.seed]))
                  for mask, (sample, _) in zip(masks, pairs)]
        self.pixels = self._empty_pixels(sum(map(len, chosen)))
        start = 0
        for index, ((sample, _), mask, here) in enumerate(zip(tqdm(
                pairs, desc='features', unit='image', disable=None if progress else True), masks, chosen)):
            synthesis = generator.synthesize([sample.seed], sampling)
            samples.check_image(sample, synthesis.images[0].cpu().numpy())
            part = slice(start, start := start + len(here))
            y, x = np.unravel_index(here, mask.shape)
            self.pixels.hypercolumns[part] = gather_hypercolumns(
                [maps[0] for maps in synthesis.features], y + rows.start, x + columns.start, generator.image_hw)
            self.pixels.classes[part] = torch.from_numpy(mask.reshape(-1)[here].astype(np.int64))
            self.pixels.images[part] = index

    def train(self) -> Interpreter:
        """Train on all of it."""
        return self._train(self.pixels, self.pairs, self.progress)

    def cross_validate(self) -> SegmentationScore:
        """Leave one image out at a time: train on the others, score the labels predicted for it.

        Raises:
            UserError: there is only one labelled image.
        """
        if len(self.pairs) < 2:
            raise UserError('--cross-validate needs at least two labelled images')
        score = SegmentationScore(len(self.task.classes))
        for index, (sample, annotation) in enumerate(tqdm(
                self.pairs, desc='cross-validation', unit='image', disable=None if self.progress else True)):
            interpreter = self._train(self.pixels.select(self.pixels.images != index),
                                      self.pairs[:index] + self.pairs[index + 1:], progress=False)
            synthesis = self.generator.synthesize([sample.seed], self.samples.options)
            prediction = interpreter.fused_for(self.generator)(synthesis.features)
            score.add(annotation.mask, prediction.masks[0].cpu().numpy())
        return score

    def _train(self, pixels: PixelSet, pairs: list[tuple[Sample, Annotation]], progress: bool) -> Interpreter:
        ensemble, report = train_ensemble(pixels, len(self.task.classes), self.options, progress)
        training = {**self.options.to_json(), **report.to_json(), 'images': len(pairs),
                    'seeds': [sample.seed for sample, _ in pairs]}
        return Interpreter(ensemble.cpu(), self.task, self.generator.layers, self.samples.options,
                           self.samples.image_hw, self.generator.source, self.generator.fingerprint, training)

    def _check_classes(self, masks: list[np.ndarray]) -> None:
        labelled = set(np.unique(np.concatenate([mask.reshape(-1) for mask in masks])).tolist()) - {IGNORE}
        if len(labelled) < 2:
            found = ', '.join(self.task.classes[class_id] for class_id in labelled) or 'no class at all'
            raise UserError(f'--labels: the masks hold {found}, and nothing to tell it from. {IGNORE} means '
                            f'"no label": in a black-and-white mask, write the class id instead of {IGNORE}')
        absent = [name for class_id, name in enumerate(self.task.classes) if class_id not in labelled]
        if absent:
            log.warning('No labelled pixel of %s: the interpreter will never predict it', ', '.join(absent))

    def _empty_pixels(self, count: int) -> PixelSet:
        channels, device = sum(layer.channels for layer in self.generator.layers), self.generator.device
        gib = count * channels * 4 / 2**30
        if gib > LARGE_GIB:
            log.warning('The hypercolumns of %d pixels take %.0f GiB of memory; --pixels-per-image takes fewer',
                        count, gib)
        return PixelSet(torch.empty(count, channels, device=device),
                        torch.empty(count, dtype=torch.int64, device=device),
                        torch.empty(count, dtype=torch.int64, device=device))
