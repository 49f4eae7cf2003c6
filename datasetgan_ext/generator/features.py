"""Forward hooks on a generator's AdaIN-equivalent layers."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch

from datasetgan_ext.errors import UserError


@dataclass(frozen=True)
class Layer:
    """One captured layer: its module path below the network, its channels, and its square map's side in pixels."""
    name: str
    channels: int
    resolution: int

    def to_json(self) -> dict:
        return asdict(self)


def find_layers(network: torch.nn.Module) -> dict[Layer, torch.nn.Module]:
    """Every SynthesisLayer (conv0 and conv1 of each block), in the order of computation.

    A SynthesisLayer is modulated convolution + noise + bias + activation, which is what AdaIN was to StyleGAN1
    (arXiv 1912.04948, sec. 2.2). It is known by its shape, not its class, since unpickled classes live in modules of
    their own: it has a style `affine`, a 3x3 `weight` and a `resolution`.

    Raises:
        UserError: the network has no such layer.
    """
    layers = {Layer(name, module.weight.shape[0], int(module.resolution)): module
              for name, module in network.named_modules()
              if all(hasattr(module, attribute) for attribute in ('affine', 'weight', 'resolution'))}
    if not layers:
        raise UserError(f'--network holds a {type(network).__name__} without StyleGAN2 synthesis layers; '
                        'give a StyleGAN2 generator')
    return layers


@contextmanager
def captured(layers: dict[Layer, torch.nn.Module]) -> Iterator[dict[Layer, torch.Tensor]]:
    """While open, a forward pass leaves each layer's output [N, C, H, W] in the dict that is yielded.

    The hooks are gone when the block is left, however it is left.
    """
    outputs: dict[Layer, torch.Tensor] = {}
    handles = []

    def hook_for(layer: Layer):
        def keep_output(module, inputs, output):
            outputs[layer] = output
        return keep_output

    try:
        for layer, module in layers.items():
            handles.append(module.register_forward_hook(hook_for(layer)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
