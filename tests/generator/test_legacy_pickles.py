"""Files of older ages: TensorFlow's networks, early PyTorch's snapshots, and snapshots without some of their parts."""

from __future__ import annotations

import logging
import pickle
import sys
import types

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.safe_pickle import load_snapshot
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.upstream import import_upstream
from tests.helpers.upstream import NEEDS_UPSTREAM

pytestmark = NEEDS_UPSTREAM

KINDS = {
    'skip': {},
    'resnet': {'architecture': 'resnet'},
    'orig': {'architecture': 'orig'},
    'conditional': {'c_dim': 3},
    'grey': {'img_channels': 1},
    'narrow': {'fmap_base': 64},
}
SEEDS = [0, 7]


# ---- what the TensorFlow version wrote, from a PyTorch network


class Network:
    """As dnnlib.tflib.network.Network: an object that is pickled by its state alone."""

    def __init__(self, state: dict):
        self.state = state

    def __getstate__(self) -> dict:
        return self.state


Network.__module__ = 'dnnlib.tflib.network'


def let_tflib_be_imported(monkeypatch) -> None:
    """The module that a pickle names must be there while it is written; readers must do without."""
    import_upstream('dnnlib')
    for name in ('dnnlib.tflib', 'dnnlib.tflib.network'):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules['dnnlib.tflib.network'].Network = Network


@pytest.fixture(autouse=True)
def tflib(monkeypatch):
    let_tflib_be_imported(monkeypatch)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def from_module(name: str, tensor: torch.Tensor, noise_numbers: dict[str, int]) -> tuple[str, object]:
    """TensorFlow's name and value for a parameter or buffer of a generator or discriminator."""
    *path, what = name.split('.')
    value = tensor.detach().numpy()
    folder = '/'.join(path)
    for pattern, replacement in (
        ('/b', '/'),
        ('/conv0', '/Conv0_up'),
        ('/conv1', '/Conv1'),
        ('/torgb', '/ToRGB'),
        ('/skip', '/Skip'),
        ('/embed', '/LabelEmbed'),
        ('/fc', '/Dense'),
    ):
        folder = folder.replace(pattern, replacement)
    parts = [f'{part}x{part}' if part.isdigit() else part for part in folder.split('/')]
    folder = '/'.join(parts).replace('4x4/Conv1', '4x4/Conv') if '4x4' in parts else '/'.join(parts)
    if what == 'w_avg':
        return 'dlatent_avg', value
    if what == 'const':
        return f'{folder}/Const/const', value[None]
    if what == 'noise_const':
        return f'synthesis/noise{noise_numbers[name]}', value[None, None]
    if what == 'noise_strength':
        return f'{folder}/noise_strength', value[()]
    if 'affine' in parts:
        return (f'{folder.removesuffix("/affine")}/mod_{what}', value.T if what == 'weight' else value - 1)
    if value.ndim == 4:
        value = value.transpose(2, 3, 1, 0)
        if parts[-1] in ('Conv0_up', 'Skip'):
            value = value[::-1, ::-1]
    return f'{folder}/{what}', value.T if value.ndim == 2 else value


def tensorflow_generator(generator: torch.nn.Module, kwargs: dict, **changes) -> Network:
    tensors = {
        name: tensor
        for name, tensor in (*generator.named_parameters(), *generator.named_buffers())
        if not name.endswith('resample_filter')
    }
    noises = sorted(
        (name for name in tensors if name.endswith('noise_const')), key=lambda name: (int(name.split('.')[1][1:]), name)
    )
    numbers = {name: number for number, name in enumerate(noises)}
    variables = dict(from_module(name, tensor, numbers) for name, tensor in tensors.items())
    parts = {
        part: [
            (name.removeprefix(f'{part}/'), value) for name, value in variables.items() if name.startswith(f'{part}/')
        ]
        for part in ('mapping', 'synthesis')
    }
    components = {part: network_state(values, {'dlatent_size': 8}) for part, values in parts.items()}
    own = [('lod', np.float32(0)), ('dlatent_avg', variables['dlatent_avg'])]
    return network_state(own, kwargs, components=components, **changes)


def network_state(variables, static_kwargs, components=None, **changes) -> Network:
    return Network(
        {
            'version': 4,
            'name': 'network',
            'static_kwargs': static_kwargs,
            'components': components or {},
            'build_module_src': 'raise SystemExit',
            'build_func_name': 'build',
            'variables': variables,
            **changes,
        }
    )


def tensorflow_discriminator(generator_kwargs: dict) -> Network:
    names = ('label_size', 'resolution', 'num_channels', 'fmap_base', 'fmap_max')
    kwargs = {name: generator_kwargs[name] for name in names}
    discriminator = import_upstream('training.networks').Discriminator(
        c_dim=kwargs['label_size'],
        img_resolution=kwargs['resolution'],
        img_channels=kwargs['num_channels'],
        channel_base=2 * kwargs['fmap_base'],
        channel_max=kwargs['fmap_max'],
        mapping_kwargs={'num_layers': 0},
    )
    variables = []
    for name, tensor in discriminator.named_parameters():
        block, *layer, what = name.split('.')
        side = f'{block[1:]}x{block[1:]}'
        folder = {
            'fromrgb': f'{side}/FromRGB',
            'conv0': f'{side}/Conv0',
            'conv1': f'{side}/Conv1_down',
            'skip': f'{side}/Skip',
            'conv': f'{side}/Conv',
            'fc': f'{side}/Dense0',
            'out': 'Output',
            'embed': 'LabelEmbed',
        }[layer[0]]
        value = tensor.detach().numpy()
        value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        variables.append((f'{folder}/{what}', value))
    return network_state(variables, kwargs)


