"""Finds, imports and instantiates NVIDIA's generators: stylegan2-ada-pytorch, a git submodule beside the package, or
a StyleGAN3 checkout that the user names.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.torch_version import TorchVersion

from datasetgan_ext.core.errors import UserError, tell_once
from datasetgan_ext.generator.features import MAX_SIDE
from datasetgan_ext.generator.pickle_records import shown_error

log = logging.getLogger(__name__)

STYLEGAN3_URL = 'https://github.com/NVlabs/stylegan3'
_STYLEGAN2 = ('training.networks', 'training.networks_stylegan2')  # stylegan2-ada-pytorch's, StyleGAN3's
_ALIAS_FREE = 'training.networks_stylegan3'
_VARIABLE = 'DATASETGAN_UPSTREAM'
OTHER_CODE = (
    "Other code made it: name a checkout of that code with `upstream`=DIR (for networks of StyleGAN3's "
    'train.py, StyleGAN3); or `allow_pickle_code` runs the code in the file, if you trust its source'
)
MAX_PLAIN_VALUES = 10_000
MAX_PLAIN_DEPTH = 8
"""Of what a file holds besides tensors."""
MAX_ITEMS = 64
MAX_ARGUMENT = 2**20
ARGUMENT_LIMITS = {'layers': 256, 'resolution': MAX_SIDE, 'filter': 256, 'kernel': 64, 'upsampling': 16, 'margin': 1024}
"""Largest numbers among a network's arguments, by a part of their names."""
MEMORY_FACTOR = 4
SPARE_MEMORY = 2**26
"""Bytes of a network's tensors: so many times those of its file, and so many more."""
LARGEST_ELEMENT = 4
_FACTORIES = (torch.empty, torch.eye, torch.full, torch.ones, torch.rand, torch.randn, torch.zeros)
_FOLDER = 'stylegan2_ada_pytorch'
_FAILED_KERNELS = 'Failed to build CUDA kernels'
_OPERATIONS = tuple(f'torch_utils.ops.{name}' for name in ('bias_act', 'upfirdn2d', 'filtered_lrelu'))
_TOP_LEVEL = ('dnnlib', 'torch_utils', 'training')


def find_upstream(upstream: str | Path | None = None) -> Path | None:
    """Folder of the checkout to use, or None if there is none.

    Args:
        upstream: folder of a checkout; None = `$DATASETGAN_UPSTREAM` if that is set, else the submodule of the
            checkout that the package was loaded from. The working directory has no part in it: code that lies there
            by chance is not run.

    Returns:
        An absolute path without links.

    Raises:
        UserError: `upstream`, or the folder that `DATASETGAN_UPSTREAM` names, is no checkout.
    """
    if upstream is not None:
        return _checkout(upstream, f'`upstream`={upstream}', 'give')
    if chosen := os.environ.get(_VARIABLE):
        return _checkout(chosen, f'{_VARIABLE}={chosen}', 'unset it, or set it to')
    return own_submodule()


def own_submodule() -> Path | None:
    """Folder of the submodule beside the package, or None where there is none."""
    folder = (Path(__file__).resolve().parents[2] / _FOLDER).resolve()
    return folder if _is_checkout(folder) else None


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

    Upstream's modules import each other by top-level names, so its folder is put first on `sys.path`, and these names
    are looked for in it alone: what has such a name elsewhere on the path, as in the working directory, is not
    imported. So a process can use one checkout.

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
    names = frozenset((*_TOP_LEVEL, module.partition('.')[0]))
    for name in sorted(names):
        _refuse_namesake(name, root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    sys.meta_path.insert(0, finder := _OnlyIn(root, names))
    try:
        with what_upstream_imports():
            imported = importlib.import_module(module)
        for name in _OPERATIONS:
            if operation := sys.modules.get(name):
                _fall_back_without_compiler(operation)
        return imported
    except ModuleNotFoundError as error:
        package = 'setuptools' if error.name == 'distutils' else error.name
        raise UserError(f'cannot import {module} from {root}: {error}. Try `pip install {package}`') from error
    finally:
        sys.meta_path.remove(finder)


class _OnlyIn(importlib.abc.MetaPathFinder):
    """Looks for some top-level modules in one folder, and lets none be found elsewhere."""

    def __init__(self, root: Path, names: frozenset[str]):
        self._root = root
        self._names = names

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, [str(self._root)])
        if spec is None:
            raise ModuleNotFoundError(f'{self._root} holds no {fullname}', name=fullname)
        return spec


def _fall_back_without_compiler(operation: Any) -> None:
    """Let an operation compute without its CUDA kernel where that cannot be compiled, as StyleGAN2's do by themselves.

    Each has a function `_init` that compiles the kernel and says whether to use it. StyleGAN3's lets the compiler's
    errors through, though the same module holds the slow way.
    """
    init = getattr(operation, '_init', None)
    if init is None or hasattr(init, 'falls_back'):
        return

    def init_or_not() -> bool:
        try:
            return init()
        except Exception as error:  # no compiler, no toolkit, another version of either: nearly anything
            operation._init = never
            warnings.warn(f'{_FAILED_KERNELS} for {operation.__name__}. Details: {error}', stacklevel=2)
            return False

    def never() -> bool:
        return False

    init_or_not.falls_back = never.falls_back = True  # type: ignore[attr-defined]
    operation._init = init_or_not


