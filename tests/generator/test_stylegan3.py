"""StyleGAN3's networks: images are those of its own code, and features align with them.

Its code is no submodule: these tests need a clone of https://github.com/NVlabs/stylegan3, named by the environment
variable DATASETGAN_STYLEGAN3. What can be tested without it is in test_features.py and test_network_pickle.py.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from click.testing import CliRunner

from datasetgan_ext.cli import main as cli
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import features
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import find_upstream, has_module, import_upstream
from tests.generator import test_legacy_pickles as legacy_pickles

CHECKOUT = os.environ.get('DATASETGAN_STYLEGAN3')
pytestmark = pytest.mark.skipif(not CHECKOUT, reason='DATASETGAN_STYLEGAN3 names no clone of NVlabs/stylegan3')

ALIAS_FREE, STYLEGAN2 = 'training.networks_stylegan3', 'training.networks_stylegan2'
RADIAL = {'conv_kernel': 1, 'use_radial_filters': True}
CONFIGS = {
    't': (ALIAS_FREE, {}),
    'r': (ALIAS_FREE, RADIAL),
    't conditional': (ALIAS_FREE, {'c_dim': 3}),
    't grey, fewer layers': (ALIAS_FREE, {'img_channels': 1, 'num_layers': 8, 'margin_size': 6}),
    'borders between samples': (ALIAS_FREE, {'img_resolution': 50}),
    'stylegan2': (STYLEGAN2, {}),
    'stylegan2 as trained': (
        STYLEGAN2,
        {'num_fp16_res': 2, 'conv_clamp': 256, 'architecture': 'resnet', 'fused_modconv_default': 'inference_only'},
    ),
    'stylegan2 conditional': (STYLEGAN2, {'c_dim': 3}),
}


@pytest.fixture(scope='module', autouse=True)
def stylegan3():
    """As in a process that knows StyleGAN3 alone: the submodule's modules are set aside."""
    names = ('dnnlib', 'legacy', 'torch_utils', 'training')

    def ours():
        return [name for name in sys.modules if name.partition('.')[0] in names]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ours():
            patch.delitem(sys.modules, name)
        patch.setattr(sys, 'path', list(sys.path))
        patch.setenv('DATASETGAN_UPSTREAM', CHECKOUT)
        yield
        for name in ours():
            del sys.modules[name]
    torch.set_num_threads(threads)


def make_network(module=ALIAS_FREE, c_dim=0, img_resolution=32, img_channels=3, **settings):
    """A small network in which every number matters, and whose images have contrast."""
    easy_dict = import_upstream('dnnlib').EasyDict
    torch.manual_seed(0)
    network = import_upstream(module).Generator(
        z_dim=16,
        c_dim=c_dim,
        w_dim=16,
        img_resolution=img_resolution,
        img_channels=img_channels,
        mapping_kwargs=easy_dict(num_layers=2),
        channel_base=512,
        channel_max=16,
        **settings,
    )
    network.eval().requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if name.endswith(('.bias', 'noise_strength', 'w_avg')):
            tensor += torch.randn(tensor.shape) * 0.2
        elif name.endswith('magnitude_ema'):
            tensor.fill_(0.5)
    return network


def write_snapshot(path: Path, network) -> Path:
    path.write_bytes(
        pickle.dumps({'G': network, 'D': network, 'G_ema': network, 'augment_pipe': None, 'training_set_kwargs': None})
    )
    return path


