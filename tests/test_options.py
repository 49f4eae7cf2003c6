"""Options that commands share, and the words that they offer."""

from __future__ import annotations

import errno
import logging
import os
import pickle

import click
import pytest
import torch

from datasetgan_ext import gen_dataset
from datasetgan_ext.cli import SCRIPTS
from datasetgan_ext.cli import main as cli
from datasetgan_ext.core import choices
from datasetgan_ext.downstream import networks, semi_supervised
from datasetgan_ext.formats import coco_dataset, conversions, labels, png
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.upstream import find_upstream, import_upstream
from datasetgan_ext.interpreter import keypoints, training_options
from datasetgan_ext.interpreter.labeler import LabelerSpec
from datasetgan_ext.metrics import folds
from datasetgan_ext.options import Command, CountOrAll, Size, start_logging
from tests.helpers.commands import SAMPLES, invoke, train_arguments
from tests.helpers.upstream import needs_upstream

ARGUMENTS = {
    'samples': ['--outdir=out'],
    'label': [f'--samples={SAMPLES}', f'--classes={DEMO_FOLDER}/task.json', '--labels=labels'],
    'generate': ['--outdir=out', '--seeds=0'],
    'evaluate': [],
    'project': [f'--images={DEMO_FOLDER}/real/images', '--outdir=out'],
}
"""Of commands with --network=demo, enough to make them load it."""


def with_network(verb: str) -> bool:
    return any(parameter.name == 'network' for parameter in cli.get_command(None, verb).params)


def test_words_and_defaults_are_those_of_the_library():
    assert tuple(labels.FORMATS) == choices.LABEL_FORMATS
    assert tuple(labels.UNLABELED) == choices.UNLABELED
    assert tuple(conversions.CONVERSIONS) == choices.DATASET_FORMATS
    assert coco_dataset.SEGMENTATIONS == choices.SEGMENTATIONS
    assert conversions.make_conversion('coco').segmentation == choices.SEGMENTATIONS[0]
    assert png.COMPRESSION == choices.COMPRESSION
    assert tuple(training_options.PRESETS) == choices.PRESETS
    assert training_options.PRESETS['default'].pixels_per_image == choices.PIXELS_PER_IMAGE
    assert keypoints.SIGMA_SHARE == choices.SIGMA_SHARE
    assert folds.FOLDS == choices.FOLDS
    assert (networks.DEFAULT, networks.SMALL) == (choices.ARCHITECTURE, choices.SMALL_ARCHITECTURE)
    assert semi_supervised.WIDTH == choices.DISCRIMINATOR_WIDTH


@pytest.mark.parametrize('verb', list(filter(with_network, SCRIPTS)))
def test_upstream_must_be_a_checkout(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = train_arguments(tmp_path) if verb == 'train' else ['--network=demo', *ARGUMENTS[verb]]
    (tmp_path / 'empty').mkdir()
    result = invoke(cli, verb, *arguments, '--upstream=empty')
    assert result.exit_code == 1
    assert '--upstream=empty holds no training/networks.py' in ' '.join(result.output.split())


@needs_upstream
def test_upstream_wins_over_the_environment(tmp_path, monkeypatch):
    checkout = find_upstream()
    torch.manual_seed(0)
    network = import_upstream('training.networks').Generator(
        z_dim=8, c_dim=0, w_dim=8, img_resolution=16, img_channels=3, synthesis_kwargs={'channel_max': 8}
    )
    (tmp_path / 'network.pkl').write_bytes(pickle.dumps({'G_ema': network}))
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))
    arguments = ['samples', f'--network={tmp_path}/network.pkl', f'--outdir={tmp_path}/out', '--seeds=0']
    result = invoke(cli, *arguments)
    assert result.exit_code == 1 and 'DATASETGAN_UPSTREAM=' in result.output
    result = invoke(cli, *arguments, f'--upstream={checkout}')
    assert result.exit_code == 0, result.output
    assert (tmp_path / 'out' / 'images' / 'seed0000000.png').is_file()


@needs_upstream
def test_workers_and_nodes_get_the_checkout(tmp_path, monkeypatch):
    checkout = find_upstream()
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))  # no checkout: who looks there fails
    arguments = ['--network=demo', f'--outdir={tmp_path}/out', '--seeds=0-3', '--workers=2']
    assert invoke(gen_dataset.main, *arguments).exit_code == 1
    result = invoke(gen_dataset.main, *arguments, f'--upstream={checkout}')
    assert result.exit_code == 0, result.output
    spec = LabelerSpec('demo', 'demo', device='cpu', upstream=checkout)
    assert len(list(spec.packed().make()([0]))) == 1


@pytest.mark.parametrize('kind, text', [(Size(), '9' * 5000 + 'x1'), (CountOrAll(), '9' * 5000)])
def test_numbers_of_thousands_of_digits_are_told(kind, text):
    @click.command(cls=Command)
    @click.option('--value', type=kind)
    def command(value):
        pass

    result = invoke(command, f'--value={text}')
    assert result.exit_code == 1 and result.output.startswith('Error: --value=')


def test_a_file_system_that_fails_where_nothing_else_tells_of_it():
    @click.command(cls=Command)
    def command():
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), 'out/images/a.png')

    result = invoke(command)
    assert result.exit_code == 1
    assert 'Error: out/images/a.png cannot be read or written: Stale file handle. Once that is mended' in result.output


def test_a_name_that_is_not_utf8_is_printed():
    @click.command(cls=Command)
    def command():
        print('images in out\udcff')

    result = invoke(command)
    assert result.exit_code == 0 and 'images in out\\udcff' in result.output


def test_other_libraries_are_heard_when_they_warn_alone(monkeypatch):
    """The exporter to ONNX tells of each constant that it joins with another."""
    ours, root = logging.getLogger('datasetgan_ext'), logging.getLogger()
    level = ours.level, root.level
    monkeypatch.setattr(root, 'handlers', [])
    try:
        start_logging()
        assert ours.isEnabledFor(logging.INFO) and not logging.getLogger('onnxscript').isEnabledFor(logging.INFO)
    finally:
        ours.setLevel(level[0])
        root.setLevel(level[1])
