"""Loads upstream's `network-snapshot-*.pkl`, and older ones, without running any code that such a file carries.

A pickle is a program that calls what its reader lets it name. The reader here lets it name a few things, and what
they return is inert. Once all is read, upstream's own class is built and filled with the file's tensors.
"""

from __future__ import annotations

import io
import logging
import math
import pickle
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.tensorflow_era import TensorFlowNetwork, build_converted
from datasetgan_ext.generator.upstream import OTHER_CODE, build_generator, import_upstream, what_upstream_imports

log = logging.getLogger(__name__)

_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LEGACY_HEAD = pickle.dumps(_LEGACY_MAGIC, protocol=2)
_SCALARS = frozenset(('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8'))
_STORAGES = {
    'BFloat16Storage': torch.bfloat16,
    'BoolStorage': torch.bool,
    'ByteStorage': torch.uint8,
    'CharStorage': torch.int8,
    'DoubleStorage': torch.float64,
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'IntStorage': torch.int32,
    'LongStorage': torch.int64,
    'ShortStorage': torch.int16,
}


class _Refused(Exception):
    """The file asks for something that no snapshot of upstream's asks for; the text says what."""


class _Closed:
    """Closed to the BUILD opcode, which sets attributes: on a function or class, they would outlive the load.

    BUILD calls `__setstate__` where there is one. On named tuples it fails by itself.
    """

    def __setstate__(self, state: object = None) -> None:
        raise _Refused('attributes of a function or a dict to be set')


class _Mapping(_Closed, dict):
    """Stands for OrderedDict and EasyDict."""


class _Function(_Closed):
    def __init__(self, function: Callable):
        self._function = function

    def __call__(self, *args: object) -> Any:
        return self._function(*args)


class _DType(NamedTuple):
    code: str

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ('<', '|'):
            raise _Refused('a numpy.dtype that is not little-endian')


class _Array:
    """Stands for a numpy array of numbers: made empty, then filled by BUILD."""

    _data, _code, _shape, _order, _axes = b'', 'f4', (0,), 'C', None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, is_fortran, data = state
        if type(dtype) is not _DType or dtype.code not in _SCALARS or type(data) not in (bytes, bytearray):
            raise _Refused('a numpy array of something that is no number')
        if not (
            type(shape) is tuple
            and all(type(size) is int and size >= 0 for size in shape)
            and len(data) == math.prod(shape) * int(dtype.code[1:])
        ):
            raise _Refused('a numpy array whose size is not that of its data')
        self._data, self._code, self._shape, self._order = data, dtype.code, shape, 'F' if is_fortran else 'C'

    def to_numpy(self) -> np.ndarray:
        array = np.frombuffer(bytearray(self._data), '<' + self._code).reshape(self._shape, order=self._order)
        return array if self._axes is None else array.transpose(self._axes)


class _Storage(NamedTuple):
    dtype: torch.dtype
    data: memoryview


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_torch(self) -> torch.Tensor:
        flat = torch.frombuffer(bytearray(self.storage.data), dtype=self.storage.dtype)
        return flat.as_strided(self.shape, self.strides, self.offset)


class _Network(NamedTuple):
    class_name: str
    state: dict


def _make_scalar(dtype: object, data: object) -> int | float | bool:
    if type(dtype) is not _DType or dtype.code not in _SCALARS or type(data) is not bytes:
        raise _Refused('a numpy scalar that is no number')
    (value,) = np.frombuffer(data, '<' + dtype.code)
    return value.item()


def _make_array(_subtype: object, _shape: object, _code: object) -> _Array:
    return _Array()


def _make_array_of_buffer(data: object, dtype: object, shape: object, order: object, axes: object = None) -> _Array:
    """What protocol 5 has for arrays; `axes` puts those of a transposed one, stored in another order, back in place."""
    array = _Array()
    array.__setstate__((1, shape, dtype, order == 'F', data))
    array._axes = axes if order == 'K' else None
    return array


