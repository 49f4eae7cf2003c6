from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import datasetgan_ext
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import import_upstream
from tests.helpers.upstream import needs_upstream

DEMO = Path(datasetgan_ext.__file__).parent / 'demo'

SMALL = {'z_dim': 16, 'c_dim': 0, 'w_dim': 24, 'img_resolution': 16, 'img_channels': 3}
SMALL_KWARGS = {'mapping_kwargs': {'num_layers': 3}, 'synthesis_kwargs': {'channel_base': 128, 'channel_max': 12}}


def demo_kwargs() -> dict:
    with safe_open(DEMO / 'generator.safetensors', 'pt') as file:
        return json.loads(file.metadata()['init_kwargs'])


def upstream_generator(**kwargs) -> torch.nn.Module:
    return import_upstream('training.networks').Generator(**kwargs).eval().requires_grad_(False)


def randomise(generator: torch.nn.Module, seed: int) -> None:
    """Give every noise strength, bias and w_avg a value that shows: they start as zeros or ones."""
    rng = torch.Generator().manual_seed(seed)
    for name, value in generator.state_dict().items():
        if name.endswith(('noise_strength', 'bias', 'w_avg')):
            scale = 30 if name.startswith('mapping.fc') else 0.5  # the mapping network uses 0.01 times its biases
            value.add_(scale * torch.randn(value.shape, generator=rng))


def latents(seeds, z_dim: int) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]))


@pytest.fixture(scope='module')
def demo() -> StandInGenerator:
    generator = StandInGenerator(**demo_kwargs()).eval().requires_grad_(False)
    generator.load_state_dict(load_file(DEMO / 'generator.safetensors'), strict=True)
    return generator


@pytest.fixture
def small() -> StandInGenerator:
    torch.manual_seed(0)
    generator = StandInGenerator(**SMALL, **SMALL_KWARGS).eval().requires_grad_(False)
    randomise(generator, seed=1)
    return generator


@pytest.fixture(scope='module')
def pairs(demo) -> dict[str, tuple[torch.nn.Module, StandInGenerator]]:
    """Upstream's generator and ours with the same weights: the demo's, and random ones of another shape."""
    official = upstream_generator(**demo_kwargs())
    official.load_state_dict(demo.state_dict(), strict=True)
    kwargs = {'z_dim': 48, 'c_dim': 0, 'w_dim': 32, 'img_resolution': 32, 'img_channels': 1}
    kwargs['mapping_kwargs'] = {'num_layers': 8}
    kwargs['synthesis_kwargs'] = {'channel_base': 512, 'channel_max': 40}
    torch.manual_seed(2)
    random_official = upstream_generator(**kwargs)
    randomise(random_official, seed=3)
    random_ours = StandInGenerator(**kwargs).eval().requires_grad_(False)
    random_ours.load_state_dict(random_official.state_dict(), strict=True)
    return {'demo': (official, demo), 'random': (random_official, random_ours)}


def run_with_hooks(generator: torch.nn.Module, z: torch.Tensor, **kwargs) -> tuple[torch.Tensor, dict, dict]:
    """The image, each conv layer's output as its forward hook got it, and a copy made in the hook."""
    outputs, copies, handles = {}, {}, []

    def keep(name):
        def hook(module, args, output):
            outputs[name], copies[name] = output, output.clone()

        return hook

    for name, module in generator.synthesis.named_modules():
        if name.endswith(('conv0', 'conv1')):
            handles.append(module.register_forward_hook(keep(name)))
    img = generator(z, torch.zeros([len(z), 0]), **kwargs)
    for handle in handles:
        handle.remove()
    return img, outputs, copies


@pytest.mark.parametrize('seed', [0, 7, 39])
def test_images_equal_the_shipped_ones(demo, seed):
    img = demo(latents([seed], demo.z_dim), None, truncation_psi=0.7)
    assert img.shape == (1, 3, demo.img_resolution, demo.img_resolution)
    assert img.dtype == torch.float32
    pixels = (img * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()
    expected = np.asarray(Image.open(DEMO / 'samples' / 'images' / f'seed{seed:07d}.png'))
    assert np.abs(pixels.astype(int) - expected.astype(int)).max() <= 1


@needs_upstream
@pytest.mark.parametrize('weights', ['demo', 'random'])
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('noise_mode', ['const', 'none'])
@pytest.mark.parametrize('truncation', [{}, {'truncation_psi': 0.7, 'truncation_cutoff': 3}])
def test_equals_upstream(pairs, weights, batch, noise_mode, truncation):
    official, ours = pairs[weights]
    z = latents(range(batch), ours.z_dim)
    kwargs = {'noise_mode': noise_mode, 'force_fp32': True, **truncation}
    expected_img, _, expected = run_with_hooks(official, z, **kwargs)
    img, _, outputs = run_with_hooks(ours, z, **kwargs)
    assert list(outputs) == list(expected)
    assert len(outputs) == ours.num_ws - 1 == official.num_ws - 1
    for name in expected:
        torch.testing.assert_close(outputs[name], expected[name], atol=1e-4, rtol=0, msg=lambda m, n=name: f'{n}: {m}')
    torch.testing.assert_close(img, expected_img, atol=1e-4, rtol=0)


@needs_upstream
@pytest.mark.parametrize('weights', ['demo', 'random'])
def test_state_dict_and_attributes_equal_upstream(pairs, weights):
    official, ours = pairs[weights]
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    assert shapes == {name: value.shape for name, value in official.state_dict().items()}
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in official.named_modules()]
    for name in ('z_dim', 'c_dim', 'w_dim', 'img_resolution', 'img_channels', 'num_ws'):
        assert getattr(ours, name) == getattr(official, name)
    for name, module in ours.synthesis.named_modules():
        if hasattr(module, 'resolution'):
            assert module.resolution == official.synthesis.get_submodule(name).resolution


