"""Bilinear upsampling of feature maps, at chosen rows or points only.

All functions compute what `torch.nn.functional.interpolate(mode='bilinear', align_corners=False)` computes, without
antialiasing, for maps both smaller and larger than the target.
"""
from __future__ import annotations

import torch


def taps(positions: torch.Tensor, in_size: int, out_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The two input samples along one axis that make each output sample, and their mix.

    Args:
        positions: int64 [P], output indices in 0..out_size-1.
        in_size, out_size: lengths of the axis in samples.

    Returns:
        (low, high, weight): int64 [P], int64 [P], float32 [P]; output = (1 - weight) * in[low] + weight * in[high].
    """
    source = ((positions.to(torch.float32) + 0.5) * (in_size / out_size) - 0.5).clamp_(min=0)
    low = source.to(torch.int64).clamp_(max=in_size - 1)
    return low, (low + 1).clamp_(max=in_size - 1), source - low


def gather_points(feature: torch.Tensor, y: torch.Tensor, x: torch.Tensor, out_hw: tuple[int, int]) -> torch.Tensor:
    """Values that `feature`, upsampled to `out_hw`, has at points (y, x).

    Args:
        feature: float [C, h, w].
        y, x: int64 [P], row and column in the upsampled map.
        out_hw: height and width of the upsampled map.

    Returns:
        float [P, C].
    """
    y0, y1, wy = taps(y, feature.shape[1], out_hw[0])
    x0, x1, wx = taps(x, feature.shape[2], out_hw[1])
    top = torch.lerp(feature[:, y0, x0], feature[:, y0, x1], wx.to(feature.dtype))
    bottom = torch.lerp(feature[:, y1, x0], feature[:, y1, x1], wx.to(feature.dtype))
    return torch.lerp(top, bottom, wy.to(feature.dtype)).T


def upsample_rows(rows: torch.Tensor, low: torch.Tensor, high: torch.Tensor, weight: torch.Tensor,
                  out_width: int) -> torch.Tensor:
    """Some rows of an upsampled map from the input rows that they need.

    Args:
        rows: float [C, h, w], a run of input rows.
        low, high, weight: from `taps` along the vertical axis, with `low` and `high` counted from the run's start.
        out_width: width of the upsampled map.

    Returns:
        float [C, P, out_width].
    """
    mixed = torch.lerp(rows[:, low], rows[:, high], weight.to(rows.dtype)[:, None])
    return stretch_cpu(mixed, out_width) if mixed.device.type == 'cpu' else stretch_gpu(mixed, out_width)


def stretch_cpu(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Interpolate [C, P, w] along the last axis to [C, P, width]; on a CPU several times as fast as in 2D."""
    return torch.nn.functional.interpolate(rows, size=width, mode='linear', align_corners=False)


def stretch_gpu(rows: torch.Tensor, width: int) -> torch.Tensor:
    """The same as one tall image, whose pixels CUDA's 2D kernel spreads over its threads (its 1D one does not)."""
    tall = torch.nn.functional.interpolate(rows.reshape(1, 1, -1, rows.shape[2]),
                                           size=(rows.shape[0] * rows.shape[1], width), mode='bilinear',
                                           align_corners=False)
    return tall.reshape(*rows.shape[:2], width)