def _make_tensor(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    _requires_grad: object,
    _hooks: object,
    metadata: object = None,
) -> _Tensor:
    if not (
        type(storage) is _Storage
        and type(shape) is type(strides) is tuple
        and len(shape) == len(strides)
        and all(type(value) is int and value >= 0 for value in (offset, *shape, *strides))
        and not metadata
    ):
        raise _Refused('torch._utils._rebuild_tensor_v2 with unusual arguments')
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if 0 not in shape and last >= len(storage.data) // storage.dtype.itemsize:
        raise _Refused('a tensor that reaches beyond its storage')
    return _Tensor(storage, offset, shape, strides)


def _make_parameter(tensor: object, _requires_grad: object, _hooks: object) -> _Tensor:
    if type(tensor) is not _Tensor:
        raise _Refused('torch._utils._rebuild_parameter of something that is no tensor')
    return tensor


def _make_network(meta: object) -> _Network:
    """The record of a persistent object; the source code that comes with it (`module_src`) is dropped unread."""
    if not isinstance(meta, dict) or type(meta.get('class_name')) is not str or not isinstance(meta.get('state'), dict):
        raise _Refused('torch_utils.persistence._reconstruct_persistent_obj with unusual arguments')
    kind = meta.get('type'), meta.get('version')
    if kind != ('class', 6):
        raise _Refused(f"a persistent object of type and version {_shown(kind)}, not ('class', 6)")
    return _Network(meta['class_name'], meta['state'])


def _make_storage(data: object) -> _Storage:
    """The storage in a legacy (non-zip) torch.save stream.

    torch.load is not used: even with weights_only, it could be made to run code before torch 2.6 (CVE-2025-32434) and
    to corrupt memory before 2.10 (CVE-2026-24747).
    """
    if type(data) is not bytes:
        raise _Refused('torch.storage._load_from_bytes of something that is no bytes')
    stream = io.BytesIO(data)
    magic, protocol, system, (dtype, key, count), keys = (_StorageUnpickler(stream).load() for _ in range(5))
    (length,) = struct.unpack('<q', stream.read(8))
    body = memoryview(data)[stream.tell() :]
    if (
        (magic, protocol, keys, length) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL, [key], count)
        or not system['little_endian']
        or len(body) != count * dtype.itemsize
    ):
        raise _Refused('torch.storage._load_from_bytes of something that is no storage')
    return _Storage(dtype, body)


