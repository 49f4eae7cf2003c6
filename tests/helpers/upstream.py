"""Tests that need NVIDIA's code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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
