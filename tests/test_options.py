"""Options that all commands with --network share."""

import pickle

import pytest
import torch
from click.testing import CliRunner

from datasetgan_ext.cli import main as cli
from datasetgan_ext.generator.upstream import find_upstream, import_upstream

COMMANDS = [
    name for name, command in cli.commands.items() if any(parameter.name == 'network' for parameter in command.params)
]


def test_all_commands_are_found():
    assert {'samples', 'train', 'generate', 'evaluate'} <= set(COMMANDS)


@pytest.mark.parametrize('command', COMMANDS)
def test_upstream_must_be_a_checkout(command, tmp_path, monkeypatch):
    monkeypatch.delenv('DATASETGAN_UPSTREAM', raising=False)
    result = CliRunner().invoke(cli, [command, f'--upstream={tmp_path}'])
    assert result.exit_code == 1
    assert f'--upstream={tmp_path} holds no training/networks.py' in ' '.join(result.output.split())


@pytest.mark.skipif(find_upstream() is None, reason='the stylegan2_ada_pytorch submodule is not checked out')
def test_upstream_wins_over_the_environment(tmp_path, monkeypatch):
    checkout = find_upstream()
    torch.manual_seed(0)
    network = import_upstream('training.networks').Generator(
        z_dim=8, c_dim=0, w_dim=8, img_resolution=16, img_channels=3, synthesis_kwargs={'channel_max': 8}
    )
    (tmp_path / 'network.pkl').write_bytes(pickle.dumps({'G_ema': network}))
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))
    arguments = ['samples', f'--network={tmp_path}/network.pkl', f'--outdir={tmp_path}/out', '--seeds=0']
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1 and 'DATASETGAN_UPSTREAM=' in result.output
    result = CliRunner().invoke(cli, [*arguments, f'--upstream={checkout}'])
    assert result.exit_code == 0, result.output
    assert (tmp_path / 'out' / 'images' / 'seed0000000.png').is_file()