class _Unpickler(pickle.Unpickler):
    """An unpickler for which only the globals in `admitted` exist."""

    admitted: dict[tuple[str, str], Any] = {
        ('builtins', 'set'): _Function(lambda items=(): set(items)),
        ('collections', 'OrderedDict'): _Mapping,
        ('dnnlib.tflib.network', 'Network'): TensorFlowNetwork,
        ('dnnlib.util', 'EasyDict'): _Mapping,
        ('numpy', 'dtype'): _Function(lambda code, *_flags: _DType(code)),
        ('numpy', 'ndarray'): _Closed(),
        **{
            (f'numpy.{core}.{module}', name): _Function(make)
            for core in ('core', '_core')
            for module, name, make in (
                ('multiarray', '_reconstruct', _make_array),
                ('multiarray', 'scalar', _make_scalar),
                ('numeric', '_frombuffer', _make_array_of_buffer),
            )
        },
        ('torch._utils', '_rebuild_parameter'): _Function(_make_parameter),
        ('torch._utils', '_rebuild_tensor_v2'): _Function(_make_tensor),
        ('torch.storage', '_load_from_bytes'): _Function(_make_storage),
        ('torch_utils.persistence', '_reconstruct_persistent_obj'): _Function(_make_network),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.admitted:
            raise _Refused(f'the global {_shown(module)}.{_shown(name)}')
        return self.admitted[module, name]

    def persistent_load(self, pid: object) -> Any:
        raise _Refused('a persistent id')


class _StorageUnpickler(_Unpickler):
    """Reads the pickles at the head of a legacy torch.save stream, and the storage's description among them."""

    admitted = {('torch', name): dtype for name, dtype in _STORAGES.items()}

    def persistent_load(self, pid: object) -> tuple[torch.dtype, str, int]:
        kind, dtype, key, _location, count, view = pid
        if kind != 'storage' or type(dtype) is not torch.dtype or view is not None:
            raise _Refused('torch.storage._load_from_bytes of an unusual storage')
        return dtype, key, count


def load_snapshot(path: str | Path) -> Any:
    """Reads a snapshot, running nothing from it.

    Returns:
        What the file holds (a dict of G, D, G_ema and more; of the TensorFlow era, a tuple G, D, Gs) as plain data,
        with inert records for networks, tensors and arrays.

    Raises:
        UserError: the file is missing, damaged, of another format, or asks for anything that no snapshot needs.
    """
    with _open_snapshot(path) as file:
        try:
            return _Unpickler(file).load()
        except _Refused as refusal:
            raise UserError(
                f'{path} asks for {refusal}, as no network of StyleGAN2 or StyleGAN3 does: it may be '
                'malicious. Nothing from it was run. Only if you trust its source: `allow_pickle_code` '
                'runs what it carries'
            ) from None
        except Exception as error:  # on damaged input, pickle raises nearly anything
            raise UserError(
                f'{path} is damaged, cut short or no network pickle ({error!r}): copy or download it again'
            ) from error


def load_generator_pickle(path: str | Path, allow_pickle_code: bool = False) -> torch.nn.Module:
    """Loads the generator of a snapshot: its G_ema (Gs in TensorFlow's), or its G where it has no G_ema.

    Args:
        path: `network-snapshot-*.pkl`, a dict of its networks without some of them, a pickle of nothing but a
            generator, or a pickle of the TensorFlow versions of StyleGAN2 and StyleGAN2-ADA.
        allow_pickle_code: Load with upstream's legacy.py, which runs the code that the file carries (and warn).

    Returns:
        Upstream's own `Generator` (of `training.networks` in stylegan2-ada-pytorch; in StyleGAN3 of
        `training.networks_stylegan2` or `training.networks_stylegan3`) on the CPU, in evaluation mode, without
        gradients. With `allow_pickle_code`, whatever class the file defines.

    Raises:
        UserError: as for `load_snapshot`; or no generator is in the file, or none like upstream's: the names that
            differ are listed.
    """
    if allow_pickle_code:
        warnings.warn(f'`allow_pickle_code`: running whatever code {path} carries', stacklevel=2)
        return _load_running_code(path)
    network = _choose_network(load_snapshot(path), path)
    if type(network) is TensorFlowNetwork:
        return build_converted(network, str(path))
    if network.class_name != 'Generator':
        raise UserError(
            f'{path} holds a network of class {_shown(network.class_name)}, not Generator: give a '
            'network-snapshot-*.pkl of stylegan2-ada-pytorch or StyleGAN3'
        )
    generator = build_generator(
        _is_alias_free(network), network.state.get('_init_args'), network.state.get('_init_kwargs'), str(path)
    )
    pairs: list[tuple[torch.Tensor, _Tensor]] = []
    differences = list(_compare(generator, network, 'G', pairs))
    if differences:
        more = f'; and {len(differences) - 10} more' if len(differences) > 10 else ''
        raise UserError(f"{path} does not fit upstream's Generator: {'; '.join(differences[:10])}{more}. {OTHER_CODE}")
    for own, tensor in pairs:
        own.copy_(tensor.to_torch())
    return generator


def _choose_network(content: object, path: str | Path) -> _Network | TensorFlowNetwork:
    """The record of the generator that a file holds, the averaged one if there are two."""
    name = None
    if type(content) is tuple and len(content) == 3:
        content = content[2]
    elif isinstance(content, dict):
        name = 'G_ema' if content.get('G_ema') is not None else 'G'
        content = content.get(name)
    if type(content) not in (_Network, TensorFlowNetwork):
        raise UserError(f'{path} holds no generator (neither G_ema nor G): give a network-snapshot-*.pkl')
    if name == 'G':
        log.warning('%s holds no G_ema: its G is used, whose images are usually worse', path)
    return content


def _is_alias_free(network: _Network) -> bool:
    """Whether it is StyleGAN3's own kind: that begins with Fourier features, StyleGAN2 with a learned constant."""
    record: object = network
    for name in ('synthesis', 'input'):
        modules = record.state.get('_modules') if type(record) is _Network else None
        record = modules.get(name) if isinstance(modules, dict) else None
    return type(record) is _Network and record.class_name == 'SynthesisInput'


def _compare(
    module: torch.nn.Module, record: object, name: str, pairs: list[tuple[torch.Tensor, _Tensor]]
) -> Iterator[str]:
    """Yields what differs between a module and a record, in words; adds the tensors that agree to `pairs`."""
    if type(record) is not _Network or record.class_name != type(module).__name__:
        yield f'{name} is no {type(module).__name__}'
        return
    own, theirs = (
        {
            key: value
            for section in ('_parameters', '_buffers', '_modules')
            if isinstance(state.get(section), dict)
            for key, value in state[section].items()
            if value is not None
        }
        for state in (vars(module), record.state)
    )
    for key in {**own, **theirs}:
        full = f'{name}.{_shown(key)}'
        if key not in theirs:
            yield f'{full} is missing from the file'
        elif key not in own:
            yield f'{full} is only in the file'
        elif isinstance(own[key], torch.nn.Module):
            yield from _compare(own[key], theirs[key], full, pairs)
        elif type(theirs[key]) is not _Tensor:
            yield f'{full} is no tensor'
        elif (own[key].shape, own[key].dtype) != (theirs[key].shape, theirs[key].storage.dtype):
            yield (
                f'{full} is {list(theirs[key].shape)} {theirs[key].storage.dtype}, '
                f'not {list(own[key].shape)} {own[key].dtype}'
            )
        elif own[key].numel():  # of an empty one, there is nothing to copy
            pairs.append((own[key], theirs[key]))


def _load_running_code(path: str | Path) -> torch.nn.Module:
    with _open_snapshot(path) as file:
        legacy = import_upstream('legacy')
        try:
            with what_upstream_imports():
                return legacy.load_network_pkl(file)['G_ema'].eval().requires_grad_(False).cpu()
        except Exception as error:  # the file's own code runs here
            raise UserError(f'{path} cannot be loaded by legacy.py: {error!r}') from error


def _open_snapshot(path: str | Path) -> BinaryIO:
    """Opens a snapshot; raises UserError if it cannot be read or is known to be something else."""
    try:
        file = Path(path).open('rb')  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror}. Give a network-snapshot-*.pkl') from error
    head = file.peek(64)[:64]
    for fits, kind in (
        (not head, 'is empty'),
        (head.startswith(b'PK\x03\x04'), 'is a zip archive, perhaps of torch.save'),
        (head.startswith(_LEGACY_HEAD), 'is a file of torch.save'),
        (head.lstrip().startswith(b'<'), 'is a web page, not the file itself'),
        (head[8:9] == b'{' and head[:1] != b'\x80', 'is a safetensors file'),
        (head[:1] != b'\x80', 'is no network pickle'),
    ):
        if fits:
            file.close()
            raise UserError(f'{path} {kind}: give a network-snapshot-*.pkl of stylegan2-ada-pytorch or StyleGAN3')
    return file


def _shown(value: object) -> str:
    """A value out of a file as text, short and free of control characters."""
    return ascii(str(value))[1:-1][:200]
