"""Reads the zip archives that torch.save writes, running nothing from them.

torch.load is not used: even with weights_only, it could be made to run code before torch 2.6 (CVE-2025-32434) and to
corrupt memory before 2.10 (CVE-2026-24747).
"""

from __future__ import annotations

import mmap
import zipfile
import zlib
from pathlib import Path
from typing import Any

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.pickle_machine import Budget, PickleMachine
from datasetgan_ext.generator.pickle_records import Refused, StorageRecord
from datasetgan_ext.generator.safe_pickle import Globals, described_storage, reading_pickle

MAX_MEMBERS = 100_000
"""Files in an archive; one a tensor, some hundreds."""
MAX_PICKLE = 2**26
"""Bytes of the pickle that says what the tensors are."""
REMEDY = 'Give one that holds tensors alone, or a network-snapshot-*.pkl'
_LOCAL_HEADER = 30
"""Bytes before a member's name."""


def is_archive(path: str | Path) -> bool:
    """Whether a file begins as a zip archive does; a file that cannot be read is none."""
    try:
        with Path(path).open('rb') as file:
            return file.read(4) == b'PK\x03\x04'
    except OSError:
        return False


def read_archive(path: str | Path) -> Any:
    """What torch.save has written, as plain data with inert records for tensors.

    Tensors are views of the file, and are copied when they are used.

    Raises:
        UserError: the file is damaged, no archive of torch.save, or asks for anything else than tensors.
    """
    with Path(path).open('rb') as file, reading_pickle(path, REMEDY):
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        try:
            with zipfile.ZipFile(file) as archive:
                return _Archive(archive, content).read()
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise UserError(f'{path} is damaged or cut short ({error}): copy or download it again') from error


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, content: memoryview):
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise Refused(f'more than {MAX_MEMBERS} tensors')
        self._members = {member.filename: member for member in members}
        self._content = content
        self._storages: dict[str, StorageRecord] = {}
        names = [name for name in self._members if name.count('/') == 1 and name.endswith('/data.pkl')]
        if len(names) != 1:
            raise ValueError('a zip archive that torch.save did not write')
        self._folder = names[0].partition('/')[0]

    def read(self) -> Any:
        order = f'{self._folder}/byteorder'
        if order in self._members and bytes(self._bytes(order)) != b'little':
            raise Refused('a tensor that is not little-endian')
        data = self._bytes(f'{self._folder}/data.pkl')
        if len(data) > MAX_PICKLE:
            raise Refused(f'a description of more than {MAX_PICKLE} bytes')
        budget = Budget(len(data))
        return PickleMachine(data, Globals(budget).of_archives, budget, self._storage).load()

    def _storage(self, pid: object) -> StorageRecord:
        described = described_storage(pid)
        if described.key not in self._storages:
            data = self._bytes(f'{self._folder}/data/{described.key}')
            if len(data) != described.count * described.dtype.itemsize:
                raise Refused('a tensor whose size is not that of its data')
            self._storages[described.key] = StorageRecord(described.dtype, data)
        storage = self._storages[described.key]
        if storage.dtype != described.dtype:
            raise Refused('a tensor of two types')
        return storage

    def _bytes(self, name: str) -> memoryview:
        """Content of a member, which torch.save does not compress: a view of the file."""
        member = self._members[name]
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise Refused('a compressed tensor')
        header = bytes(self._content[member.header_offset : member.header_offset + _LOCAL_HEADER])
        if not header.startswith(b'PK\x03\x04') or len(header) < _LOCAL_HEADER:
            raise ValueError('a member that is not where the list of contents says')
        start = member.header_offset + _LOCAL_HEADER
        start += int.from_bytes(header[26:28], 'little') + int.from_bytes(header[28:30], 'little')
        data = self._content[start : start + member.file_size]
        if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
            raise ValueError(f'{name} is damaged')
        return data
