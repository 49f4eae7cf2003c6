"""Which checkout of NVIDIA's code is used, and what is told where it cannot be imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import datasetgan_ext
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import upstream
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import find_upstream, has_module, import_upstream, plain_warnings

PACKAGE = Path(datasetgan_ext.__file__).parent


def make_checkout(folder):
    (folder / 'training').mkdir(parents=True)
    (folder / 'training' / '__init__.py').touch()
    (folder / 'training' / 'networks.py').touch()
    return folder


@pytest.fixture
def nothing_imported(monkeypatch):
    """As in a fresh process: upstream is neither imported nor on the path; all is put back afterwards."""
    operations = (
        'torch_utils.ops',
        'torch_utils.ops.filtered_lrelu',
        'torch_utils.ops.bias_act',
        'torch_utils.ops.upfirdn2d',
    )
    for name in ('dnnlib', 'needy', 'torch_utils', 'training', 'training.networks', *operations):
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
    make_checkout(tmp_path / 'stylegan2_ada_pytorch')  # here by chance, perhaps out of an archive
    assert find_upstream() is None
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


def leave_code(folder, *names):
    """Modules that tell that they were run."""
    for name in names:
        path = folder.joinpath(*name.split('.')).with_suffix('.py')
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / '__init__.py').touch()
        path.write_text(f'import pathlib\npathlib.Path({str(folder / "ran")!r}).touch()\n')


def test_nothing_is_run_from_the_working_directory(tmp_path):
    """As an unpacked archive of samples could leave it, with and without the submodule's own folder."""
    code = tmp_path / 'site'
    shutil.copytree(PACKAGE, code / 'datasetgan_ext', ignore=shutil.ignore_patterns('__pycache__'))
    here = tmp_path / 'here'
    names = ('training.networks', 'dnnlib.util', 'torch_utils.misc', 'legacy')
    leave_code(here, *names)
    leave_code(here / 'stylegan2_ada_pytorch', *names)
    program = (
        'from datasetgan_ext.generator.checkpoint import load_generator\n'
        'generator = load_generator("demo", "cpu")\n'
        'print(type(generator.network).__name__)\n'
    )
    environment = {**os.environ, 'PYTHONPATH': str(code), 'OMP_NUM_THREADS': '1'}
    environment.pop('DATASETGAN_UPSTREAM', None)
    result = subprocess.run(
        [sys.executable, '-c', program], cwd=here, env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ['StandInGenerator']
    assert not list(here.rglob('ran'))


@pytest.mark.parametrize('module', ['legacy', 'dnnlib'])
def test_a_module_that_the_checkout_lacks_is_not_taken_from_elsewhere(module, tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (checkout / 'needy.py').write_text(f'import {module}\n')
    leave_code(tmp_path / 'here', f'{module}.part', module)
    monkeypatch.syspath_prepend(tmp_path / 'here')
    monkeypatch.delitem(sys.modules, 'legacy', raising=False)
    with pytest.raises(UserError, match=f'holds no {module}'):
        import_upstream(module, checkout)
    if module == 'dnnlib':
        with pytest.raises(UserError, match='holds no dnnlib'):
            import_upstream('needy', checkout)
    assert not list(tmp_path.rglob('ran'))


def test_a_folder_without_init_is_not_hidden_by_a_package_elsewhere(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (checkout / 'training' / '__init__.py').unlink()
    leave_code(tmp_path / 'here', 'training.networks')
    monkeypatch.syspath_prepend(tmp_path / 'here')
    module = import_upstream('training.networks', checkout)
    assert module.__file__ == str(checkout / 'training' / 'networks.py')
    assert not list(tmp_path.rglob('ran'))


def test_the_demo_imports_no_other_checkout(tmp_path, monkeypatch):
    other = make_checkout(tmp_path / 'other')
    leave_code(other, 'training.networks')
    monkeypatch.setattr(upstream, '__file__', str(tmp_path / 'site' / 'datasetgan_ext' / 'generator' / 'upstream.py'))
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(other))
    assert isinstance(load_generator('demo', 'cpu').network, StandInGenerator)
    assert isinstance(load_generator('demo', 'cpu', upstream=other).network, StandInGenerator)
    assert not (other / 'ran').exists()


def test_the_demo_is_of_the_submodules_class(monkeypatch):
    """Whose sums round otherwise than the stand-in's, so that its images stay the same bytes."""
    monkeypatch.delenv('DATASETGAN_UPSTREAM', raising=False)
    if find_upstream() is None:
        pytest.skip('the stylegan2_ada_pytorch submodule is not checked out')
    assert not isinstance(load_generator('demo', 'cpu').network, StandInGenerator)


def make_operations(checkout, init):
    folder = checkout / 'torch_utils' / 'ops'
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / '__init__.py').touch()
    (folder / 'filtered_lrelu.py').write_text(f'calls = []\n\n\ndef _init():\n    calls.append(1)\n    {init}\n')
    (checkout / 'training' / 'networks.py').write_text('from torch_utils.ops import filtered_lrelu\n')


def test_an_operation_without_a_compiler_falls_back_once(tmp_path, caplog, nothing_imported):
    """As StyleGAN2's do by themselves. StyleGAN3's would raise at each call."""
    checkout = make_checkout(tmp_path / 'checkout')
    make_operations(checkout, 'raise RuntimeError("Could not find MSVC/GCC/CLANG")')
    operation = import_upstream('training.networks', checkout).filtered_lrelu
    with plain_warnings():
        assert [operation._init() for _ in range(3)] == [False, False, False]
    assert operation.calls == [1]
    assert caplog.text.count('CUDA kernels could not be compiled') == 1
    assert 'said: Failed to build CUDA kernels for torch_utils.ops.filtered_lrelu' in caplog.text
    assert 'Could not find MSVC/GCC/CLANG' in caplog.text


def test_an_operation_that_compiles_is_left_alone(tmp_path, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    make_operations(checkout, 'return True')
    for _ in range(2):
        operation = import_upstream('training.networks', checkout).filtered_lrelu
    assert operation._init() and operation._init()
    assert operation.calls == [1, 1]
