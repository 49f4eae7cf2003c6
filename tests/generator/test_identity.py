"""A network is its weights and how it computes with them; older files know the weights alone."""

from __future__ import annotations

import json
import pickle
import types

import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import identity
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.identity import (
    how_networks_differ,
    network_fingerprint,
    same_network,
    state_fingerprint,
)
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.upstream import import_upstream
from datasetgan_ext.interpreter.interpreter import Interpreter
from tests.helpers.networks import make_network
from tests.helpers.upstream import needs_upstream


def test_it_begins_with_the_weights(generator):
    weights, computation = generator.fingerprint.split('-')
    assert weights == state_fingerprint(generator.network)
    assert len(computation) == 32 and set(computation) <= set('0123456789abcdef')
    assert Generator(make_network(), 'elsewhere').fingerprint == generator.fingerprint


def test_it_stays_as_it_is_while_the_network_is_used(generator):
    generator.synthesize([0], SamplingOptions())
    assert network_fingerprint(generator.network) == generator.fingerprint


@pytest.mark.parametrize(
    'change',
    [
        lambda network: setattr(network.mapping.fc0, 'weight_gain', 0.5),
        lambda network: setattr(network.synthesis.b8.conv1, 'activation', 'relu'),
        lambda network: setattr(network, 'img_channels', 1),
        lambda network: setattr(network.synthesis, 'block_resolutions', [4, 8]),
    ],
)
def test_other_settings_are_another_network(change, generator):
    network = make_network()
    change(network)
    found = network_fingerprint(network)
    assert state_fingerprint(network) == state_fingerprint(generator.network)
    assert not same_network(found, generator.fingerprint)
    assert 'the weights are the same, but' in how_networks_differ(found, generator.fingerprint)


def layer_class(source: str) -> type:
    """A class as upstream's are, which keep their source."""
    space = {'torch': torch}
    exec(source, space)
    kind = space['Layer']
    kind._orig_module_src = source
    kind.__module__ = 'training.networks'
    return kind


def test_other_code_is_another_network():
    source = 'class Layer(torch.nn.Linear):\n    def forward(self, x):\n        return super().forward(x)\n'
    networks = [layer_class(text)(2, 2) for text in (source, source.replace('\n', '\r\n'), source + '# other\n')]
    for network in networks:
        network.load_state_dict({'weight': torch.eye(2), 'bias': torch.zeros(2)})
    first, other_lines, other_code = map(network_fingerprint, networks)
    assert first == other_lines
    assert first != other_code and first.partition('-')[0] == other_code.partition('-')[0]


def test_code_without_a_source_has_a_fingerprint():
    kind = type('Layer', (torch.nn.Linear,), {'__module__': 'typed_in'})
    assert network_fingerprint(kind(2, 2))


def test_our_own_code_is_known_by_its_version(generator, monkeypatch):
    """So that a comment in it does not make datasets of the demo another network's."""
    monkeypatch.setattr('datasetgan_ext.generator.standin.CODE_VERSION', 'another')
    identity._code_of.cache_clear()
    assert network_fingerprint(make_network()) != generator.fingerprint
    identity._code_of.cache_clear()


@needs_upstream
@pytest.mark.parametrize('setting', [{'activation': 'relu'}, {'conv_clamp': 0.5}, {'resample_filter': [1, 3, 3, 1]}])
def test_arguments_of_a_snapshot(setting, tmp_path):
    """The finding: the same weights with another activation passed for the same network."""

    def make(name, synthesis_kwargs):
        torch.manual_seed(0)
        settings = {'channel_base': 64, **synthesis_kwargs}
        network = import_upstream('training.networks').Generator(8, 0, 8, 16, 3, {'num_layers': 2}, settings)
        (tmp_path / name).write_bytes(pickle.dumps({'G_ema': network.eval().requires_grad_(False)}))
        return load_generator(str(tmp_path / name), 'cpu')

    one, other = make('one.pkl', {}), make('other.pkl', setting)
    same = 'resample_filter' in setting  # that is what it is by default
    assert (one.fingerprint == other.fingerprint) == same
    assert state_fingerprint(one.network) == state_fingerprint(other.network)
    if not same:
        generate_samples(one, SamplingOptions(), [0], tmp_path / 'samples', progress=False)
        with pytest.raises(UserError, match='the weights are the same, but other settings or other code'):
            generate_samples(other, SamplingOptions(), [0, 1], tmp_path / 'samples', progress=False)


def test_older_samples_and_interpreters_are_of_their_network(samples, interpreter, generator, tmp_path):
    path = samples.folder / 'samples.json'
    content = json.loads(path.read_text())
    assert content['fingerprint'] == generator.fingerprint
    content['fingerprint'] = state_fingerprint(generator.network)
    path.write_text(json.dumps(content))
    SampleSet.read(samples.folder).check_network(generator)
    assert len(generate_samples(generator, SamplingOptions(trunc=0.7), [0, 9], samples.folder).samples) == 5

    interpreter.network_fingerprint = state_fingerprint(generator.network)
    interpreter.save(tmp_path / 'old.safetensors')
    Interpreter.load(tmp_path / 'old.safetensors').check_generator(generator)
    with pytest.raises(UserError, match='another network'):
        Interpreter.load(tmp_path / 'old.safetensors').check_generator(Generator(make_network(seed=1), 'other'))


@pytest.mark.parametrize('found', [None, '', 7, ['a'], 'a-', 'b', 'a-other', '-c'])
def test_what_is_no_fingerprint_of_it(found):
    assert not same_network(found, 'a-c')
    assert same_network('a', 'a-c') and same_network('a-c', 'a-c')


def test_a_module_of_that_name_is_not_asked_for_its_version():
    """Only the package's own classes are known by a version."""
    module = types.ModuleType('training.networks')
    module.CODE_VERSION = '1'
    assert identity._code_of(type('Layer', (torch.nn.Linear,), {'__module__': 'training.networks'})) != '1'
