"""Snapshots of upstream's classes load bit for bit, and what does not fit is named."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.safe_pickle import load_snapshot
from datasetgan_ext.generator.upstream import import_upstream
from tests.helpers.upstream import needs_upstream

CONFIGS = {
    'skip': {},
    'resnet': {'synthesis_kwargs': {'architecture': 'resnet'}},
    'orig': {'synthesis_kwargs': {'architecture': 'orig'}},
    'conditional': {'c_dim': 3, 'mapping_kwargs': {'embed_features': 5}},
    'grey': {'img_channels': 1},
    'narrow': {'synthesis_kwargs': {'channel_base': 64}},
    'no_noise': {'synthesis_kwargs': {'use_noise': False}},
    'fp16': {'synthesis_kwargs': {'num_fp16_res': 1, 'conv_clamp': 256}},
    'channels_last': {'synthesis_kwargs': {'num_fp16_res': 1, 'conv_clamp': 256, 'fp16_channels_last': True}},
    'res32': {'img_resolution': 32},
}


def make_generator(c_dim=0, img_resolution=16, img_channels=3, mapping_kwargs=None, synthesis_kwargs=None, seed=0):
    """A tiny generator in which every number matters: none of its weights is left at 0 or 1."""
    easy_dict = import_upstream('dnnlib').EasyDict
    generator = import_upstream('training.networks').Generator(
        z_dim=8,
        c_dim=c_dim,
        w_dim=8,
        img_resolution=img_resolution,
        img_channels=img_channels,
        mapping_kwargs=easy_dict({'num_layers': 2, **(mapping_kwargs or {})}),
        synthesis_kwargs=easy_dict({'channel_max': 8, **(synthesis_kwargs or {})}),
    )
    noise = torch.Generator().manual_seed(seed)
    for name, tensor in [*generator.named_parameters(), *generator.named_buffers()]:
        if not name.endswith('resample_filter'):
            tensor.data += torch.randn(tensor.shape, generator=noise) * 0.1
    return generator.eval().requires_grad_(False)


def make_snapshot(generator):
    networks, easy_dict = import_upstream('training.networks'), import_upstream('dnnlib').EasyDict
    other = copy.deepcopy(generator)
    other.mapping.fc0.weight += 1
    return {
        'training_set_kwargs': easy_dict(path='faces.zip', max_size=np.int64(7), mean=np.float64(0.5)),
        'G': other,
        'D': networks.Discriminator(c_dim=generator.c_dim, img_resolution=16, img_channels=3, channel_max=8).eval(),
        'G_ema': generator,
        'augment_pipe': import_upstream('training.augment').AugmentPipe(xflip=1, scale=1).eval(),
    }


def render(generator):
    z = torch.from_numpy(np.random.RandomState(0).randn(2, generator.z_dim))
    c = torch.eye(generator.c_dim)[:2] if generator.c_dim else None
    return generator(z, c, truncation_psi=0.7, noise_mode='const')


def save(path, content, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Networks this small are slower on several threads, far slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def generator():
    return make_generator()


@needs_upstream
@pytest.mark.parametrize('protocol', [3, None])
@pytest.mark.parametrize('name', CONFIGS)
def test_loads_bit_for_bit(name, protocol, tmp_path):
    original = make_generator(**CONFIGS[name])
    loaded = load_generator_pickle(save(tmp_path / 'net.pkl', make_snapshot(original), protocol))

    assert type(loaded) is type(original)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    own, theirs = loaded.state_dict(), original.state_dict()
    assert list(own) == list(theirs)
    assert all(torch.equal(own[key], theirs[key]) and own[key].stride() == theirs[key].stride() for key in own)
    assert torch.equal(render(loaded), render(original))
    assert not torch.equal(render(loaded), torch.zeros_like(render(loaded)))


@needs_upstream
def test_init_kwargs_stay_as_upstream_has_them(generator, tmp_path):
    loaded = load_generator_pickle(save(tmp_path / 'net.pkl', generator))
    assert loaded.init_kwargs == generator.init_kwargs
    assert loaded.init_kwargs.synthesis_kwargs.channel_max == 8


@needs_upstream
def test_other_containers(generator, tmp_path):
    snapshot = make_snapshot(generator)
    bare = load_generator_pickle(save(tmp_path / 'bare.pkl', generator))
    assert torch.equal(render(bare), render(generator))
    for key, holds in (('no_ema', {'G': snapshot['G']}), ('none', {'G_ema': None, 'G': snapshot['G']})):
        loaded = load_generator_pickle(save(tmp_path / f'{key}.pkl', holds))
        assert torch.equal(render(loaded), render(snapshot['G']))
    shared = load_generator_pickle(save(tmp_path / 'shared.pkl', {'G': generator, 'G_ema': generator}))
    assert torch.equal(render(shared), render(generator))


@needs_upstream
def test_random_state_is_left_alone(generator, tmp_path):
    path = save(tmp_path / 'net.pkl', generator)
    before = torch.get_rng_state()
    load_generator_pickle(path)
    assert torch.equal(torch.get_rng_state(), before)


@needs_upstream
def test_snapshot_is_plain_data(generator, tmp_path):
    snapshot = load_snapshot(save(tmp_path / 'net.pkl', make_snapshot(generator)))
    assert snapshot['training_set_kwargs'] == {'path': 'faces.zip', 'max_size': 7, 'mean': 0.5}
    assert not any(isinstance(value, torch.nn.Module) for value in snapshot.values())


def add_buffer(generator):
    generator.mapping.register_buffer('extra', torch.zeros(1))


def drop_parameter(generator):
    del generator.synthesis.b8.conv1.bias


def reshape(generator):
    generator.mapping.fc0.weight = torch.nn.Parameter(torch.zeros(9, 8))


def retype(generator):
    generator.mapping.w_avg = generator.mapping.w_avg.double()


def swap_class(generator):
    generator.synthesis.b8.torgb = generator.mapping.fc0


def drop_module(generator):
    del generator.synthesis.b16


@needs_upstream
@pytest.mark.parametrize(
    ('tamper', 'message'),
    [
        (add_buffer, 'G.mapping.extra is only in the file'),
        (drop_parameter, 'G.synthesis.b8.conv1.bias is missing from the file'),
        (drop_module, 'G.synthesis.b16 is missing from the file'),
        (reshape, r'G.mapping.fc0.weight is \[9, 8\] torch.float32, not \[8, 8\]'),
        (retype, r'G.mapping.w_avg is \[8\] torch.float64, not \[8\] torch.float32'),
        (swap_class, 'G.synthesis.b8.torgb is no ToRGBLayer'),
    ],
)
def test_differences_are_named(tamper, message, generator, tmp_path):
    changed = copy.deepcopy(generator)
    tamper(changed)
    with pytest.raises(UserError, match=message):
        load_generator_pickle(save(tmp_path / 'net.pkl', changed))


@needs_upstream
@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('z_dim', {1, 2}, 'no plain data: set'),
        ('z_dim', torch.zeros(1), 'no plain data: TensorRecord'),
        ('mapping_kwargs', {3: 4}, 'no plain data: dict'),
        ('channel_base', 32768, "unexpected keyword argument 'channel_base'"),  # as StyleGAN3 has it
        ('img_resolution', 17, 'AssertionError'),
    ],
)
def test_arguments_are_checked(key, value, message, generator, tmp_path):
    changed = copy.deepcopy(generator)
    changed._init_kwargs[key] = value
    with pytest.raises(UserError, match=message):
        load_generator_pickle(save(tmp_path / 'net.pkl', changed))


@needs_upstream
def test_endless_arguments_are_refused(generator, tmp_path):
    changed = copy.deepcopy(generator)
    changed._init_kwargs['mapping_kwargs']['activation'] = changed._init_kwargs
    with pytest.raises(UserError, match='no plain data'):
        load_generator_pickle(save(tmp_path / 'net.pkl', changed))


@needs_upstream
def test_other_networks(generator, tmp_path):
    discriminator = make_snapshot(generator)['D']
    with pytest.raises(UserError, match='class Discriminator, not Generator'):
        load_generator_pickle(save(tmp_path / 'd.pkl', {'G_ema': discriminator}))
    with pytest.raises(UserError, match='holds no generator'):
        load_generator_pickle(save(tmp_path / 'none.pkl', {'D': discriminator}))


class Persistent:
    """Is pickled as an object of one of upstream's classes, with a state of choice."""

    def __init__(self, class_name, **modules):
        self.meta = {
            'type': 'class',
            'version': 6,
            'module_src': '',
            'class_name': class_name,
            'state': {'_init_args': (), '_init_kwargs': {}, '_modules': modules},
        }

    def __reduce__(self):
        return import_upstream('torch_utils.persistence')._reconstruct_persistent_obj, (self.meta,)


