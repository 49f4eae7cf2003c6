"""The console command: its verbs, the examples of their help, and all of them in a row."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import numpy as np
import PIL.Image
import pytest

import datasetgan_ext
from datasetgan_ext.cli import SCRIPTS
from datasetgan_ext.cli import main as cli
from tests.helpers.commands import ROOT, SIDE, invoke
from tests.helpers.trees import manifest

SMALLER = {
    'samples': ['--seeds=0-1'],
    'check-labels': [],
    'train': ['--models=1', '--pixels-per-image=200', '--seeds=0-3'],
    'generate': ['--seeds=0-3'],
    'evaluate': ['--seeds=16-17'],
    'project': ['--steps=1', '--encoder-images=0'],
    'train-downstream': ['--steps=2', '--every=1'],
    'train-semi-supervised': ['--steps=2', '--every=1'],
}
"""What is added to an example, so that it takes a second or two."""
HEAVY = ('torch', 'numpy', 'scipy', 'PIL', 'safetensors', 'requests', 'tqdm', 'torchvision')


def demo_examples() -> Iterator[list[str]]:
    """The arguments of each example in the help texts that the embedded demo is enough for."""
    for verb in SCRIPTS:
        for example in re.findall(r'^ *datasetgan ((?:[^\\\n]|\\\n)*)', help_of(verb), flags=re.MULTILINE):
            if '--network=demo' in example or 'datasetgan_ext/demo/' in example:
                yield shlex.split(example.replace('\\\n', ' '))


def help_of(verb: str) -> str:
    return importlib.import_module(f'datasetgan_ext.{SCRIPTS[verb]}').main.help


EXAMPLES = [arguments for arguments in demo_examples() if arguments[0] != 'label']  # that one serves until Ctrl-C


@pytest.mark.parametrize('arguments', EXAMPLES, ids=' '.join)
def test_examples_of_the_help(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    verb = arguments[0]
    arguments = [argument.replace('=out/', f'={tmp_path}/') for argument in arguments]
    smaller = SMALLER[verb]
    if any(argument.startswith('--candidates') for argument in arguments):
        smaller = ['--candidates=100-102', '--num=1']
    result = invoke(cli, *arguments, *smaller)
    assert result.exit_code == 0, result.output


def test_every_verb_has_an_example():
    for verb in SCRIPTS:
        assert re.search(rf'^ *datasetgan {verb}(\s|$)', help_of(verb), flags=re.MULTILINE), verb
    assert {arguments[0] for arguments in EXAMPLES} == set(SMALLER)


@pytest.mark.parametrize('verb, script', SCRIPTS.items())
def test_scripts_run_from_a_checkout(verb, script, tmp_path):
    result = subprocess.run(
        [sys.executable, ROOT / 'datasetgan_ext' / f'{script}.py', '--help'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0 and 'Example' in result.stdout, result.stderr
    assert result.stdout.startswith(f'Usage: datasetgan {verb} [OPTIONS]')


@pytest.mark.parametrize('arguments', [['--help'], *([verb, '--help'] for verb in SCRIPTS)], ids=' '.join)
def test_help_imports_nothing_heavy(arguments):
    code = f"""
import sys
from datasetgan_ext.cli import main
main({arguments}, standalone_mode=False)
heavy = [name for name in {HEAVY} if name in sys.modules]
assert not heavy, heavy
"""
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0 and 'Usage: ' in result.stdout, result.stderr


def test_the_console_command():
    result = invoke(cli, '--help')
    assert re.findall(r'^  ([a-z-]+)  +\S', result.output.partition('Commands:')[2], flags=re.MULTILINE) == list(
        SCRIPTS
    )
    context = click.Context(cli)
    for verb, script in SCRIPTS.items():
        assert cli.get_command(context, verb) is importlib.import_module(f'datasetgan_ext.{script}').main
    assert cli.get_command(context, 'generrate') is None
    assert invoke(cli, 'generrate').exit_code == 2
    assert datasetgan_ext.__version__ in invoke(cli, '--version').output


def test_the_package_has_what_it_promises():
    for name in datasetgan_ext.__all__:
        assert getattr(datasetgan_ext, name) is not None and name in dir(datasetgan_ext)
    assert datasetgan_ext.load_interpreter == datasetgan_ext.Interpreter.load
    with pytest.raises(AttributeError, match="no attribute 'Labeller'"):
        datasetgan_ext.Labeller  # noqa: B018 (the attribute is what is tried)


def test_from_samples_to_a_dataset(tmp_path):
    """All verbs in a row, with masks that a person could have drawn for new seeds."""
    assert (
        invoke(
            cli,
            'samples',
            '--network=demo',
            f'--outdir={tmp_path}/samples',
            '--seeds=100-105',
            '--trunc=0.6',
            f'--crop={SIDE // 2}x{SIDE}',
        ).exit_code
        == 0
    )
    labels = tmp_path / 'labels'
    labels.mkdir()
    for seed in range(100, 106):
        image = np.asarray(PIL.Image.open(tmp_path / 'samples' / 'images' / f'seed{seed:07d}.png'))
        assert image.shape == (SIDE // 2, SIDE, 3)
        PIL.Image.fromarray((image.mean(axis=2) > 128).astype(np.uint8)).save(labels / f'seed{seed:07d}.png')
    (tmp_path / 'classes.txt').write_text('dark\nbright\n')
    result = invoke(
        cli,
        'train',
        '--network=demo',
        f'--samples={tmp_path}/samples',
        f'--labels={labels}',
        f'--classes={tmp_path}/classes.txt',
        f'--out={tmp_path}/i.safetensors',
        '--models=2',
        '--preset=reference',
        '--pixels-per-image=400',
        '--cross-validate',
    )
    assert result.exit_code == 0 and 'mIoU' in result.output, result.output
    result = invoke(
        cli,
        'generate',
        '--network=demo',
        f'--interpreter={tmp_path}/i.safetensors',
        f'--outdir={tmp_path}/dataset',
        '--seeds=0-3,7',
        '--keep=0.8',
    )
    assert result.exit_code == 0 and 'Preview:' in result.output, result.output
    records = manifest(tmp_path / 'dataset')
    assert [record['seed'] for record in records] == [0, 1, 2, 3, 7]
    assert [record['kept'] for record in records].count(False) == 1
    mask = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'masks' / 'seed0000007.png'))
    image = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'images' / 'seed0000007.png'))
    assert mask.shape == (SIDE // 2, SIDE)
    assert ((image.mean(axis=2) > 128) == mask).mean() > 0.85
    info = json.loads((tmp_path / 'dataset' / 'dataset.json').read_text())
    assert info['options']['trunc'] == 0.6 and info['options']['crop'] == f'{SIDE // 2}x{SIDE}'
