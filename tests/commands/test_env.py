"""What a report of a problem holds."""

from __future__ import annotations

import builtins
from importlib import metadata

import numpy as np
import pytest
import torch

import datasetgan_ext
from datasetgan_ext import env
from datasetgan_ext.generator import patching
from tests.helpers.commands import output_of


def report() -> dict[str, str]:
    lines = output_of(env.main).splitlines()
    return {line[:16].strip(): line[16:] for line in lines}


def test_versions_devices_and_extras(monkeypatch):
    requirements = [
        'numpy>=1.22',
        'setuptools; python_version >= "3.12"',
        'pyarrow>=15; extra == "formats"',
        'datasetgan-ext[formats]; extra == "test"',
        'no-such-library>=1; extra == "test"',
    ]
    monkeypatch.setattr(metadata, 'requires', lambda name: requirements)
    found = report()
    assert found['datasetgan'].startswith(f'{datasetgan_ext.__version__} in ')
    assert f'torch {metadata.version("torch")}, numpy {np.__version__}' in found['libraries']
    assert f'{torch.get_num_threads()} threads' in found['CPU']
    assert found['[formats]'].startswith('pyarrow ')
    assert found['[test]'] == 'no-such-library missing'
    assert list(found)[-1] in ('patches', "NVIDIA's code")


def test_a_folder_that_is_not_installed(monkeypatch):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'requires', nothing)
    monkeypatch.setattr(metadata, 'version', nothing)
    found = report()
    assert found['extras'] == 'datasetgan-ext is not installed: this is a folder with its code'
    assert found['libraries'].startswith('torch missing, numpy missing')


@pytest.mark.parametrize('cuda', [None, '13.0'])
def test_cuda_devices(cuda, monkeypatch):
    class Properties:
        name, total_memory, major, minor = 'NVIDIA H100', 80 * 2**30, 9, 0

    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1 if cuda else 0)
    monkeypatch.setattr(torch.cuda, 'get_device_properties', lambda index: Properties)
    monkeypatch.setattr(torch.version, 'cuda', cuda)
    found = dict(env.devices())
    if cuda:
        assert found['cuda:0'] == 'NVIDIA H100, 80 GiB, compute capability 9.0, CUDA 13.0'
    else:
        assert found['CUDA'] == 'no device; torch was built without'


def test_a_torch_that_does_not_start_is_reported(monkeypatch):
    imported = builtins.__import__

    def fail(name, *arguments, **keywords):
        if name == 'torch':
            raise OSError('libcudart.so.13: cannot open shared object file')
        return imported(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, '__import__', fail)
    assert report()['devices'] == 'OSError: libcudart.so.13: cannot open shared object file'


@pytest.mark.upstream
def test_the_state_of_the_patches(pinned_upstream, monkeypatch):
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(pinned_upstream))
    found = report()
    assert found["NVIDIA's code"] == str(pinned_upstream)
    assert found['patches'] == f'none applied; commit {patching.PINNED[:12]}'
    patching.patch(pinned_upstream)
    assert report()['patches'].startswith('all applied')
    (pinned_upstream / 'train.py').write_text('changed by hand')
    assert 'holds changes that are not from these patches: train.py' in report()['patches']


def test_a_folder_without_the_code(tmp_path, monkeypatch):
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))
    assert 'holds no training/networks.py' in report()['patches']