def make_generator(c_dim=0, img_channels=3, architecture='skip', fmap_base=256, seed=0):
    """A small PyTorch generator in which every number matters, and TensorFlow's arguments for it."""
    torch.manual_seed(seed)
    generator = import_upstream('training.networks').Generator(
        z_dim=8,
        c_dim=c_dim,
        w_dim=8,
        img_resolution=32,
        img_channels=img_channels,
        mapping_kwargs={'num_layers': 2},
        synthesis_kwargs={'channel_base': 2 * fmap_base, 'channel_max': 8, 'architecture': architecture},
    )
    for name, tensor in [*generator.named_parameters(), *generator.named_buffers()]:
        if not name.endswith('resample_filter'):
            tensor.data += torch.randn(tensor.shape) * 0.1
    kwargs = {
        'latent_size': 8,
        'label_size': c_dim,
        'dlatent_size': 8,
        'resolution': 32,
        'num_channels': img_channels,
        'mapping_layers': 2,
        'fmap_base': fmap_base,
        'fmap_max': 8,
        'architecture': architecture,
        'style_mixing_prob': 0.9,
        'truncation_psi': None,
    }
    return generator.eval().requires_grad_(False), kwargs


def tensorflow_file(path, protocol=4, **kind):
    """(G, D, Gs), whose G is another network than Gs."""
    averaged, kwargs = make_generator(**kind)
    trained, _ = make_generator(**kind, seed=1)
    content = (
        tensorflow_generator(trained, kwargs),
        tensorflow_discriminator(kwargs),
        tensorflow_generator(averaged, kwargs),
    )
    path.write_bytes(pickle.dumps(content, protocol))
    return path, averaged


def write(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize('kind', KINDS.values(), ids=KINDS)
def test_rgb_of_a_tensorflow_network_equals_upstreams_own(kind, tmp_path):
    path, original = tensorflow_file(tmp_path / 'stylegan2.pkl', **kind)
    options = SamplingOptions(trunc=0.7, class_idx=2 if kind.get('c_dim') else None)
    images = load_generator(str(path), 'cpu').synthesize(SEEDS, options).images.numpy().astype(int)

    with path.open('rb') as file:
        theirs = import_upstream('legacy').load_network_pkl(file)['G_ema']
    label = torch.eye(3)[[2]] if kind.get('c_dim') else torch.zeros(1, 0)
    own = load_generator_pickle(path).state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in theirs.state_dict().items())
    for seed, image in zip(SEEDS, images):
        z = torch.from_numpy(np.random.RandomState(seed).randn(1, 8))
        for network in (theirs, original):
            output = network(z, label, truncation_psi=0.7, noise_mode='const')
            expected = (output * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy().astype(int)
            assert np.abs(expected - image).max() <= 1
        assert expected.std() > 5


@pytest.mark.parametrize('protocol', [3, 4, 5])
def test_every_protocol(protocol, tmp_path):
    path, original = tensorflow_file(tmp_path / 'stylegan2.pkl', protocol)
    if protocol < 4:  # as numpy 1 named it; later protocols count the bytes of names
        path.write_bytes(path.read_bytes().replace(b'numpy._core', b'numpy.core'))
    loaded = load_generator_pickle(path)
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())
    own, theirs = loaded.state_dict(), original.state_dict()
    assert list(own) == list(theirs)
    for name in own:  # a style's bias was written less 1, and is read plus 1
        torch.testing.assert_close(own[name], theirs[name], atol=2e-7, rtol=0)


def test_the_generator_alone(tmp_path):
    generator, kwargs = make_generator()
    network = tensorflow_generator(generator, kwargs)
    for content in (network, {'G_ema': network}):
        loaded = load_generator_pickle(write(tmp_path / 'gs.pkl', content))
        assert torch.equal(loaded.mapping.fc1.weight, generator.mapping.fc1.weight)


def test_source_in_the_file_is_never_run_and_torchs_random_state_stays(tmp_path, capsys):
    marker = tmp_path / 'ran'
    generator, kwargs = make_generator()
    network = tensorflow_generator(generator, kwargs, build_module_src=f'open({str(marker)!r}, "w").close()')
    path = write(tmp_path / 'gs.pkl', (network, network, network))
    before = torch.get_rng_state()
    load_generator_pickle(path)
    assert torch.equal(torch.get_rng_state(), before)
    assert not marker.exists()
    assert capsys.readouterr().out == ''


def change_state(**changes):
    def change(network):
        network.state.update(changes)

    return change


