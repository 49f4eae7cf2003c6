"""Loads upstream's `network-snapshot-*.pkl`, and older ones, without running any code that such a file carries.

A pickle is a program that calls what its reader lets it name. The reader here lets it name a few things, and what
they return is inert. `network_pickle` builds upstream's own class from that.
"""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.pickle_records import (
    Closed,
    DType,
    Function,
    Mapping,
    Refused,
    StorageRecord,
    make_array,
    make_array_of_buffer,
    make_network,
    make_parameter,
    make_scalar,
    make_tensor,
    shown,
)
from datasetgan_ext.generator.tensorflow_era import TensorFlowNetwork

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LEGACY_HEAD = pickle.dumps(_LEGACY_MAGIC, protocol=2)
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


def _make_storage(data: object) -> StorageRecord:
    """The storage in a legacy (non-zip) torch.save stream.

    torch.load is not used: even with weights_only, it could be made to run code before torch 2.6 (CVE-2025-32434) and
    to corrupt memory before 2.10 (CVE-2026-24747).
    """
    if type(data) is not bytes:
        raise Refused('torch.storage._load_from_bytes of something that is no bytes')
    stream = io.BytesIO(data)
    magic = _StorageUnpickler(stream).load()
    protocol = _StorageUnpickler(stream).load()
    system = _StorageUnpickler(stream).load()
    dtype, key, count = _StorageUnpickler(stream).load()
    keys = _StorageUnpickler(stream).load()
    (length,) = struct.unpack('<q', stream.read(8))
    body = memoryview(data)[stream.tell() :]
    if not (
        magic == _LEGACY_MAGIC
        and protocol == _LEGACY_PROTOCOL
        and system['little_endian']
        and keys == [key]
        and length == count
        and len(body) == count * dtype.itemsize
    ):
        raise Refused('torch.storage._load_from_bytes of something that is no storage')
    return StorageRecord(dtype, body)


class _Unpickler(pickle.Unpickler):
    """An unpickler for which only the globals in `admitted` exist."""

    admitted: dict[tuple[str, str], Any] = {
        ('builtins', 'set'): Function(lambda items=(): set(items)),
        ('collections', 'OrderedDict'): Mapping,
        ('dnnlib.tflib.network', 'Network'): TensorFlowNetwork,
        ('dnnlib.util', 'EasyDict'): Mapping,
        ('numpy', 'dtype'): Function(lambda code, *_flags: DType(code)),
        ('numpy', 'ndarray'): Closed(),
        # numpy 1 and numpy 2
        ('numpy.core.multiarray', '_reconstruct'): Function(make_array),
        ('numpy._core.multiarray', '_reconstruct'): Function(make_array),
        ('numpy.core.multiarray', 'scalar'): Function(make_scalar),
        ('numpy._core.multiarray', 'scalar'): Function(make_scalar),
        ('numpy.core.numeric', '_frombuffer'): Function(make_array_of_buffer),
        ('numpy._core.numeric', '_frombuffer'): Function(make_array_of_buffer),
        ('torch._utils', '_rebuild_parameter'): Function(make_parameter),
        ('torch._utils', '_rebuild_tensor_v2'): Function(make_tensor),
        ('torch.storage', '_load_from_bytes'): Function(_make_storage),
        ('torch_utils.persistence', '_reconstruct_persistent_obj'): Function(make_network),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.admitted:
            raise Refused(f'the global {shown(module)}.{shown(name)}')
        return self.admitted[module, name]

    def persistent_load(self, pid: object) -> Any:
        raise Refused('a persistent id')


class _StorageUnpickler(_Unpickler):
    """Reads the pickles at the head of a legacy torch.save stream, and the storage's description among them."""

    admitted = {('torch', name): dtype for name, dtype in _STORAGES.items()}

    def persistent_load(self, pid: object) -> tuple[torch.dtype, str, int]:
        kind, dtype, key, _location, count, view = pid
        if kind != 'storage' or type(dtype) is not torch.dtype or view is not None:
            raise Refused('torch.storage._load_from_bytes of an unusual storage')
        return dtype, key, count


def load_snapshot(path: str | Path) -> Any:
    """Reads a snapshot, running nothing from it.

    Returns:
        What the file holds (a dict of G, D, G_ema and more; of the TensorFlow era, a tuple G, D, Gs) as plain data,
        with inert records for networks, tensors and arrays.

    Raises:
        UserError: the file is missing, damaged, of another format, or asks for anything that no snapshot needs.
    """
    with open_snapshot(path) as file:
        try:
            return _Unpickler(file).load()
        except Refused as refusal:
            raise UserError(
                f'{path} asks for {refusal}, as no network of StyleGAN2 or StyleGAN3 does: it may be '
                'malicious. Nothing from it was run. Only if you trust its source: `allow_pickle_code` '
                'runs what it carries'
            ) from None
        except Exception as error:  # on damaged input, pickle raises nearly anything
            raise UserError(
                f'{path} is damaged, cut short or no network pickle ({error!r}): copy or download it again'
            ) from error


def open_snapshot(path: str | Path) -> BinaryIO:
    """Opens a snapshot; raises UserError if it cannot be read or is known to be something else."""
    try:
        file = Path(path).open('rb')  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror}. Give a network-snapshot-*.pkl') from error
    other = _other_kind(file.peek(64)[:64])
    if other:
        file.close()
        raise UserError(f'{path} is {other}: give a network-snapshot-*.pkl of stylegan2-ada-pytorch or StyleGAN3')
    return file


def _other_kind(head: bytes) -> str | None:
    """What a file is, by its first bytes, if it is no network pickle."""
    if not head:
        return 'empty'
    if head.startswith(b'PK\x03\x04'):
        return 'a zip archive, perhaps of torch.save'
    if head.startswith(_LEGACY_HEAD):
        return 'a file of torch.save'
    if head.startswith(b'\x80'):
        return None
    if head.lstrip().startswith(b'<'):
        return 'a web page, not the file itself'
    if head[8:9] == b'{':
        return 'a safetensors file'
    return 'no network pickle'
