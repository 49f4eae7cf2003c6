"""From the options of the training commands to a trained network."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from datasetgan_ext.core.annotation import size_text
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.locks import locked_place
from datasetgan_ext.core.seeds import MAX_SEED
from datasetgan_ext.downstream.batches import Augmentation, BatchSource, SharedBatches
from datasetgan_ext.downstream.fitting import PARTIAL_SUFFIX, fit
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset
from datasetgan_ext.downstream.learners import FitOptions, Supervised
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.recognition import Pictures
from datasetgan_ext.downstream.weights import use_pretrained
from datasetgan_ext.generator.generator import default_device

log = logging.getLogger(__name__)

MAX_VAL = 500
"""Images at most that are set apart from the training set to choose a checkpoint."""


@dataclass(frozen=True)
class TrainingPlan:
    """What to train, on what.

    Attributes:
        data: labelled images.
        selection: others that choose the checkpoint; None = `val` sets some of `data` apart.
        val: share of `data`, MAX_VAL images at most; 0 = none, the last checkpoint is the result.
        others: further labelled images of the same task, and the share of each batch that they have; `data` has the
            rest. None of them chooses the checkpoint.
        unlabelled: images for semi-supervised training; None = supervised. Those that have labels among `data` or
            `others` are left out.
        image_hw: size to which all are resized; None = the size that all of `data` have.
        architecture, pretrained: see `networks` and `weights`.
        mirror: whether the mirror image of an image is one, too.
        options: of the training.
        augment: whether images are changed at random; if not, `mirror` does nothing either.
    """

    data: LabeledDataset
    selection: LabeledDataset | None
    val: float
    unlabeled: LabeledDataset | None
    image_hw: tuple[int, int] | None
    architecture: str
    pretrained: str
    mirror: bool
    options: FitOptions
    others: tuple[tuple[LabeledDataset, float], ...] = ()
    augment: bool = True

    def train(
        self,
        out: Path,
        learner: Callable[[DownstreamModel, FitOptions], Supervised] = Supervised,
        device: torch.device | None = None,
        overwrite: bool = False,
    ) -> DownstreamModel:
        """Train, or go on with a training that was stopped.

        What is there already is deleted when the first checkpoint takes its place.

        Raises:
            UserError: `out` is there, finished, and `overwrite` is not given; another process trains for it; or see
                `fit`.
        """
        with locked_place(out, 'out'):
            check_out(out, overwrite)
            return self._train(out, learner, device, overwrite)

    def _train(
        self,
        out: Path,
        learner: Callable[[DownstreamModel, FitOptions], Supervised],
        device: torch.device | None,
        overwrite: bool,
    ) -> DownstreamModel:
        image_hw = self.image_hw or common_size(self.data)
        pictures = self.data.pictures()
        train, selection = self._split(pictures)
        seen = [pictures, *(images.pictures() for images, _ in self.others)]
        unlabeled = None
        if self.unlabeled is not None:
            unlabeled = self._without_labeled(Pictures.merged(seen))
            seen.append(unlabeled.pictures())
        if self.selection is not None:
            chosen_by = self.selection.pictures()
            if chosen_by.are_among(Pictures.merged(seen)).any():
                raise UserError(
                    f'`select`={self.selection.source} holds images that are trained on; they must not choose '
                    'the checkpoint'
                )
            seen.append(chosen_by)
        torch.manual_seed(self.options.seed)
        model = DownstreamModel.build(self.architecture, self.data.task, image_hw)
        begun_with = use_pretrained(model.network, self.architecture, self.pretrained)
        model.network.to(device or default_device())
        augmentation = None
        if self.augment:
            augmentation = Augmentation() if self.mirror else Augmentation(mirror=0)
        options = self.options
        sources = [SharedBatches(train, self.others, image_hw, options.batch, options.seed, augmentation)]
        if unlabeled is not None:
            other_seed = (options.seed + 1) % (MAX_SEED + 1)
            sources.append(BatchSource(unlabeled, image_hw, options.batch, other_seed, augmentation))
        model.seen = Pictures.merged(seen)
        learning = learner(model, options)
        record = {
            **learning.describe(),
            'architecture': self.architecture,
            'pretrained': begun_with,
            'images': len(train),
            'data': self.data.fingerprint(),
            'val': self.val,
            'selection': self.selection.fingerprint() if self.selection else None,
            'unlabelled': unlabeled.fingerprint() if unlabeled else None,
            'size': size_text(image_hw),
            'augment': self.augment,
            'mirror': self.mirror,
            **{name: value for name, value in asdict(options).items() if name != 'workers'},
        }
        if self.others:
            record['others'] = [{'data': images.fingerprint(), 'share': share} for images, share in self.others]
        return fit(learning, tuple(sources), out, record, selection, overwrite)

    def _without_labeled(self, labeled: Pictures) -> LabeledDataset:
        """The unlabelled images that are not among the labelled ones.

        Raises:
            UserError: none is left.
        """
        known = self.unlabeled.pictures().are_among(labeled)
        if known.all():
            raise UserError(
                f'`unlabeled`={self.unlabeled.source}: all of its {len(known)} images have labels in '
                f'`data`={self.data.source}; give a folder with others'
            )
        if known.any():
            log.info('%d of %d unlabelled images have labels, and are left out', int(known.sum()), len(known))
        return self.unlabeled.take(np.flatnonzero(~known).tolist())

    def _split(self, pictures: Pictures) -> tuple[LabeledDataset, LabeledDataset | None]:
        """What trains, and what chooses the checkpoint. The same picture twice, though it be in another file format,
        stays together: it trains.

        Args:
            pictures: of `data`.
        """
        count = len(self.data)
        apart = min(MAX_VAL, round(self.val * count)) if self.selection is None else 0
        if not apart:
            return self.data, self.selection
        order = np.random.RandomState(self.options.seed).permutation(count)
        training, choosing = order[apart:], order[:apart]
        twins = pictures.take(choosing).are_among(pictures.take(training))
        training, choosing = np.concatenate([training, choosing[twins]]), choosing[~twins]
        if not len(training) or not len(choosing):
            raise UserError(
                f'`val`={self.val} of {count} images, of which those that are alike stay together, leaves none to '
                f'{"choose the checkpoint" if len(training) else "train on"}'
            )
        return self.data.take(sorted(training.tolist())), self.data.take(sorted(choosing.tolist()))


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse to replace a finished training, or to train for a place that cannot be written; nothing is deleted."""
    if out.exists() and not overwrite and not out.with_name(out.name + PARTIAL_SUFFIX).exists():
        raise UserError(f'`out`={out} exists; give another file, or `overwrite`')
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(f'`out`={out}: it is a folder, or its folder cannot be written')


def common_size(images: LabeledDataset) -> tuple[int, int]:
    """Height and width that all images have.

    Raises:
        UserError: they differ.
    """
    sizes = images.sizes()
    if len(sizes) > 1:
        some = ', '.join(size_text(size) for size in sorted(sizes)[:3])
        raise UserError(
            f'`data`={images.source} holds images of different sizes ({some}, ...; height x width); '
            'give the size to train at, for example `size`=256x256'
        )
    return sizes.pop()
