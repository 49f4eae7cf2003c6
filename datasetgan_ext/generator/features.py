"""Forward hooks on a generator's AdaIN-equivalent layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from datasetgan_ext.core.errors import UserError

MAX_SIDE = 8192
"""Pixels of an image's side, samples of a map's, and channels that are believed."""
SMALL_SIDE = 256
"""Of an image that is made at once to see its size."""


@dataclass(frozen=True)
class Layer:
    """One captured layer: its module path below the network, its channels, and its map's height and width."""

    name: str
    channels: int
    hw: tuple[int, int]

    def to_json(self) -> dict:
        """JSON-ready dict; `from_json` reads it back."""
        size = {'resolution': self.hw[0]} if self.is_square else {'hw': list(self.hw)}
        return {'name': self.name, 'channels': self.channels, **size}

    @classmethod
    def from_json(cls, fields: dict) -> Layer:
        """Check what `to_json` writes; raises TypeError, KeyError or ValueError if it is anything else."""
        height, width = fields['hw'] if 'hw' in fields else (fields['resolution'], fields['resolution'])
        layer = cls(fields['name'], fields['channels'], (height, width))
        sizes = (layer.channels, height, width)
        if type(layer.name) is not str or not all(type(size) is int and 0 < size <= MAX_SIDE for size in sizes):
            raise ValueError('a layer without a name, channels or a size')
        return layer

    @property
    def is_square(self) -> bool:
        """Whether its map is as wide as it is high."""
        return self.hw[0] == self.hw[1]


@dataclass(frozen=True)
class Source:
    """Where a layer's map comes from.

    Attributes:
        module: the synthesis layer; it returns [N, C, H, W].
        span_hw: height and width of the image in samples of that map, whose centre is the image's.
    """

    module: torch.nn.Module
    span_hw: tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """What a network's synthesis returns.

    Attributes:
        layers: every SynthesisLayer, in the order of computation.
        image_hw: height and width of the image.
        image_channels: 3 = RGB, 1 = grey.
    """

    layers: dict[Layer, Source]
    image_hw: tuple[int, int]
    image_channels: int


def find_layers(network: torch.nn.Module, one_image: Callable[[], torch.Tensor] | None = None) -> Geometry:
    """Every SynthesisLayer, and the sizes of what it and the whole synthesis return.

    A SynthesisLayer is modulated convolution + noise + bias + activation, which is what AdaIN was to StyleGAN1
    (arXiv 1912.04948, sec. 2.2). It is known by its shape, not its class, since unpickled classes live in modules of
    their own: it has a style `affine`, a `weight`, and a `resolution` (StyleGAN2: conv0 and conv1 of each block) or an
    `out_sampling_rate` (StyleGAN3: L0, L1, ...; without noise). Layers to RGB are left out: what they return is the
    image, with no activation of its own. Sizes are those of what the layers return, since a network's attributes know
    one side alone, and some networks are not square.

    StyleGAN3's maps are larger than the image. Sample i of S, at s samples per unit of length, stands at
    (i + 1/2 - S/2) / s from the centre, which all layers and the image have in common (arXiv 2106.12423,
    appendix C.3: each layer filters symmetrically). The last layer's map is the image, so the image's side is
    S_last / s_last units, and s * S_last / s_last samples of any other map. With sides that are powers of two, that is
    s: the margin of S - s samples lies half on each side, whole samples that are cut off.

    Args:
        network: holds the layers.
        one_image: makes one image, float [1, C, H, W]; None = by `network.synthesis`; only small ones are computed.

    Raises:
        UserError: the network has no such layer, or what it returns is no image.
    """
    found: dict[str, Any] = {}
    image_rate = 1.0
    for name, module in network.named_modules():
        if not (hasattr(module, 'affine') and hasattr(module, 'weight')):
            continue
        if hasattr(module, 'resolution') or (hasattr(module, 'out_sampling_rate') and not module.is_torgb):
            found[name] = module
        elif hasattr(module, 'out_sampling_rate'):
            image_rate = float(module.out_sampling_rate)
    if not found:
        raise UserError(
            f'`network` holds a {type(network).__name__} without StyleGAN synthesis layers; '
            'give a StyleGAN2 or StyleGAN3 generator'
        )
    image_shape, map_shapes = _shapes(found, one_image or partial(_one_image, network))
    if len(image_shape) != 4 or max(image_shape[2:]) > MAX_SIDE:
        raise UserError(
            f'`network` returns {list(image_shape)} for an image; images of [1, channels, height, width] with at most '
            f'{MAX_SIDE} pixels a side are read'
        )
    image_hw = (image_shape[2], image_shape[3])
    layers = {}
    for name, map_shape in map_shapes.items():
        span_hw: tuple[float, float] = (map_shape[2], map_shape[3])
        if hasattr(found[name], 'out_sampling_rate'):
            rate = float(found[name].out_sampling_rate)
            span_hw = (rate * (image_hw[0] / image_rate), rate * (image_hw[1] / image_rate))
        hw = (math.ceil(span_hw[0]), math.ceil(span_hw[1]))
        layers[Layer(name, map_shape[1], hw)] = Source(found[name], span_hw)
    return Geometry(layers, image_hw, image_shape[1])


