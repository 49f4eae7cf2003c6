"""Loads upstream's `network-snapshot-*.pkl`, and older ones, without running any code that such a file carries.

A pickle is a program that calls what its reader lets it name. The reader here lets it name a few things, and what
they return is inert. `network_pickle` builds upstream's own class from that.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.pickle_machine import Budget, PickleMachine
from datasetgan_ext.generator.pickle_records import (
    MAX_SIZE,
    Closed,
    DType,
    Function,
    Mapping,
    Refused,
    Settings,
    StorageRecord,
    check_key,
    make_array,
    make_array_of_buffer,
    make_network,
    make_parameter,
    make_scalar,
    make_tensor,
    shown_error,
)
from datasetgan_ext.generator.tensorflow_era import TensorFlowNetwork

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
RUN_IT = 'Only if you trust its source: `allow_pickle_code` runs what it carries'
_LEGACY_PROTOCOL = 1001
_LEGACY_HEAD = pickle.dumps(_LEGACY_MAGIC, protocol=2)
STORAGES = {
    ('torch', 'BFloat16Storage'): torch.bfloat16,
    ('torch', 'BoolStorage'): torch.bool,
    ('torch', 'ByteStorage'): torch.uint8,
    ('torch', 'CharStorage'): torch.int8,
    ('torch', 'DoubleStorage'): torch.float64,
    ('torch', 'FloatStorage'): torch.float32,
    ('torch', 'HalfStorage'): torch.float16,
    ('torch', 'IntStorage'): torch.int32,
    ('torch', 'LongStorage'): torch.int64,
    ('torch', 'ShortStorage'): torch.int16,
}


def load_snapshot(path: str | Path) -> Any:
    """Reads a snapshot, running nothing from it.

    Returns:
        What the file holds (a dict of G, D, G_ema and more; of the TensorFlow era, a tuple G, D, Gs) as plain data,
        with inert records for networks, tensors and arrays.

    Raises:
        UserError: the file is missing, damaged, of another format, or asks for anything that no snapshot needs.
    """
    with open_snapshot(path) as file, reading_pickle(path):
        budget = Budget(os.fstat(file.fileno()).st_size)
        return PickleMachine(file, Globals(budget).of_snapshots, budget).load()


@contextmanager
def reading_pickle(path: str | Path, remedy: str = RUN_IT) -> Iterator[None]:
    """While open, what goes wrong with a pickle's content becomes a UserError that names its file.

    Args:
        path: of the file.
        remedy: what to do if it asks for more than is read.
    """
    try:
        yield
    except UserError:
        raise
    except Refused as refusal:
        raise UserError(
            f'{path} asks for {refusal}, as no network of StyleGAN2 or StyleGAN3 does: it may be malicious. Nothing '
            f'from it was run. {remedy}'
        ) from None
    except Exception as error:  # damaged input can raise nearly anything
        raise UserError(
            f'{path} is damaged, cut short or no network pickle ({shown_error(error)}): copy or download it again'
        ) from error


class Globals:
    """The globals that exist for a pickle, by module and name. What they copy goes to its budget."""

    def __init__(self, budget: Budget):
        self._budget = budget
        self.of_tensors: dict[tuple[str, str], Any] = {
            ('_codecs', 'encode'): Function(self._encode),
            ('builtins', 'bytes'): Function(bytes),
            ('builtins', 'set'): Function(self._make_set),
            ('collections', 'OrderedDict'): Function(self._make_mapping),
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
        }
        self.of_snapshots = {
            **self.of_tensors,
            ('dnnlib.tflib.network', 'Network'): TensorFlowNetwork,
            ('dnnlib.util', 'EasyDict'): Mapping,
            ('torch.storage', '_load_from_bytes'): Function(self._make_storage),
            ('torch_utils.persistence', '_reconstruct_persistent_obj'): Function(make_network),
        }
        self.of_archives = {**self.of_tensors, **STORAGES, ('argparse', 'Namespace'): Settings}

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """What protocol 2 has for bytes: text of one character a byte."""
        if type(text) is not str or encoding != 'latin1':
            raise Refused('_codecs.encode with unusual arguments')
        self._budget.copy(len(text))
        return text.encode('latin-1')

    def _make_set(self, items: Any = ()) -> set:
        made = set()
        for item in self._listed(items):
            check_key(item)
            made.add(item)
        return made

    def _make_mapping(self, items: Any = ()) -> Mapping:
        made = Mapping()
        for pair in self._listed(items):
            if type(pair) not in (list, tuple) or len(pair) != 2:
                raise Refused('an OrderedDict of something else than pairs')
            check_key(pair[0])
            made[pair[0]] = pair[1]
        return made

    def _listed(self, items: Any) -> list | tuple:
        if type(items) not in (list, tuple):
            raise Refused('a set or an OrderedDict of something that is no list')
        self._budget.copy(len(items))
        return items

    def _make_storage(self, data: Any) -> StorageRecord:
        """The storage in a legacy (non-zip) torch.save stream.

        torch.load is not used: even with weights_only, it could be made to run code before torch 2.6 (CVE-2025-32434)
        and to corrupt memory before 2.10 (CVE-2026-24747).
        """
        if type(data) is not bytes:
            raise Refused('torch.storage._load_from_bytes of something that is no bytes')
        stream = io.BytesIO(data)
        magic, protocol, system, described, keys = (
            PickleMachine(stream, STORAGES, self._budget, described_storage).load() for _ in range(5)
        )
        if type(described) is not DescribedStorage:
            raise Refused('torch.storage._load_from_bytes of something that is no storage')
        (length,) = struct.unpack('<q', stream.read(8))
        body = memoryview(data)[stream.tell() :]
        if not (
            magic == _LEGACY_MAGIC
            and protocol == _LEGACY_PROTOCOL
            and system['little_endian'] is True
            and type(keys) is list
            and len(keys) == 1
            and type(keys[0]) is str
            and keys[0] == described.key
            and length == described.count
            and len(body) == described.count * described.dtype.itemsize
        ):
            raise Refused('torch.storage._load_from_bytes of something that is no storage')
        return StorageRecord(described.dtype, body)


class DescribedStorage(NamedTuple):
    """What a persistent id of torch.save says: the values are elsewhere, under the key."""

    dtype: torch.dtype
    key: str
    count: int  # type: ignore[assignment]  # of a tuple, counting is a method


def described_storage(pid: Any) -> DescribedStorage:
    """Checks a persistent id of torch.save; raises Refused if it is none of a plain storage."""
    if type(pid) is tuple and len(pid) == 5:
        pid = *pid, None
    if type(pid) is not tuple or len(pid) != 6:
        raise Refused('a persistent id that is none of a storage')
    kind, dtype, key, _location, count, view = pid
    if not (
        (type(kind), type(key), type(count)) == (str, str, int)
        and kind == 'storage'
        and type(dtype) is torch.dtype
        and 0 <= count < MAX_SIZE
        and view is None
    ):
        raise Refused('torch.storage._load_from_bytes of an unusual storage')
    return DescribedStorage(dtype, key, count)


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
        return 'a file of torch.save before PyTorch 1.6; if you trust it, torch.load and torch.save make one of today'
    if head.startswith(b'\x80'):
        return None
    if head.lstrip().startswith(b'<'):
        return 'a web page, not the file itself'
    if head[8:9] == b'{':
        return 'a safetensors file'
    return 'no network pickle'
