"""The exact shortcut of `inference` on a GPU: nothing of the members' width reaches a GPU's memory at full
resolution.

The products of the smaller maps are made by matrix products in half precision. One kernel then does all the rest for a
tile of pixels, member after member: it upsamples these products, by multiplying the few of them that lie around the
tile with the tile's bilinear weights; adds the product of the largest maps; goes through the other layers, and votes.
It accumulates in float32.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from datasetgan_ext.core.errors import tell_once
from datasetgan_ext.generator.features import Layer
from datasetgan_ext.interpreter import gpu_kernels
from datasetgan_ext.interpreter.differences import PER_CHANNEL, by_size
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.gpu_kernels import dot_length
from datasetgan_ext.interpreter.gpu_nodes import TILE_HEIGHT, TILE_WIDTH, TileNodes

log = logging.getLogger(__name__)

WARPS = 8
MOST_UNITS = 128  # of the first hidden layer at once: more do not fit the registers
MOST_NODES = 256
BLOCK_CHANNELS = 32
PREPARED_PIXELS, PREPARED_CHANNELS = 64, 32
BUDGET_BYTES = 2 * 2**30
"""Memory for the products of the smaller maps and for heatmaps."""


@dataclass
class _Size:
    """The layers of one size of map.

    Attributes:
        side: of the maps, in pixels.
        columns: first column of each layer's channels, by its index.
        difference_columns: of those of its differences.
        means, scales: float32 [C]; standardised is (value - mean) * scale.
        weight: float16 [C, M*h1], of the first layer.
    """

    side: int
    columns: dict[int, int]
    difference_columns: dict[int, int]
    means: torch.Tensor
    scales: torch.Tensor
    weight: torch.Tensor


class GpuEnsemble:
    """An `Ensemble` made ready for batches of whole images of one size, on a CUDA device."""

    def __init__(
        self,
        ensemble: Ensemble,
        layers: Sequence[Layer],
        image_hw: tuple[int, int],
        rows: slice,
        columns: slice,
        device: torch.device | str,
        classes: int,
        keypoints: int,
        difference_layers: Sequence[int],
    ):
        """
        Args:
            ensemble, layers, image_hw, rows, columns, device, difference_layers: as for `inference.FusedEnsemble`.
            classes, keypoints: as in `inference.HeadLayout`.
        """
        self._image_hw = image_hw
        self._rows = rows
        self._columns = columns
        self._out_hw = (rows.stop - rows.start, columns.stop - columns.start)
        self._classes = classes
        self._keypoints = keypoints
        self._members = ensemble.members
        self._hidden, self._second = ensemble.hidden
        (first, first_bias), (second, second_bias), (third, third_bias) = ensemble.folded(with_input=False)
        sizes = _weights_by_size(ensemble, first, layers, difference_layers, device)
        self._largest = sizes.pop(image_hw[0])
        self._smaller = list(sizes.values())
        self._nodes = TileNodes.around_tiles(list(sizes), image_hw, device)
        of_members = self._largest.weight.reshape(-1, self._members, self._hidden).transpose(0, 1).contiguous()
        self._outputs = dot_length(classes + keypoints)
        missing = self._outputs - classes - keypoints
        third = F.pad(third, (0, 0, 0, missing))
        third_bias = F.pad(third_bias, (0, missing))
        self._weights = [
            of_members,
            first_bias.contiguous().to(device),
            second.mT.half().contiguous().to(device),
            second_bias.contiguous().to(device),
            third.mT.half().contiguous().to(device),
            third_bias.contiguous().to(device),
        ]

    @staticmethod
    def works_for(ensemble: Ensemble, layers: Sequence[Layer], image_hw: tuple[int, int]) -> bool:
        """Whether there is Triton, and what the kernel needs: square maps, one of them of the image's size, others that
        are smaller and whose products it can number, and hidden layers of widths that Triton multiplies."""
        if gpu_kernels.triton is None:
            tell_once(
                log,
                'Triton is not installed: labelling takes several times as long on the GPU. Where there is '
                'a package of it, `pip install triton` mends that',
            )
            return False
        sides = {layer.hw[0] for layer in layers}
        smaller = sides - {image_hw[0]}
        return (
            image_hw[0] == image_hw[1]
            and all(layer.is_square for layer in layers)
            and image_hw[0] in sides
            and 0 < TileNodes.count(smaller, image_hw) <= MOST_NODES
            and ensemble.members * ensemble.hidden[0] * sum(side**2 for side in smaller) < 2**31
            and all(width == dot_length(width) for width in ensemble.hidden)
        )

    @property
    def images_at_once(self) -> int:
        """How many images the memory for products and heatmaps is enough for, and one at least."""
        products = 2 * self._members * self._hidden * sum(size.side**2 for size in self._smaller)
        heat = 4 * self._members * self._keypoints * math.prod(self._out_hw)
        return max(1, BUDGET_BYTES // (products + heat))

    def __call__(
        self, features: list[torch.Tensor]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Label images from their feature maps.

        Args:
            features: one [N, C_l, h_l, w_l] map per layer.

        Returns:
            uint8 [N, H, W], the members' vote; float32 [N, H, W], their Jensen-Shannon divergence in nats; float32
            [N, H, W], the entropy of their mean; and float32 [N, M, J, H, W], their heatmaps in 0..1. None for what
            there is no head for.
        """
        with torch.cuda.device_of(features[0]):  # where Triton launches
            return self._label(features)

    def _label(self, features: list[torch.Tensor]) -> tuple:
        count = len(features[0])
        height, width = self._out_hw
        device = features[0].device
        masks = torch.empty(count, height, width, dtype=torch.uint8, device=device)
        divergences = torch.empty(count, height, width, device=device)
        entropies = torch.empty(count, height, width, device=device)
        heat = torch.empty(count, self._members, self._keypoints, height, width, device=device)
        lengths = [count * size.side**2 for size in self._smaller]
        products = torch.empty(sum(lengths), self._members * self._hidden, dtype=torch.float16, device=device)
        for size, part in zip(self._smaller, products.split(lengths)):
            torch.mm(_standardized(features, size), size.weight, out=part)
        down = math.ceil(self._rows.stop / TILE_HEIGHT) - self._rows.start // TILE_HEIGHT
        across = math.ceil(self._columns.stop / TILE_WIDTH) - self._columns.start // TILE_WIDTH
        gpu_kernels.label_kernel[down * across, count](
            _standardized(features, self._largest),
            products,
            *self._nodes,
            *self._weights,
            masks,
            divergences,
            entropies,
            heat,
            len(self._largest.means),
            self._members,
            self._classes,
            self._keypoints,
            *self._image_hw,
            self._rows.start,
            self._columns.start,
            height,
            width,
            HIDDEN=self._hidden,
            UNITS=min(MOST_UNITS, self._hidden),
            SECOND=self._second,
            OUTPUTS=self._outputs,
            NODES=len(self._nodes.sides),
            CHANNELS=BLOCK_CHANNELS,
            TILE_H=TILE_HEIGHT,
            TILE_W=TILE_WIDTH,
            num_warps=WARPS,
        )
        return (
            masks if self._classes else None,
            divergences if self._classes else None,
            entropies if self._classes else None,
            heat if self._keypoints else None,
        )


