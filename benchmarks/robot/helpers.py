"""What suggests labels on the page: as of commit 2babd44, and as it is now."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter.inference import HeadLayout, Prediction
from datasetgan_ext.interpreter.interpreter import fuse
from datasetgan_ext.interpreter.keypoints import heatmap_sigma
from datasetgan_ext.interpreter.pixels import PixelSet
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import choose_labeled, gather_labeled
from datasetgan_ext.labeling.learning import Learner, NothingToLearn
from datasetgan_ext.labeling.live import Pupil
from datasetgan_ext.labeling.store import LabelStore

EARLIER = options_from(
    'default', differences=False, first_width=1.0, models=3, pixels_per_image=1024, batch=128, lr=3e-3, max_steps=150
)
"""How the page's ensemble was trained at commit 2babd44."""


@dataclass(frozen=True)
class Suggested:
    """What is proposed for an image.

    Attributes:
        mask: uint8 [H, W]; None where nothing is known yet.
        points: [x, y, visibility] of each keypoint; empty likewise.
        seconds: that one thread took for it.
    """

    mask: np.ndarray | None
    points: list[list[float]]
    seconds: float


class Anew:
    """Trains an ensemble from nothing for each suggestion, as commit 2babd44 did."""

    def __init__(self, generator: Generator, store: LabelStore):
        self._learner = Learner(generator, store)  # predicts, and reads keypoints
        self._generator = generator
        self._store = store
        self._sigma = heatmap_sigma(store.sample_set.image_hw)
        self._gathered: dict[str, tuple[Annotation, PixelSet]] = {}

    def suggest(self, name: str) -> Suggested:
        """Train, and predict an image."""
        start = time.thread_time()
        annotations = self._store.annotations()
        classes = len(self._store.classes()) > 1 and len(self._store.task.classes)
        if not classes:
            return Suggested(None, [], time.thread_time() - start)
        pixels = PixelSet.concatenated([self._pixels(labels) for labels in annotations])
        keypoints = pixels.heat.shape[1] if any(labels.keypoints is not None for labels in annotations) else 0
        if not keypoints:
            pixels.heat = pixels.heat[:, :0]
        ensemble, _ = train_ensemble(pixels, classes, keypoints, EARLIER, progress=False)
        fused = fuse(
            ensemble, self._generator, self._learner.options, HeadLayout(classes, keypoints, sigma=self._sigma)
        )
        sample = self._store.samples[name]
        prediction = fused(self._generator.synthesize([sample.seed], self._learner.options).features)
        return _suggested(self._learner, prediction, start)

    def _pixels(self, labels: Annotation) -> PixelSet:
        known = self._gathered.get(labels.name)
        if known and known[0].mask is labels.mask and known[0].keypoints is labels.keypoints:
            return known[1]
        sample = self._store.samples[labels.name]
        pixels = gather_labeled(
            generator=self._generator,
            samples=self._store.sample_set,
            sample=sample,
            task=self._store.task,
            mask=labels.mask,
            keypoints=labels.keypoints,
            chosen=choose_labeled(labels.mask, labels, EARLIER, self._sigma, sample.seed),
            sigma=self._sigma,
        )
        pixels = pixels.select((pixels.classes >= 0) | ~pixels.heat.isnan().all(dim=1))
        self._gathered[labels.name] = labels, pixels
        return pixels


class Live:
    """The page's ensemble of now, which goes on from its weights."""

    def __init__(self, generator: Generator, store: LabelStore):
        self._learner = Learner(generator, store)
        self._pupil = Pupil()

    def suggest(self, name: str) -> Suggested:
        """Learn the labels of now for as many steps as come before a suggestion, and predict an image."""
        start = time.thread_time()
        try:
            self._pupil.take(self._learner.lesson(name))
        except NothingToLearn:
            self._pupil = Pupil()
            return Suggested(None, [], time.thread_time() - start)
        self._pupil.study()
        return _suggested(self._learner, self._predict(name), start)

    def study(self) -> None:
        """Go on to the end with what there is to learn, as the page does while the person is busy."""
        while self._pupil.has_learned and not self._pupil.is_done:
            self._pupil.study()

    def prepared(self, name: str) -> Suggested:
        """The suggestion of an image that is ready before it is opened."""
        if not self._pupil.has_learned:
            return Suggested(None, [], 0.0)
        return _suggested(self._learner, self._predict(name), time.thread_time())

    def _predict(self, name: str) -> Prediction:
        return self._learner.predict(self._pupil.fused(self._learner), name)


def _suggested(learner: Learner, prediction: Prediction, start: float) -> Suggested:
    mask = None if prediction.masks is None else prediction.masks[0].numpy()
    points = [] if prediction.keypoints is None else learner.found_keypoints(prediction)
    return Suggested(mask, points, time.thread_time() - start)
