"""Finds, imports and instantiates NVIDIA's generators: stylegan2-ada-pytorch, a git submodule beside the package, or
a StyleGAN3 checkout that the user names.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.torch_version import TorchVersion

from datasetgan_ext.core.errors import UserError, tell_once

log = logging.getLogger(__name__)

STYLEGAN3_URL = 'https://github.com/NVlabs/stylegan3'
_STYLEGAN2 = ('training.networks', 'training.networks_stylegan2')  # stylegan2-ada-pytorch's, StyleGAN3's
_ALIAS_FREE = 'training.networks_stylegan3'
_VARIABLE = 'DATASETGAN_UPSTREAM'
OTHER_CODE = (
    "Other code made it: name a checkout of that code with `upstream`=DIR (for networks of StyleGAN3's "
    'train.py, StyleGAN3); or `allow_pickle_code` runs the code in the file, if you trust its source'
)
_FOLDER = 'stylegan2_ada_pytorch'
_TOP_LEVEL = ('dnnlib', 'torch_utils', 'training')


def find_upstream(upstream: str | Path | None = None) -> Path | None:
    """Folder of the checkout to use, or None if there is none.

    Args:
        upstream: folder of a checkout; None = `$DATASETGAN_UPSTREAM` if that is set, else the submodule beside the
            package, else `./stylegan2_ada_pytorch` in the working directory.

    Returns:
        An absolute path without links.

    Raises:
        UserError: `upstream`, or the folder that `DATASETGAN_UPSTREAM` names, is no checkout.
    """
    if upstream is not None:
        return _checkout(upstream, f'`upstream`={upstream}', 'give')
    if chosen := os.environ.get(_VARIABLE):
        return _checkout(chosen, f'{_VARIABLE}={chosen}', 'unset it, or set it to')
    for base in (Path(__file__).resolve().parents[2], Path.cwd()):
        folder = (base / _FOLDER).resolve()
        if _is_checkout(folder):
            return folder
    return None


def has_module(module: str, root: Path | None) -> bool:
    """Whether the checkout in `root`, if there is one, has a module, for example 'training.networks'."""
    return root is not None and _file_of(module, root).is_file()


def _file_of(module: str, root: Path) -> Path:
    return root.joinpath(*module.split('.')).with_suffix('.py')


def _is_checkout(folder: Path) -> bool:
    return any(_file_of(module, folder).is_file() for module in (*_STYLEGAN2, _ALIAS_FREE))


def _checkout(folder: str | Path, setting: str, mend: str) -> Path:
    """The folder as an absolute path; raises UserError if it is no checkout."""
    root = Path(folder).expanduser().resolve()
    if not _is_checkout(root):
        raise UserError(
            f'{setting} holds no training/networks.py or training/networks_stylegan3.py: {mend} the folder '
            'of a checkout of stylegan2-ada-pytorch or StyleGAN3'
        )
    return root


def import_upstream(module: str, root: Path | None = None) -> ModuleType:
    """Imports one of upstream's modules, for example 'training.networks'.

    Upstream's folder is put first on `sys.path` and stays there: its modules import each other by top-level names. So
    a process can use one checkout.

    Args:
        module: its name.
        root: folder of the checkout, from `find_upstream`; None = what `find_upstream()` finds.

    Raises:
        UserError: there is no checkout, another package has taken one of its names, or an import of its fails.
    """
    root = root or find_upstream()
    if root is None:
        raise UserError(
            'stylegan2-ada-pytorch is not there: run `git submodule update --init` in the repository, '
            'or name the folder of a checkout with `upstream`=DIR or DATASETGAN_UPSTREAM'
        )
    for name in dict.fromkeys((*_TOP_LEVEL, module.partition('.')[0])):
        _refuse_namesake(name, root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        with what_upstream_imports():
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = 'setuptools' if error.name == 'distutils' else error.name
        raise UserError(f'cannot import {module} from {root}: {error}. Try `pip install {package}`') from error


@contextmanager
def what_upstream_imports() -> Iterator[None]:
    """While open, a module of setuptools that recent ones lack, pkg_resources, can be imported.

    StyleGAN3 takes from it the comparison of PyTorch's version with another, when it is imported and only then.
    """
    if 'pkg_resources' in sys.modules or importlib.util.find_spec('pkg_resources'):
        yield
        return
    sys.modules['pkg_resources'] = ModuleType('pkg_resources')
    sys.modules['pkg_resources'].parse_version = TorchVersion
    try:
        yield
    finally:
        del sys.modules['pkg_resources']


@contextmanager
def plain_warnings() -> Iterator[None]:
    """While open, what upstream says at every call about its CUDA kernels is said once, in plain words.

    The kernels are compiled at their first use; where that fails, slower operations of PyTorch do the same.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        yield
    for warning in caught:
        text = str(warning.message)
        if text.startswith('Failed to build CUDA kernels'):
            tell_once(
                log,
                "NVIDIA's CUDA kernels could not be compiled; PyTorch's own operations make the same "
                'images, more slowly. Install ninja and a CUDA toolkit '
                f'{torch.version.cuda or ""} (nvcc) with a C++ compiler, and run `datasetgan '
                f'patch-upstream`. The compiler said: {text.strip().splitlines()[-1]}',
            )
        elif 'gradfix not supported on PyTorch' not in text:  # of no meaning without gradients
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def build_generator(root: Path | None, alias_free: bool, args: object, kwargs: object, source: str) -> torch.nn.Module:
    """Upstream's generator with random weights, built from arguments that a file holds.

    Args:
        root: folder of the checkout, as for `import_upstream`.
        alias_free: StyleGAN3's own generator (its configurations t and r); else the checkout's StyleGAN2 generator.
        args: Tuple of positional arguments.
        kwargs: Dict of keyword arguments.
        source: Name of the file, for messages.

    Returns:
        The generator on the CPU, in evaluation mode, without gradients. Torch's random state is left as it was.

    Raises:
        UserError: the checkout lacks such a generator; the arguments are no plain data, or not Generator's; or as for
            `import_upstream`.
    """
    root = root or find_upstream()
    if alias_free and not has_module(_ALIAS_FREE, root):
        raise UserError(
            f'{source} is a StyleGAN3 network: clone {STYLEGAN3_URL} and name the folder with '
            f'`upstream`=DIR or {_VARIABLE}'
        )
    module = _ALIAS_FREE if alias_free else _stylegan2_module(root)
    networks = import_upstream(module, root)
    mapping = import_upstream('dnnlib', root).EasyDict
    try:
        plain_args = to_plain(args, mapping)
        plain_kwargs = to_plain(kwargs, mapping)
        with torch.random.fork_rng(devices=[]):
            return networks.Generator(*plain_args, **plain_kwargs).eval().requires_grad_(False)
    except Exception as error:  # wrong arguments raise nearly anything
        raise UserError(
            f"{source}: the Generator of {module} does not take the file's arguments ({error!r}). {OTHER_CODE}"
        ) from error


