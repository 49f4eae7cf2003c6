"""Differences of neighbouring pixels of a feature map, which say where within a pixel a border runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from datasetgan_ext.generator.features import Layer

PER_CHANNEL = 3
SMALLEST_SHARE = 4
"""Maps of at least the image's height divided by this have differences; those of smaller ones gained nothing."""


def layers_with_differences(layers: Sequence[Layer]) -> list[int]:
    """Indices of the layers whose differences are worth having: the last one of each size, of the larger sizes."""
    smallest = max(layer.hw[0] for layer in layers) / SMALLEST_SHARE
    last = {layer.hw: index for index, layer in enumerate(layers)}
    return sorted(index for (height, _), index in last.items() if height >= smallest)


def difference_count(layers: Sequence[Layer], chosen: Sequence[int]) -> int:
    """Channels that the differences of the layers at the indices `chosen` have."""
    return PER_CHANNEL * sum(layers[index].channels for index in chosen)


def hypercolumn_length(layers: Sequence[Layer], difference_layers: Sequence[int]) -> int:
    """Channels of all layers, and of the differences of those at the indices `difference_layers`."""
    return sum(layer.channels for layer in layers) + difference_count(layers, difference_layers)


@dataclass(frozen=True)
class MapSize:
    """What of a hypercolumn comes from the maps of one size.

    Attributes:
        hw: height and width of the maps.
        layers: their indices.
        difference_layers: of those of them whose differences are in the hypercolumn too.
        channels: int64 [C], places in the hypercolumn of the layers' channels, then of those of the differences.
    """

    hw: tuple[int, int]
    layers: list[int]
    difference_layers: list[int]
    channels: torch.Tensor


def by_size(layers: Sequence[Layer], difference_layers: Sequence[int]) -> list[MapSize]:
    """The parts of a hypercolumn by the size of their maps, in the order of the layers."""
    counts = [layer.channels for layer in layers]
    counts += [PER_CHANNEL * layers[index].channels for index in difference_layers]
    places = torch.arange(sum(counts)).split(counts)
    of_differences = dict(zip(difference_layers, places[len(layers) :]))
    sizes = []
    for hw in dict.fromkeys(layer.hw for layer in layers):
        here = [index for index, layer in enumerate(layers) if layer.hw == hw]
        with_differences = [index for index in difference_layers if index in here]
        channels = [places[index] for index in here] + [of_differences[index] for index in with_differences]
        sizes.append(MapSize(hw, here, with_differences, torch.cat(channels)))
    return sizes


def neighbor_differences(maps: torch.Tensor, rows: slice = slice(None), columns: slice = slice(None)) -> torch.Tensor:
    """Half the difference between the right and the left neighbour, the same below and above, and how much the mean of
    the four exceeds the pixel. Beyond its borders the map goes on with its outermost pixels.

    Args:
        maps: float [C, h, w].
        rows, columns: the part of the map that is wanted.

    Returns:
        float32 [3 * C, rows, columns]: all channels' differences along x, then along y, then from the mean.
    """
    top, bottom, above, below = _with_neighbors(rows, maps.shape[1])
    left, right, before, after = _with_neighbors(columns, maps.shape[2])
    wide = maps[:, top:bottom, left:right].to(torch.float32)
    wide = F.pad(wide[None], (before, after, above, below), mode='replicate')[0]
    middle = wide[:, 1:-1, 1:-1]
    west = wide[:, 1:-1, :-2]
    east = wide[:, 1:-1, 2:]
    north = wide[:, :-2, 1:-1]
    south = wide[:, 2:, 1:-1]
    return torch.cat([(east - west) / 2, (south - north) / 2, (west + east + north + south) / 4 - middle])


def _with_neighbors(part: slice, size: int) -> tuple[int, int, int, int]:
    """Bounds of a part of an axis with a neighbour on each side, and how many of these lie beyond the axis."""
    start, stop, _ = part.indices(size)
    return max(start - 1, 0), min(stop + 1, size), int(start == 0), int(stop == size)
