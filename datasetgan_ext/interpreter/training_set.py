"""What an interpreter is trained on: chosen pixels of the labelled samples, and their hypercolumns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Annotation, Keypoints, clean_up
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.generator.sampling import center_crop
from datasetgan_ext.interpreter.class_shares import count_classes, undo_balance
from datasetgan_ext.interpreter.differences import hypercolumn_length, layers_with_differences
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.inference import HeadLayout
from datasetgan_ext.interpreter.keypoints import heat_targets, heatmap_sigma, near_keypoints
from datasetgan_ext.interpreter.pixels import NO_CLASS, PixelSet, choose_pixels, gather_hypercolumns
from datasetgan_ext.interpreter.training_options import TrainingOptions

log = logging.getLogger(__name__)

LARGE_GIB = 8
PHOTO_BALANCE = 0.1
"""Share of a projected photo's pixels that is spread evenly over its classes, at most. Its labels are a little beside
what the network shows; where small classes are drawn often, the ensemble then sees them everywhere."""


class TrainingSet:
    """Labelled samples and the hypercolumns of their chosen pixels.

    Attributes:
        generator: the network that made the samples.
        samples: the folder they are from.
        pairs: each labelled sample with its labels, of those kinds alone that the task has.
        task: classes and keypoints to learn.
        options: how to draw pixels and train.
        sigma: width of the keypoints' Gaussians in pixels of the mask.
        difference_layers: indices of the layers whose differences end a hypercolumn.
        wrong_share: share of the projected photos' pixels that are left out, since the network shows something else
            there; None = there are no photos.
        pixels: of all images, in the order of `pairs`.
    """

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
        self.generator = generator
        self.samples = samples
        self.pairs = [(sample, _labels_of_task(annotation, task)) for sample, annotation in pairs]
        self.task = task
        self.options = options
        self.sigma = options.sigma or heatmap_sigma(samples.image_hw)
        self.difference_layers: list[int] = []
        if options.differences:
            self.difference_layers = layers_with_differences(generator.layers)
        masks = [self._mask(annotation) for _, annotation in self.pairs]
        if task.classes:
            self._check_classes(masks)
        if task.keypoints:
            self._check_keypoints()
        self.pixels = self._gather(masks, progress)
        self._counts = count_classes(masks, len(task.classes))

    def _gather(self, masks: list[np.ndarray], progress: bool) -> PixelSet:
        """Pixels of all images; `masks` are what of each image's mask is learned."""
        wrong = [self.samples.wrong_pixels(sample) for sample, _ in self.pairs]
        shares = [float(pixels.mean()) for pixels in wrong if pixels is not None]
        self.wrong_share = sum(shares) / len(shares) if shares else None
        chosen = [
            choose_labeled(mask, annotation, self.options, self.sigma, sample.seed, pixels)
            for mask, (sample, annotation), pixels in zip(masks, self.pairs, wrong)
        ]
        pixels = self._empty_pixels(sum(map(len, chosen)))
        bar = tqdm(self.pairs, desc='features', unit='image', disable=None if progress else True)
        start = 0
        for index, (sample, annotation) in enumerate(bar):
            gathered = gather_labeled(
                generator=self.generator,
                samples=self.samples,
                sample=sample,
                task=self.task,
                mask=masks[index],
                keypoints=annotation.keypoints,
                chosen=chosen[index],
                sigma=self.sigma,
                difference_layers=self.difference_layers,
            )
            stop = start + len(gathered)
            pixels.hypercolumns[start:stop] = gathered.hypercolumns
            pixels.classes[start:stop] = gathered.classes
            pixels.images[start:stop] = index
            pixels.heat[start:stop] = gathered.heat
            start = stop
        return pixels

    def pixels_without(self, left_out: Sequence[int]) -> PixelSet:
        """The pixels of all images but those at the indices `left_out` of `pairs`."""
        left_out = torch.tensor(left_out, device=self.pixels.images.device)
        return self.pixels.select(~torch.isin(self.pixels.images, left_out))

    def undo_balance(self, ensemble: Ensemble, options: TrainingOptions, left_out: Sequence[int] = ()) -> None:
        """Have an ensemble, which was trained on the pixels of all images but those at the indices `left_out`, expect
        classes as often as they occur in these: see `class_shares.undo_balance`."""
        if self.task.classes and options.unbalance:
            kept = [index for index in range(len(self.pairs)) if index not in set(left_out)]
            drawn = self.pixels.classes[~torch.isin(self.pixels.images, torch.tensor(left_out).to(self.pixels.images))]
            undo_balance(ensemble, drawn, self._counts[kept], options.unbalance)

    def head_layout(self, keypoint_threshold: float) -> HeadLayout:
        """What the outputs of an ensemble that is trained on this set mean."""
        if not self.task.keypoints:
            return HeadLayout(len(self.task.classes))
        return HeadLayout(len(self.task.classes), len(self.task.keypoints), self.sigma, keypoint_threshold)

    def _mask(self, annotation: Annotation) -> np.ndarray:
        """The image's mask, cleaned up; IGNORE everywhere where it has none."""
        if annotation.mask is None:
            return np.full(self.samples.image_hw, IGNORE, dtype=np.uint8)
        return clean_up(annotation.mask, self.options.min_class_pixels)

    def _check_keypoints(self) -> None:
        labeled = [annotation.keypoints.visibility for _, annotation in self.pairs if annotation.keypoints is not None]
        absent = np.ones(len(self.task.keypoints), bool)
        if labeled:
            absent = np.all(np.stack(labeled) == ABSENT, axis=0)
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
        device = self.generator.device
        channels = hypercolumn_length(self.generator.layers, self.difference_layers)
        gib = count * channels * 2 / 2**30
        if gib > LARGE_GIB:
            log.warning(
                'The hypercolumns of %d pixels take %.0f GiB of memory; `pixels_per_image` takes fewer', count, gib
            )
        return PixelSet(
            hypercolumns=torch.empty(count, channels, dtype=torch.float16, device=device),
            classes=torch.empty(count, dtype=torch.int64, device=device),
            images=torch.empty(count, dtype=torch.int64, device=device),
            heat=torch.empty(count, len(self.task.keypoints), device=device),
        )


