"""The Triton kernels of `gpu`: one standardises the channels of a feature map, one labels a tile of pixels.

Pointers come first, then sizes, then strides and places; what is written in capitals is fixed when a kernel is
compiled. `gpu` says what shapes they are launched with.
"""

from __future__ import annotations

try:
    import triton
    import triton.language as tl
except ImportError:  # not made for all systems
    triton = None

SMALLEST_SIDE = 16
"""Of what `tl.dot` multiplies; sides are powers of two."""


def dot_length(length: int) -> int:
    """The power of two that Triton's products take a length for, with zeros at the end."""
    return max(SMALLEST_SIDE, 1 << (length - 1).bit_length())


if triton:

    @triton.jit
    def standardize_kernel(
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
    def label_kernel(
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
        entropies,
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
            tl.store(entropies + place, of_mean, mask=inside)
            tl.store(divergences + place, tl.maximum(of_mean - entropy / members, 0), mask=inside)
