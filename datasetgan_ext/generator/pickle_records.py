"""What a snapshot is read into: inert records of its arrays, tensors and networks, each checked as it is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

SCALARS = frozenset(('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8'))


class Refused(Exception):
    """The file asks for something that no snapshot of upstream's asks for; the text says what."""


class Closed:
    """Closed to the BUILD opcode, which sets attributes: on a function or class, they would outlive the load.

    BUILD calls `__setstate__` where there is one. On named tuples it fails by itself.
    """

    def __setstate__(self, state: object = None) -> None:
        raise Refused('attributes of a function or a dict to be set')


class Mapping(Closed, dict):
    """Stands for OrderedDict and EasyDict."""


class Function(Closed):
    def __init__(self, function: Callable):
        self._function = function

    def __call__(self, *args: object) -> Any:
        return self._function(*args)


class DType(NamedTuple):
    code: str

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ('<', '|'):
            raise Refused('a numpy.dtype that is not little-endian')


class ArrayRecord:
    """Stands for a numpy array of numbers: made empty, then filled by BUILD."""

    _data: bytes | bytearray = b''
    _code = 'f4'
    _shape: tuple[int, ...] = (0,)
    _order = 'C'
    _axes: object = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, is_fortran, data = state
        if type(dtype) is not DType or dtype.code not in SCALARS or type(data) not in (bytes, bytearray):
            raise Refused('a numpy array of something that is no number')
        if not (
            type(shape) is tuple
            and all(type(size) is int and size >= 0 for size in shape)
            and len(data) == math.prod(shape) * int(dtype.code[1:])
        ):
            raise Refused('a numpy array whose size is not that of its data')
        self._data = data
        self._code = dtype.code
        self._shape = shape
        self._order = 'F' if is_fortran else 'C'

    def to_numpy(self) -> np.ndarray:
        array = np.frombuffer(bytearray(self._data), '<' + self._code).reshape(self._shape, order=self._order)
        return array if self._axes is None else array.transpose(self._axes)


class StorageRecord(NamedTuple):
    dtype: torch.dtype
    data: memoryview


class TensorRecord(NamedTuple):
    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_torch(self) -> torch.Tensor:
        flat = torch.frombuffer(bytearray(self.storage.data), dtype=self.storage.dtype)
        return flat.as_strided(self.shape, self.strides, self.offset)


class NetworkRecord(NamedTuple):
    class_name: str
    state: dict


def make_scalar(dtype: object, data: object) -> int | float | bool:
    if type(dtype) is not DType or dtype.code not in SCALARS or type(data) is not bytes:
        raise Refused('a numpy scalar that is no number')
    (value,) = np.frombuffer(data, '<' + dtype.code)
    return value.item()


def make_array(_subtype: object, _shape: object, _code: object) -> ArrayRecord:
    return ArrayRecord()


def make_array_of_buffer(data: object, dtype: object, shape: object, order: object, axes: object = None) -> ArrayRecord:
    """What protocol 5 has for arrays; `axes` puts those of a transposed one, stored in another order, back in place."""
    array = ArrayRecord()
    array.__setstate__((1, shape, dtype, order == 'F', data))
    array._axes = axes if order == 'K' else None
    return array


def make_tensor(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    _requires_grad: object,
    _hooks: object,
    metadata: object = None,
) -> TensorRecord:
    if not (
        type(storage) is StorageRecord
        and type(shape) is tuple
        and type(strides) is tuple
        and len(shape) == len(strides)
        and all(type(value) is int and value >= 0 for value in (offset, *shape, *strides))
        and not metadata
    ):
        raise Refused('torch._utils._rebuild_tensor_v2 with unusual arguments')
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if 0 not in shape and last >= len(storage.data) // storage.dtype.itemsize:
        raise Refused('a tensor that reaches beyond its storage')
    return TensorRecord(storage, offset, shape, strides)


def make_parameter(tensor: object, _requires_grad: object, _hooks: object) -> TensorRecord:
    if type(tensor) is not TensorRecord:
        raise Refused('torch._utils._rebuild_parameter of something that is no tensor')
    return tensor


def make_network(meta: object) -> NetworkRecord:
    """The record of a persistent object; the source code that comes with it (`module_src`) is dropped unread."""
    if not isinstance(meta, dict) or type(meta.get('class_name')) is not str or not isinstance(meta.get('state'), dict):
        raise Refused('torch_utils.persistence._reconstruct_persistent_obj with unusual arguments')
    kind = (meta.get('type'), meta.get('version'))
    if kind != ('class', 6):
        raise Refused(f"a persistent object of type and version {shown(kind)}, not ('class', 6)")
    return NetworkRecord(meta['class_name'], meta['state'])


def shown(value: object) -> str:
    """A value out of a file as text, short and free of control characters."""
    return ascii(str(value))[1:-1][:200]
