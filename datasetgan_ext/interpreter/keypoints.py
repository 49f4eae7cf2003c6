"""Keypoints as heatmaps: Gaussian targets for training, points and their uncertainty from predicted maps.

DatasetGAN (arXiv 2104.06490, sec. 3.1) regresses a Gaussian heatmap for each keypoint; no code of it was released.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit, logit

from datasetgan_ext.labels.annotation import ABSENT, Keypoints

NEAR = 3.0
"""Pixels within so many sigmas of a keypoint are always trained on."""
WINDOW = 2 / 3
"""Width of the Gaussian window in which a point is refined, in sigmas of the heatmap."""
REFINEMENTS = 12
DEFAULT_THRESHOLD = 0.2
PRIOR_ABSENT = 15


def default_sigma(image_hw: tuple[int, int]) -> float:
    """Width of the Gaussians in pixels: 1 % of the image's longer side, and 1.5 at least."""
    return max(1.5, 0.01 * max(image_hw))


def heat_targets(keypoints: Keypoints, y: np.ndarray, x: np.ndarray, sigma: float) -> np.ndarray:
    """Heatmaps at some pixels: exp(-d² / (2 sigma²)), d the distance of the pixel's centre; 0 where absent.

    Args:
        keypoints: of one image.
        y, x: int64 [P], rows and columns.
        sigma: in pixels.

    Returns:
        float32 [P, J].
    """
    centres = np.stack([x, y], axis=1)[:, None] + 0.5
    squares = np.square(centres - keypoints.points[None]).sum(axis=2)
    return (np.exp(-squares / (2 * sigma**2)) * (keypoints.visibility != ABSENT)).astype(np.float32)


def near_keypoints(keypoints: Keypoints, image_hw: tuple[int, int], sigma: float) -> np.ndarray:
    """bool [H, W]: pixels within `NEAR` sigmas of a keypoint that is not absent."""
    y, x = (index.reshape(-1) for index in np.indices(image_hw))
    closest = heat_targets(keypoints, y, x, sigma).max(axis=1, initial=0)
    return (closest > math.exp(-NEAR**2 / 2)).reshape(image_hw)


@dataclass
class PredictedKeypoints:
    """Keypoints of a batch of images.

    Attributes:
        points: float32 [N, J, 2], x and y in pixels of the mask; the centre of the first pixel is (0.5, 0.5).
        peaks: float32 [N, J], height of the mean heatmap's peak, in 0..1: how sure the ensemble is that it is there.
        spread: float32 [N, J], root mean square distance of the members' own points from the ensemble's, in pixels.
        uncertainty: float32 [N, J]: where the keypoint counts as present, the mean over the members of
            1 - exp(-d² / (2 sigma²)), d that distance; else 0; in 0..1.
    """
    points: torch.Tensor
    peaks: torch.Tensor
    spread: torch.Tensor
    uncertainty: torch.Tensor


def find_keypoints(heatmaps: torch.Tensor, sigma: float, threshold: float) -> PredictedKeypoints:
    """Points of one image from the heatmaps of all members.

    Args:
        heatmaps: float32 [M, J, H, W], in 0..1.
        sigma: of the Gaussians that were trained on.
        threshold: height of a peak from which a keypoint counts as present.

    Returns:
        As for a batch of one.
    """
    mean = heatmaps.mean(dim=0)
    peaks = mean.flatten(1).amax(dim=1)
    points, own = locate(mean, sigma), locate(heatmaps, sigma)
    squares = (own - points).square().sum(dim=-1)
    apart = (1 - torch.exp(-squares / (2 * sigma**2))).mean(dim=0)
    uncertainty = apart * (peaks >= threshold)
    return PredictedKeypoints(points[None], peaks[None], squares.mean(dim=0).sqrt()[None], uncertainty[None])


def locate(heatmaps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Sub-pixel places of the maps' peaks: from the highest pixel, steps of mean shift in a Gaussian window.

    Args:
        heatmaps: float32 [..., H, W], not negative.
        sigma: of the Gaussians that were trained on.

    Returns:
        float32 [..., 2], x and y in pixels.
    """
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.reshape(-1, height * width)
    peak = flat.argmax(dim=1)
    reach = math.ceil(2 * sigma)
    offsets = torch.arange(-reach, reach + 1, device=flat.device)
    rows, columns = (peak // width)[:, None] + offsets, (peak % width)[:, None] + offsets
    inside = (((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :])
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    patch = flat.gather(1, index.flatten(1)).reshape(index.shape) * inside
    y, x = rows + 0.5, columns + 0.5
    point_y, point_x = y[:, reach], x[:, reach]
    for _ in range(REFINEMENTS):
        window_y, window_x = (torch.exp(-((axis - centre[:, None]) / (WINDOW * sigma)).square() / 2)
                              for axis, centre in ((y, point_y), (x, point_x)))
        weights = patch * window_y[:, :, None] * window_x[:, None, :]
        total = weights.sum(dim=(1, 2)).clamp(min=torch.finfo(weights.dtype).tiny)
        found = weights.sum(dim=(1, 2)) > 0
        point_y = torch.where(found, (weights.sum(dim=2) * y).sum(dim=1) / total, point_y)
        point_x = torch.where(found, (weights.sum(dim=1) * x).sum(dim=1) / total, point_x)
    return torch.stack([point_x, point_y], dim=1).reshape(*heatmaps.shape[:-2], 2)


def calibrate_threshold(present: np.ndarray, absent: np.ndarray) -> float:
    """The peak height from which a keypoint counts as present.

    Best is the one with the highest mean of the shares of present and of absent keypoints that it calls right, in the
    middle of the gap that it may lie in. Few absent keypoints say little, and ensembles that saw fewer images take more
    of them for present than the whole one: so the result lies between `DEFAULT_THRESHOLD`, which has the weight of
    `PRIOR_ABSENT` absent keypoints, and the best one (in log odds).

    Args:
        present, absent: float [P] and [A], peaks of held-out keypoints that are there and that are not.
    """
    if len(present) == 0 or len(absent) == 0:
        return DEFAULT_THRESHOLD
    heights = np.unique(np.concatenate([[0.0], present, absent, [1.0]]))
    middles = (heights[1:] + heights[:-1]) / 2
    right = (present[None] >= middles[:, None]).mean(axis=1) + (absent[None] < middles[:, None]).mean(axis=1)
    best = np.flatnonzero(right >= right.max() - 1e-12)
    found = (middles[best[0]] + middles[best[-1]]) / 2
    weight = len(absent) / (len(absent) + PRIOR_ABSENT)
    return float(expit(weight * logit(found) + (1 - weight) * logit(DEFAULT_THRESHOLD)))
