"""Every benchmark can be imported: what it takes from the package is still there."""

import importlib
import sys

import pytest

from benchmarks.measure import ROOT

MODULES = sorted(
    '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    for path in (ROOT / 'benchmarks').rglob('*.py')
    if path.name != '__init__.py'
)


@pytest.mark.parametrize('name', MODULES)
def test_it_is_imported(name, monkeypatch):
    monkeypatch.setattr(sys, 'path', list(sys.path))  # scripts put the checkout in the place of their folder
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] in ('benchmarks', 'datasetgan_ext'):
            raise
        pytest.skip(f'{error.name} is not installed')