def _shapes(
    modules: dict[str, torch.nn.Module], one_image: Callable[[], torch.Tensor]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """Shapes of the image, and of what each of the modules returns on the way to it, in the modules' order."""
    shapes = {}
    handles = []

    def hook_for(name: str):
        def keep_shape(module, inputs, output):
            shapes[name] = tuple(output.shape)

        return keep_shape

    try:
        for name, module in modules.items():
            handles.append(module.register_forward_hook(hook_for(name)))
        image_shape = tuple(one_image().shape)
    finally:
        for handle in handles:
            handle.remove()
    return image_shape, {name: shapes[name] for name in modules if name in shapes}


@torch.inference_mode()
def _one_image(network: Any) -> torch.Tensor:
    """What the network makes of one w: of a small network an image, else its shape alone where its code can do that.

    The attribute says what an image would cost, not what size it has.
    """
    synthesis = network.synthesis
    shape = 1, network.num_ws, network.w_dim
    # for less, PyTorch would take longer to load what computes with shapes
    if getattr(network, 'img_resolution', 0) > SMALL_SIDE:
        with suppress(Exception):  # of code that looks at values, which are not there
            state = {name: torch.empty_like(tensor, device='meta') for name, tensor in _tensors(synthesis)}
            ws = torch.zeros(shape, device='meta')
            return torch.func.functional_call(synthesis, state, (ws,), {'noise_mode': 'const', 'force_fp32': True})
    device = next(tensor.device for _, tensor in _tensors(synthesis))
    return synthesis(torch.zeros(shape, device=device), noise_mode='const', force_fp32=device.type != 'cuda')


def _tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def fit_to_image(maps: torch.Tensor, span_hw: tuple[float, float]) -> torch.Tensor:
    """The part of `maps` that the image covers.

    Args:
        maps: float [N, C, H, W].
        span_hw: height and width of the image in samples of the map, whose centre is the image's.

    Returns:
        [N, C, R_h, R_w] with R = ceil(span), whose outer borders are the image's: the central samples where the borders
        fall between samples, else values interpolated bilinearly at points evenly spread over the image.
    """
    inside = [_central(side, span) for side, span in zip(maps.shape[2:], span_hw)]
    if None not in inside:
        rows, columns = inside
        return maps[:, :, rows, columns]
    theta = torch.zeros(2, 3, device=maps.device)
    theta[0, 0] = span_hw[1] / maps.shape[3]
    theta[1, 1] = span_hw[0] / maps.shape[2]
    grid = F.affine_grid(
        theta.expand(len(maps), 2, 3), [len(maps), 1, *(math.ceil(span) for span in span_hw)], align_corners=False
    )
    # in float32: half precision would place the points too coarsely
    fitted = F.grid_sample(maps.to(torch.float32), grid, mode='bilinear', padding_mode='border', align_corners=False)
    return fitted.to(maps.dtype)


def _central(side: int, span: float) -> slice | None:
    """The middle `span` of `side` samples; None if they do not begin and end between samples."""
    margin = (side - span) / 2
    if margin < 0 or not margin.is_integer() or not float(span).is_integer():
        return None
    return slice(int(margin), side - int(margin))


@contextmanager
def captured(layers: dict[Layer, Source]) -> Iterator[dict[Layer, torch.Tensor]]:
    """While open, a forward pass leaves each layer's output [N, C_l, H_l, W_l] in the dict that is yielded.

    Each covers the image exactly: what a layer computes around the image is cut off.

    The hooks are gone when the block is left, however it is left.
    """
    outputs: dict[Layer, torch.Tensor] = {}
    handles = []

    def hook_for(layer: Layer, span_hw: tuple[float, float]):
        def keep_output(module, inputs, output):
            outputs[layer] = fit_to_image(output, span_hw)

        return keep_output

    try:
        for layer, source in layers.items():
            handles.append(source.module.register_forward_hook(hook_for(layer, source.span_hw)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
