"""Pixels to learn from: a random choice per image in which every class of the image is present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.interpreter.differences import neighbor_differences
from datasetgan_ext.interpreter.upsampling import gather_points

NO_CLASS = -1
"""In place of a class id."""
HALF = torch.finfo(torch.float16)
SMALLEST_DEVIATION = 1e-6
STATISTICS_CHUNK = 4096


@dataclass
class PixelSet:
    """Labelled hypercolumns.

    Attributes:
        hypercolumns: float16 [P, C], half the memory of what the generator computes.
        classes: int64 [P]; NO_CLASS where a pixel has no class.
        images: int64 [P], index of the labelled image that each pixel is from.
        heat: float32 [P, J], the keypoints' heatmaps; nan where an image's keypoints are not labelled.
    """

    hypercolumns: torch.Tensor
    classes: torch.Tensor
    images: torch.Tensor
    heat: torch.Tensor

    def __len__(self) -> int:
        return len(self.classes)

    @classmethod
    def concatenated(cls, parts: Sequence[PixelSet]) -> PixelSet:
        """Several sets as one."""
        return cls(
            hypercolumns=torch.cat([part.hypercolumns for part in parts]),
            classes=torch.cat([part.classes for part in parts]),
            images=torch.cat([part.images for part in parts]),
            heat=torch.cat([part.heat for part in parts]),
        )

    def select(self, chosen: torch.Tensor) -> PixelSet:
        """A copy of the pixels at bool or int64 index `chosen`."""
        return PixelSet(self.hypercolumns[chosen], self.classes[chosen], self.images[chosen], self.heat[chosen])

    def batch(self, chosen: torch.Tensor) -> torch.Tensor:
        """Hypercolumns of the pixels at int64 indices of any shape [...]: float32 [..., C]."""
        return self.hypercolumns.index_select(0, chosen.flatten()).float().unflatten(0, chosen.shape)

    def statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each channel: float32 [C] each.

        The deviation is never less than what half precision tells apart around the mean, so that a channel that is
        constant but for that is not blown up.
        """
        chunks = self.hypercolumns.split(STATISTICS_CHUNK)
        mean = sum(chunk.sum(dim=0, dtype=torch.float64) for chunk in chunks) / len(self)
        squares = sum((chunk - mean).square_().sum(dim=0) for chunk in chunks)
        std = (squares / max(1, len(self) - 1)).sqrt()
        return mean.float(), torch.maximum(std, mean.abs() * HALF.eps).clamp_(min=SMALLEST_DEVIATION).float()


def choose_pixels(
    mask: np.ndarray, count: int | None, balance: float, rng: np.random.RandomState, always: np.ndarray | None = None
) -> np.ndarray:
    """Random pixels of a mask without repetition, with every class of the mask among them.

    A share `balance` of them is spread evenly over the classes of the mask, the rest falls on any pixel. A class too
    small for its part gives all of its pixels.

    Args:
        mask: uint8 [H, W], class ids; pixels of value IGNORE are never chosen.
        count: number of pixels; None = all. Fewer where the mask has fewer, and never less than one per class.
        balance: 0..1.
        rng: source of the choice.
        always: bool [H, W], pixels that are chosen besides, whatever their number and value; None = none.

    Returns:
        int64 [P], indices into the flattened mask, in rising order.
    """
    flat = mask.reshape(-1)
    labeled = np.flatnonzero(flat != IGNORE)
    besides = labeled[:0]
    if always is not None:
        besides = np.flatnonzero(always)
    if count is None or count >= len(labeled):
        return np.union1d(labeled, besides)
    classes = np.unique(flat[labeled])
    per_class = max(1, int(count * balance / len(classes)))
    chosen = np.concatenate([rng.permutation(np.flatnonzero(flat == class_id))[:per_class] for class_id in classes])
    others = rng.permutation(np.setdiff1d(labeled, chosen))
    rest = others[: max(0, count - len(chosen))]
    return np.union1d(np.concatenate([chosen, rest]), besides)


def gather_hypercolumns(
    features: list[torch.Tensor],
    y: np.ndarray,
    x: np.ndarray,
    full_hw: tuple[int, int],
    difference_layers: Sequence[int] = (),
) -> torch.Tensor:
    """Hypercolumns of some pixels, interpolated at those points only.

    Args:
        features: one [C_l, h_l, w_l] map per layer, of the whole image.
        y, x: int64 [P], rows and columns of the whole image.
        full_hw: its height and width.
        difference_layers: indices of the maps whose differences are wanted too.

    Returns:
        float16 [P, C], the layers' channels one after the other, then those of the differences; values beyond its range
        at its limits.
    """
    y = torch.from_numpy(y).to(features[0].device)
    x = torch.from_numpy(x).to(features[0].device)
    maps = [*features, *(neighbor_differences(features[index].to(torch.float32)) for index in difference_layers)]
    points = [gather_points(one, y, x, full_hw) for one in maps]
    return torch.cat([part.clamp_(HALF.min, HALF.max).half() for part in points], dim=1)
