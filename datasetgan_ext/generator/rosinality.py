"""Generators of rosinality's stylegan2-pytorch: the same network by other names.

Its checkpoints (`.pt`) are archives of torch.save that hold the averaged generator's state dict as `g_ema`. Both are
the skip architecture of StyleGAN2 (arXiv 1912.04958): a mapping network, a constant, and for each resolution two
modulated convolutions with noise and a layer to RGB. Only the names differ, and where a weight's scale is applied.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.features import MAX_SIDE
from datasetgan_ext.generator.filling import check_size, holds, warn_of_half
from datasetgan_ext.generator.pickle_records import TensorRecord, shown, shown_error
from datasetgan_ext.generator.sampling import latents_from_seeds
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.torch_archive import read_archive
from datasetgan_ext.generator.upstream import build_network, find_upstream, has_module, memory_for

AVERAGED_LATENTS = 4096
"""Of which the mean w is taken where the checkpoint has none; as many as that project takes."""
_FILTERS = ('.kernel',)
_CONVERT = "Convert it with that project's code, or give a network-snapshot-*.pkl"


def load_rosinality(path: str | Path, root: Path | None) -> torch.nn.Module:
    """The generator of a checkpoint of rosinality's stylegan2-pytorch.

    Args:
        path: `.pt`, with `g_ema`.
        root: folder of upstream's checkout, whose StyleGAN2 is used if it has one; else the stand-in is.

    Returns:
        The generator on the CPU, in evaluation mode, without gradients.

    Raises:
        UserError: the file is no such checkpoint, or damaged.
    """
    content: Any = read_archive(path)
    state: Any = content.get('g_ema') if isinstance(content, dict) else None
    known = isinstance(state, dict) and all(type(name) is str for name in state)
    if not known or not all(type(value) is TensorRecord for value in state.values()):
        raise UserError(
            f"{path} is an archive of torch.save without a generator's state dict as g_ema, as rosinality's "
            'stylegan2-pytorch writes it; only that and network-snapshot-*.pkl are read'
        )
    records = dict(state)
    average = content.get('latent_avg')
    if type(average) is TensorRecord:
        records['latent_avg'] = average
    try:
        settings = _settings(records)
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            f'{path} holds another network than stylegan2-pytorch: {shown(str(error))}. {_CONVERT}'
        ) from None

    places = dict(_places(settings, records))
    _check_filters(records, path)
    size = Path(path).stat().st_size
    root = root or find_upstream()
    if has_module('training.networks', root):
        generator = build_network(root=root, alias_free=False, args=(), kwargs=settings, source=str(path), size=size)
    else:
        generator = _stand_in(settings, path, size)
    _check(generator, records, places, path)
    warn_of_half(records.values(), path)
    tensors = dict(_tensors(generator))
    for name, place in places.items():
        value = records[name].to_torch().to(torch.float32)
        own = tensors[place]
        own.copy_(value.reshape(own.shape) * _scale(name, own))
    if 'latent_avg' not in records:
        tensors['mapping.w_avg'].copy_(_mean_w(generator))
    return generator


def _stand_in(settings: dict, path: str | Path, size: int) -> torch.nn.Module:
    """Our own generator of these settings, with random weights."""
    try:
        with torch.random.fork_rng(devices=[]), memory_for(size):
            return StandInGenerator(**settings).eval().requires_grad_(False)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        text = f'{path} holds another network than stylegan2-pytorch: {shown_error(error)}. {_CONVERT}'
        raise UserError(text) from error


def _settings(records: dict[str, TensorRecord]) -> dict:
    """Arguments of the generator, as the shapes of the tensors tell them."""
    layers = len([name for name in records if re.fullmatch(r'style\.\d+\.weight', name)])
    doublings = len([name for name in records if re.fullmatch(r'to_rgbs\.\d+\.bias', name)])
    side = 4 * 2**doublings
    if not layers or side > MAX_SIDE:
        raise ValueError(f'{layers} layers of a mapping network, images of {side} pixels a side')
    constant = records['input.input'].shape
    w_dim, z_dim = records['style.1.weight'].shape
    widest = constant[1]
    narrowest = records[f'convs.{2 * doublings - 1}.conv.weight'].shape[1] if doublings else widest
    return {
        'z_dim': z_dim,
        'c_dim': 0,
        'w_dim': w_dim,
        'img_resolution': side,
        'img_channels': records['to_rgb1.bias'].shape[1],
        'mapping_kwargs': {'num_layers': layers},
        'synthesis_kwargs': {'channel_base': narrowest * side, 'channel_max': widest},
    }


def _places(settings: dict, records: dict[str, TensorRecord]) -> Iterator[tuple[str, str]]:
    """The name of each tensor in the checkpoint, and in NVIDIA's generator."""
    for index in range(settings['mapping_kwargs']['num_layers']):
        for kind in ('weight', 'bias'):
            yield f'style.{index + 1}.{kind}', f'mapping.fc{index}.{kind}'
    if 'latent_avg' in records:
        yield 'latent_avg', 'mapping.w_avg'
    yield 'input.input', 'synthesis.b4.const'
    yield from _layer_places('conv1', 0, 'synthesis.b4.conv1')
    yield from _rgb_places('to_rgb1', 'synthesis.b4.torgb')
    for index in range(int(math.log2(settings['img_resolution'])) - 2):
        block = f'synthesis.b{8 * 2**index}'
        yield from _layer_places(f'convs.{2 * index}', 2 * index + 1, f'{block}.conv0')
        yield from _layer_places(f'convs.{2 * index + 1}', 2 * index + 2, f'{block}.conv1')
        yield from _rgb_places(f'to_rgbs.{index}', f'{block}.torgb')