def _stylegan2_module(root: Path | None) -> str:
    """Name of the checkout's module of StyleGAN2 networks; where it has none, the one that an error should name."""
    for module in _STYLEGAN2:
        if has_module(module, root):
            return module
    return _STYLEGAN2[0]


def to_plain(value: object, mapping: type, depth: int = 0) -> Any:
    """A copy of plain data, with `mapping` for its dicts; raises TypeError if there is anything else in it."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth < 8 and type(value) in (list, tuple):
        return type(value)(to_plain(item, mapping, depth + 1) for item in value)
    if depth < 8 and isinstance(value, dict) and all(type(key) is str for key in value):
        return mapping((key, to_plain(item, mapping, depth + 1)) for key, item in value.items())
    raise TypeError(f'no plain data: {type(value).__name__}')


def _refuse_namesake(name: str, root: Path) -> None:
    """Raises UserError if the top-level module `name` is imported already, from elsewhere than `root`."""
    if name not in sys.modules:
        return
    module = sys.modules[name]
    # a package without __init__.py has no file, only a path
    places = [place for place in (getattr(module, '__file__', None), *getattr(module, '__path__', ())) if place]
    if not any(root in Path(place).resolve().parents for place in places):
        where = places[0] if places else 'no file'
        raise UserError(
            f'a module named {name!r} is imported already, from {where}: it hides the one in {root}. '
            'Rename or uninstall it, or run from another folder; for another checkout, start another process'
        )