def _labels_of_task(annotation: Annotation, task: Task) -> Annotation:
    """An image's labels without those that the task has no use for."""
    return replace(
        annotation,
        mask=annotation.mask if task.classes else None,
        keypoints=annotation.keypoints if task.keypoints else None,
    )


def choose_labeled(
    mask: np.ndarray,
    annotation: Annotation,
    options: TrainingOptions,
    sigma: float,
    seed: int,
    wrong: np.ndarray | None = None,
) -> np.ndarray:
    """Pixels of a labelled image to learn from: of all its classes, near its keypoints, and anywhere.

    Args:
        mask: uint8 [H, W], the annotation's mask as it is learned; IGNORE everywhere where it has none.
        annotation: a person's labels.
        options: how many pixels, and of which.
        sigma: width of the keypoints' Gaussians in pixels.
        seed: of the image; with that of the options it decides what is drawn.
        wrong: of a projected photo, bool [H, W]: where the network shows something else; None = it was generated.

    Returns:
        int64 [P], indices into the flattened mask.
    """
    rng = np.random.RandomState([options.seed, seed])
    balance = options.balance
    if wrong is not None:
        mask = np.where(wrong, IGNORE, mask)
        balance = min(balance, PHOTO_BALANCE)
    if annotation.keypoints is None:
        return choose_pixels(mask, options.pixels_per_image, balance, rng)
    # where keypoints are labelled, every pixel is: with a class, or with being on no keypoint
    strata = mask
    if annotation.mask is None:
        strata = np.zeros_like(mask) if wrong is None else np.where(wrong, IGNORE, 0).astype(np.uint8)
    near = near_keypoints(annotation.keypoints, mask.shape, sigma)
    if wrong is not None:
        near &= ~wrong
    return choose_pixels(strata, options.pixels_per_image, balance, rng, near)


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
    synthesis = generator.synthesize([sample.seed], sampling, sample.ws_of)
    samples.check_image(sample, synthesis.images[0].cpu().numpy())
    return labeled_pixels(
        features=[maps[0] for maps in synthesis.features],
        task=task,
        mask=mask,
        keypoints=keypoints,
        chosen=chosen,
        sigma=sigma,
        full_hw=generator.image_hw,
        crop_hw=sampling.crop_hw,
        difference_layers=difference_layers,
    )


def labeled_pixels(
    features: list[torch.Tensor],
    task: Task,
    mask: np.ndarray,
    keypoints: Keypoints | None,
    chosen: np.ndarray,
    sigma: float,
    full_hw: tuple[int, int],
    crop_hw: tuple[int, int] | None,
    difference_layers: Sequence[int] = (),
) -> PixelSet:
    """Hypercolumns and labels of the chosen pixels of one image, from its feature maps.

    Args:
        features: one [C_l, h_l, w_l] map per layer, of the whole image.
        task, mask, keypoints, chosen, sigma, difference_layers: as in `gather_labeled`.
        full_hw: height and width of the whole image.
        crop_hw: of the part in its middle that is labelled; None = all of it.
    """
    rows, columns = center_crop(full_hw, crop_hw)
    device = features[0].device
    y, x = np.unravel_index(chosen, mask.shape)
    labeled = mask.reshape(-1)[chosen].astype(np.int64)
    classes = torch.from_numpy(np.where(labeled == IGNORE, NO_CLASS, labeled)).to(device)
    heat = np.full((len(chosen), len(task.keypoints)), np.nan, np.float32)
    if keypoints is not None:
        heat = heat_targets(keypoints, y, x, sigma)
    return PixelSet(
        hypercolumns=gather_hypercolumns(
            features, y=y + rows.start, x=x + columns.start, full_hw=full_hw, difference_layers=difference_layers
        ),
        classes=classes,
        images=torch.zeros_like(classes),
        heat=torch.from_numpy(heat).to(device),
    )