def change_kwargs(network):
    network.state['static_kwargs']['fused_modconv'] = True


def drop_variable(network):
    network.state['components']['synthesis'].state['variables'].pop()


def reshape_variable(network):
    variables = network.state['components']['mapping'].state['variables']
    variables[0] = variables[0][0], np.zeros((3, 5), np.float32)


def be_in_itself(network):
    network.state['components']['mapping'] = network


def old_rgb(network):
    """As networks of one part, older than StyleGAN1, name their layers to RGB: a slip in upstream's converter fails."""
    network.state['variables'].append(('ToRGB_lod0/weight', np.zeros((1, 1, 8, 3), np.float32)))


@pytest.mark.parametrize(
    'change, message',
    [
        (change_state(version=3), 'StyleGAN1 or older .format 3'),
        (change_state(version='4'), 'is damaged, or no network of StyleGAN2'),
        (change_state(variables={'lod': 0}), 'is damaged, or no network of StyleGAN2'),
        (change_state(variables=[('lod',)]), 'is damaged, or no network of StyleGAN2'),
        (change_state(variables=[(3, {1: 2})]), 'is damaged, or no network of StyleGAN2'),
        (change_state(components={'mapping': 3}), 'is damaged, or no network of StyleGAN2'),
        (change_state(static_kwargs=None), 'cannot be converted'),
        (be_in_itself, 'is damaged, or no network of StyleGAN2'),
        (change_kwargs, 'cannot be converted .*fused_modconv.* `upstream`=DIR'),
        (drop_variable, 'cannot be converted .*KeyError'),
        (reshape_variable, 'cannot be converted'),
        (old_rgb, 'cannot be converted'),
    ],
)
def test_other_tensorflow_networks_are_errors(change, message, tmp_path, capsys):
    network = tensorflow_generator(*make_generator())
    change(network)
    path = write(tmp_path / 'gs.pkl', (network, network, network))
    with pytest.raises(UserError, match=f'gs.pkl .*{message}'):
        load_generator_pickle(path)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    'content', [(1, 2, 3), Network(None), Network({}), Network([('version', 4)]), (Network({}), Network({}))]
)
def test_other_contents_are_errors(content, tmp_path):
    with pytest.raises(UserError, match='odd.pkl'):
        load_generator_pickle(write(tmp_path / 'odd.pkl', content))


@pytest.mark.parametrize(
    'array',
    [
        np.arange(6, dtype='<f4').reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype='f8').reshape(2, 3)),
        np.arange(24, dtype='i2').reshape(2, 3, 4).transpose(2, 0, 1),
        np.broadcast_to(np.int64(7), [2]),
        np.zeros((0, 3), np.float32),
        np.array(1.5, np.float32),
        np.ones(3, bool),
    ],
)
@pytest.mark.parametrize('protocol', [3, 4, 5])
def test_arrays_are_read_bit_for_bit(array, protocol, tmp_path):
    read = load_snapshot(write(tmp_path / 'array.pkl', {'x': array}, protocol))['x'].to_numpy()
    assert read.dtype == array.dtype and read.shape == array.shape and np.array_equal(read, array)


# ---- snapshots of PyTorch


def test_a_snapshot_as_the_first_versions_wrote_it(tmp_path):
    """Python 3.7, PyTorch 1.7, numpy 1: fewer attributes of modules, protocol 3, numpy's older names."""
    known = {
        '_parameters',
        '_buffers',
        '_non_persistent_buffers_set',
        '_backward_hooks',
        '_forward_hooks',
        '_forward_pre_hooks',
        '_state_dict_hooks',
        '_load_state_dict_pre_hooks',
        '_modules',
        '_init_args',
        '_init_kwargs',
    }
    generator, _ = make_generator()
    expected = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    for module in generator.modules():
        for name in [name for name in vars(module) if name.startswith('_') and name not in known]:
            del vars(module)[name]
    content = pickle.dumps({'G': None, 'D': None, 'G_ema': generator, 'training_set_kwargs': {'size': np.int64(3)}}, 3)
    assert b'numpy._core' in content or np.__version__ < '2'
    (tmp_path / 'old.pkl').write_bytes(content.replace(b'numpy._core', b'numpy.core'))
    loaded = load_generator_pickle(tmp_path / 'old.pkl').state_dict()
    assert list(loaded) == list(expected) and all(torch.equal(loaded[name], expected[name]) for name in loaded)


def test_which_network_is_taken(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    averaged, _ = make_generator()
    trained, _ = make_generator(seed=1)
    for content, expected, note in (
        ({'G_ema': averaged}, averaged, ''),
        (averaged, averaged, ''),
        ({'G': trained, 'G_ema': averaged}, averaged, ''),
        ({'G': trained}, trained, 'export.pkl holds no G_ema: its G is used'),
        ({'G': trained, 'G_ema': None}, trained, 'export.pkl holds no G_ema: its G is used'),
    ):
        caplog.clear()
        loaded = load_generator_pickle(write(tmp_path / 'export.pkl', content))
        assert torch.equal(loaded.mapping.w_avg, expected.mapping.w_avg)
        assert note in caplog.text if note else not caplog.text
