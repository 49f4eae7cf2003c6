"""Forward hooks on a generator's AdaIN-equivalent layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

from datasetgan_ext.core.errors import UserError


@dataclass(frozen=True)
class Layer:
    """One captured layer: its module path below the network, its channels, and its square map's side in pixels."""

    name: str
    channels: int
    resolution: int

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Source:
    """Where a layer's map comes from.

    Attributes:
        module: the synthesis layer; it returns [N, C, S, S].
        span: the side of the image in samples of that map, whose centre is the image's.
    """

    module: torch.nn.Module
    span: float


def find_layers(network: torch.nn.Module) -> dict[Layer, Source]:
    """Every SynthesisLayer, in the order of computation.

    A SynthesisLayer is modulated convolution + noise + bias + activation, which is what AdaIN was to StyleGAN1
    (arXiv 1912.04948, sec. 2.2). It is known by its shape, not its class, since unpickled classes live in modules of
    their own: it has a style `affine`, a `weight`, and a `resolution` (StyleGAN2: conv0 and conv1 of each block) or an
    `out_sampling_rate` (StyleGAN3: L0, L1, ...; without noise). Layers to RGB are left out: what they return is the
    image, with no activation of its own.

    StyleGAN3's maps are larger than the image. Sample i of S, at s samples per unit of length, stands at
    (i + 1/2 - S/2) / s from the centre, which all layers and the image have in common (arXiv 2106.12423,
    appendix C.3: each layer filters symmetrically). The last layer's map is the image, so the image's side is
    S_last / s_last units, and s * S_last / s_last samples of any other map. With sides that are powers of two, that is
    s: the margin of S - s samples lies half on each side, whole samples that are cut off.

    Raises:
        UserError: the network has no such layer.
    """
    found: list[tuple[str, torch.nn.Module, float]] = []
    image_side = 1.0
    for name, module in network.named_modules():
        if not (hasattr(module, 'affine') and hasattr(module, 'weight')):
            continue
        if hasattr(module, 'resolution'):
            found.append((name, module, int(module.resolution)))
        elif hasattr(module, 'out_sampling_rate') and not module.is_torgb:
            found.append((name, module, float(module.out_sampling_rate)))
        elif hasattr(module, 'out_sampling_rate'):
            image_side = float(module.out_size[0] / module.out_sampling_rate)
    if not found:
        raise UserError(
            f'`network` holds a {type(network).__name__} without StyleGAN synthesis layers; '
            'give a StyleGAN2 or StyleGAN3 generator'
        )
    return {
        Layer(name, module.weight.shape[0], math.ceil(rate * image_side)): Source(module, rate * image_side)
        for name, module, rate in found
    }


def fit_to_image(maps: torch.Tensor, span: float) -> torch.Tensor:
    """The part of `maps` that the image covers.

    Args:
        maps: float [N, C, S, S].
        span: the side of the image in samples of the map, whose centre is the image's.

    Returns:
        [N, C, R, R] with R = ceil(span), whose outer borders are the image's: the central R samples where the borders
        fall between samples, else values interpolated bilinearly at R points evenly spread over the image.
    """
    side = maps.shape[-1]
    margin = (side - span) / 2
    if margin >= 0 and margin.is_integer() and float(span).is_integer():
        inside = slice(int(margin), side - int(margin))
        return maps[:, :, inside, inside]
    theta = torch.eye(2, 3, device=maps.device) * (span / side)
    grid = F.affine_grid(
        theta.expand(len(maps), 2, 3), [len(maps), 1, math.ceil(span), math.ceil(span)], align_corners=False
    )
    # in float32: half precision would place the points too coarsely
    fitted = F.grid_sample(maps.to(torch.float32), grid, mode='bilinear', padding_mode='border', align_corners=False)
    return fitted.to(maps.dtype)


@contextmanager
def captured(layers: dict[Layer, Source]) -> Iterator[dict[Layer, torch.Tensor]]:
    """While open, a forward pass leaves each layer's output [N, C_l, R_l, R_l] in the dict that is yielded.

    Each covers the image exactly: what a layer computes around the image is cut off.

    The hooks are gone when the block is left, however it is left.
    """
    outputs: dict[Layer, torch.Tensor] = {}
    handles = []

    def hook_for(layer: Layer, span: float):
        def keep_output(module, inputs, output):
            outputs[layer] = fit_to_image(output, span)

        return keep_output

    try:
        for layer, source in layers.items():
            handles.append(source.module.register_forward_hook(hook_for(layer, source.span)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
