"""One writer at a time, on one machine and on several."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from datasetgan_ext.core import locks, system_locks
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import LOCK_SUFFIX, holds_files
from datasetgan_ext.core.locks import locked, locked_place

TAKEN = 'is being written by another process'


@pytest.fixture
def quick(monkeypatch):
    """Seconds become hundredths."""
    monkeypatch.setattr(locks, 'BEAT_S', 0.05)
    monkeypatch.setattr(locks, 'PATIENCE_S', 0.5)


@pytest.fixture
def lock(tmp_path):
    """The lock file of the folder tmp_path."""
    return tmp_path / f'.folder{LOCK_SUFFIX}'


def elsewhere(beats: int = 0) -> str:
    """What a process on another machine writes."""
    return json.dumps({'machine': 'node7 0f3a 41', 'process': 123, 'token': 'ab', 'beats': beats})


def test_a_folder_is_held_by_one_and_nothing_is_left(tmp_path):
    with locked(tmp_path):
        with pytest.raises(UserError, match=f'`outdir`=.*{TAKEN};'), locked(tmp_path):
            raise AssertionError
        assert not holds_files(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_is_held_by_one_and_nothing_is_left(tmp_path, quick):
    place = tmp_path / 'new' / 'a[0].safetensors'
    with locked_place(place, 'out'):
        with pytest.raises(UserError, match=f'`out`=.*{TAKEN}'), locked_place(place, 'out'):
            raise AssertionError
        with locked_place(tmp_path / 'new' / 'b', 'out'):
            assert not holds_files(tmp_path / 'new')
    assert list((tmp_path / 'new').iterdir()) == []
    (tmp_path / 'new' / f'.{place.name}{LOCK_SUFFIX}').touch()
    with locked_place(place, 'out'):
        pass


def test_a_lock_is_no_link_that_somebody_put_there(tmp_path):
    (tmp_path / f'.a{LOCK_SUFFIX}').symlink_to(tmp_path / 'victim')
    with pytest.raises(UserError, match='cannot be written'), locked_place(tmp_path / 'a', 'out'):
        raise AssertionError
    assert not (tmp_path / 'victim').exists()


def test_a_killed_process_of_this_machine_holds_nobody_up(tmp_path, lock, monkeypatch):
    code = (
        'import sys, time; from pathlib import Path; from datasetgan_ext.core.locks import locked\n'
        'with locked(Path(sys.argv[1])): print("held", flush=True); time.sleep(600)'
    )
    process = subprocess.Popen([sys.executable, '-c', code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    with pytest.raises(UserError, match=TAKEN), locked(tmp_path):
        raise AssertionError
    process.kill()
    process.communicate()
    assert json.loads(lock.read_text())['process'] == process.pid
    monkeypatch.setattr(locks.time, 'sleep', lambda seconds: pytest.fail('it waits'))
    with locked(tmp_path):
        assert json.loads(lock.read_text())['process'] == os.getpid()
    assert not lock.exists()


def test_a_process_of_another_machine_that_renews_its_lock_is_there(tmp_path, lock, quick):
    lock.write_text(elsewhere())
    stop = threading.Event()

    def renew():
        beats = 0
        while not stop.wait(0.05):
            beats += 1
            lock.write_text(elsewhere(beats))

    other = threading.Thread(target=renew)
    other.start()
    try:
        with pytest.raises(UserError, match=rf'{TAKEN} on node7 \(process 123\); wait for it'), locked(tmp_path):
            raise AssertionError
    finally:
        stop.set()
        other.join()
    assert json.loads(lock.read_text())['machine'] == 'node7 0f3a 41', "the lock stays the other's"


def test_a_process_of_another_machine_that_does_not_is_gone(tmp_path, lock, quick, caplog):
    lock.write_text(elsewhere(3))
    with locked(tmp_path):
        assert json.loads(lock.read_text())['process'] == os.getpid()
    assert 'was being written on node7 (process 123): waiting 0.5 seconds' in caplog.text
    assert not lock.exists()


def test_the_lock_is_renewed(tmp_path, lock, quick):
    with locked(tmp_path):
        first = json.loads(lock.read_text())
        end = time.monotonic() + 60
        while json.loads(lock.read_text() or '{}').get('beats', 0) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert json.loads(lock.read_text())['beats'] >= 2
        assert json.loads(lock.read_text())['token'] == first['token']


@pytest.mark.parametrize('handler', [signal.default_int_handler, signal.SIG_IGN], ids=['as usual', 'in the background'])
def test_a_process_whose_place_was_taken_stops(tmp_path, lock, quick, handler):
    """As after a sleep of its machine, or when two machines began in the same moment."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(UserError, match=rf'{TAKEN} on node7'), locked(tmp_path):
            lock.write_text(elsewhere())
            for _ in range(6000):
                time.sleep(0.01)
            raise AssertionError
    finally:
        signal.signal(signal.SIGINT, before)
    assert json.loads(lock.read_text())['machine'] == 'node7 0f3a 41', "the lock stays the other's"


def test_control_c_is_control_c(tmp_path, quick):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('has_locks', [True, False], ids=['no locks there', 'no locks in the system'])
def test_without_the_systems_locks_the_file_alone_decides(tmp_path, lock, quick, monkeypatch, has_locks):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, 'No locks available')

    if has_locks:
        monkeypatch.setattr(system_locks.fcntl, 'flock', flock)
    else:
        monkeypatch.setattr(system_locks, 'fcntl', None)
    with locked(tmp_path), pytest.raises(UserError, match=TAKEN), locked(tmp_path):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('number', [errno.ESTALE, errno.EIO])
def test_a_network_file_system_that_fails_is_told(tmp_path, monkeypatch, number):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(system_locks.fcntl, 'flock', fail)
        with pytest.raises(UserError, match=os.strerror(number)), locked(tmp_path):
            raise AssertionError
    with monkeypatch.context() as patch:
        patch.setattr(locks.os, 'fsync', fail)
        with pytest.raises(UserError, match=os.strerror(number)), locked(tmp_path / '.'):
            raise AssertionError
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
