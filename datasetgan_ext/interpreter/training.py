"""From labelled samples to an interpreter."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from tqdm import tqdm

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Annotation, Keypoints, clean_up
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.generator.sampling import center_crop
from datasetgan_ext.interpreter.differences import hypercolumn_length, layers_with_differences
from datasetgan_ext.interpreter.inference import Prediction
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.keypoints import (
    DEFAULT_THRESHOLD,
    calibrate_threshold,
    default_sigma,
    heat_targets,
    near_keypoints,
)
from datasetgan_ext.interpreter.optimization import TrainingOptions, train_ensemble
from datasetgan_ext.interpreter.pixels import UNLABELED, PixelSet, choose_pixels, gather_hypercolumns
from datasetgan_ext.metrics.keypoints import KeypointScore
from datasetgan_ext.metrics.label_errors import Doubt, find_doubts
from datasetgan_ext.metrics.segmentation import SegmentationScore

log = logging.getLogger(__name__)

LARGE_GIB = 8
CALIBRATION_FOLDS, CALIBRATION_MEMBERS = 4, 3


class TrainingSet:
    """Labelled samples and the hypercolumns of their chosen pixels."""

    def __init__(
        self,
        generator: Generator,
        samples: SampleSet,
        pairs: list[tuple[Sample, Annotation]],
        task: Task,
        options: TrainingOptions,
        progress: bool = True,
    ):
        """Choose pixels and gather their hypercolumns; no others are ever computed.

        Each image is made again and compared with the picture that was labelled. What is drawn from an image depends on
        its seed and `options.seed`, not on the other images.

        Args:
            generator: the network that made the samples.
            samples: the folder they are from.
            pairs: from `samples.pair`; labels that the task has no use for are left out.
            task: classes and palette.
            options: how to draw pixels and train.
            progress: show progress bars.

        Raises:
            UserError: the network or an image is not the one that was labelled, or the labels hold fewer than two
                classes.
        """
        samples.check_network(generator)
        pairs = [
            (
                sample,
                replace(
                    annotation,
                    mask=annotation.mask if task.classes else None,
                    keypoints=annotation.keypoints if task.keypoints else None,
                ),
            )
            for sample, annotation in pairs
        ]
        self.generator, self.samples, self.pairs, self.task, self.options = generator, samples, pairs, task, options
        self.progress = progress
        self.difference_layers = layers_with_differences(generator.layers) if options.differences else []
        self.sigma = options.sigma or default_sigma(samples.image_hw)
        masks = [self._mask(annotation) for _, annotation in pairs]
        if task.classes:
            self._check_classes(masks)
        if task.keypoints:
            self._check_keypoints()
        chosen = [
            choose_labeled(mask, annotation, options, self.sigma, sample.seed)
            for mask, (sample, annotation) in zip(masks, pairs)
        ]
        self.pixels = self._empty_pixels(sum(map(len, chosen)))
        start = 0
        for index, ((sample, annotation), mask, here) in enumerate(
            zip(tqdm(pairs, desc='features', unit='image', disable=None if progress else True), masks, chosen)
        ):
            part = slice(start, start := start + len(here))
            gathered = gather_labeled(
                generator, samples, sample, task, mask, annotation.keypoints, here, self.sigma, self.difference_layers
            )
            self.pixels.hypercolumns[part], self.pixels.classes[part] = gathered.hypercolumns, gathered.classes
            self.pixels.images[part], self.pixels.heat[part] = index, gathered.heat

    def train(self) -> Interpreter:
        """Train on all of it; the confidence from which a keypoint counts as present is found by cross-validation."""
        interpreter = self._train(self.pixels, self.pairs, self.options, self.progress)
        if self.task.keypoints:
            interpreter.keypoint_threshold = self._threshold
        return interpreter

    def cross_validate(self) -> tuple[SegmentationScore, KeypointScore, list[Doubt]]:
        """Leave one image out at a time: train on the others, score the labels predicted for it.

        Returns:
            The scores, and where the labels are perhaps mistakes, largest region first.

        Raises:
            UserError: there is only one labelled image.
        """
        if len(self.pairs) < 2:
            raise UserError('`cross_validate` needs at least two labelled images')
        segmentation, keypoints = SegmentationScore(len(self.task.classes)), KeypointScore(self.samples.image_hw)
        threshold = self._threshold if self.task.keypoints else DEFAULT_THRESHOLD
        doubts = []
        for index, (sample, annotation) in enumerate(
            tqdm(self.pairs, desc='cross-validation', unit='image', disable=None if self.progress else True)
        ):
            interpreter = self._train_without([index], self.options)
            interpreter.keypoint_threshold = threshold
            prediction = self._predict(interpreter, index)
            if annotation.mask is not None:
                predicted = prediction.masks[0].cpu().numpy()
                segmentation.add(annotation.mask, predicted)
                doubts += find_doubts(
                    sample.name, annotation.mask, predicted, prediction.pixel_uncertainty[0].cpu().numpy()
                )
            if annotation.keypoints is not None:
                keypoints.add(annotation.keypoints, prediction.keypoint_labels(0), annotation.mask)
        return segmentation, keypoints, sorted(doubts, key=lambda doubt: -doubt.area)

    @cached_property
    def _threshold(self) -> float:
        """The threshold of the keypoints' confidence, from small ensembles that each leave some labelled images out."""
        labeled = [index for index, (_, annotation) in enumerate(self.pairs) if annotation.keypoints is not None]
        absent = [(self.pairs[index][1].keypoints.visibility == ABSENT) for index in labeled]
        if len(labeled) < 2 or not np.any(absent) or np.all(absent):
            return DEFAULT_THRESHOLD
        options = replace(self.options, models=min(CALIBRATION_MEMBERS, self.options.models))
        confidence: dict[bool, list[float]] = {True: [], False: []}
        for fold in tqdm(
            range(min(CALIBRATION_FOLDS, len(labeled))),
            desc='keypoint threshold',
            unit='fold',
            disable=None if self.progress else True,
        ):
            left_out = labeled[fold::CALIBRATION_FOLDS]
            interpreter = self._train_without(left_out, options)
            for index in left_out:
                found = self._predict(interpreter, index).keypoints.confidence[0].tolist()
                for sure, visibility in zip(found, self.pairs[index][1].keypoints.visibility):
                    confidence[bool(visibility != ABSENT)].append(sure)
        return calibrate_threshold(np.array(confidence[True]), np.array(confidence[False]))

    def _train_without(self, left_out: list[int], options: TrainingOptions) -> Interpreter:
        kept = ~torch.isin(self.pixels.images, torch.tensor(left_out, device=self.pixels.images.device))
        pairs = [pair for index, pair in enumerate(self.pairs) if index not in left_out]
        return self._train(self.pixels.select(kept), pairs, options, progress=False)

    def _predict(self, interpreter: Interpreter, index: int) -> Prediction:
        synthesis = self.generator.synthesize([self.pairs[index][0].seed], self.samples.options)
        return interpreter.fused_for(self.generator)(synthesis.features)

    def _train(
        self, pixels: PixelSet, pairs: list[tuple[Sample, Annotation]], options: TrainingOptions, progress: bool
    ) -> Interpreter:
        ensemble, report = train_ensemble(pixels, len(self.task.classes), len(self.task.keypoints), options, progress)
        training = {
            **options.to_json(),
            **report.to_json(),
            'sigma': self.sigma,
            'images': len(pairs),
            'seeds': [sample.seed for sample, _ in pairs],
        }
        return Interpreter(
            ensemble.cpu(),
            self.task,
            self.generator.layers,
            self.samples.options,
            self.samples.image_hw,
            self.generator.source,
            self.generator.fingerprint,
            training,
            difference_layers=self.difference_layers,
        )

    def _mask(self, annotation: Annotation) -> np.ndarray:
        """The image's mask, cleaned up; IGNORE everywhere where it has none."""
        if annotation.mask is None:
            return np.full(self.samples.image_hw, IGNORE, dtype=np.uint8)
        return clean_up(annotation.mask, self.options.min_class_pixels)

    def _check_keypoints(self) -> None:
        labeled = [annotation.keypoints.visibility for _, annotation in self.pairs if annotation.keypoints is not None]
        absent = np.all(np.stack(labeled) == ABSENT, axis=0) if labeled else np.ones(len(self.task.keypoints), bool)
        if absent.all():
            raise UserError('`keypoints`: no keypoint is labelled in any of the images')
        if absent.any():
            names = ', '.join(name for name, gone in zip(self.task.keypoints, absent) if gone)
            log.warning('No image shows %s: the interpreter will never find it', names)

    def _check_classes(self, masks: list[np.ndarray]) -> None:
        labeled = set(np.unique(np.concatenate([mask.reshape(-1) for mask in masks])).tolist()) - {IGNORE}
        if len(labeled) < 2:
            found = ', '.join(self.task.classes[class_id] for class_id in labeled) or 'no class at all'
            raise UserError(
                f'`labels`: the masks hold {found}, and nothing to tell it from. {IGNORE} means '
                f'"no label": in a black-and-white mask, write the class id instead of {IGNORE}'
            )
        absent = [name for class_id, name in enumerate(self.task.classes) if class_id not in labeled]
        if absent:
            log.warning('No labelled pixel of %s: the interpreter will never predict it', ', '.join(absent))

    def _empty_pixels(self, count: int) -> PixelSet:
        device, channels = self.generator.device, hypercolumn_length(self.generator.layers, self.difference_layers)
        gib = count * channels * 2 / 2**30
        if gib > LARGE_GIB:
            log.warning(
                'The hypercolumns of %d pixels take %.0f GiB of memory; `pixels_per_image` takes fewer', count, gib
            )
        return PixelSet(
            torch.empty(count, channels, dtype=torch.float16, device=device),
            torch.empty(count, dtype=torch.int64, device=device),
            torch.empty(count, dtype=torch.int64, device=device),
            torch.empty(count, len(self.task.keypoints), device=device),
        )


