"""The commands of README.md and docs/walkthrough.md are run as they stand, one after the other, at toy size."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import datasetgan_ext
from datasetgan_ext.generator.upstream import find_upstream
from tests.helpers.serving import Client
from tests.helpers.trees import files_of_checkout
from tests.helpers.upstream import needs_upstream

ROOT = Path(datasetgan_ext.__file__).parents[1]
UPSTREAM_URL = 'https://github.com/NVlabs/stylegan2-ada-pytorch'
SMALLER = {
    '--width=256 --height=256': '--width=16 --height=16',
    'stylegan2_ada_pytorch/train.py': 'tests/helpers/train_tiny.py',
    '--snap=10': '--snap=1 --kimg=1 --batch=64 --workers=1',
    '--seeds=0-15': '--seeds=0-2',
    'datasetgan train ': 'datasetgan train --models=2 --pixels-per-image=256 ',
    '--seeds=0-9999': '--seeds=0-3',
    '--architecture=small-unet': '--architecture=small-unet --steps=2 --every=1 --val=0',
}
"""Sizes, and nothing else: train_tiny.py is upstream's train.py with its own command line and few channels."""


def commands(page: str) -> list[str]:
    """The commands of a page, in order."""
    blocks = re.findall(r'```sh\n(.*?)```', (ROOT / page).read_text(), flags=re.DOTALL)
    return [' '.join(line.split(' ')) for line in ''.join(blocks).replace('\\\n   ', '').splitlines()]


README, WALKTHROUGH = commands('README.md'), commands('docs/walkthrough.md')


def test_both_pages_have_a_command_for_each_step():
    words = [re.match(r'python \S+/(\w+\.py)|datasetgan \S+|\w+', command)[0] for command in WALKTHROUGH]
    assert words == [
        'source',
        'git',
        'pip',
        'datasetgan patch-upstream',
        'python stylegan2_ada_pytorch/dataset_tool.py',
        'python stylegan2_ada_pytorch/train.py',
        'cp',
        'datasetgan samples',
        'printf',
        'datasetgan label',
        'datasetgan train',
        'datasetgan generate',
        'datasetgan convert',
        'datasetgan train-downstream',
        'datasetgan predict',
        'datasetgan export-model',
    ]
    assert WALKTHROUGH[:-1] == README
    assert [value for value in SMALLER if not any(value in command for command in README)] == []


@pytest.fixture
def clone(tmp_path) -> Path:
    """A clone of this repository as it lies here, without the submodule, in an environment that has the package."""
    folder = tmp_path / 'clone'
    if subprocess.run(['git', 'clone', '--quiet', '--shared', ROOT, folder], capture_output=True).returncode:
        pytest.skip('not a git checkout')
    for name in files_of_checkout(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / '.venv' / 'bin').mkdir(parents=True)
    (folder / '.venv' / 'bin' / 'activate').write_text(f'export PATH="{folder}/.venv/bin:$PATH"\n')
    for name, script in {
        'python': '"$@"',
        'pip': '-m pip "$@"',
        'datasetgan': '-c "from datasetgan_ext.cli import main; main()" "$@"',
    }.items():
        path = folder / '.venv' / 'bin' / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {script}\n')
        path.chmod(0o755)
    rng = np.random.default_rng(0)
    (folder / 'photos').mkdir()
    for index in range(8):
        pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / 'photos' / f'{index}.png')
    return folder


class Shell:
    """Runs commands in a folder, each after the first one of the page, which prepares the shell."""

    def __init__(self, folder: Path, first: str):
        self.folder, self.first = folder, first
        # the submodule comes from the one that is here, at the same address
        config = {f'url.{find_upstream()}.insteadOf': UPSTREAM_URL, 'protocol.file.allow': 'always'}
        self.environment = os.environ | {
            'PYTHONPATH': str(folder),
            'DATASETGAN_UPSTREAM': str(folder / 'stylegan2_ada_pytorch'),  # for train_tiny.py
            'GIT_CONFIG_COUNT': str(len(config)),
            **{f'GIT_CONFIG_KEY_{index}': key for index, key in enumerate(config)},
            **{f'GIT_CONFIG_VALUE_{index}': value for index, value in enumerate(config.values())},
        }

    def start(self, command: str) -> subprocess.Popen:
        for large, small in SMALLER.items():
            command = command.replace(large, small)
        command = command if command == self.first else f'{self.first}; {command}'
        return subprocess.Popen(
            ['bash', '-ec', command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # a shell that runs the tests in the background has them ignore Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, command: str) -> None:
        with self.start(command) as process:
            output, _ = process.communicate()
        assert process.returncode == 0, f'{command}\n{output[-4000:]}'

    def label(self, command: str) -> None:
        """A person's part: three classes by brightness, painted on the page that the command serves."""
        with self.start(command.replace('datasetgan', 'exec datasetgan', 1)) as process:
            try:
                output = ''
                while not (address := re.search(r'http://[\w.]+:(\d+)/\?token=(\S+)', output)):
                    line = process.stdout.readline()
                    assert line, output
                    output += line
                client = Client(int(address[1]), address[2])
                for path in sorted((self.folder / 'samples' / 'images').iterdir()):
                    gray = np.asarray(PIL.Image.open(path)).mean(axis=2)
                    mask = (gray > np.median(gray)).astype(np.uint8) + (gray > np.quantile(gray, 0.8))
                    status, reply, _ = client('PUT', f'/api/samples/{path.stem}/mask', mask.tobytes())
                    assert status == 200, reply
                process.send_signal(signal.SIGINT)
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 0 and 'is on disk' in output, output


@needs_upstream
@pytest.mark.slow
@pytest.mark.skipif(shutil.which('bash') is None, reason='the pages are written for bash')
def test_who_pastes_the_commands_gets_labels_of_the_photos(clone):
    shell = Shell(clone, README[0])
    for command in WALKTHROUGH:
        (shell.label if command.startswith('datasetgan label') else shell.run)(command)
    assert len(list((clone / 'dataset' / 'masks').glob('*.png'))) == 4
    assert (clone / 'dataset' / 'README.md').exists()
    assert (clone / 'dataset-coco' / 'annotations' / 'instances_train.json').exists()
    masks = sorted((clone / 'predictions' / 'masks').glob('*.png'))
    assert [path.stem for path in masks] == [str(index) for index in range(8)]
    assert PIL.Image.open(masks[0]).size == (48, 40)
    assert (clone / 'network.onnx').stat().st_size > 100_000