@pytest.mark.parametrize('module, settings', CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize(
    'options',
    [SamplingOptions(), SamplingOptions(trunc=0.6, trunc_cutoff=3, noise_mode='none')],
    ids=['plain', 'truncated'],
)
def test_rgb_equals_stylegan3s_own(module, settings, options, tmp_path):
    path = write_snapshot(tmp_path / 'network.pkl', make_network(module, **settings))
    if settings.get('c_dim'):
        options = SamplingOptions(**{**vars(options), 'class_idx': 2})
    generator = load_generator(str(path), 'cpu')
    ours = generator.synthesize([0, 7], options).images.numpy().astype(int)

    with path.open('rb') as file:
        theirs = import_upstream('legacy').load_network_pkl(file)['G_ema']
    assert type(theirs) is type(generator.network)
    label = torch.eye(3)[[2]] if settings.get('c_dim') else torch.zeros(1, 0)
    for seed, image in zip([0, 7], ours):
        output = theirs(
            torch.from_numpy(np.random.RandomState(seed).randn(1, 16)),
            label,
            truncation_psi=options.trunc,
            truncation_cutoff=options.trunc_cutoff,
            noise_mode=options.noise_mode,
        )
        expected = (output * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(expected - image).max() <= 1
        assert expected.std() > 5
    assert np.abs(ours[0] - ours[1]).max() > 20


def test_features_of_config_t():
    generator = Generator(make_network(), 'small')
    synthesis = generator.synthesize([0, 1, 2], SamplingOptions())
    assert [tuple(maps.shape) for maps in synthesis.features] == [
        (3, layer.channels, *layer.hw) for layer in generator.layers
    ]
    assert [layer.hw for layer in generator.layers] == [(16, 16)] * 5 + [(32, 32)] * 9
    assert len(generator.layers) == 14 == generator.network.synthesis.num_layers
    outputs = {}
    first = generator.network.synthesis.get_submodule(generator.layers[0].name.partition('.')[2])
    handle = first.register_forward_hook(lambda module, inputs, output: outputs.update(raw=output))
    maps = generator.synthesize([0, 1, 2], SamplingOptions()).features[0]
    handle.remove()
    assert outputs['raw'].shape[2:] == (36, 36)
    assert torch.equal(maps, outputs['raw'][:, :, 10:26, 10:26])


# ---- alignment: a network whose every layer, and image, is the same wave


CYCLES_XY = (1.5, 0.7)  # per unit of length


def make_wave_network(**settings):
    """Each layer hands on what it gets (its kernel is 1 in the middle), so that all show the wave of the input."""
    network = import_upstream(ALIAS_FREE).Generator(
        z_dim=4, c_dim=0, w_dim=4, img_channels=3, channel_base=256, channel_max=8, **settings
    )
    network.eval().requires_grad_(False)
    synthesis = network.synthesis
    synthesis.input.affine.weight.zero_()
    synthesis.input.freqs.copy_(torch.tensor(CYCLES_XY))
    synthesis.input.phases.fill_(0.1)
    synthesis.input.weight.copy_(torch.eye(8) * math.sqrt(8))
    for name in synthesis.layer_names:
        layer = synthesis.get_submodule(name)
        middle = layer.conv_kernel // 2
        layer.affine.weight.zero_()
        layer.weight.zero_()
        layer.weight[:, 0, middle, middle] = 1
        if layer.is_torgb:  # contrast for the image
            layer.weight *= 4 * math.sqrt(layer.in_channels) / synthesis.output_scale
            layer.bias.fill_(-8 / synthesis.output_scale)
        else:
            layer.magnitude_ema.fill_(2)  # against the activation's gain of sqrt(2)
    synthesis.get_submodule(synthesis.layer_names[0]).bias.fill_(math.sqrt(2))  # no value is below 0
    return network


def unlikeness(values: torch.Tensor, image_side: float) -> float:
    """How far values [R, R], spread over the image, are from any multiple of the wave plus a constant.

    The greatest difference, as a share of the wave's amplitude: filters may dampen the wave, not move it.
    """
    axis = ((torch.arange(len(values)) + 0.5) / len(values) - 0.5) * image_side
    angle = 2 * math.pi * (CYCLES_XY[0] * axis[None, :] + CYCLES_XY[1] * axis[:, None] + 0.1)
    known = torch.stack([torch.ones(angle.numel()), angle.sin().flatten()], dim=1)
    fit = torch.linalg.lstsq(known, values.flatten()[:, None]).solution
    return float((known @ fit - values.flatten()[:, None]).abs().max() / fit[1].clamp(min=1e-6))


def wave_errors(img_resolution, **settings) -> tuple[float, float]:
    """Unlikeness of the image, and of the worst feature map."""
    generator = Generator(make_wave_network(img_resolution=img_resolution, **settings), 'wave')
    synthesis = generator.synthesize([0], SamplingOptions())
    side = img_resolution / 2 ** math.ceil(math.log2(img_resolution))
    return (
        unlikeness(synthesis.images[0, :, :, 0].to(torch.float32), side),
        max(unlikeness(maps[0, 0], side) for maps in synthesis.features),
    )


@pytest.mark.parametrize('settings', [{}, RADIAL], ids=['t', 'r'])
@pytest.mark.parametrize('resolution', [32, 64, 50])
def test_features_align_with_the_image(resolution, settings):
    image, maps = wave_errors(resolution, **settings)
    assert image < 0.03
    assert maps < 0.03


def keep_margin(maps, span_hw):
    return maps


def shift_by_margin(maps, span_hw):
    height, width = map(math.ceil, span_hw)
    return maps[:, :, :height, :width]


@pytest.mark.parametrize('wrong', [keep_margin, shift_by_margin])
@pytest.mark.parametrize('resolution', [32, 64, 50])
def test_a_misplaced_margin_is_noticed(wrong, resolution, monkeypatch):
    monkeypatch.setattr(features, 'fit_to_image', wrong)
    image, maps = wave_errors(resolution)
    assert image < 0.03
    assert maps > 0.5


def test_a_shift_by_one_sample_of_the_finest_layers_is_noticed(monkeypatch):
    right = features.fit_to_image
    monkeypatch.setattr(
        features, 'fit_to_image', lambda maps, span_hw: right(maps.roll(1, 3) if span_hw[0] == 64 else maps, span_hw)
    )
    assert wave_errors(64)[1] > 0.06


# ---- the rest of the way


def run(*arguments) -> str:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_from_snapshot_to_dataset(tmp_path, monkeypatch):
    """By --upstream; the wave lies elsewhere for each seed, and masks of its bright parts follow it."""
    network = make_wave_network(img_resolution=32)
    torch.manual_seed(0)
    network.synthesis.input.affine.weight[2:] = torch.randn(2, 4)
    write_snapshot(tmp_path / 'network.pkl', network)
    source = [f'--network={tmp_path}/network.pkl', f'--upstream={CHECKOUT}']
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))  # no checkout, but the option wins
    run('samples', *source, f'--outdir={tmp_path}/samples', '--seeds=0-5', '--noise-mode=random')
    info = json.loads((tmp_path / 'samples' / 'samples.json').read_text())
    assert info['options']['noise_mode'] == 'const'  # these networks have no noise
    (tmp_path / 'labels').mkdir()
    for path in (tmp_path / 'samples' / 'images').iterdir():
        bright = np.asarray(PIL.Image.open(path))[:, :, 0] > 128
        PIL.Image.fromarray(bright.astype(np.uint8)).save(tmp_path / 'labels' / path.name)
    (tmp_path / 'classes.txt').write_text('dark\nbright\n')
    run(
        'train',
        *source,
        f'--samples={tmp_path}/samples',
        f'--labels={tmp_path}/labels',
        '--models=2',
        f'--classes={tmp_path}/classes.txt',
        f'--out={tmp_path}/i.safetensors',
        '--pixels-per-image=300',
    )
    run('generate', *source, f'--interpreter={tmp_path}/i.safetensors', f'--outdir={tmp_path}/dataset', '--seeds=6-9')
    images = list((tmp_path / 'dataset' / 'images').iterdir())
    assert len(images) == 4
    for path in images:
        bright = np.asarray(PIL.Image.open(path))[:, :, 0] > 128
        mask = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'masks' / path.name))
        assert 0.2 < bright.mean() < 0.8
        assert (mask == bright).mean() > 0.98


