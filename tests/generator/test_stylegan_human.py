"""StyleGAN-Human's networks: images twice as high as wide, by its own code.

Its code is no submodule: these tests need a clone of https://github.com/stylegan-human/StyleGAN-Human, named by the
environment variable DATASETGAN_STYLEGAN_HUMAN. What can be tested without it is in test_non_square.py.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from datasetgan_ext.cli import main as cli
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import import_upstream
from tests.helpers.commands import invoke

CLONE = os.environ.get('DATASETGAN_STYLEGAN_HUMAN')
pytestmark = pytest.mark.skipif(
    not CLONE, reason='DATASETGAN_STYLEGAN_HUMAN names no clone of stylegan-human/StyleGAN-Human'
)
STYLEGAN2, ALIAS_FREE = 'training.networks', 'training.networks_stylegan3'


@pytest.fixture(params=[STYLEGAN2, ALIAS_FREE], ids=['stylegan2', 'stylegan3'])
def upstream(request, tmp_path):
    """The clone as its README has it: the training code of one version beside its libraries."""
    folder = tmp_path / 'upstream'
    version = 'sg2' if request.param == STYLEGAN2 else 'sg3'
    shutil.copytree(Path(CLONE) / 'training_scripts' / version / 'training', folder / 'training')
    for name in ('dnnlib', 'torch_utils'):
        shutil.copytree(Path(CLONE) / name, folder / name)
    names = ('dnnlib', 'legacy', 'torch_utils', 'training')

    def ours():
        return [name for name in sys.modules if name.partition('.')[0] in names]

    with pytest.MonkeyPatch.context() as patch:
        for name in ours():
            patch.delitem(sys.modules, name)
        patch.setattr(sys, 'path', list(sys.path))
        yield folder, request.param
        for name in ours():
            del sys.modules[name]


@pytest.fixture
def network(upstream, tmp_path):
    """A small random network and its file."""
    folder, module = upstream
    easy_dict = import_upstream('dnnlib', folder).EasyDict
    settings = {'channel_base': 512, 'channel_max': 16}
    torch.manual_seed(0)
    network = import_upstream(module, folder).Generator(
        z_dim=16,
        c_dim=0,
        w_dim=16,
        img_resolution=32,
        img_channels=3,
        square=False,
        mapping_kwargs=easy_dict(num_layers=2),
        **(settings if module == ALIAS_FREE else {'synthesis_kwargs': easy_dict(settings)}),
    )
    network.eval().requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if name.endswith(('.bias', 'noise_strength', 'w_avg')):
            tensor += torch.randn(tensor.shape) * 0.2
        elif name.endswith('magnitude_ema'):
            tensor.fill_(0.5)
    path = tmp_path / 'network.pkl'
    path.write_bytes(pickle.dumps({'G_ema': network}))
    return network, path, folder


def test_images_are_its_own(network):
    theirs, path, folder = network
    generator = load_generator(str(path), 'cpu', upstream=folder)
    assert type(generator.network).__name__ == 'Generator' and not isinstance(generator.network, StandInGenerator)
    assert generator.image_hw == (32, 16)
    assert all(layer.hw[0] == 2 * layer.hw[1] for layer in generator.layers)
    assert generator.layers[-1].hw == (32, 16)
    synthesis = generator.synthesize([5, 6], SamplingOptions(trunc=0.8))
    assert [tuple(maps.shape[2:]) for maps in synthesis.features] == [layer.hw for layer in generator.layers]
    z = torch.from_numpy(np.random.RandomState(5).randn(1, 16))
    output = theirs(z, None, truncation_psi=0.8, noise_mode='const', force_fp32=True)[0]
    expected = (output * 127.5 + 128).clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(np.trunc(expected) - synthesis.images[0].numpy()).max() <= 1 and expected.std() > 5


def run(*arguments: object) -> None:
    result = invoke(cli, *arguments)
    assert result.exit_code == 0, result.output


def test_from_samples_to_a_dataset(network, tmp_path):
    _, path, folder = network
    source = [f'--network={path}', f'--upstream={folder}']
    run('samples', *source, f'--outdir={tmp_path}/samples', '--seeds=0-3')
    assert json.loads((tmp_path / 'samples' / 'samples.json').read_text())['image_hw'] == [32, 16]
    (tmp_path / 'labels').mkdir()
    for image in (tmp_path / 'samples' / 'images').iterdir():
        bright = np.asarray(PIL.Image.open(image)).mean(axis=2) > 128
        PIL.Image.fromarray(bright.astype(np.uint8)).save(tmp_path / 'labels' / image.name)
    (tmp_path / 'classes.txt').write_text('dark\nbright\n')
    labels = [f'--labels={tmp_path}/labels', f'--classes={tmp_path}/classes.txt', '--models=2']
    run('train', *source, f'--samples={tmp_path}/samples', *labels, f'--out={tmp_path}/i.safetensors')
    run('generate', *source, f'--interpreter={tmp_path}/i.safetensors', f'--outdir={tmp_path}/dataset', '--seeds=0-3')
    for image in (tmp_path / 'dataset' / 'images').iterdir():
        bright = np.asarray(PIL.Image.open(image)).mean(axis=2) > 128
        mask = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'masks' / image.name))
        assert mask.shape == (32, 16) and (mask == bright).mean() > 0.9
