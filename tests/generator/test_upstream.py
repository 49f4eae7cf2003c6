"""Which checkout of NVIDIA's code is used, and what is told where it cannot be imported."""

from __future__ import annotations

import os
import sys
import types

import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import upstream
from datasetgan_ext.generator.upstream import find_upstream, has_module, import_upstream


def make_checkout(folder):
    (folder / 'training').mkdir(parents=True)
    (folder / 'training' / '__init__.py').touch()
    (folder / 'training' / 'networks.py').touch()
    return folder


@pytest.fixture
def nothing_imported(monkeypatch):
    """As in a fresh process: upstream is neither imported nor on the path; all is put back afterwards."""
    for name in ('dnnlib', 'needy', 'torch_utils', 'training', 'training.networks'):
        monkeypatch.setitem(sys.modules, name, None)  # what monkeypatch puts back is what was there, or nothing
        del sys.modules[name]
    monkeypatch.setattr(sys, 'path', list(sys.path))


def test_find_upstream(tmp_path, monkeypatch):
    monkeypatch.setattr(upstream, '__file__', str(tmp_path / 'site' / 'datasetgan_ext' / 'generator' / 'upstream.py'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DATASETGAN_UPSTREAM', raising=False)
    assert find_upstream() is None
    with pytest.raises(UserError, match='git submodule update --init'):
        import_upstream('training.networks')
    here = make_checkout(tmp_path / 'stylegan2_ada_pytorch')
    assert find_upstream() == here
    beside = make_checkout(tmp_path / 'site' / 'stylegan2_ada_pytorch')
    assert find_upstream() == beside
    chosen = make_checkout(tmp_path / 'chosen')
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(chosen))
    assert find_upstream() == chosen
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))
    with pytest.raises(UserError, match='DATASETGAN_UPSTREAM=.* holds no training/networks.py'):
        find_upstream()


def test_a_checkout_of_stylegan3(tmp_path, monkeypatch):
    (tmp_path / 'training').mkdir()
    monkeypatch.setenv('DATASETGAN_UPSTREAM', 'somewhere else')  # what is given wins
    with pytest.raises(UserError, match='`upstream`=.* holds no .*networks_stylegan3.py: give the folder'):
        find_upstream(tmp_path)
    (tmp_path / 'training' / 'networks_stylegan3.py').touch()
    assert find_upstream(tmp_path) == find_upstream(str(tmp_path)) == tmp_path
    assert has_module('training.networks_stylegan3', tmp_path)
    assert not has_module('training.networks', tmp_path) and not has_module('training.networks', None)
    assert os.environ['DATASETGAN_UPSTREAM'] == 'somewhere else'


def test_modules_come_from_the_checkout_that_is_given(tmp_path, monkeypatch, nothing_imported):
    given = make_checkout(tmp_path / 'given')
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(make_checkout(tmp_path / 'other')))
    assert import_upstream('training.networks', given).__file__ == str(given / 'training' / 'networks.py')
    with pytest.raises(UserError, match='for another checkout, start another process'):
        import_upstream('training.networks')


def test_pkg_resources_is_there_for_upstreams_imports_alone(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (checkout / 'needy.py').write_text(
        'from pkg_resources import parse_version\nnewer = parse_version("2.10.0+cu130") >= parse_version("2.9.1a")\n'
    )
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(checkout))
    monkeypatch.delitem(sys.modules, 'pkg_resources', raising=False)
    monkeypatch.setattr(upstream.importlib.util, 'find_spec', lambda name: None)
    assert import_upstream('needy').newer
    assert 'pkg_resources' not in sys.modules


def test_upstream_behind_a_link(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (tmp_path / 'link').symlink_to(checkout)
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path / 'link'))
    assert import_upstream('training.networks').__file__ == str(checkout / 'training' / 'networks.py')
    assert import_upstream('training.networks') is sys.modules['training.networks']


@pytest.mark.parametrize('name', ['training', 'torch_utils', 'dnnlib'])
def test_a_namesake_is_named(name, tmp_path, monkeypatch, nothing_imported):
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(make_checkout(tmp_path / 'checkout')))
    namesake = types.ModuleType(name)
    namesake.__file__ = str(tmp_path / 'elsewhere' / name / '__init__.py')
    monkeypatch.setitem(sys.modules, name, namesake)
    with pytest.raises(UserError, match=f'{name}.* is imported already, from .*elsewhere'):
        import_upstream('training.networks')


def test_missing_requirement_is_named(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (checkout / 'needy.py').write_text('import distutils_of_old\n')
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(checkout))
    with pytest.raises(UserError, match='pip install distutils_of_old'):
        import_upstream('needy')