@needs_upstream
def test_a_network_of_stylegan3_needs_its_checkout(tmp_path):
    network = Persistent('Generator', synthesis=Persistent('SynthesisNetwork', input=Persistent('SynthesisInput')))
    with pytest.raises(UserError, match=r'net.pkl is a StyleGAN3 network: clone https:\S+stylegan3 .*`upstream`=DIR'):
        load_generator_pickle(save(tmp_path / 'net.pkl', {'G_ema': network}))
    changed = Persistent('Generator', synthesis=Persistent('SynthesisNetwork', input=3))
    with pytest.raises(UserError, match='does not take the file'):
        load_generator_pickle(save(tmp_path / 'net.pkl', {'G_ema': changed}))


@needs_upstream
def test_source_in_the_file_is_run_only_on_demand(generator, tmp_path, monkeypatch, caplog):
    marker = tmp_path / 'ran'
    snapshot = make_snapshot(generator)
    monkeypatch.setattr(
        type(generator),
        '_orig_module_src',
        type(generator)._orig_module_src + f'\nopen({str(marker)!r}, "w").close()\n',
    )
    path = save(tmp_path / 'net.pkl', snapshot)

    assert torch.equal(render(load_generator_pickle(path)), render(generator))
    assert not marker.exists()

    loaded = load_generator_pickle(path, allow_pickle_code=True)
    assert f'`allow_pickle_code`: running whatever code {path} carries' in caplog.text
    assert marker.exists()
    assert torch.equal(render(loaded), render(generator))


@needs_upstream
def test_code_that_fails_is_an_error_of_the_file(generator, tmp_path):
    path = save(tmp_path / 'net.pkl', {'G': generator})
    with pytest.raises(UserError, match='net.pkl cannot be loaded by legacy.py'):
        load_generator_pickle(path, allow_pickle_code=True)


@needs_upstream
@pytest.mark.parametrize('part', [0.01, 0.2, 0.5, 0.9, 0.99999])
def test_truncated(part, generator, tmp_path):
    whole = pickle.dumps(make_snapshot(generator))
    path = tmp_path / 'cut.pkl'
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(UserError, match='cut.pkl is damaged, cut short or no network pickle'):
        load_generator_pickle(path)