def _layer_places(name: str, number: int, place: str) -> Iterator[tuple[str, str]]:
    yield from _rgb_places(name, place, bias='activate.bias')
    yield f'{name}.noise.weight', f'{place}.noise_strength'
    yield f'noises.noise_{number}', f'{place}.noise_const'


def _rgb_places(name: str, place: str, bias: str = 'bias') -> Iterator[tuple[str, str]]:
    yield f'{name}.conv.weight', f'{place}.weight'
    yield f'{name}.conv.modulation.weight', f'{place}.affine.weight'
    yield f'{name}.conv.modulation.bias', f'{place}.affine.bias'
    yield f'{name}.{bias}', f'{place}.bias'


def _scale(name: str, own: torch.Tensor) -> float:
    """What a tensor is multiplied by: there, the weights of a demodulated convolution are scaled when they are used.

    The demodulation takes the scale out again, all but for its epsilon.
    """
    if name.endswith('.conv.weight') and own.shape[-1] > 1:
        return 1 / math.sqrt(math.prod(own.shape[1:]))
    return 1.0


def _check_filters(records: dict[str, TensorRecord], path: str | Path) -> None:
    """Raises UserError if the low-pass filters are not [1, 3, 3, 1]."""
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    for name, record in records.items():
        if name.endswith(_FILTERS) and not (
            record.shape == (4, 4) and np.allclose(record.to_torch().to(torch.float32).numpy(), 4 * taps, atol=1e-3)
        ):
            raise UserError(f'{path}: {shown(name)} is another filter than [1, 3, 3, 1]. {_CONVERT}')


def _check(
    network: torch.nn.Module, records: dict[str, TensorRecord], places: dict[str, str], path: str | Path
) -> None:
    """Raises UserError unless the tensors of file and network are the same ones, with as many values."""
    tensors = dict(_tensors(network))
    wanted = {place for place in tensors if not place.endswith('resample_filter')}
    differences = [f'{name} is missing' for name in places if name not in records]
    differences += [
        f'{shown(name)} is unknown' for name in records if name not in places and not name.endswith(_FILTERS)
    ]
    differences += [f'nothing is for {place}' for place in wanted - set(places.values()) - {'mapping.w_avg'}]
    pairs = []
    for name, place in places.items():
        if name in records and place in tensors:
            own, record = tensors[place], records[name]
            stripped = [size for size in record.shape if size != 1]
            if stripped != [size for size in own.shape if size != 1] or not holds(own.dtype, record.storage.dtype):
                differences.append(f'{name} is {list(record.shape)} {record.storage.dtype}, not {list(own.shape)}')
            pairs.append((own, record))
    if differences:
        more = f'; and {len(differences) - 10} more' if len(differences) > 10 else ''
        raise UserError(f'{path} does not fit StyleGAN2: {"; ".join(differences[:10])}{more}. {_CONVERT}')
    check_size(pairs, path)


def _tensors(network: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


@torch.inference_mode()
def _mean_w(generator: Any) -> torch.Tensor:
    """The mean w of the latents of seeds 0, 1, ...: float32 [w_dim]."""
    z = torch.from_numpy(latents_from_seeds(range(AVERAGED_LATENTS), generator.z_dim))
    return generator.mapping(z, torch.zeros(len(z), 0))[:, 0].mean(dim=0)
