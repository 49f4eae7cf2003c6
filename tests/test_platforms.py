"""What holds on systems that are not here: Windows, and Apple's GPUs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import datasetgan_ext
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.options import Device

PACKAGE = Path(datasetgan_ext.__file__).parent
POSIX = ('fcntl', 'resource', 'pwd', 'grp', 'termios', 'tty', 'pty', 'syslog', 'posix')
ABSENT_FROM_OS = ('O_NOFOLLOW', 'O_DIRECTORY', 'fork', 'getuid', 'geteuid', 'getpgid', 'killpg', 'sched_getaffinity')
IMPORT_ALL = """
import importlib, os, sys
import torch, scipy, tqdm, requests, defusedxml.ElementTree, safetensors, PIL.Image, multiprocessing.connection, asyncio
for name in {posix}:
    sys.modules[name] = None  # its import fails
for name in {absent}:
    if hasattr(os, name):
        delattr(os, name)
for name in {modules}:
    importlib.import_module(name)
from datasetgan_ext.core import system_locks
assert system_locks.fcntl is None and not system_locks.DELETES_OPEN_FILES
print('all of them')
"""


def test_every_module_is_imported_without_what_only_posix_has():
    modules = [
        '.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts).removesuffix('.__init__')
        for path in sorted(PACKAGE.rglob('*.py'))
        if path.name not in ('__main__.py', 'gpu_kernels.py', 'gpu.py')  # which runs; Triton's, imported on CUDA alone
    ]
    assert len(modules) > 100
    code = IMPORT_ALL.format(posix=POSIX, absent=ABSENT_FROM_OS, modules=modules)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == 'all of them', done.stderr


class NoDouble(TorchDispatchMode):
    """Fails at any tensor of 64-bit floats, which Apple's GPUs do not have."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for part in result if isinstance(result, (tuple, list)) else [result]:
            assert not isinstance(part, torch.Tensor) or part.dtype != torch.float64, function
        return result


def test_labelling_computes_in_single_precision(generator, interpreter):
    labeler = Labeler(generator, interpreter)
    expected = list(labeler(range(2)))
    with NoDouble():
        found = list(labeler(range(2)))
    assert [(a.mask == b.mask).all() for a, b in zip(found, expected)] == [True, True]


@pytest.mark.parametrize('there', [True, False])
def test_mps_is_a_device_where_there_is_one(there, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: there)
    monkeypatch.setattr(torch, 'empty', lambda *size, device: asked.append(device))
    if there:
        assert Device().convert('mps', None, None) == torch.device('mps') and asked == [torch.device('mps')]
    else:
        with pytest.raises(datasetgan_ext.UserError, match="finds no GPU of Apple's. Write cpu, cuda, cuda:N or mps"):
            Device().convert('mps', None, None)
