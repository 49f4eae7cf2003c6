"""Batches of labelled images for training, each a function of its number alone: so a run that was stopped goes on with
the batches that it would have had, however many processes read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import ABSENT, IGNORE
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset, LabeledImage

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


class Batch(NamedTuple):
    """
    Attributes:
        images: float32 [N, 3, H, W], normalised.
        masks: int64 [N, H, W], class ids; IGNORE where there is no label.
        points: float32 [N, J, 2], x and y in pixels of `images`.
        present: float32 [N, J]; 1 where the keypoint is in the image, 0 where it is absent, nan where nobody said.
    """

    images: torch.Tensor
    masks: torch.Tensor
    points: torch.Tensor
    present: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device, non_blocking=True) for part in self))


@dataclass(frozen=True)
class Augmentation:
    """Random changes of images and labels together.

    Attributes:
        mirror: chance of the mirror image; 0 where left and right must not be taken for each other.
        scale: the size changes by a factor of up to exp(scale), either way.
        shift: the image moves by up to this share of its sides.
        gain, offset: each colour channel is multiplied by 1 ± gain, and moved by ± offset (of 0..1).
        blur: chance that the batch is blurred, by a Gaussian of 0.3 to 1.2 pixels.
        noise: largest standard deviation of noise (of 0..1).
    """

    mirror: float = 0.5
    scale: float = 0.2
    shift: float = 0.08
    gain: float = 0.2
    offset: float = 0.15
    blur: float = 0.5
    noise: float = 0.04


class BatchSource(torch.utils.data.Dataset):
    """Batch number 0, 1, 2, ... without end: every image once in each round, the rounds shuffled."""

    def __init__(
        self,
        images: LabeledDataset,
        image_hw: tuple[int, int],
        size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        """
        Args:
            images: to draw from.
            image_hw: height and width to which all are resized.
            size: images in a batch.
            seed: of order and augmentation.
            augmentation: None = no changes.
        """
        self.images = images
        self.image_hw = image_hw
        self.size = size
        self.seed = seed
        self.augmentation = augmentation

    def __getitem__(self, number: int) -> Batch:
        batch = stack(self.chosen(number), self.image_hw, self.images.task.keypoints)
        if self.augmentation is not None:
            # numpy's seeds are lists of numbers, torch's a single one
            seed = np.random.RandomState([self.seed, number, 1]).randint(2**31)
            batch = augment(
                batch, self.augmentation, self.images.task.left_right_pairs, torch.Generator().manual_seed(int(seed))
            )
        return batch._replace(images=normalize(batch.images))

    def chosen(self, number: int) -> list[LabeledImage]:
        """The images of a batch, as they are."""
        places = range(number * self.size, (number + 1) * self.size)
        return [self.images[shuffled(place, len(self.images), [self.seed], 0)] for place in places]


class SharedBatches(BatchSource):
    """Batches in which several sources have their shares; of each source, every image once in each round."""

    def __init__(
        self,
        images: LabeledDataset,
        others: Sequence[tuple[LabeledDataset, float]],
        image_hw: tuple[int, int],
        size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        """
        Args:
            images: the source that fills what the others leave, and whose task is learned.
            others: further sources of the same task and their shares, above 0, in all below 1. A share that is no whole
                number of images in a batch is right over many batches.
            image_hw, size, seed, augmentation: see `BatchSource`.
        """
        super().__init__(images, image_hw, size, seed, augmentation)
        self.others = others

    def chosen(self, number: int) -> list[LabeledImage]:
        """See `BatchSource.chosen`."""
        images: list[LabeledImage] = []
        before = after = 0
        for index, (source, share) in enumerate(self.others, 1):
            start, stop = (int(share * self.size * count + 1e-9) for count in (number, number + 1))
            before += start
            after += stop
            places = range(start, stop)
            images += [source[shuffled(place, len(source), [self.seed, index], 0)] for place in places]
        places = range(number * self.size - before, (number + 1) * self.size - after)
        return images + [self.images[shuffled(place, len(self.images), [self.seed], 0)] for place in places]


def shuffled(place: int, count: int, seed: list[int], purpose: int) -> int:
    """Which of `count` images has a place in an endless row, in which each is once in each round."""
    turn, position = divmod(place, count)
    return int(np.random.RandomState([*seed, turn, purpose]).permutation(count)[position])


def stack(images: list[LabeledImage], image_hw: tuple[int, int], keypoints: tuple[str, ...] = ()) -> Batch:
    """Images of any sizes, resized to one, with their labels; the images in 0..1, not yet normalised."""
    height, width = image_hw
    pictures: list[torch.Tensor] = []
    masks: list[torch.Tensor] = []
    points: list[torch.Tensor] = []
    present: list[torch.Tensor] = []
    for found in images:
        pictures.append(to_input(found.image, image_hw))
        mask = np.full(image_hw, IGNORE, np.uint8) if found.mask is None else found.mask
        masks.append(F.interpolate(torch.tensor(mask)[None, None], image_hw, mode='nearest-exact')[0, 0])
        if found.keypoints is None:
            points.append(torch.zeros(len(keypoints), 2))
            present.append(torch.full((len(keypoints),), torch.nan))
        else:
            factor = np.array([width / found.image.shape[1], height / found.image.shape[0]])
            points.append(torch.tensor(found.keypoints.points * factor, dtype=torch.float32))
            present.append(torch.tensor(found.keypoints.visibility != ABSENT, dtype=torch.float32))
    return Batch(torch.stack(pictures), torch.stack(masks).long(), torch.stack(points), torch.stack(present))


def to_input(image: np.ndarray, image_hw: tuple[int, int]) -> torch.Tensor:
    """uint8 [H, W, 3] as float32 [3, *image_hw] in 0..1."""
    tensor = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    if image.shape[:2] != tuple(image_hw):
        tensor = F.interpolate(tensor, image_hw, mode='bilinear', align_corners=False, antialias=True)
    return tensor[0]


def normalize(images: torch.Tensor) -> torch.Tensor:
    """float [N, 3, H, W] in 0..1 to ImageNet's mean and standard deviation."""
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, STD))
    return (images - mean) / std


