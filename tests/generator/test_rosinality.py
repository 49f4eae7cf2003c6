"""Checkpoints of rosinality's stylegan2-pytorch are the same network by other names.

Its code is no submodule: the comparison with it needs a clone of https://github.com/rosinality/stylegan2-pytorch, named
by the environment variable DATASETGAN_ROSINALITY. All else is tested with checkpoints that the tests make.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.sampling import SamplingOptions, latents_from_seeds
from tests.helpers.networks import make_network

CHECKOUT = os.environ.get('DATASETGAN_ROSINALITY')
FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16


def make_lively_network() -> torch.nn.Module:
    """A stand-in in which every number matters."""
    network = make_network()
    for tensor in network.parameters():
        tensor.requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if name.endswith(('noise_strength', 'bias', 'w_avg')):
            tensor += torch.randn(tensor.shape) * 0.2
    return network


def renamed(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state dict of g_ema that such a network has there; written down by hand, for 16 x 16 pixels."""
    state = dict(network.state_dict())
    made = {}

    def layer(name: str, place: str, noise: int) -> None:
        weight = state[f'{place}.weight']
        made[f'{name}.conv.weight'] = weight[None] * math.sqrt(weight[0].numel())
        made[f'{name}.conv.modulation.weight'] = state[f'{place}.affine.weight']
        made[f'{name}.conv.modulation.bias'] = state[f'{place}.affine.bias']
        made[f'{name}.activate.bias'] = state[f'{place}.bias']
        made[f'{name}.noise.weight'] = state[f'{place}.noise_strength'][None]
        made[f'noises.noise_{noise}'] = state[f'{place}.noise_const'][None, None]

    def to_rgb(name: str, place: str) -> None:
        made[f'{name}.conv.weight'] = state[f'{place}.weight'][None]
        made[f'{name}.conv.modulation.weight'] = state[f'{place}.affine.weight']
        made[f'{name}.conv.modulation.bias'] = state[f'{place}.affine.bias']
        made[f'{name}.bias'] = state[f'{place}.bias'][None, :, None, None]

    for index in range(2):
        made[f'style.{index + 1}.weight'] = state[f'mapping.fc{index}.weight']
        made[f'style.{index + 1}.bias'] = state[f'mapping.fc{index}.bias']
    made['input.input'] = state['synthesis.b4.const'][None]
    layer('conv1', 'synthesis.b4.conv1', 0)
    to_rgb('to_rgb1', 'synthesis.b4.torgb')
    layer('convs.0', 'synthesis.b8.conv0', 1)
    made['convs.0.conv.blur.kernel'] = FILTER.clone()
    layer('convs.1', 'synthesis.b8.conv1', 2)
    to_rgb('to_rgbs.0', 'synthesis.b8.torgb')
    made['to_rgbs.0.upsample.kernel'] = FILTER.clone()
    layer('convs.2', 'synthesis.b16.conv0', 3)
    made['convs.2.conv.blur.kernel'] = FILTER.clone()
    layer('convs.3', 'synthesis.b16.conv1', 4)
    to_rgb('to_rgbs.1', 'synthesis.b16.torgb')
    made['to_rgbs.1.upsample.kernel'] = FILTER.clone()
    return {name: tensor.clone() for name, tensor in made.items()}


def checkpoint(network: torch.nn.Module, **changes) -> dict:
    """What that project's convert_weight.py and train.py save."""
    return {
        'g_ema': renamed(network),
        'latent_avg': network.mapping.w_avg.clone(),
        'd': {'weight': torch.ones(3)},
        'g_optim': {'state': {0: {'step': 7, 'exp_avg': torch.zeros(2)}}, 'param_groups': [{'lr': 0.002}]},
        'args': argparse.Namespace(size=16, path='faces'),
        'ada_aug_p': 0.25,
        **changes,
    }


def save(path: Path, content: object) -> str:
    torch.save(content, path)
    return str(path)


@pytest.mark.parametrize('half', [False, True], ids=['float32', 'float16'])
def test_the_same_images_by_other_names(half, tmp_path, caplog):
    network = make_lively_network()
    content = checkpoint(network)
    if half:
        content['g_ema'] = {name: tensor.half() for name, tensor in content['g_ema'].items()}
    loaded = load_generator(save(tmp_path / 'net.pt', content), 'cpu').network
    own = dict(loaded.state_dict())
    assert own.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(own[name], tensor, rtol=2e-3 if half else 1e-6, atol=2e-3 if half else 1e-7)
    assert ('of 16-bit numbers' in caplog.text) == half
    ws = torch.randn(2, network.num_ws, network.w_dim, generator=torch.Generator().manual_seed(0))
    difference = (loaded.synthesis(ws, noise_mode='const') - network.synthesis(ws)).abs().max()
    assert difference < (0.1 if half else 1e-4)


def test_the_mean_w_is_computed_where_there_is_none(tmp_path):
    network = make_lively_network()
    content = checkpoint(network)
    del content['latent_avg']
    loaded = load_generator_pickle(save(tmp_path / 'net.pt', content))
    z = torch.from_numpy(latents_from_seeds(range(4096), network.z_dim))
    expected = network.mapping(z, None)[:, 0].mean(dim=0)
    torch.testing.assert_close(loaded.mapping.w_avg, expected, atol=1e-5, rtol=0)
    assert expected.abs().max() > 0.1


