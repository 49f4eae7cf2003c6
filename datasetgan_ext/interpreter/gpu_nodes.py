"""Bilinear upsampling of tiles of an image as products: the pixels of the smaller maps that each tile lies between."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch

from datasetgan_ext.interpreter.gpu_kernels import dot_length

TILE_HEIGHT, TILE_WIDTH = 8, 16


class TileNodes(NamedTuple):
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
    def around_tiles(cls, sides: Sequence[int], image_hw: tuple[int, int], device: torch.device | str) -> TileNodes:
        """The nodes around tiles of an image, for smaller maps of the given sides; as many as Triton multiplies."""
        nodes = []
        before = 0
        for side in sides:
            down, across = cls._needed(side, image_hw)
            nodes += [(side, before, row, column) for row in range(down) for column in range(across)]
            before += side**2
        missing = dot_length(len(nodes)) - len(nodes)
        out_of_reach = (sides[0], 0, max(image_hw), max(image_hw))  # of every pixel of a tile: their weights are 0
        table = torch.tensor(nodes + missing * [out_of_reach], dtype=torch.int32, device=device)
        node_sides, rows_before, row, column = table.T
        rows, row_weights = cls._along(node_sides, row, image_hw[0], TILE_HEIGHT)
        columns, column_weights = cls._along(node_sides, column, image_hw[1], TILE_WIDTH)
        return cls(
            sides=node_sides.contiguous(),
            rows_before=rows_before.contiguous(),
            rows=rows,
            columns=columns,
            weights=row_weights[:, None, :, None] * column_weights[None, :, None],
        )

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
