"""Bilinear upsampling of feature maps, at chosen rows or points only.

All functions compute what `torch.nn.functional.interpolate(mode='bilinear', align_corners=False)` computes, without
antialiasing, for maps both smaller and larger than the target.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F

BLOCK = 64
"""Columns that one matrix product makes on a CPU: fewer cost more calls, more cost more multiplications."""


def bilinear_weights(
    positions: torch.Tensor, in_size: int, out_size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The two input samples along one axis that make each output sample, and their mix.

    Args:
        positions: int64 [P], output indices in 0..out_size-1.
        in_size, out_size: lengths of the axis in samples.

    Returns:
        (low, high, weight): int64 [P], int64 [P], float32 [P]; output = (1 - weight) * in[low] + weight * in[high].
    """
    source = ((positions.to(torch.float32) + 0.5) * (in_size / out_size) - 0.5).clamp_(min=0)
    low = source.to(torch.int64).clamp_(max=in_size - 1)
    high = (low + 1).clamp_(max=in_size - 1)
    return low, high, source - low


def gather_points(feature: torch.Tensor, y: torch.Tensor, x: torch.Tensor, out_hw: tuple[int, int]) -> torch.Tensor:
    """Values that `feature`, upsampled to `out_hw`, has at points (y, x).

    Args:
        feature: float [C, h, w].
        y, x: int64 [P], row and column in the upsampled map.
        out_hw: height and width of the upsampled map.

    Returns:
        float32 [P, C]; float64 for such a map.
    """
    y0, y1, wy = bilinear_weights(y, feature.shape[1], out_hw[0])
    x0, x1, wx = bilinear_weights(x, feature.shape[2], out_hw[1])
    wide = torch.promote_types(feature.dtype, torch.float32)

    def at(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        return feature[:, rows, columns].to(wide)

    top = torch.lerp(at(y0, x0), at(y0, x1), wx.to(wide))
    bottom = torch.lerp(at(y1, x0), at(y1, x1), wx.to(wide))
    return torch.lerp(top, bottom, wy.to(wide)).T


def mixed_rows(rows: torch.Tensor, low: torch.Tensor, high: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Rows of a map that is upsampled along the vertical axis.

    Args:
        rows: float [C, h, w], a run of input rows.
        low, high, weight: from `bilinear_weights`, with `low` and `high` counted from the run's start.

    Returns:
        [C, P, w], contiguous, of the same type.
    """
    rows = rows.contiguous()  # selecting from a part of a larger map takes four times as long
    return rows.index_select(1, low).lerp_(rows.index_select(1, high), weight[:, None].to(rows))


def add_stretched(total: torch.Tensor, maps: Sequence[torch.Tensor], width: int, columns: slice) -> None:
    """Upsample maps along their last axis, and add all of them to `total`.

    Args:
        total: float [C, P, columns], contiguous.
        maps: [C, P, w] each, contiguous, of any widths and of the same type.
        width: of the upsampled maps.
        columns: the part of it that is wanted.
    """
    if total.device.type == 'cpu':
        add_stretched_cpu(total, maps, width, columns)
    else:
        for one in maps:
            add_stretched_gpu(total, one, width, columns)


def add_stretched_cpu(total: torch.Tensor, maps: Sequence[torch.Tensor], width: int, columns: slice) -> None:
    """By small matrix products that add in place, some columns at a time, of all maps together: `total` is read and
    written once."""
    if not maps:
        return
    total = total.view(-1, total.shape[2])
    maps = [one.view(-1, one.shape[2]) for one in maps]
    for wanted, needed, matrix in _stretches(tuple(one.shape[1] for one in maps), width, columns.start, columns.stop):
        rows = torch.cat([one[:, part] for one, part in zip(maps, needed)], dim=1)
        total[:, wanted].addmm_(rows, matrix.to(total))


def add_stretched_gpu(total: torch.Tensor, rows: torch.Tensor, width: int, columns: slice) -> None:
    """As one tall image, whose pixels CUDA's 2D kernel spreads over its threads."""
    tall = F.interpolate(
        rows.reshape(1, 1, -1, rows.shape[2]),
        size=(rows.shape[0] * rows.shape[1], width),
        mode='bilinear',
        align_corners=False,
    )
    total.add_(tall.reshape(*rows.shape[:2], width)[:, :, columns])


@functools.lru_cache(maxsize=64)
def _stretches(
    in_widths: tuple[int, ...], out_width: int, start: int, stop: int
) -> list[tuple[slice, list[slice], torch.Tensor]]:
    """Interpolation of rows to columns `start` to `stop` of `out_width`, and their sum, as matrices on the CPU.

    Returns:
        For some columns at a time: these, counted from `start`; the input columns that they need of each row; and the
        matrix float32 [needed, wanted] that makes the ones from the others.
    """
    stretches = []
    for first in range(start, stop, BLOCK):
        positions = torch.arange(first, min(first + BLOCK, stop))
        here = torch.arange(len(positions))
        parts, matrices = [], []
        for in_width in in_widths:
            low, high, weight = bilinear_weights(positions, in_width, out_width)
            needed = slice(int(low[0]), int(high[-1]) + 1)
            matrix = torch.zeros(needed.stop - needed.start, len(positions))
            matrix.index_put_((low - needed.start, here), 1 - weight)
            matrix.index_put_((high - needed.start, here), weight, accumulate=True)
            parts.append(needed)
            matrices.append(matrix)
        stretches.append((slice(first - start, first - start + len(positions)), parts, torch.cat(matrices)))
    return stretches
