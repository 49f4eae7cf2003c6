"""datasetgan train-semi-supervised: what it refuses."""

from __future__ import annotations

from datasetgan_ext import train_semi_supervised
from tests.helpers.commands import downstream_arguments, invoke
from tests.helpers.squares import write_world


def test_train_semi_supervised_refuses(tmp_path):
    write_world(tmp_path / 'world', range(4), masks=False)
    arguments = downstream_arguments(tmp_path)
    result = invoke(train_semi_supervised.main, *arguments, f'--unlabeled={tmp_path}/world')
    assert result.exit_code == 1 and 'has no classes' in result.output
    result = invoke(train_semi_supervised.main, *arguments, f'--unlabeled={tmp_path}/world', '--num-unlabeled=9')
    assert result.exit_code == 1 and '--num-unlabeled=9' in result.output