@needs_upstream
def test_initial_weights_have_upstreams_statistics():
    torch.manual_seed(4)
    ours = StandInGenerator(**SMALL, **SMALL_KWARGS).state_dict()
    for name, expected in upstream_generator(**SMALL, **SMALL_KWARGS).state_dict().items():
        if name.endswith(('.weight', '.const', '.noise_const')):
            assert 0.6 < ours[name].std() / expected.std() < 1.6, name
        else:
            torch.testing.assert_close(ours[name], expected, msg=lambda m, n=name: f'{n}: {m}')


def test_batch_equals_single_images(small):
    z = latents(range(3), small.z_dim)
    single = torch.cat([small(z[i : i + 1], None, truncation_psi=0.7) for i in range(3)])
    torch.testing.assert_close(small(z, None, truncation_psi=0.7), single, atol=1e-5, rtol=0)
    assert (single[0] - single[1]).abs().max() > 0.1


def test_is_deterministic_and_noise_modes_differ(small):
    z = latents([0], small.z_dim)
    const = small(z, None)
    assert torch.equal(const, small(z, None, noise_mode='const', force_fp32=True))
    for mode in ('none', 'random'):
        assert (const - small(z, None, noise_mode=mode)).abs().max() > 1e-3
    assert not torch.equal(small(z, None, noise_mode='random'), small(z, None, noise_mode='random'))


def test_random_noise_differs_from_image_to_image(small):
    z = latents([0, 0], small.z_dim)
    img = small(z, None, noise_mode='random')
    assert (img[0] - img[1]).abs().max() > 1e-3


def test_truncation(small):
    z = latents([0], small.z_dim)
    ws = small.mapping(z, None)
    assert ws.shape == (1, small.num_ws, small.w_dim)
    assert ws.dtype == torch.float32
    torch.testing.assert_close(ws, ws[:, :1].expand_as(ws), atol=0, rtol=0)
    w_avg = small.mapping.w_avg
    cut = small.mapping(z, None, truncation_psi=0.3, truncation_cutoff=2)
    torch.testing.assert_close(cut[:, :2], w_avg + 0.3 * (ws[:, :2] - w_avg))
    assert torch.equal(cut[:, 2:], ws[:, 2:])
    assert torch.equal(small.mapping(z, None, truncation_psi=0.3, truncation_cutoff=0), ws)
    assert torch.equal(small.mapping(z, None, truncation_psi=0)[0, -1], w_avg)


def test_a_hook_keeps_what_the_layer_returned(small):
    _, outputs, copies = run_with_hooks(small, latents(range(2), small.z_dim))
    assert list(outputs) == ['b4.conv1', 'b8.conv0', 'b8.conv1', 'b16.conv0', 'b16.conv1']
    for name, output in outputs.items():
        assert torch.equal(output, copies[name])
        resolution = small.synthesis.get_submodule(name).resolution
        assert output.shape == (2, min(128 // resolution, 12), resolution, resolution)


def test_a_call_leaves_the_weights_and_its_input_alone(small):
    z = latents([0], small.z_dim)
    z_before, state_before = z.clone(), copy.deepcopy(small.state_dict())
    small(z, None, truncation_psi=0.7)
    assert torch.equal(z, z_before)
    for name, value in small.state_dict().items():
        assert torch.equal(value, state_before[name])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'c_dim': 10}, 'c_dim must be 0, got 10'),
        ({'img_resolution': 48}, 'power of two'),
        ({'img_resolution': 2}, 'power of two'),
        ({'mapping_kwargs': {'num_layers': 2, 'embed_features': 3}}, 'embed_features'),
        ({'synthesis_kwargs': {'architecture': 'resnet'}}, 'architecture'),
        ({'synthesis_kwargs': {'num_fp16_res': 4, 'channel_max': 8}}, 'num_fp16_res'),
        ({'mapping_kwargs': {'channel_max': 8}}, 'channel_max'),
    ],
)
def test_what_it_cannot_build_is_a_value_error(changes, message):
    with pytest.raises(ValueError, match=message):
        StandInGenerator(**{**SMALL, **SMALL_KWARGS, **changes})


def test_default_sizes():
    generator = StandInGenerator(z_dim=4, c_dim=0, w_dim=4, img_resolution=8, img_channels=3)
    assert generator.num_ws == 4
    assert generator.synthesis.b8.conv1.weight.shape == (512, 512, 3, 3)
    assert [name for name, _ in generator.mapping.named_children()] == [f'fc{i}' for i in range(8)]
    assert [name for name, _ in generator.synthesis.b4.named_children()] == ['conv1', 'torgb']
    assert [name for name, _ in generator.synthesis.b8.named_children()] == ['conv0', 'conv1', 'torgb']


def test_wrong_calls_of_synthesis_are_value_errors(small):
    ws = small.mapping(latents([0], small.z_dim), None)
    with pytest.raises(ValueError, match="'constant'"):
        small.synthesis(ws, noise_mode='constant')
    with pytest.raises(ValueError, match=r'\[N, 6, w_dim\], got \[1, 5, 24\]'):
        small.synthesis(ws[:, 1:])