def augment(
    batch: Batch, options: Augmentation, left_right_pairs: tuple[tuple[int, int], ...], random: torch.Generator
) -> Batch:
    """A changed batch. What a shift brings in from outside has no label; keypoints that it takes out are absent."""

    def uniform(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(shape, generator=random) - 1

    count, _, height, width = batch.images.shape
    mirrored = torch.rand(count, generator=random) < options.mirror
    zoom = torch.exp(options.scale * uniform(count))
    shift = 2 * options.shift * uniform(count, 2)  # in grid_sample's units, where the image is from -1 to 1
    # a pixel at p shows what was at flip * p / zoom + shift
    flip = torch.where(mirrored, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = flip / zoom
    theta[:, 1, 1] = 1 / zoom
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, (count, 3, height, width), align_corners=False)
    images = F.grid_sample(batch.images, grid, mode='bilinear', padding_mode='border', align_corners=False)
    # one more than the class, so that 0 is outside
    masks = F.grid_sample(batch.masks[:, None].float() + 1, grid, mode='nearest', align_corners=False)[:, 0]
    masks = torch.where(masks == 0, IGNORE, masks.long() - 1)
    size = torch.tensor([width, height])
    places = (2 * batch.points / size - 1 - shift[:, None]) * zoom[:, None, None]
    places = torch.stack([places[..., 0] * flip[:, None], places[..., 1]], dim=2)
    inside = (places.abs() <= 1).all(dim=2)
    points = (places + 1) / 2 * size
    present = torch.where(batch.present == 1, inside.float(), batch.present)
    order = list(range(points.shape[1]))
    for left, right in left_right_pairs:
        order[left] = right
        order[right] = left
    points = torch.where(mirrored[:, None, None], points[:, order], points)
    present = torch.where(mirrored[:, None], present[:, order], present)
    images = images * (1 + options.gain * uniform(count, 3, 1, 1)) + options.offset * uniform(count, 3, 1, 1)
    if torch.rand((), generator=random) < options.blur:
        images = _blur(images, 0.3 + 0.9 * float(torch.rand((), generator=random)))
    strength = options.noise * torch.rand(count, 1, 1, 1, generator=random)
    images = images + strength * torch.randn(images.shape, generator=random)
    return Batch(images.clamp(0, 1), masks, points, present)


def _blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    taps = torch.exp(-0.5 * (torch.arange(-3.0, 4.0) / sigma) ** 2)
    taps = (taps / taps.sum()).expand(3, 1, 1, 7)
    images = F.conv2d(F.pad(images, (3, 3, 0, 0), 'replicate'), taps, groups=3)
    return F.conv2d(F.pad(images, (0, 0, 3, 3), 'replicate'), taps.transpose(2, 3), groups=3)
