"""Finds, imports and instantiates NVIDIA's stylegan2-ada-pytorch, a git submodule beside the package."""
from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from datasetgan_ext.errors import UserError

_MARK = Path('training', 'networks.py')
_FOLDER = 'stylegan2_ada_pytorch'
_TOP_LEVEL = ('dnnlib', 'torch_utils', 'training')


def find_upstream() -> Path | None:
    """Folder of upstream's checkout, or None if there is none.

    It is `$DATASETGAN_UPSTREAM` if that is set, else the submodule beside the package, else
    `./stylegan2_ada_pytorch` in the working directory.

    Raises:
        UserError: `DATASETGAN_UPSTREAM` is set to a folder that holds no `training/networks.py`.
    """
    chosen = os.environ.get('DATASETGAN_UPSTREAM')
    if chosen:
        folder = Path(chosen).expanduser().resolve()
        if not (folder / _MARK).is_file():
            raise UserError(f'DATASETGAN_UPSTREAM={chosen} holds no {_MARK.as_posix()}: set it to the folder of a '
                            'stylegan2-ada-pytorch checkout, or unset it')
        return folder
    for base in (Path(__file__).resolve().parents[2], Path.cwd()):
        folder = (base / _FOLDER).resolve()
        if (folder / _MARK).is_file():
            return folder
    return None


def import_upstream(module: str) -> ModuleType:
    """Imports one of upstream's modules, for example 'training.networks'.

    Upstream's folder is put first on `sys.path` and stays there: its modules import each other by top-level names.

    Raises:
        UserError: there is no checkout, another package has taken one of its names, or an import of its fails.
    """
    root = find_upstream()
    if root is None:
        raise UserError('stylegan2-ada-pytorch is not there: run `git submodule update --init` in the repository, '
                        'or set DATASETGAN_UPSTREAM to the folder of a checkout')
    for name in dict.fromkeys((*_TOP_LEVEL, module.partition('.')[0])):
        _refuse_namesake(name, root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = 'setuptools' if error.name == 'distutils' else error.name
        raise UserError(f'cannot import {module} from {root}: {error}. Try `pip install {package}`') from error


def build_generator(args: object, kwargs: object, source: str) -> torch.nn.Module:
    """Upstream's `training.networks.Generator` with random weights, built from arguments that a file holds.

    Args:
        args: Tuple of positional arguments.
        kwargs: Dict of keyword arguments.
        source: Name of the file, for messages.

    Returns:
        The generator on the CPU, in evaluation mode, without gradients. Torch's random state is left as it was.

    Raises:
        UserError: the arguments are no plain data, or not Generator's; or as for `import_upstream`.
    """
    networks, mapping = import_upstream('training.networks'), import_upstream('dnnlib').EasyDict
    try:
        args, kwargs = _to_plain(args, mapping), _to_plain(kwargs, mapping)
        with torch.random.fork_rng(devices=[]):
            return networks.Generator(*args, **kwargs).eval().requires_grad_(False)
    except Exception as error:  # wrong arguments raise nearly anything
        raise UserError(f"{source}: upstream's Generator does not take the file's arguments ({error!r}). Other code "
                        'made it: --allow-pickle-code runs that code, if you trust its source') from error


def _to_plain(value: object, mapping: type, depth: int = 0) -> Any:
    """A copy of plain data, with `mapping` for its dicts; raises TypeError if there is anything else in it."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth < 8 and type(value) in (list, tuple):
        return type(value)(_to_plain(item, mapping, depth + 1) for item in value)
    if depth < 8 and isinstance(value, dict) and all(type(key) is str for key in value):
        return mapping((key, _to_plain(item, mapping, depth + 1)) for key, item in value.items())
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
        raise UserError(f'a module named {name!r} is imported already, from {where}: it hides the one in {root}. '
                        'Rename or uninstall it, or run from another folder')