def test_noise_modes_say_that_they_do_nothing(caplog):
    generator = Generator(make_network(), 'net.pkl')
    assert generator.check_options(SamplingOptions(noise_mode='random')).noise_mode == 'const'
    assert '`noise_mode`=random is ignored: the layers of net.pkl have no noise' in caplog.text
    assert generator.check_options(SamplingOptions(trunc_cutoff=16)).trunc_cutoff == 16
    with pytest.raises(UserError, match=r'`trunc_cutoff`=17 is not in 0\.\.16'):
        generator.check_options(SamplingOptions(trunc_cutoff=17))
    noisy = Generator(make_network(STYLEGAN2), 'net.pkl')
    assert noisy.check_options(SamplingOptions(noise_mode='random')).noise_mode == 'random'


@pytest.mark.parametrize('module', [ALIAS_FREE, STYLEGAN2])
def test_code_in_the_file_is_run_only_on_demand(module, tmp_path, monkeypatch, caplog):
    marker, network = tmp_path / 'ran', make_network(module)
    for kind in {type(part) for part in network.modules()}:
        if hasattr(kind, '_orig_module_src'):
            monkeypatch.setattr(
                kind, '_orig_module_src', kind._orig_module_src + f'\nopen({str(marker)!r}, "w").close()\n'
            )
    path = write_snapshot(tmp_path / 'network.pkl', network)
    loaded = load_generator_pickle(path)
    assert not marker.exists()
    ran = load_generator_pickle(path, allow_pickle_code=True)
    assert '`allow_pickle_code`: running' in caplog.text
    assert marker.exists()
    own, theirs = loaded.state_dict(), ran.state_dict()
    assert list(own) == list(theirs) and all(torch.equal(own[name], theirs[name]) for name in own)
    assert [layer.to_json() for layer in features.find_layers(ran).layers] == [
        layer.to_json() for layer in features.find_layers(loaded).layers
    ]


