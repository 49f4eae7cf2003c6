"""Keypoints as heatmaps: Gaussian targets for training, points and their uncertainty from predicted maps.

DatasetGAN (arXiv 2104.06490, sec. 3.1) regresses a Gaussian heatmap for each keypoint; no code of it was released.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import ABSENT, Keypoints

NEAR = 3.0
"""Pixels within so many sigmas of a keypoint are always trained on."""
SIGMA_SHARE = 0.03
"""Wide Gaussians, since a few labelled images do not settle where exactly some keypoints are: that flattens a narrow
peak until it is lost."""
SMALLEST_SIGMA = 1.5
"""Narrower Gaussians would fall between the pixels."""
SQUARE = 2.0
"""Side of the square whose mean tells where a map is highest, in sigmas of the heatmap: a single pixel is noisy, and of
two places that members choose, the one with more heat around it is right more often."""
WINDOW, ENSEMBLE_WINDOW = 1 / 2, 3 / 4
"""Width of the Gaussian window in which a point is refined, in sigmas of the heatmap; wider for an ensemble's maps,
which are noisier."""
REFINEMENTS = 20
REACH = 5.0
"""Pixels within so many sigmas of a point belong to its peak."""
DEFAULT_THRESHOLD = 0.33


def heatmap_sigma(image_hw: tuple[int, int], share: float = SIGMA_SHARE) -> float:
    """Width of the Gaussians in pixels: a share of the image's longer side, and `SMALLEST_SIGMA` at least."""
    return max(SMALLEST_SIGMA, share * max(image_hw))


def heat_targets(keypoints: Keypoints, y: np.ndarray, x: np.ndarray, sigma: float) -> np.ndarray:
    """Heatmaps at some pixels: exp(-d² / (2 sigma²)), d the distance of the pixel's centre; 0 where absent.

    Args:
        keypoints: of one image.
        y, x: int64 [P], rows and columns.
        sigma: in pixels.

    Returns:
        float32 [P, J].
    """
    centers = np.stack([x, y], axis=1)[:, None] + 0.5
    squares = np.square(centers - keypoints.points[None]).sum(axis=2)
    return (np.exp(-squares / (2 * sigma**2)) * (keypoints.visibility != ABSENT)).astype(np.float32)


def near_keypoints(keypoints: Keypoints, image_hw: tuple[int, int], sigma: float) -> np.ndarray:
    """bool [H, W]: pixels within `NEAR` sigmas of a keypoint that is not absent."""
    y, x = (index.reshape(-1) for index in np.indices(image_hw))
    closest = heat_targets(keypoints, y, x, sigma).max(axis=1, initial=0)
    return (closest > math.exp(-(NEAR**2) / 2)).reshape(image_hw)


@dataclass
class PredictedKeypoints:
    """Keypoints of a batch of images.

    Attributes:
        points: float32 [N, J, 2], x and y in pixels of the mask; the centre of the first pixel is (0.5, 0.5).
        confidence: float32 [N, J], 0..1, how sure the ensemble is that it is there: see `presence_confidence`.
        spread: float32 [N, J], root mean square distance of the members' own points from the ensemble's, in pixels.
        uncertainty: float32 [N, J]: where the keypoint counts as present, the mean over the members of
            1 - exp(-d² / (2 sigma²)), d that distance; else 0; in 0..1.
    """

    points: torch.Tensor
    confidence: torch.Tensor
    spread: torch.Tensor
    uncertainty: torch.Tensor

    @classmethod
    def concatenated(cls, batches: Sequence[PredictedKeypoints]) -> PredictedKeypoints:
        """Several batches as one."""
        return cls(
            points=torch.cat([batch.points for batch in batches]),
            confidence=torch.cat([batch.confidence for batch in batches]),
            spread=torch.cat([batch.spread for batch in batches]),
            uncertainty=torch.cat([batch.uncertainty for batch in batches]),
        )


def find_keypoints(heatmaps: torch.Tensor, sigma: float, threshold: float) -> PredictedKeypoints:
    """Points of a batch of images from the heatmaps of all members.

    Args:
        heatmaps: float32 [N, M, J, H, W], in 0..1.
        sigma: of the Gaussians that were trained on.
        threshold: confidence from which a keypoint counts as present.
    """
    mean = heatmaps.mean(dim=1)
    points = locate(mean, sigma, ENSEMBLE_WINDOW, smooth=True)
    own = locate(heatmaps, sigma, ENSEMBLE_WINDOW)
    confidence = presence_confidence(mean, points, sigma)
    squares = (own - points[:, None]).square().sum(dim=-1)
    apart = (1 - torch.exp(-squares / (2 * sigma**2))).mean(dim=1)
    return PredictedKeypoints(
        points=points,
        confidence=confidence,
        spread=squares.mean(dim=1).sqrt(),
        uncertainty=apart * (confidence >= threshold),
    )


