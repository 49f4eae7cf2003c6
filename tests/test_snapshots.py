"""From a snapshot of upstream's own classes to a dataset, for the kinds of network that the demo is not."""

import json
import pickle

import numpy as np
import PIL.Image
import pytest
import torch

from datasetgan_ext.cli import main as cli
from datasetgan_ext.generator.upstream import import_upstream
from tests.helpers.commands import output_of
from tests.helpers.trees import manifest, tree
from tests.helpers.upstream import NEEDS_UPSTREAM

pytestmark = NEEDS_UPSTREAM

KINDS = {
    'conditional and cropped': ({'c_dim': 3}, ['--class=2', '--crop=24x32']),
    'resnet of grey images with random noise': (
        {'img_channels': 1, 'architecture': 'resnet'},
        ['--noise-mode=random'],
    ),
}


def write_snapshot(path, c_dim=0, img_channels=3, architecture='skip') -> None:
    torch.manual_seed(0)
    network = import_upstream('training.networks').Generator(
        z_dim=16,
        c_dim=c_dim,
        w_dim=16,
        img_resolution=32,
        img_channels=img_channels,
        synthesis_kwargs={'channel_base': 256, 'channel_max': 16, 'architecture': architecture},
    )
    for name, tensor in network.state_dict().items():
        if name.endswith('noise_strength'):
            tensor.fill_(0.1)
    path.write_bytes(
        pickle.dumps(
            {
                'G': network,
                'D': network,
                'G_ema': network.eval().requires_grad_(False),
                'augment_pipe': None,
                'training_set_kwargs': {},
            }
        )
    )


@pytest.mark.parametrize('network, options', KINDS.values(), ids=KINDS)
def test_snapshot_to_dataset(network, options, tmp_path):
    write_snapshot(tmp_path / 'network.pkl', **network)
    source = f'--network={tmp_path}/network.pkl'
    output_of(cli, 'samples', source, f'--outdir={tmp_path}/samples', '--seeds=0-2', *options)
    (tmp_path / 'labels').mkdir()
    for path in (tmp_path / 'samples' / 'images').iterdir():
        image = np.asarray(PIL.Image.open(path)).astype(int)
        bright = (image if image.ndim == 2 else image.mean(axis=2)) > 128
        PIL.Image.fromarray(bright.astype(np.uint8)).save(tmp_path / 'labels' / path.name)
    (tmp_path / 'classes.txt').write_text('dark\nbright\n')
    output_of(
        cli,
        'train',
        source,
        f'--samples={tmp_path}/samples',
        f'--labels={tmp_path}/labels',
        '--models=2',
        f'--classes={tmp_path}/classes.txt',
        f'--out={tmp_path}/i.safetensors',
        '--pixels-per-image=all',
    )

    generate = ['generate', source, f'--interpreter={tmp_path}/i.safetensors', '--seeds=0-4', '--batch=2']
    output_of(cli, *generate, f'--outdir={tmp_path}/dataset')
    records = manifest(tmp_path / 'dataset')
    assert len(records) == 5
    for record in records[:3]:
        for_label = PIL.Image.open(tmp_path / 'samples' / record['image'])
        for_dataset = PIL.Image.open(tmp_path / 'dataset' / record['image'])
        mask = np.asarray(PIL.Image.open(tmp_path / 'dataset' / record['mask']))
        assert for_dataset.mode == for_label.mode
        assert np.abs(np.asarray(for_dataset).astype(int) - np.asarray(for_label).astype(int)).max() <= 1
        assert mask.shape == np.asarray(for_dataset).shape[:2]
        label = np.asarray(PIL.Image.open(tmp_path / 'labels' / f'seed{record["seed"]:07d}.png'))
        assert (mask == label).mean() > 0.9
    info = json.loads((tmp_path / 'dataset' / 'dataset.json').read_text())
    assert info['options']['class'] == (2 if network.get('c_dim') else None)

    output_of(cli, *generate, f'--outdir={tmp_path}/again')
    assert tree(tmp_path / 'again') == tree(tmp_path / 'dataset')
