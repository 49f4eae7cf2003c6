"""What an ensemble learns from the labels drawn so far, and what it says of an image."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import center_crop
from datasetgan_ext.interpreter.differences import hypercolumn_length, layers_with_differences
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.inference import FusedEnsemble, HeadLayout, Prediction
from datasetgan_ext.interpreter.keypoints import heatmap_sigma
from datasetgan_ext.interpreter.pixels import NO_CLASS, PixelSet
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_options import TrainingOptions, options_from
from datasetgan_ext.interpreter.training_set import choose_labeled, labeled_pixels
from datasetgan_ext.labeling.maps import MapCache, Maps
from datasetgan_ext.labeling.selection import Look, look_of
from datasetgan_ext.labeling.store import LabelStore

log = logging.getLogger(__name__)

LIVE = options_from('default', models=3, lr=3e-3, max_steps=600)
"""Seconds in place of minutes; `datasetgan train` trains the interpreter that is kept."""
CHECK = replace(LIVE, batch=128, max_steps=150)
"""Of an ensemble that one image is checked by: there is one for each."""
MOST_VALUES = 8_000_000
"""Of the hypercolumns of one image; those of large networks are long, and fewer pixels of them are learned."""
FEWEST_PIXELS = 1024
MANY_CHANNELS = 2048
"""From here on, a step takes half as many pixels, so that a suggestion comes as soon."""


def live_options(channels: int) -> TrainingOptions:
    """How hypercolumns of so many channels are learned while a person waits."""
    return replace(
        LIVE,
        pixels_per_image=max(FEWEST_PIXELS, min(LIVE.pixels_per_image, MOST_VALUES // channels)),
        batch=LIVE.batch if channels < MANY_CHANNELS else LIVE.batch // 2,
    )


class NothingToLearn(UserError):
    """There are not labels enough yet."""


@dataclass(frozen=True)
class Lesson:
    """What there is to learn.

    Attributes:
        pixels: with the labels that `task` has.
        task: what is learned: classes, keypoints or both.
        classes: ids of those that are in the labels.
        images: names of the images whose labels these are.
    """

    pixels: PixelSet
    task: Task
    classes: frozenset[int]
    images: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """The pixels to learn from of one image, and the labels that they have been gathered for."""

    labels: Annotation
    pixels: PixelSet


class Learner:
    """Learns the labels of a store and predicts its images.

    Feature maps are kept, and so are the hypercolumns of each labelled image until its labels change. Not for several
    threads at once.

    Attributes:
        maps: of the samples.
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
        self.maps = MapCache(generator, self.options)
        self._differences = layers_with_differences(self.maps.layers)
        self._channels = hypercolumn_length(self.maps.layers, self._differences)
        self._training = live_options(self._channels)
        self._sigma = heatmap_sigma(store.sample_set.image_hw)
        self._parts: dict[str, _Part] = {}

    def warm_up(self) -> None:
        """What a first call takes longer for, done beforehand: torch imports and sets up parts of itself late."""
        start = time.perf_counter()
        name = next(iter(self.store.samples))
        nothing = torch.zeros(8, dtype=torch.int64, device=self.generator.device)
        pixels = PixelSet(
            hypercolumns=torch.randn(8, self._channels, device=self.generator.device).half(),
            classes=nothing,
            images=nothing,
            heat=torch.zeros(8, 0, device=self.generator.device),
        )
        ensemble, _ = train_ensemble(pixels, 2, 0, replace(LIVE, max_steps=1), progress=False)
        self.predict(self.fused(ensemble, classes=2, keypoints=0), name)
        log.debug('Warm after %.1f s', time.perf_counter() - start)

    def stale(self) -> list[str]:
        """Names of labelled images whose labels have changed since they were gathered."""
        return [labels.name for labels in self._trusted() if not self._is_gathered(labels)]

    def gather(self, name: str) -> None:
        """Gather what there is to learn from an image, as it is labelled now."""
        for labels in self._trusted():
            if labels.name == name and not self._is_gathered(labels):
                self._gather(labels)

    def lesson(self, asked: str, without: bool = False) -> Lesson:
        """What there is to learn now, for one image.

        Args:
            asked: name of the image that is to be predicted. Its labels are learned too, but not its keypoints before
                all of them are placed or said to be absent.
            without: learn nothing from that image, and classes only.

        Raises:
            NothingToLearn: there is too little to learn from.
            UserError: a picture is not the one that was labelled.
        """
        annotations = [labels for labels in self._trusted() if not (without and labels.name == asked)]
        found = self.store.classes(labels.name for labels in annotations)
        placed = {
            labels.name
            for labels in annotations
            if labels.keypoints is not None and (labels.name != asked or self.store.has_all_keypoints(asked))
        }
        task = self.store.task.only(classes=len(found) > 1, keypoints=bool(placed) and not without)
        if not task.classes and not task.keypoints:
            missing = 'place keypoints on another image first'
            if self.store.task.classes:
                missing = 'label at least two classes first, background among them ("Rest is background")'
            doubtful = len(self.store.annotations()) - len(self._trusted())
            note = f'; {doubtful} of the labelled photos are not trusted, see report.html' if doubtful else ''
            raise NothingToLearn(f'Nothing to learn from yet: {missing}{note}')
        for labels in annotations:
            if not self._is_gathered(labels):
                self._gather(labels)
        parts = [_taught(self._parts[labels.name].pixels, task, labels.name in placed) for labels in annotations]
        return Lesson(
            pixels=PixelSet.concatenated(parts),
            task=task,
            classes=found if task.classes else frozenset(),
            images=tuple(labels.name for labels in annotations),
        )

    def train(self, asked: str, without: bool = False) -> FusedEnsemble:
        """An ensemble for one image, from nothing; arguments and errors as of `lesson`."""
        lesson = self.lesson(asked, without)
        ensemble, _ = train_ensemble(
            lesson.pixels,
            len(lesson.task.classes),
            len(lesson.task.keypoints),
            CHECK if without else self._training,
            progress=False,
        )
        return self.fused(ensemble, len(lesson.task.classes), len(lesson.task.keypoints))

    def fused(
        self, ensemble: Ensemble, classes: int, keypoints: int, box: tuple[int, int, int, int] | None = None
    ) -> FusedEnsemble:
        """An ensemble made ready for the maps of a sample.

        Args:
            ensemble: trained on a lesson.
            classes, keypoints: how many its task has.
            box: part of the picture whose classes are wanted at the picture's own size: its first column and row, and
                the column and row after its last ones; None = classes and keypoints of the whole image at the size
                `maps.small_hw`, the crop not taken.
        """
        height, width = self.maps.small_hw
        full_hw, rows, columns = self.maps.small_hw, slice(0, height), slice(0, width)
        share = height / self.generator.image_hw[0]
        heads = HeadLayout(classes, keypoints, sigma=self._sigma * share)
        if box:
            left, upper, right, lower = box
            top, first = self._corner
            full_hw = self.generator.image_hw
            rows, columns = slice(upper + top, lower + top), slice(left + first, right + first)
            heads = HeadLayout(classes)
        return FusedEnsemble(
            ensemble=ensemble,
            layers=self.maps.layers,
            full_hw=full_hw,
            rows=rows,
            columns=columns,
            device=self.generator.device,
            heads=heads,
            difference_layers=self._differences,
        )

    def predict(self, fused: FusedEnsemble, name: str) -> Prediction:
        """Labels of an image, by what `fused` gives."""
        return fused([maps.float() for maps in self._maps(name).features])

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the picture's rows and of its columns, which row and column of a prediction at `maps.small_hw` each is
        in: int64 [H], int64 [W]."""
        places = []
        for full, small, crop in zip(
            self.generator.image_hw, self.maps.small_hw, center_crop(self.generator.image_hw, self.options.crop_hw)
        ):
            places.append((np.arange(crop.start, crop.stop) * 2 + 1) * small // (2 * full))
        return places[0], places[1]

    def found_keypoints(self, prediction: Prediction) -> list[list[float]]:
        """[x, y, visibility] of each keypoint of the first image, as the page has them, from a prediction at
        `maps.small_hw`; ABSENT where it found none."""
        found = prediction.keypoint_labels(0)
        scale = self.generator.image_hw[0] / self.maps.small_hw[0]
        top, left = self._corner
        height, width = self.store.sample_set.image_hw
        points = np.clip(found.points * scale - (left, top), 0, (width, height))
        return [
            [round(float(x), 2), round(float(y), 2), int(seen)] if seen != ABSENT else [0, 0, ABSENT]
            for (x, y), seen in zip(points, found.visibility)
        ]

    def look(self, name: str) -> Look:
        """What an image looks like to its generator: see `look_of`."""
        return look_of(self.maps.once(self.store.samples[name]).features)

    @property
    def _corner(self) -> Sequence[int]:
        """Row and column of the whole image at which the picture begins."""
        return [part.start for part in center_crop(self.generator.image_hw, self.options.crop_hw)]

    def _trusted(self) -> list[Annotation]:
        """The labels that may be learned: not those of photos that the network cannot show."""
        return [labels for labels in self.store.annotations() if self.store.samples[labels.name].is_trusted]

    def _maps(self, name: str) -> Maps:
        return self.maps(self.store.samples[name])

    def _is_gathered(self, labels: Annotation) -> bool:
        part = self._parts.get(labels.name)
        return part is not None and part.labels.mask is labels.mask and part.labels.keypoints is labels.keypoints

    def _gather(self, labels: Annotation) -> None:
        samples = self.store.sample_set
        sample = self.store.samples[labels.name]
        maps = self._maps(labels.name)
        samples.check_image(sample, maps.image)
        mask = labels.mask
        if mask is None:
            mask = np.full(samples.image_hw, IGNORE, np.uint8)
        pixels = labeled_pixels(
            features=[one[0] for one in maps.features],
            task=self.store.task,
            mask=mask,
            keypoints=labels.keypoints,
            chosen=choose_labeled(mask, labels, self._training, self._sigma, sample.seed, samples.wrong_pixels(sample)),
            sigma=self._sigma,
            full_hw=self.generator.image_hw,
            crop_hw=self.options.crop_hw,
            difference_layers=self._differences,
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