def presence_confidence(heatmaps: torch.Tensor, points: torch.Tensor, sigma: float) -> torch.Tensor:
    """Probability that a keypoint is there: the sum of a heatmap around its peak, as a share of a whole Gaussian's.

    A heatmap's pixel is the expected height of the Gaussian there. When it is not clear where a keypoint is, its peak
    is low and wide, but the sum is still a whole Gaussian's; when it is not clear whether it is there, the sum is less.
    Of a keypoint on the image's border half of the Gaussian is inside.

    Args:
        heatmaps: float32 [..., H, W], in 0..1.
        points: float32 [..., 2], x and y of their peaks in pixels, inside the image; from `locate`.
        sigma: of the Gaussians that were trained on.

    Returns:
        float32 [...], 0..1: sum over the pixels within `REACH` sigmas / (2 pi sigma²), at most 1.
    """
    x, y = points.reshape(-1, 2).T
    patch, rows, columns = _around(
        heatmaps.reshape(-1, *heatmaps.shape[-2:]), y.long(), x.long(), math.ceil(REACH * sigma)
    )
    squares = (rows - y[:, None]).square()[:, :, None] + (columns - x[:, None]).square()[:, None]
    whole = (patch * (squares <= (REACH * sigma) ** 2)).sum(dim=(1, 2)) / (2 * math.pi * sigma**2)
    return whole.clamp(max=1).reshape(heatmaps.shape[:-2])


def locate(heatmaps: torch.Tensor, sigma: float, window: float = WINDOW, smooth: bool = False) -> torch.Tensor:
    """Sub-pixel places of the maps' peaks: from the highest pixel, steps of mean shift in a Gaussian window.

    Args:
        heatmaps: float32 [..., H, W], not negative.
        sigma: of the Gaussians that were trained on.
        window: see `WINDOW`.
        smooth: start from the highest square instead, see `SQUARE`.

    Returns:
        float32 [..., 2], x and y in pixels.
    """
    maps = heatmaps.reshape(-1, *heatmaps.shape[-2:])
    if smooth:
        row, column = _highest_square(maps, sigma)
    else:
        row, column = _highest(maps)
    reach = math.ceil(2 * sigma)
    patch, y, x = _around(maps, row, column, reach)
    point_y = y[:, reach]
    point_x = x[:, reach]
    for _ in range(REFINEMENTS):
        window_y = torch.exp(-((y - point_y[:, None]) / (window * sigma)).square() / 2)
        window_x = torch.exp(-((x - point_x[:, None]) / (window * sigma)).square() / 2)
        weights = patch * window_y[:, :, None] * window_x[:, None, :]
        total = weights.sum(dim=(1, 2)).clamp(min=torch.finfo(weights.dtype).tiny)
        found = weights.sum(dim=(1, 2)) > 0
        point_y = torch.where(found, (weights.sum(dim=2) * y).sum(dim=1) / total, point_y)
        point_x = torch.where(found, (weights.sum(dim=1) * x).sum(dim=1) / total, point_x)
    return torch.stack([point_x, point_y], dim=1).reshape(*heatmaps.shape[:-2], 2)


def _highest(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of the highest pixel of maps [N, H, W]: int64 [N] each."""
    peak = maps.flatten(1).argmax(dim=1)
    return peak // maps.shape[2], peak % maps.shape[2]


def _highest_square(maps: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of the centre of the highest square of maps [N, H, W], of those half a sigma apart: int64 [N]
    each."""
    cell = max(1, int(sigma / 2))
    half = round(SQUARE / 2 * sigma / cell)
    cells = F.avg_pool2d(maps, cell, ceil_mode=True)
    row, column = _highest(F.avg_pool2d(cells, 2 * half + 1, stride=1, padding=half))
    height, width = maps.shape[1:]
    row = (row * cell + cell // 2).clamp(max=height - 1)
    column = (column * cell + cell // 2).clamp(max=width - 1)
    return row, column


def _around(
    maps: torch.Tensor, row: torch.Tensor, column: torch.Tensor, reach: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Squares of maps [N, H, W] around a pixel of each (int64 [N]): [N, S, S], S = 2 * reach + 1, 0 beyond the map; and
    the y and x of their pixels' centres, [N, S] each."""
    height, width = maps.shape[1:]
    offsets = torch.arange(-reach, reach + 1, device=maps.device)
    rows = row[:, None] + offsets
    columns = column[:, None] + offsets
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    squares = maps.flatten(1).gather(1, index.flatten(1)).reshape(index.shape) * inside
    return squares, rows + 0.5, columns + 0.5