def choose_labeled(
    mask: np.ndarray, annotation: Annotation, options: TrainingOptions, sigma: float, seed: int
) -> np.ndarray:
    """Pixels of a labelled image to learn from: of all its classes, near its keypoints, and anywhere.

    Args:
        mask: uint8 [H, W], the annotation's mask as it is learned; IGNORE everywhere where it has none.
        annotation: a person's labels.
        options: how many pixels, and of which.
        sigma: width of the keypoints' Gaussians in pixels.
        seed: of the image; with that of the options it decides what is drawn.

    Returns:
        int64 [P], indices into the flattened mask.
    """
    rng = np.random.RandomState([options.seed, seed])
    if annotation.keypoints is None:
        return choose_pixels(mask, options.pixels_per_image, options.balance, rng)
    # where keypoints are labelled, every pixel is: with a class, or with being on no keypoint
    strata = mask if annotation.mask is not None else np.zeros_like(mask)
    near = near_keypoints(annotation.keypoints, mask.shape, sigma)
    return choose_pixels(strata, options.pixels_per_image, options.balance, rng, near)


def gather_labeled(
    generator: Generator,
    samples: SampleSet,
    sample: Sample,
    task: Task,
    mask: np.ndarray,
    keypoints: Keypoints | None,
    chosen: np.ndarray,
    sigma: float,
    difference_layers: Sequence[int] = (),
) -> PixelSet:
    """Hypercolumns and labels of the chosen pixels of one image, which is made again.

    Args:
        generator: the network that made the samples.
        samples, sample: the folder, and one of its images.
        task: classes and keypoints.
        mask: uint8 [H, W], class ids and IGNORE.
        keypoints: of the image; None = they are not labelled.
        chosen: int64 [P], indices into the flattened mask.
        sigma: width of the keypoints' Gaussians in pixels.
        difference_layers: indices of the layers whose differences are wanted too.

    Raises:
        UserError: what the network makes is not the picture that was labelled.
    """
    sampling = generator.check_options(samples.options)
    rows, columns = center_crop(generator.image_hw, sampling.crop_hw)
    synthesis = generator.synthesize([sample.seed], sampling)
    samples.check_image(sample, synthesis.images[0].cpu().numpy())
    y, x = np.unravel_index(chosen, mask.shape)
    hypercolumns = gather_hypercolumns(
        [maps[0] for maps in synthesis.features],
        y + rows.start,
        x + columns.start,
        generator.image_hw,
        difference_layers,
    )
    classes = mask.reshape(-1)[chosen].astype(np.int64)
    classes = torch.from_numpy(np.where(classes == IGNORE, UNLABELED, classes)).to(generator.device)
    heat = np.full((len(chosen), len(task.keypoints)), np.nan, np.float32)
    if keypoints is not None:
        heat = heat_targets(keypoints, y, x, sigma)
    return PixelSet(hypercolumns, classes, torch.zeros_like(classes), torch.from_numpy(heat).to(generator.device))
