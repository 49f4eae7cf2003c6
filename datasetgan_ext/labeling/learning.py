"""Quick ensembles from the labels drawn so far."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter.inference import FusedEnsemble, HeadLayout, Prediction
from datasetgan_ext.interpreter.interpreter import fuse
from datasetgan_ext.interpreter.keypoints import heatmap_sigma
from datasetgan_ext.interpreter.pixels import NO_CLASS, PixelSet
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import choose_labeled, gather_labeled
from datasetgan_ext.labeling.store import LabelStore

log = logging.getLogger(__name__)

QUICK = options_from(
    'default', differences=False, first_width=1.0, models=3, pixels_per_image=1024, batch=128, lr=3e-3, max_steps=150
)
"""Seconds in place of a minute; `datasetgan train` trains the interpreter that is kept."""


@dataclass(frozen=True)
class _Part:
    """The pixels to learn from of one image, and the labels that they have been gathered for."""

    labels: Annotation
    pixels: PixelSet


class Learner:
    """Trains on the labels of a store and predicts its images.

    The hypercolumns of each labelled image are gathered once and kept until its labels change. Not for several threads
    at once.
    """

    def __init__(self, generator: Generator, store: LabelStore):
        """
        Args:
            generator: the network that made the samples.
            store: where the labels are.

        Raises:
            UserError: the samples are another network's.
        """
        store.sample_set.check_network(generator)
        self.generator = generator
        self.store = store
        self.options = generator.check_options(store.sample_set.options)
        self._sigma = heatmap_sigma(store.sample_set.image_hw)
        self._parts: dict[str, _Part] = {}

    def warm_up(self) -> None:
        """What a first call takes longer for, done beforehand: torch imports and sets up parts of itself late."""
        start = time.perf_counter()
        synthesis = self.generator.synthesize([next(iter(self.store.samples.values())).seed], self.options)
        channels = sum(layer.channels for layer in self.generator.layers)
        nothing = torch.zeros(8, dtype=torch.int64, device=self.generator.device)
        pixels = PixelSet(
            hypercolumns=torch.randn(8, channels, device=self.generator.device).half(),
            classes=nothing,
            images=nothing,
            heat=torch.zeros(8, 0, device=self.generator.device),
        )
        ensemble, _ = train_ensemble(pixels, 2, 0, replace(QUICK, max_steps=1), progress=False)
        fuse(ensemble, self.generator, self.options, HeadLayout(2))(synthesis.features)
        log.debug('Warm after %.1f s', time.perf_counter() - start)

    def stale(self) -> list[str]:
        """Names of labelled images whose labels have changed since they were gathered."""
        return [labels.name for labels in self.store.annotations() if not self._is_gathered(labels)]

    def gather(self, name: str) -> None:
        """Gather what there is to learn from an image, as it is labelled now."""
        for labels in self.store.annotations():
            if labels.name == name and not self._is_gathered(labels):
                self._gather(labels)

    def train(self, asked: str, without: bool = False) -> FusedEnsemble:
        """A quick ensemble for one image.

        Args:
            asked: name of the image that is to be predicted. Its labels are learned too, but not its keypoints, which
                are perhaps not all placed yet.
            without: learn nothing from that image, and classes only.

        Raises:
            UserError: there is too little to learn from, or a picture is not the one that was labelled.
        """
        annotations = [labels for labels in self.store.annotations() if not (without and labels.name == asked)]
        found: set[int] = set()
        for labels in annotations:
            if labels.mask is not None:
                found.update(np.unique(labels.mask).tolist())
        pointed = any(labels.keypoints is not None and labels.name != asked for labels in annotations)
        task = self.store.task.only(classes=len(found - {IGNORE}) > 1, keypoints=pointed and not without)
        if not task.classes and not task.keypoints:
            missing = 'place keypoints on another image first'
            if self.store.task.classes:
                missing = 'label at least two classes first, background among them ("Rest is background")'
            raise UserError(f'Nothing to learn from yet: {missing}')
        for labels in annotations:
            if not self._is_gathered(labels):
                self._gather(labels)
        parts = [_taught(self._parts[labels.name].pixels, task, placed=labels.name != asked) for labels in annotations]
        pixels = PixelSet.concatenated(parts)
        ensemble, _ = train_ensemble(pixels, len(task.classes), len(task.keypoints), QUICK, progress=False)
        return fuse(
            ensemble.cpu(),
            self.generator,
            self.options,
            HeadLayout(len(task.classes), len(task.keypoints), sigma=self._sigma),
        )

    def predict(self, fused: FusedEnsemble, name: str) -> Prediction:
        """Labels of an image, by an ensemble of `train`."""
        return fused(self.generator.synthesize([self.store.samples[name].seed], self.options).features)

    def style(self, name: str) -> np.ndarray:
        """Style of an image: float32 [w_dim], the mean of its w vectors."""
        return self.generator.ws([self.store.samples[name].seed], self.options).mean(dim=1)[0].cpu().numpy()

    def _is_gathered(self, labels: Annotation) -> bool:
        part = self._parts.get(labels.name)
        return part is not None and part.labels.mask is labels.mask and part.labels.keypoints is labels.keypoints

    def _gather(self, labels: Annotation) -> None:
        samples = self.store.sample_set
        sample = self.store.samples[labels.name]
        mask = labels.mask
        if mask is None:
            mask = np.full(samples.image_hw, IGNORE, np.uint8)
        pixels = gather_labeled(
            generator=self.generator,
            samples=samples,
            sample=sample,
            task=self.store.task,
            mask=mask,
            keypoints=labels.keypoints,
            chosen=choose_labeled(mask, labels, QUICK, self._sigma, sample.seed),
            sigma=self._sigma,
        )
        self._parts[labels.name] = _Part(labels, pixels)


def _taught(pixels: PixelSet, task: Task, placed: bool) -> PixelSet:
    """Those pixels of an image that teach something, with the labels that the task has.

    Args:
        pixels: of one image, with all its labels.
        task: what is learned.
        placed: whether the image's keypoints are.
    """
    classes = pixels.classes
    if not task.classes:
        classes = torch.full_like(classes, NO_CLASS)
    heat = pixels.heat[:, : len(task.keypoints)]
    if not placed:
        heat = torch.full_like(heat, torch.nan)
    teaches = (classes != NO_CLASS) | ~heat.isnan().all(dim=1)
    return replace(pixels, classes=classes, heat=heat).select(teaches)


def found_keypoints(prediction: Prediction) -> list[list[float]]:
    """[x, y, visibility] of each keypoint of the first image, as the page has them; ABSENT where it found none."""
    found = prediction.keypoint_labels(0)
    return [
        [round(float(x), 2), round(float(y), 2), int(seen)] if seen != ABSENT else [0, 0, ABSENT]
        for (x, y), seen in zip(found.points, found.visibility)
    ]