def drop_bias(content):
    del content['g_ema']['convs.1.activate.bias']


def add_weight(content):
    content['g_ema']['convs.9.extra'] = torch.zeros(2)


def reshape(content):
    content['g_ema']['conv1.conv.weight'] = torch.zeros(1, 16, 15, 3, 3)


def other_filter(content):
    content['g_ema']['to_rgbs.0.upsample.kernel'] = torch.eye(4)


def no_generator(content):
    content['g'] = content.pop('g_ema')


def whole_module(content):
    content['g_ema'] = {'model': torch.nn.Linear(2, 2).state_dict()}


def double(content):
    content['g_ema']['input.input'] = content['g_ema']['input.input'].double()


def expanded(content):
    content['g_ema']['input.input'] = torch.zeros(1).expand(1, 16, 4, 4)


@pytest.mark.parametrize(
    'damage, message',
    [
        (drop_bias, 'convs.1.activate.bias is missing'),
        (add_weight, 'convs.9.extra is unknown'),
        (reshape, r'conv1.conv.weight is \[1, 16, 15, 3, 3\]'),
        (other_filter, r'to_rgbs.0.upsample.kernel is another filter than \[1, 3, 3, 1\]'),
        (no_generator, 'without a generator'),
        (whole_module, 'without a generator'),
        (double, 'input.input is .*float64'),
        (expanded, 'more elements than are in the file'),
    ],
)
def test_other_archives_are_refused(damage, message, tmp_path):
    content = checkpoint(make_lively_network())
    damage(content)
    with pytest.raises(UserError, match=message):
        load_generator_pickle(save(tmp_path / 'net.pt', content))


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_code_in_an_archive_is_refused_and_not_run(tmp_path):
    path = save(tmp_path / 'net.pt', checkpoint(make_lively_network(), args=Payload(tmp_path / 'ran')))
    with pytest.raises(UserError, match='asks for the global .*mkdir.*may be malicious'):
        load_generator_pickle(path)
    assert not (tmp_path / 'ran').exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / 'ran').exists()


@pytest.mark.parametrize('part', [0.02, 0.5, 0.999])
def test_cut_short(part, tmp_path):
    path = Path(save(tmp_path / 'net.pt', checkpoint(make_lively_network())))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(UserError, match='net.pt is damaged'):
        load_generator_pickle(path)


def rewritten(path: Path, compression: int, change=lambda name, data: data) -> Path:
    """The archive once more, with other members."""
    other = path.with_name('other.pt')
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, 'w', compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return other


def test_compressed_tensors_are_refused(tmp_path):
    """A few bytes could become gigabytes."""
    path = Path(save(tmp_path / 'net.pt', checkpoint(make_lively_network())))
    with pytest.raises(UserError, match='asks for a compressed tensor'):
        load_generator_pickle(rewritten(path, zipfile.ZIP_DEFLATED))
    assert load_generator_pickle(rewritten(path, zipfile.ZIP_STORED))


def test_a_tensor_of_another_size_than_its_description(tmp_path):
    path = Path(save(tmp_path / 'net.pt', checkpoint(make_lively_network())))
    cut = rewritten(path, zipfile.ZIP_STORED, lambda name, data: data[:-4] if name.endswith('/data/0') else data)
    with pytest.raises(UserError, match='whose size is not that of its data'):
        load_generator_pickle(cut)


def test_changed_bytes_are_noticed(tmp_path):
    path = Path(save(tmp_path / 'net.pt', checkpoint(make_lively_network())))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = next(member for member in archive.infolist() if member.filename.endswith('/data/0'))
    content[member.header_offset + 30 + len(member.filename) + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match='is damaged'):
        load_generator_pickle(path)


@pytest.mark.skipif(not CHECKOUT, reason='DATASETGAN_ROSINALITY names no clone of rosinality/stylegan2-pytorch')
def test_rgb_equals_that_projects_own(tmp_path, monkeypatch):
    monkeypatch.setattr('torch.utils.cpp_extension.load', lambda *arguments, **settings: None)  # its CUDA kernels
    monkeypatch.syspath_prepend(CHECKOUT)
    for name in ('model', 'op'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    torch.manual_seed(0)
    theirs = importlib.import_module('model').Generator(16, 24, 3).eval().requires_grad_(False)
    for name, tensor in theirs.state_dict().items():
        if name.endswith(('noise.weight', '.bias')):
            tensor += torch.randn(tensor.shape) * 0.2
    average = torch.randn(24) * 0.3
    content = {'g_ema': theirs.state_dict(), 'latent_avg': average}
    generator = load_generator(save(tmp_path / 'net.pt', content), 'cpu')
    ours = generator.synthesize([0, 7], SamplingOptions(trunc=0.7)).images.numpy().astype(int)
    z = torch.from_numpy(latents_from_seeds([0, 7], 24)).to(torch.float32)
    output, _ = theirs([z], truncation=0.7, truncation_latent=average, randomize_noise=False)
    expected = (output * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy().astype(int)
    assert np.abs(expected - ours).max() <= 1 and expected.std() > 5
    for name in ('model', 'op'):
        sys.modules.pop(name, None)