def _weights_by_size(
    ensemble: Ensemble,
    weight: torch.Tensor,
    layers: Sequence[Layer],
    difference_layers: Sequence[int],
    device: torch.device | str,
) -> dict[int, _Size]:
    """The layers of each size of map, by its side; `weight` is that of the first layer, float32 [M, h1, C]."""
    sizes = {}
    for size in by_size(layers, difference_layers):
        counts = [layers[index].channels for index in size.layers]
        difference_counts = [PER_CHANNEL * layers[index].channels for index in size.difference_layers]
        starts = list(itertools.accumulate(counts + difference_counts, initial=0))
        side = size.hw[0]
        sizes[side] = _Size(
            side=side,
            columns=dict(zip(size.layers, starts)),
            difference_columns=dict(zip(size.difference_layers, starts[len(counts) :])),
            means=ensemble.input_mean[size.channels].to(device),
            scales=(1 / ensemble.input_std[size.channels]).to(device),
            weight=weight[:, :, size.channels].flatten(0, 1).T.half().contiguous().to(device),
        )
    return sizes


def _standardized(features: list[torch.Tensor], size: _Size) -> torch.Tensor:
    """Standardised channels of the maps of one size: float16 [N * side * side, C]."""
    count = len(features[0])
    side = size.side
    values = torch.empty(count * side**2, len(size.means), dtype=torch.float16, device=size.means.device)
    for index, column in size.columns.items():
        maps = features[index]
        grid = math.ceil(side**2 / PREPARED_PIXELS), math.ceil(maps.shape[1] / PREPARED_CHANNELS), count
        gpu_kernels.standardize_kernel[grid](
            maps,
            values,
            size.means,
            size.scales,
            maps.shape[1],
            side,
            *maps.stride(),
            values.shape[1],
            column,
            size.difference_columns.get(index, 0),
            WITH_DIFFERENCES=index in size.difference_columns,
            PIXELS=PREPARED_PIXELS,
            CHANNELS=PREPARED_CHANNELS,
        )
    return values
