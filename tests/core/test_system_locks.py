"""Locks as they are on Windows: its own function, and open files that cannot be deleted."""

from __future__ import annotations

import fcntl
import os
from types import SimpleNamespace

import pytest

from datasetgan_ext.core import files, system_locks
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.locks import locked, locked_place


@pytest.fixture
def windows(monkeypatch):
    """Stands for Windows's locks, by those that are here."""

    def locking(descriptor, mode, count):
        assert (mode, count) == (2, 1)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) > 10**9, 'a locked byte cannot be read by others'
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(13, 'Permission denied') from None

    monkeypatch.setattr(system_locks, 'fcntl', None)
    monkeypatch.setattr(system_locks, 'msvcrt', SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(system_locks, 'DELETES_OPEN_FILES', False)


@pytest.mark.parametrize('lock', [locked, lambda place: locked_place(place, 'outdir')])
def test_one_process_at_a_time(lock, windows, tmp_path):
    with lock(tmp_path):
        with pytest.raises(UserError, match='is being written by another process'), lock(tmp_path):
            pass
        assert not files.holds_files(tmp_path)
    with lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [] and list(tmp_path.parent.glob(f'.*{files.LOCK_SUFFIX}')) == []


def test_a_lock_file_that_somebody_opened_stays(windows, tmp_path, monkeypatch):
    def unlink(path, missing_ok=False):
        raise PermissionError(13, 'The process cannot access the file')

    with locked(tmp_path):
        monkeypatch.setattr(files.Path, 'unlink', unlink)
    monkeypatch.undo()
    with locked(tmp_path):  # and holds nobody up
        pass


def test_a_file_that_is_being_read_is_replaced_when_it_was(tmp_path, monkeypatch):
    replace, tries = os.replace, []

    def busy(source, target):
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(13, 'The process cannot access the file')
        replace(source, target)

    monkeypatch.setattr(files, 'WINDOWS', True)
    monkeypatch.setattr(files, 'REPLACE_PAUSES_S', (0, 0, 0))
    monkeypatch.setattr(files.os, 'replace', busy)
    write_atomically(tmp_path / 'a', b'new')
    assert (tmp_path / 'a').read_bytes() == b'new' and len(tries) == 3


def test_elsewhere_a_refused_rename_is_refused_at_once(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(files.os, 'replace', refuse)
    monkeypatch.setattr(files.time, 'sleep', None)
    with pytest.raises(UserError, match='Permission denied'):
        write_atomically(tmp_path / 'a', b'new')
