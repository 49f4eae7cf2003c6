"""The exact shortcut of `inference` as Triton kernels: nothing of the members' width reaches a GPU's memory at full
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
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn.functional import pad

from datasetgan_ext.core.errors import tell_once
from datasetgan_ext.generator.features import Layer
from datasetgan_ext.interpreter.differences import PER_CHANNEL, by_size
from datasetgan_ext.interpreter.ensemble import Ensemble

try:
    import triton
    import triton.language as tl
except ImportError:  # not made for all systems
    triton = None

log = logging.getLogger(__name__)

TILE_HEIGHT, TILE_WIDTH = 8, 16
WARPS = 8
MOST_UNITS = 128  # of the first hidden layer at once: more do not fit the registers
MOST_NODES = 256
BLOCK_CHANNELS = 32
PREPARED_PIXELS, PREPARED_CHANNELS = 64, 32
BUDGET_BYTES = 2 * 2**30
"""Memory for the products of the smaller maps and for heatmaps."""
SMALLEST_SIDE = 16
"""Of what `tl.dot` multiplies; sides are powers of two."""


if triton:

    @triton.jit
    def _standardize_kernel(
        maps,
        values,
        means,
        scales,
        channels,
        side,
        stride_n,
        stride_c,
        stride_y,
        stride_x,
        row,
        column,
        difference_column,
        WITH_DIFFERENCES: tl.constexpr,
        PIXELS: tl.constexpr,
        CHANNELS: tl.constexpr,
    ):
        pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
        channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
        known = channel < channels
        inside = (pixel < side * side)[:, None] & known[None, :]
        y, x = pixel // side * stride_y, pixel % side * stride_x
        here = maps + tl.program_id(2).to(tl.int64) * stride_n + (channel * stride_c)[None, :]
        middle = tl.load(here + (y + x)[:, None], mask=inside, other=0).to(tl.float32)
        target = values + (tl.program_id(2) * side * side + pixel).to(tl.int64)[:, None] * row + channel[None, :]
        _store_standardized(middle, target + column, means + column + channel, scales + column + channel, known, inside)
        if WITH_DIFFERENCES:
            last_y, last_x = (side - 1) * stride_y, (side - 1) * stride_x
            west = tl.load(here + (y + tl.maximum(x - stride_x, 0))[:, None], mask=inside, other=0).to(tl.float32)
            east = tl.load(here + (y + tl.minimum(x + stride_x, last_x))[:, None], mask=inside, other=0).to(tl.float32)
            north = tl.load(here + (tl.maximum(y - stride_y, 0) + x)[:, None], mask=inside, other=0).to(tl.float32)
            south = tl.load(here + (tl.minimum(y + stride_y, last_y) + x)[:, None], mask=inside, other=0).to(tl.float32)
            means += difference_column + channel
            scales += difference_column + channel
            target += difference_column
            _store_standardized((east - west) / 2, target, means, scales, known, inside)
            _store_standardized(
                (south - north) / 2, target + channels, means + channels, scales + channels, known, inside
            )
            _store_standardized(
                (west + east + north + south) / 4 - middle,
                target + 2 * channels,
                means + 2 * channels,
                scales + 2 * channels,
                known,
                inside,
            )

    @triton.jit
    def _store_standardized(value, target, means, scales, known, inside):
        mean, scale = tl.load(means, mask=known, other=0)[None, :], tl.load(scales, mask=known, other=0)[None, :]
        value = tl.minimum(tl.maximum((value - mean) * scale, -65504.0), 65504.0)
        tl.store(target, value.to(tl.float16), mask=inside)

    @triton.jit
    def _label_kernel(
        values,
        products,
        node_sides,
        rows_before,
        node_rows,
        node_columns,
        node_weights,
        first_weight,
        first_bias,
        second_weight,
        second_bias,
        third_weight,
        third_bias,
        masks,
        divergences,
        heat,
        channels,
        members,
        classes,
        keypoints,
        full_height,
        full_width,
        top,
        left,
        height,
        width,
        HIDDEN: tl.constexpr,
        UNITS: tl.constexpr,
        SECOND: tl.constexpr,
        OUTPUTS: tl.constexpr,
        NODES: tl.constexpr,
        CHANNELS: tl.constexpr,
        TILE_H: tl.constexpr,
        TILE_W: tl.constexpr,
    ):
        PIXELS: tl.constexpr = TILE_H * TILE_W
        image = tl.program_id(1)
        across = tl.cdiv(left + width, TILE_W) - left // TILE_W
        down_tile, across_tile = top // TILE_H + tl.program_id(0) // across, left // TILE_W + tl.program_id(0) % across
        number = tl.arange(0, PIXELS)
        y, x = down_tile * TILE_H + number // TILE_W, across_tile * TILE_W + number % TILE_W
        row, column = y - top, x - left
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)

        node = tl.arange(0, NODES)
        side = tl.load(node_sides + node)
        node_y = tl.load(node_rows + down_tile * NODES + node)
        node_x = tl.load(node_columns + across_tile * NODES + node)
        node_place = tl.minimum(node_y, side - 1) * side + tl.minimum(node_x, side - 1)
        node_place += tl.load(rows_before + node) * tl.num_programs(1) + image * side * side
        node_start = products + (node_place * (members * HIDDEN))[:, None]
        tile = down_tile * tl.cdiv(full_width, TILE_W) + across_tile
        mix_start = node_weights + ((tile * PIXELS + number) * NODES)[:, None] + node[None, :]

        second_number, output_number = tl.arange(0, SECOND), tl.arange(0, OUTPUTS)
        is_class = (output_number < classes)[None, :]
        is_heat = ((output_number >= classes) & (output_number < classes + keypoints))[None, :]
        value_row = image * full_height * full_width + (
            tl.minimum(y, full_height - 1) * full_width + tl.minimum(x, full_width - 1)
        )
        value_start = values + value_row.to(tl.int64)[:, None] * channels
        votes = tl.zeros([PIXELS, OUTPUTS], tl.float32)
        mean = tl.zeros([PIXELS, OUTPUTS], tl.float32)
        entropy = tl.zeros([PIXELS], tl.float32)
        for member in range(members):
            second = tl.zeros([PIXELS, SECOND], tl.float32)
            second += tl.load(second_bias + member * SECOND + second_number)[None, :]
            for part in tl.static_range(HIDDEN // UNITS):
                hidden = part * UNITS + tl.arange(0, UNITS)
                unit = member * HIDDEN + hidden
                # Both factors are loaded. Weights computed here would come through registers, for which Triton 3.6
                # lets Hopper's products read the other factor from shared memory before all threads have written it
                total = tl.dot(tl.load(mix_start), tl.load(node_start + unit[None, :]))
                total += tl.load(first_bias + unit)[None, :]
                for start in range(0, channels, CHANNELS):
                    channel = start + tl.arange(0, CHANNELS)
                    value = tl.load(value_start + channel[None, :], mask=(channel < channels)[None, :], other=0)
                    from_value = tl.load(
                        first_weight + (member * channels + channel)[:, None] * HIDDEN + hidden[None, :],
                        mask=(channel < channels)[:, None],
                        other=0,
                    )
                    total = tl.dot(value, from_value, total)
                from_hidden = tl.load(second_weight + unit[:, None] * SECOND + second_number[None, :])
                second = tl.dot(tl.maximum(total, 0).to(tl.float16), from_hidden, second)
            from_second = tl.load(
                third_weight + (member * SECOND + second_number)[:, None] * OUTPUTS + output_number[None, :]
            )
            output = tl.dot(tl.maximum(second, 0).to(tl.float16), from_second)
            output += tl.load(third_bias + member * OUTPUTS + output_number)[None, :]
            if keypoints > 0:
                level = tl.minimum(tl.maximum(output, 0), 1)
                place = (image * members + member) * keypoints + output_number - classes
                place = place.to(tl.int64)[None, :] * (height * width) + (row * width + column)[:, None]
                tl.store(heat + place, level, mask=is_heat & inside[:, None])
            if classes > 0:
                logits = tl.where(is_class, output, -float('inf'))
                highest = tl.max(logits, axis=1)
                powers = tl.exp(logits - highest[:, None])
                log_sum = tl.log(tl.sum(powers, axis=1))
                probability = powers * tl.exp(-log_sum)[:, None]
                surprise = tl.where(is_class, highest[:, None] + log_sum[:, None] - output, 0)
                entropy += tl.sum(probability * surprise, axis=1)
                mean += probability
                votes += (output_number[None, :] == tl.argmax(logits, axis=1)[:, None]).to(tl.float32)
        if classes > 0:
            mean = mean / members
            place = image * height * width + row * width + column
            # a mean probability is at most 1, so half of it never outweighs a vote
            label = tl.argmax(tl.where(is_class, votes + 0.5 * mean, -1), axis=1)
            tl.store(masks + place, label.to(tl.uint8), mask=inside)
            of_mean = tl.sum(tl.where(mean > 0, -mean * tl.log(tl.where(mean > 0, mean, 1)), 0), axis=1)
            tl.store(divergences + place, tl.maximum(of_mean - entropy / members, 0), mask=inside)


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


class _Nodes(NamedTuple):
    """The pixels of the smaller maps that a tile of the image lies between.

    Attributes:
        sides: int32 [B], side of each node's map.
        rows_before: int32 [B], how many pixels of one image come before that map in `products`.
        rows: int32 [tiles, B], row of each node in its map, for tiles at each height of the image; beyond the map where
            the tile needs fewer.
        columns: the same across.
        weights: float16 [tiles down * tiles across * tile's pixels, B], bilinear.
    """

    sides: torch.Tensor
    rows_before: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def around_tiles(cls, sides: Sequence[int], image_hw: tuple[int, int], device: torch.device | str) -> _Nodes:
        """The nodes around tiles of an image, for smaller maps of the given sides; as many as Triton multiplies."""
        nodes, before = [], 0
        for side in sides:
            down, across = cls._needed(side, image_hw)
            nodes += [(side, before, row, column) for row in range(down) for column in range(across)]
            before += side**2
        missing = _as_multiplied(len(nodes)) - len(nodes)
        out_of_reach = sides[0], 0, max(image_hw), max(image_hw)  # of every pixel of a tile: their weights are 0
        side, before, row, column = torch.tensor(nodes + missing * [out_of_reach], dtype=torch.int32, device=device).T
        rows, row_weights = cls._along(side, row, image_hw[0], TILE_HEIGHT)
        columns, column_weights = cls._along(side, column, image_hw[1], TILE_WIDTH)
        weights = row_weights[:, None, :, None] * column_weights[None, :, None]
        return cls(side.contiguous(), before.contiguous(), rows, columns, weights)

    @classmethod
    def count(cls, sides: Collection[int], image_hw: tuple[int, int]) -> int:
        """How many nodes there are."""
        return sum(math.prod(cls._needed(side, image_hw)) for side in sides)

    @staticmethod
    def _needed(side: int, image_hw: tuple[int, int]) -> tuple[int, int]:
        """How many rows and columns of a map a tile needs at most."""

        def low(position: int, full: int) -> int:
            return max((2 * position + 1) * side - full, 0) // (2 * full)

        return tuple(
            max(low(min(start + tile, full) - 1, full) + 2 - low(start, full) for start in range(0, full, tile))
            for full, tile in zip(image_hw, (TILE_HEIGHT, TILE_WIDTH))
        )

    @staticmethod
    def _along(side: torch.Tensor, number: torch.Tensor, full: int, tile: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of the nodes along one axis, int32 [tiles, B], and their weights for each pixel of the tiles, float16
        [tiles, tile, B]; `number` (int32 [B]) counts a tile's nodes."""
        start = torch.arange(0, full, tile, dtype=torch.int32, device=side.device)[:, None]
        place = ((2 * start + 1) * side - full).clamp(min=0) // (2 * full) + number
        pixel = start[:, None] + torch.arange(tile, dtype=torch.int32, device=side.device)[:, None]
        source = (((2 * pixel + 1) * side - full).clamp(min=0) / (2 * full)).minimum(side - 1)
        return place, (1 - (source - place[:, None]).abs()).clamp(min=0).half()


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
            classes, keypoints: as in `inference.Heads`.
        """
        self._image_hw, self._rows, self._columns = image_hw, rows, columns
        self._out_hw = rows.stop - rows.start, columns.stop - columns.start
        self._classes, self._keypoints = classes, keypoints
        self._members, (self._hidden, self._second) = ensemble.members, ensemble.hidden
        (first, first_bias), (second, second_bias), (third, third_bias) = ensemble.folded(with_input=False)
        sizes = _weights_by_size(ensemble, first, layers, difference_layers, device)
        self._largest = sizes.pop(image_hw[0])
        self._smaller = list(sizes.values())
        self._nodes = _Nodes.around_tiles(list(sizes), image_hw, device)
        of_members = self._largest.weight.reshape(-1, self._members, self._hidden).transpose(0, 1).contiguous()
        self._outputs = _as_multiplied(classes + keypoints)
        missing = self._outputs - classes - keypoints
        third, third_bias = pad(third, (0, 0, 0, missing)), pad(third_bias, (0, missing))
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
        """Whether there is Triton, and what the kernel needs: a map of the image's size, others that are smaller and
        whose products it can number, and hidden layers of widths that Triton multiplies."""
        if triton is None:
            tell_once(
                log,
                'Triton is not installed: labelling takes several times as long on the GPU. Where there is '
                'a package of it, `pip install triton` mends that',
            )
            return False
        sides = {layer.resolution for layer in layers}
        smaller = sides - {image_hw[0]}
        return (
            image_hw[0] == image_hw[1] in sides
            and 0 < _Nodes.count(smaller, image_hw) <= MOST_NODES
            and ensemble.members * ensemble.hidden[0] * sum(side**2 for side in smaller) < 2**31
            and all(width == _as_multiplied(width) for width in ensemble.hidden)
        )

    @property
    def images_at_once(self) -> int:
        """How many images the memory for products and heatmaps is enough for, and one at least."""
        products = 2 * self._members * self._hidden * sum(size.side**2 for size in self._smaller)
        heat = 4 * self._members * self._keypoints * math.prod(self._out_hw)
        return max(1, BUDGET_BYTES // (products + heat))

    def __call__(
        self, features: list[torch.Tensor]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Label images from their feature maps.

        Args:
            features: one [N, C_l, h_l, w_l] map per layer.

        Returns:
            uint8 [N, H, W], the members' vote; float32 [N, H, W], their Jensen-Shannon divergence in nats; and
            float32 [N, M, J, H, W], their heatmaps in 0..1. None for what there is no head for.
        """
        with torch.cuda.device_of(features[0]):  # where Triton launches
            return self._label(features)

    def _label(self, features: list[torch.Tensor]) -> tuple:
        count, (height, width), device = len(features[0]), self._out_hw, features[0].device
        masks = torch.empty(count, height, width, dtype=torch.uint8, device=device)
        divergences = torch.empty(count, height, width, device=device)
        heat = torch.empty(count, self._members, self._keypoints, height, width, device=device)
        lengths = [count * size.side**2 for size in self._smaller]
        products = torch.empty(sum(lengths), self._members * self._hidden, dtype=torch.float16, device=device)
        for size, part in zip(self._smaller, products.split(lengths)):
            torch.mm(_standardized(features, size), size.weight, out=part)
        down, across = (
            math.ceil(part.stop / tile) - part.start // tile
            for part, tile in ((self._rows, TILE_HEIGHT), (self._columns, TILE_WIDTH))
        )
        _label_kernel[down * across, count](
            _standardized(features, self._largest),
            products,
            *self._nodes,
            *self._weights,
            masks,
            divergences,
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
            heat if self._keypoints else None,
        )


def _as_multiplied(length: int) -> int:
    """The power of two that Triton's products take a length for, with zeros at the end."""
    return max(SMALLEST_SIDE, 1 << (length - 1).bit_length())


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
        starts = list(
            itertools.accumulate(
                counts + [PER_CHANNEL * layers[index].channels for index in size.difference_layers], initial=0
            )
        )
        sizes[size.side] = _Size(
            size.side,
            dict(zip(size.layers, starts)),
            dict(zip(size.difference_layers, starts[len(counts) :])),
            ensemble.input_mean[size.channels].to(device),
            (1 / ensemble.input_std[size.channels]).to(device),
            weight[:, :, size.channels].flatten(0, 1).T.half().contiguous().to(device),
        )
    return sizes


def _standardized(features: list[torch.Tensor], size: _Size) -> torch.Tensor:
    """Standardised channels of the maps of one size: float16 [N * side * side, C]."""
    count, side = len(features[0]), size.side
    values = torch.empty(count * side**2, len(size.means), dtype=torch.float16, device=size.means.device)
    for index, column in size.columns.items():
        maps = features[index]
        grid = math.ceil(side**2 / PREPARED_PIXELS), math.ceil(maps.shape[1] / PREPARED_CHANNELS), count
        _standardize_kernel[grid](
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
