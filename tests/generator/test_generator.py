import pickle
import warnings

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.features import find_layers
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.identity import network_fingerprint
from datasetgan_ext.generator.sampling import SamplingOptions, center_crop, latents_from_seeds
from datasetgan_ext.generator.upstream import import_upstream
from tests.helpers.networks import make_network
from tests.helpers.upstream import needs_upstream


def hooks(network: torch.nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_latents_are_those_of_generate_py():
    z = latents_from_seeds([3, 85], 16)
    assert np.array_equal(z[1:], np.random.RandomState(85).randn(1, 16))
    assert latents_from_seeds([], 16).shape == (0, 16)


def test_layers_are_the_synthesis_layers_in_order(generator):
    assert [layer.name for layer in generator.layers] == [
        'synthesis.b4.conv1',
        'synthesis.b8.conv0',
        'synthesis.b8.conv1',
        'synthesis.b16.conv0',
        'synthesis.b16.conv1',
    ]
    assert [(layer.channels, layer.hw) for layer in generator.layers] == [
        (16, (4, 4)),
        (8, (8, 8)),
        (8, (8, 8)),
        (4, (16, 16)),
        (4, (16, 16)),
    ]


def test_synthesis_shapes_and_hooks_gone(generator):
    synthesis = generator.synthesize([0, 1], SamplingOptions())
    assert synthesis.images.shape == (2, 16, 16, 3) and synthesis.images.dtype == torch.uint8
    assert [tuple(maps.shape) for maps in synthesis.features] == [
        (2, layer.channels, *layer.hw) for layer in generator.layers
    ]
    assert hooks(generator.network) == 0


def test_hooks_gone_after_an_exception(generator, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError('out of memory')

    monkeypatch.setattr(generator.network.synthesis.b16.torgb, 'forward', fail)
    with pytest.raises(RuntimeError, match='out of memory'):
        generator.synthesize([0], SamplingOptions())
    assert hooks(generator.network) == 0


def test_a_user_hook_stays(generator):
    handle = generator.network.synthesis.b8.conv1.register_forward_hook(lambda *_: None)
    generator.synthesize([0], SamplingOptions())
    assert hooks(generator.network) == 1
    handle.remove()


def test_random_noise_comes_from_the_seed_and_leaves_torchs_own_state(generator):
    for name, parameter in generator.network.named_parameters():
        if name.endswith('noise_strength'):
            parameter.fill_(0.5)
    options = SamplingOptions(noise_mode='random')
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    both = generator.synthesize([0, 1], options)
    assert torch.equal(torch.random.get_rng_state(), state)
    alone = generator.synthesize([1], options)
    assert torch.equal(both.images[1], alone.images[0])
    assert all(torch.equal(a[1], b[0]) for a, b in zip(both.features, alone.features))
    assert not torch.equal(alone.images, generator.synthesize([1], SamplingOptions(noise_mode='const')).images)


def test_truncation_and_cutoff(generator):
    generator.network.mapping.w_avg.fill_(1.0)
    full, mean = generator.ws([3], SamplingOptions()), generator.ws([3], SamplingOptions(trunc=0.0))
    assert torch.equal(mean, torch.ones_like(mean))
    cut = generator.ws([3], SamplingOptions(trunc=0.0, trunc_cutoff=2))
    assert torch.equal(cut[:, :2], mean[:, :2]) and torch.equal(cut[:, 2:], full[:, 2:])


def test_crop_is_the_central_part(generator):
    whole = generator.synthesize([0], SamplingOptions())
    cropped = generator.synthesize([0], SamplingOptions(crop_hw=(12, 16)))
    assert torch.equal(cropped.images, whole.images[:, 2:14])
    assert center_crop((512, 512), (384, 512)) == (slice(64, 448), slice(0, 512))


@pytest.mark.parametrize(
    'options, message',
    [
        (SamplingOptions(crop_hw=(20, 16)), '`crop_hw`=20x16 is larger'),
        (SamplingOptions(trunc_cutoff=99), '`trunc_cutoff`=99'),
        (SamplingOptions(noise_mode='loud'), '`noise_mode`=loud is none of const, random, none'),
    ],
)
def test_options_refused(generator, options, message):
    with pytest.raises(UserError) as error:
        generator.check_options(options)
    assert message in error.value.message


def test_class_of_an_unconditional_network_is_ignored_with_a_warning(generator, caplog):
    assert generator.check_options(SamplingOptions(class_idx=1)).class_idx is None
    assert '`class_idx`=1 is ignored' in caplog.text


@pytest.mark.parametrize(
    'class_idx, message', [(None, '`class_idx`=0..3'), (4, '`class_idx`=4'), (-1, '`class_idx`=-1')]
)
def test_class_of_a_conditional_network(class_idx, message):
    network = make_network()
    network.c_dim = 4
    with pytest.raises(UserError) as error:
        Generator(network, 'tiny').check_options(SamplingOptions(class_idx=class_idx))
    assert message in error.value.message


def test_fingerprint_sees_every_tensor(generator):
    network = make_network()
    assert network_fingerprint(network) == generator.fingerprint
    network.mapping.w_avg[0] += 1
    assert network_fingerprint(network) != generator.fingerprint


def test_a_module_without_synthesis_layers_is_refused():
    with pytest.raises(UserError, match='without StyleGAN synthesis layers'):
        find_layers(torch.nn.Linear(2, 2))


def test_missing_network_file():
    with pytest.raises(UserError, match='`network`=nowhere.pkl: no such file'):
        load_generator('nowhere.pkl', 'cpu')


SNAPSHOTS = {
    'skip': {},
    'resnet': {'synthesis_kwargs': {'architecture': 'resnet'}},
    'orig': {'synthesis_kwargs': {'architecture': 'orig'}},
    'conditional': {'c_dim': 3},
    'grey': {'img_channels': 1},
    'channel_base': {'img_resolution': 64, 'synthesis_kwargs': {'channel_base': 512, 'channel_max': 32}},
    'mapping': {'mapping_kwargs': {'num_layers': 2, 'embed_features': 4, 'layer_features': 12}},
    'fp16': {'synthesis_kwargs': {'num_fp16_res': 2, 'conv_clamp': 256}},
}


@needs_upstream
@pytest.mark.parametrize('changes', SNAPSHOTS.values(), ids=SNAPSHOTS)
@pytest.mark.parametrize(
    'options',
    [SamplingOptions(), SamplingOptions(trunc=0.6, trunc_cutoff=3, noise_mode='none')],
    ids=['plain', 'truncated'],
)
def test_rgb_of_a_snapshot_equals_upstreams_own(changes, options, tmp_path):
    networks = import_upstream('training.networks')
    settings = {'z_dim': 16, 'c_dim': 0, 'w_dim': 16, 'img_resolution': 32, 'img_channels': 3, **changes}
    settings['synthesis_kwargs'] = {'channel_base': 256, 'channel_max': 16, **settings.get('synthesis_kwargs', {})}
    torch.manual_seed(1)
    network = networks.Generator(**settings).eval().requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if name.endswith(('noise_strength', '.bias', 'w_avg')):
            tensor.copy_(torch.randn_like(tensor) * 0.2 + tensor)
    path = tmp_path / 'network-snapshot-000000.pkl'
    path.write_bytes(
        pickle.dumps({'G': network, 'D': network, 'G_ema': network, 'augment_pipe': None, 'training_set_kwargs': {}})
    )
    conditional = settings['c_dim'] > 0
    if conditional:
        options = SamplingOptions(**{**vars(options), 'class_idx': 2})

    generator = load_generator(str(path), 'cpu')
    ours = generator.synthesize([0, 7, 1234], options).images.numpy()

    theirs = import_upstream('legacy').load_network_pkl(path.open('rb'))['G_ema']
    one_hot = torch.eye(3)[[2]] if conditional else torch.zeros(1, 0)
    for seed, image in zip([0, 7, 1234], ours):
        output = theirs(
            torch.from_numpy(np.random.RandomState(seed).randn(1, 16)),
            one_hot,
            truncation_psi=options.trunc,
            truncation_cutoff=options.trunc_cutoff,
            noise_mode=options.noise_mode,
            force_fp32=True,
        )
        expected = np.clip(np.trunc(output[0].numpy().transpose(1, 2, 0) * 127.5 + 128), 0, 255)
        assert np.abs(expected - image).max() <= 1
    assert len(generator.layers) == 2 * len(theirs.synthesis.block_resolutions) - 1
    assert hooks(generator.network) == 0


def test_upstreams_warnings_about_its_kernels_are_said_once_in_plain_words(generator, caplog, recwarn):
    def warn(module, inputs, output):
        warnings.warn('Failed to build CUDA kernels for upfirdn2d. Details:\n\ncannot find cl.exe\n', stacklevel=1)
        warnings.warn(
            'conv2d_gradfix not supported on PyTorch 9.9. Falling back to torch.nn.functional.conv2d().', stacklevel=1
        )
        warnings.warn('something else', stacklevel=1)

    generator.network.synthesis.register_forward_hook(warn)
    for seed in range(3):
        generator.synthesize([seed], SamplingOptions())
    assert caplog.text.count('CUDA kernels could not be compiled') == 1
    assert 'Install ninja' in caplog.text and 'said: cannot find cl.exe' in caplog.text
    assert {str(warning.message) for warning in recwarn} == {'something else'}
