"""What predictions are compared with labels by."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import IGNORE


def dice_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """1 - Dice coefficient (F-score) over the pixels of a batch, averaged over the classes that its labels have, so
    that a class of few pixels counts as much as the background (V-Net, arXiv 1606.04797).

    Args:
        logits: float [N, K, H, W].
        masks: int64 [N, H, W]; pixels of value IGNORE do not count.
    """
    known = (masks != IGNORE)[:, None]
    true = F.one_hot(masks * known[:, 0], logits.shape[1]).permute(0, 3, 1, 2) * known
    found = logits.softmax(dim=1) * known
    sizes = true.sum(dim=(0, 2, 3))
    overlap = 2 * (found * true).sum(dim=(0, 2, 3)) / (found.sum(dim=(0, 2, 3)) + sizes).clamp(min=1)
    return (1 - overlap)[sizes > 0].mean()


def heatmap_loss(logits: torch.Tensor, points: torch.Tensor, present: torch.Tensor, sigma: float) -> torch.Tensor:
    """Cross-entropy of heatmaps against Gaussians, above its least possible value; summed over the pixels, in units of
    a Gaussian's mass, and averaged over the keypoints. Those of which nobody said whether they are there do not count.

    Args:
        logits: float [N, J, H, W]; the heatmaps are their sigmoids.
        points: float [N, J, 2], x and y in pixels.
        present: float [N, J], 1, 0 or nan.
        sigma: of the Gaussians, in pixels.
    """
    known = ~present.isnan()
    target = true_heatmaps(points, present, sigma, logits.shape[2:])
    least = F.binary_cross_entropy(target, target, reduction='none')
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction='none') - least
    return (loss.sum(dim=(2, 3)) * known).sum() / known.sum().clamp(min=1) / (2 * torch.pi * sigma**2)


def true_heatmaps(points: torch.Tensor, present: torch.Tensor, sigma: float, image_hw: tuple[int, int]) -> torch.Tensor:
    """float [N, J, H, W]: Gaussians of height 1 at the keypoints, 0 where a keypoint is not there or nobody said.

    Args:
        points, present, sigma: see `heatmap_loss`.
        image_hw: height and width of the maps.
    """
    x, y = (
        torch.exp(-0.5 * ((torch.arange(side, device=points.device) + 0.5 - points[..., axis, None]) / sigma) ** 2)
        for side, axis in ((image_hw[1], 0), (image_hw[0], 1))
    )
    return y[..., :, None] * x[..., None, :] * present.nan_to_num()[..., None, None]


def heatmap_errors(logits: torch.Tensor, points: torch.Tensor, present: torch.Tensor, sigma: float) -> torch.Tensor:
    """float [N, J]: of each heatmap, the mean over its pixels of the squared difference from the true one; nan where
    nobody said whether the keypoint is there. An empty map of a keypoint that is there has about pi sigma**2 / (H W).

    Args:
        logits, points, present, sigma: see `heatmap_loss`.
    """
    target = true_heatmaps(points, present, sigma, logits.shape[2:])
    errors = (logits.sigmoid() - target).square().mean(dim=(2, 3))
    return torch.where(present.isnan(), torch.nan, errors)
