"""Every command of docs/walkthrough.md is run, with a few values made small."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import datasetgan_ext

ROOT = Path(datasetgan_ext.__file__).parents[1]
TEXT = (ROOT / 'docs' / 'walkthrough.md').read_text()
SMALLER = {
    '--width=256 --height=256': '--width=16 --height=16',
    'stylegan2_ada_pytorch/train.py': '"$TRAIN_TINY"',
    '--snap=10': '--snap=1 --kimg=1 --batch=64 --workers=1',
    '--seeds=0-15': '--seeds=0-2',
    '--classes=classes.txt': '--classes=classes.txt --models=2 --pixels-per-image=256',
    '--seeds=0-9999': '--seeds=0-3',
    '--out=network.safetensors': '--out=network.safetensors --architecture=small-unet --steps=2 --every=1 --val=0',
}


def commands() -> list[str]:
    """The commands of the page, in order."""
    blocks = re.findall(r'```sh\n(.*?)```', TEXT, flags=re.DOTALL)
    return ''.join(blocks).replace('\\\n', ' ').splitlines()


def write_labels(folder) -> None:
    """What a human does between the commands: two classes, by brightness."""
    (folder / 'classes.txt').write_text('background\nbright\n')
    (folder / 'labels').mkdir()
    for path in (folder / 'samples' / 'images').iterdir():
        gray = np.asarray(PIL.Image.open(path)).mean(axis=2)
        PIL.Image.fromarray((gray > np.median(gray)).astype(np.uint8)).save(folder / 'labels' / path.name)


@pytest.fixture
def environment(tmp_path):
    """`python` and `datasetgan` are those of this test, and upstream is a clone of its own."""
    scripts = {
        'python': f'exec "{sys.executable}" "$@"',
        'datasetgan': f'exec "{sys.executable}" -c "from datasetgan_ext.cli import main; main()" "$@"',
    }
    (tmp_path / 'bin').mkdir()
    for name, script in scripts.items():
        (tmp_path / 'bin' / name).write_text(f'#!/bin/sh\n{script}\n')
        (tmp_path / 'bin' / name).chmod(0o755)
    return os.environ | {
        'PATH': f'{tmp_path}/bin{os.pathsep}{os.environ["PATH"]}',
        'PYTHONPATH': str(ROOT),
        'TRAIN_TINY': str(ROOT / 'tests' / 'helpers' / 'train_tiny.py'),
        'DATASETGAN_UPSTREAM': str(tmp_path / 'stylegan2_ada_pytorch'),
    }


def test_there_is_a_command_for_each_step():
    words = [re.match(r'python \S+/(\w+\.py)|datasetgan \S+|\w+', command)[0] for command in commands()]
    assert words == [
        'datasetgan patch-upstream',
        'python stylegan2_ada_pytorch/dataset_tool.py',
        'python stylegan2_ada_pytorch/train.py',
        'cp',
        'datasetgan samples',
        'datasetgan train',
        'datasetgan generate',
        'datasetgan convert',
        'datasetgan train-downstream',
        'datasetgan predict',
        'datasetgan export-model',
    ]
    assert [value for value in SMALLER if not any(value in command for command in commands())] == []


@pytest.mark.upstream
@pytest.mark.slow
@pytest.mark.skipif(shutil.which('bash') is None, reason='the page is written for bash')
def test_walkthrough(pinned_upstream, environment, tmp_path):
    pinned_upstream.rename(tmp_path / 'stylegan2_ada_pytorch')
    (tmp_path / 'photos').mkdir()
    rng = np.random.default_rng(0)
    for index in range(8):
        pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / 'photos' / f'{index}.png')
    for command in commands():
        if command.startswith('datasetgan train '):
            write_labels(tmp_path)
        for large, small in SMALLER.items():
            command = command.replace(large, small)
        done = subprocess.run(['bash', '-ec', command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f'{command}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}'
    assert len(list((tmp_path / 'dataset' / 'masks').glob('*.png'))) == 4
    assert (tmp_path / 'dataset' / 'README.md').exists()
    assert (tmp_path / 'dataset-coco' / 'annotations' / 'instances_train.json').exists()
    assert len(list((tmp_path / 'predictions' / 'masks').glob('*.png'))) == 8
    assert (tmp_path / 'network.onnx').stat().st_size > 100_000
