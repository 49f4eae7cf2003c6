"""Tests that need NVIDIA's code, and clones of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from datasetgan_ext.generator import patching
from datasetgan_ext.generator.upstream import find_upstream

NEEDS_UPSTREAM = [
    pytest.mark.upstream,
    pytest.mark.skipif(find_upstream() is None, reason='the stylegan2_ada_pytorch submodule is not checked out'),
]
"""For `pytestmark`, where all tests of a file need it."""


def needs_upstream(test: Callable) -> Callable:
    """Decorator of a test that is skipped where the submodule is not checked out."""
    for mark in NEEDS_UPSTREAM:
        test = mark(test)
    return test


def clone_upstream(folder: Path) -> Path:
    """Clones the pinned commit into a new folder, or skips the test that asks for it."""
    if find_upstream() is None:
        pytest.skip('the stylegan2_ada_pytorch submodule is not checked out')
    subprocess.run(['git', 'clone', '--quiet', '--shared', find_upstream(), folder], check=True)
    subprocess.run(['git', '-C', folder, 'checkout', '--quiet', patching.PINNED], check=True)
    return folder