def test_tensorflow_networks_by_stylegan3s_converter(tmp_path, monkeypatch):
    legacy_pickles.let_tflib_be_imported(monkeypatch)
    network = make_network(STYLEGAN2)
    kwargs = {
        'latent_size': 16,
        'dlatent_size': 16,
        'resolution': 32,
        'mapping_layers': 2,
        'fmap_base': 256,
        'fmap_max': 16,
        'fused_modconv': True,
    }  # the submodule's converter does not know the last
    parts = [legacy_pickles.tensorflow_generator(network, kwargs) for _ in range(3)]
    (tmp_path / 'network.pkl').write_bytes(pickle.dumps(tuple(parts)))
    loaded = load_generator_pickle(tmp_path / 'network.pkl')
    assert type(loaded).__module__ == type(network).__module__
    for (name, own), expected in zip(loaded.state_dict().items(), network.state_dict().values()):
        torch.testing.assert_close(own, expected, atol=2e-7, rtol=0, msg=name)


@pytest.mark.parametrize('protocol', [3, 4, 5])
def test_every_protocol_and_export(protocol, tmp_path):
    network = make_network()
    for content in (network, {'G_ema': network}, {'G': network}):
        path = tmp_path / 'network.pkl'
        path.write_bytes(pickle.dumps(content, protocol))
        assert torch.equal(load_generator_pickle(path).synthesis.input.freqs, network.synthesis.input.freqs)


def test_a_snapshot_of_stylegan2_ada_is_told_apart(tmp_path):
    """Its arguments are nested."""
    network = make_network(STYLEGAN2)
    for name in ('channel_base', 'channel_max'):
        network._init_kwargs.setdefault('synthesis_kwargs', {})[name] = network._init_kwargs.pop(name)
    path = write_snapshot(tmp_path / 'network.pkl', network)
    with pytest.raises(UserError, match='network.pkl: .*synthesis_kwargs.* `upstream`=DIR'):
        load_generator_pickle(path)


def test_the_demo_needs_the_submodules_class():
    assert not has_module('training.networks', find_upstream())
    assert isinstance(load_generator('demo', 'cpu').network, StandInGenerator)