@contextmanager
def what_upstream_imports() -> Iterator[None]:
    """While open, a module of setuptools that recent ones lack, pkg_resources, can be imported.

    StyleGAN3 takes from it the comparison of PyTorch's version with another, when it is imported and only then.
    """
    if 'pkg_resources' in sys.modules or importlib.util.find_spec('pkg_resources'):
        yield
        return
    standing_in: Any = ModuleType('pkg_resources')
    standing_in.parse_version = TorchVersion
    sys.modules['pkg_resources'] = standing_in
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
        if text.startswith(_FAILED_KERNELS):
            tell_once(
                log,
                "NVIDIA's CUDA kernels could not be compiled; PyTorch's own operations make the same "
                'images, more slowly. Install ninja and a CUDA toolkit '
                f'{torch.version.cuda or ""} (nvcc) with a C++ compiler, and run `datasetgan '
                f'patch-upstream`. The compiler said: {text.strip().splitlines()[-1]}',
            )
        elif 'gradfix not supported on PyTorch' not in text:  # of no meaning without gradients
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def build_network(
    root: Path | None,
    alias_free: bool,
    args: Any,
    kwargs: Any,
    source: str,
    size: int,
    class_name: str = 'Generator',
) -> torch.nn.Module:
    """Upstream's generator or discriminator with random weights, built from arguments that a file holds.

    Args:
        root: folder of the checkout, as for `import_upstream`.
        alias_free: StyleGAN3's own generator (its configurations t and r); else the checkout's StyleGAN2 generator.
        args: Tuple of positional arguments.
        kwargs: Dict of keyword arguments.
        source: Name of the file, for messages.
        size: of the file in bytes: the network takes no more than some times that.
        class_name: 'Generator' or 'Discriminator'.

    Returns:
        The network on the CPU, in evaluation mode, without gradients. Torch's random state is left as it was.

    Raises:
        UserError: the checkout lacks such a network; the arguments are no plain data, or not that class's; or as for
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
        check_arguments([*plain_args, plain_kwargs])
        with torch.random.fork_rng(devices=[]), memory_for(size):
            return getattr(networks, class_name)(*plain_args, **plain_kwargs).eval().requires_grad_(False)
    except Exception as error:  # wrong arguments raise nearly anything
        raise UserError(
            f"{source}: the {class_name} of {module} does not take the file's arguments ({shown_error(error)}). "
            f'{OTHER_CODE}'
        ) from error


@contextmanager
def memory_for(size: int) -> Iterator[None]:
    """While open, new tensors may take some times the bytes of a file, and no more: else ValueError is raised first.

    Args:
        size: of the file whose network is built, in bytes.
    """
    with _Bounded(MEMORY_FACTOR * size + SPARE_MEMORY):
        yield


class _Bounded(TorchFunctionMode):
    """Adds up what tensors are asked for."""

    def __init__(self, limit: int):
        super().__init__()
        self._left = limit

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in _FACTORIES:
            sizes = kwargs.get('size', args)
            if sizes and isinstance(sizes[0], (tuple, list)):  # also torch.full([2, 3], 1.0)
                sizes = sizes[0]
            self._left -= LARGEST_ELEMENT * math.prod(int(size) for size in sizes)
            if self._left < 0:
                raise ValueError('it would take more memory than the file holds')
        return function(*args, **kwargs)


def _stylegan2_module(root: Path | None) -> str:
    """Name of the checkout's module of StyleGAN2 networks; where it has none, the one that an error should name."""
    for module in _STYLEGAN2:
        if has_module(module, root):
            return module
    return _STYLEGAN2[0]


def to_plain(value: Any, mapping: type) -> Any:
    """A copy of plain data, with `mapping` for its dicts.

    Raises:
        TypeError: there is anything else in it, it is nested too deeply, or its copy would be large: parts that a
            pickle holds once can stand in many places.
    """
    return PlainCopy(mapping).copy(value)


class PlainCopy:
    """Copies plain data, as long as there is little of it; see `to_plain`."""

    def __init__(self, mapping: type):
        self._mapping = mapping
        self._left = MAX_PLAIN_VALUES

    def copy(self, value: Any, depth: int = 0) -> Any:
        """A copy of one value; those before it count."""
        self._left -= 1
        if self._left < 0:
            raise TypeError(f'no plain data: more than {MAX_PLAIN_VALUES} values')
        if value is None or type(value) in (bool, int, float, str):
            return value
        if depth < MAX_PLAIN_DEPTH and type(value) in (list, tuple):
            return type(value)(self.copy(item, depth + 1) for item in value)
        if depth < MAX_PLAIN_DEPTH and isinstance(value, dict) and all(type(key) is str for key in value):
            return self._mapping((key, self.copy(item, depth + 1)) for key, item in value.items())
        raise TypeError(f'no plain data: {type(value).__name__}')


def check_arguments(arguments: Any, name: str = '') -> None:
    """Raises ValueError if a number among a network's arguments would make it compute, or build layers, for ever."""
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            check_arguments(value, key)
    elif isinstance(arguments, (list, tuple)):
        if len(arguments) > MAX_ITEMS:
            raise ValueError(f'{name or "an argument"} has {len(arguments)} items, more than {MAX_ITEMS}')
        for value in arguments:
            check_arguments(value, name)
    elif isinstance(arguments, (int, float)):
        limit = next((limit for word, limit in ARGUMENT_LIMITS.items() if word in name), MAX_ARGUMENT)
        if not abs(arguments) <= limit:
            raise ValueError(f'{name or "an argument"} is {arguments:g}, more than {limit}')


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
