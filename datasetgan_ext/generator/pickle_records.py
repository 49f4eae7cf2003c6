"""What a snapshot is read into: inert records of its arrays, tensors and networks, each checked as it is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

MAX_DIMENSIONS = 32
MAX_SIZE = 2**48
"""Elements along an axis of an array or a tensor that are believed; more than any memory holds."""
MAX_KEY = 2**31
"""Whole numbers that may be a dict's key. Larger ones could be chosen to collide in its table."""
SHOWN = 200
"""Characters of a value out of a file that a message shows."""
SCALARS = frozenset(('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8'))


class Refused(Exception):
    """The file asks for something that no snapshot of upstream's asks for; the text says what."""


class Closed:
    """Closed to the BUILD opcode, which sets attributes: on a function or class, they would outlive the load.

    BUILD calls `__setstate__` where there is one. On named tuples it fails by itself.
    """

    def __setstate__(self, state: Any = None) -> None:
        raise Refused('attributes of a function or a dict to be set')


class Mapping(Closed, dict):
    """Stands for OrderedDict and EasyDict. Its items are set by the machine, which checks their keys."""

    def __init__(self, *arguments: Any):
        if arguments:
            raise Refused('a dict of something else than its items')
        super().__init__()

    def __setstate__(self, state: Any = None) -> None:
        if type(state) is not dict or list(state) != ['_metadata']:  # PyTorch's, of a state dict
            super().__setstate__(state)


class Function(Closed):
    def __init__(self, function: Callable):
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


class Settings:
    """Stands for an object of plain attributes, whose class does not matter."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class DType(NamedTuple):
    code: str

    def __setstate__(self, state: tuple) -> None:
        if type(state) is not tuple or len(state) < 2 or type(state[1]) is not str or state[1] not in ('<', '|'):
            raise Refused('a numpy.dtype that is not little-endian')

    @property
    def is_number(self) -> bool:
        """Whether it is the type of one number."""
        return type(self.code) is str and self.code in SCALARS


class ArrayRecord:
    """Stands for a numpy array of numbers: made empty, then filled by BUILD."""

    _data: bytes | str = b''
    _code = 'f4'
    _shape: tuple[int, ...] = (0,)
    _order = 'C'
    _axes: Any = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, is_fortran, data = state
        if type(dtype) is not DType or not dtype.is_number or type(data) not in (bytes, str):
            raise Refused('a numpy array of something that is no number')
        if not (_are_sizes(shape) and len(data) == math.prod(shape) * int(dtype.code[1:])):
            raise Refused('a numpy array whose size is not that of its data')
        self._data = data
        self._code = dtype.code
        self._shape = shape
        self._order = 'F' if is_fortran else 'C'

    def to_numpy(self) -> np.ndarray:
        array = np.frombuffer(bytearray(_bytes(self._data)), '<' + self._code)
        array = array.reshape(self._shape, order='F' if self._order == 'F' else 'C')
        return array if self._axes is None else array.transpose(self._axes)

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return len(self._data)


class StorageRecord(NamedTuple):
    dtype: torch.dtype
    data: memoryview


class TensorRecord(NamedTuple):
    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.storage.dtype.itemsize

    def to_torch(self) -> torch.Tensor:
        """A copy of its part of the storage, [shape]."""
        if 0 in self.shape:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        length = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides))
        start = self.offset * self.storage.dtype.itemsize
        part = self.storage.data[start : start + length * self.storage.dtype.itemsize]
        return torch.frombuffer(bytearray(part), dtype=self.storage.dtype).as_strided(self.shape, self.strides)


class NetworkRecord(NamedTuple):
    class_name: str
    state: dict


def make_scalar(dtype: Any, data: Any) -> int | float | bool:
    if type(dtype) is not DType or not dtype.is_number or type(data) not in (bytes, str):
        raise Refused('a numpy scalar that is no number')
    if len(data) != int(dtype.code[1:]):
        raise Refused('a numpy scalar whose size is not that of its data')
    (value,) = np.frombuffer(_bytes(data), '<' + dtype.code)
    return value.item()


def make_array(_subtype: Any, _shape: Any, _code: Any) -> ArrayRecord:
    return ArrayRecord()


def make_array_of_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> ArrayRecord:
    """What protocol 5 has for arrays; `axes` puts those of a transposed one, stored in another order, back in place."""
    array = ArrayRecord()
    array.__setstate__((1, shape, dtype, order == 'F', data))
    if order == 'K':
        if not _are_sizes(axes) or sorted(axes) != list(range(len(shape))):
            raise Refused('a numpy array with unusual axes')
        array._axes = axes
    return array


def make_tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    _requires_grad: Any,
    _hooks: Any,
    metadata: Any = None,
) -> TensorRecord:
    if not (
        type(storage) is StorageRecord
        and _are_sizes(shape)
        and _are_sizes(strides)
        and len(shape) == len(strides)
        and _are_sizes((offset,))
        and not metadata
    ):
        raise Refused('torch._utils._rebuild_tensor_v2 with unusual arguments')
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    held = len(storage.data) // storage.dtype.itemsize
    if 0 not in shape and last >= held:
        raise Refused('a tensor that reaches beyond its storage')
    if math.prod(shape) > held:
        raise Refused('a tensor of more elements than are in the file')
    return TensorRecord(storage, offset, shape, strides)


def make_parameter(tensor: Any, _requires_grad: Any, _hooks: Any) -> TensorRecord:
    if type(tensor) is not TensorRecord:
        raise Refused('torch._utils._rebuild_parameter of something that is no tensor')
    return tensor


def make_network(meta: Any) -> NetworkRecord:
    """The record of a persistent object; the source code that comes with it (`module_src`) is dropped unread."""
    if not isinstance(meta, dict) or type(meta.get('class_name')) is not str or not isinstance(meta.get('state'), dict):
        raise Refused('torch_utils.persistence._reconstruct_persistent_obj with unusual arguments')
    kind, version = meta.get('type'), meta.get('version')
    if (kind, version) != ('class', 6):
        raise Refused(f'a persistent object of type {shown(kind)} and version {shown(version)}, not class and 6')
    return NetworkRecord(meta['class_name'], meta['state'])


def check_key(key: Any) -> None:
    """Raises Refused unless something is a plain key of a dict, which takes no time to hash and to compare."""
    if not (key is None or type(key) in (str, bytes, bool) or (type(key) is int and abs(key) < MAX_KEY)):
        raise Refused(f'a key of a dict that is {type(key).__name__}, not text')


def shown(value: Any) -> str:
    """A value out of a file as text, short and free of control characters; of what holds others, its type alone."""
    if type(value) is str:
        return ascii(value[:SHOWN])[1:-1][:SHOWN]
    if value is None or type(value) in (bool, float) or (type(value) is int and abs(value) < MAX_SIZE):
        return str(value)
    return type(value).__name__


def shown_error(error: BaseException) -> str:
    """An error that comes from a file's content, as short text."""
    text = f'{type(error).__name__}: {error}'[:SHOWN]
    return ''.join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _bytes(data: bytes | str) -> bytes:
    """Bytes as they are; those of Python 2, which were text, as bytes. Raises ValueError if the text is no such one."""
    return data if isinstance(data, bytes) else data.encode('latin-1')


def _are_sizes(values: Any) -> bool:
    """Whether something is a tuple of a few whole numbers that are not negative."""
    return (
        type(values) is tuple
        and len(values) <= MAX_DIMENSIONS
        and all(type(value) is int and 0 <= value < MAX_SIZE for value in values)
    )
