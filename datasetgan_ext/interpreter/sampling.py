"""Pixels to learn from: a random choice per image in which every class of the image is present."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from datasetgan_ext.interpreter.upsampling import gather_points
from datasetgan_ext.labels.annotation import IGNORE


@dataclass
class PixelSet:
    """Labelled hypercolumns.

    Attributes:
        hypercolumns: float32 [P, C].
        classes: int64 [P].
    """
    hypercolumns: torch.Tensor
    classes: torch.Tensor

    def __len__(self) -> int:
        return len(self.classes)

    @staticmethod
    def join(parts: list[PixelSet]) -> PixelSet:
        return PixelSet(torch.cat([part.hypercolumns for part in parts]), torch.cat([part.classes for part in parts]))


def choose_pixels(mask: np.ndarray, count: int | None, balance: float, rng: np.random.RandomState) -> np.ndarray:
    """Random pixels of a mask without repetition, with every class of the mask among them.

    A share `balance` of them is spread evenly over the classes of the mask, the rest falls on any pixel. A class too
    small for its part gives all of its pixels.

    Args:
        mask: uint8 [H, W], class ids; pixels of value IGNORE are never chosen.
        count: number of pixels; None = all. Fewer where the mask has fewer, and never less than one per class.
        balance: 0..1.
        rng: source of the choice.

    Returns:
        int64 [P], indices into the flattened mask, in rising order.
    """
    flat = mask.reshape(-1)
    labelled = np.flatnonzero(flat != IGNORE)
    if count is None or count >= len(labelled):
        return labelled
    classes = np.unique(flat[labelled])
    per_class = max(1, int(count * balance / len(classes)))
    chosen = np.concatenate([
        rng.permutation(np.flatnonzero(flat == class_id))[:per_class] for class_id in classes])
    others = rng.permutation(np.setdiff1d(labelled, chosen))
    return np.sort(np.concatenate([chosen, others[:max(0, count - len(chosen))]]))


def gather_pixels(features: list[torch.Tensor], mask: np.ndarray, chosen: np.ndarray, full_hw: tuple[int, int],
                  top_left: tuple[int, int]) -> PixelSet:
    """Hypercolumns of chosen pixels, interpolated at those points only.

    Args:
        features: one [C_l, h_l, w_l] map per layer, of the whole image.
        mask: uint8 [H, W], classes of the labelled part of the image.
        chosen: int64 [P], indices into the flattened mask.
        full_hw: height and width of the whole image.
        top_left: where in the whole image the mask begins (row, column).
    """
    device = features[0].device
    y, x = (torch.from_numpy(position + offset).to(device)
            for position, offset in zip(np.unravel_index(chosen, mask.shape), top_left))
    hypercolumns = torch.cat([gather_points(feature.to(torch.float32), y, x, full_hw) for feature in features], dim=1)
    classes = torch.from_numpy(mask.reshape(-1)[chosen].astype(np.int64)).to(device)
    return PixelSet(hypercolumns, classes)
