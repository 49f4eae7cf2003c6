"""datasetgan train-semi-supervised: what it refuses."""

from __future__ import annotations

import re

from datasetgan_ext import train_semi_supervised
from datasetgan_ext.downstream.model import DownstreamModel
from tests.helpers.commands import downstream_arguments, invoke, output_of
from tests.helpers.squares import write_world


def test_train_semi_supervised_refuses(tmp_path):
    write_world(tmp_path / 'world', range(4), masks=False)
    arguments = downstream_arguments(tmp_path)
    result = invoke(train_semi_supervised.main, *arguments, f'--unlabeled={tmp_path}/world')
    assert result.exit_code == 1 and 'has no classes' in result.output
    result = invoke(train_semi_supervised.main, *arguments, f'--unlabeled={tmp_path}/world', '--num-unlabeled=9')
    assert result.exit_code == 1 and '--num-unlabeled=9' in result.output


def test_it_tells_how_much_was_self_training(tmp_path):
    write_world(tmp_path / 'world', range(6), keypoints=False)
    write_world(tmp_path / 'more', range(20, 26), keypoints=False)
    options = ('--val=0', '--discriminator-width=4', '--no-augment', '--optimizer=sgd', '--dice=0')
    output = output_of(
        train_semi_supervised.main, *downstream_arguments(tmp_path), f'--unlabeled={tmp_path}/more', *options
    )
    assert re.search(r'Of the unlabelled images shown, \d+\.\d % deceived the discriminator', output), output
    training = DownstreamModel.load(tmp_path / 'm.safetensors').training
    assert training['options']['optimizer'] == 'sgd' and training['augment'] is False
    assert all(0 <= row['self_trained_share'] <= 1 for row in training['history'])
