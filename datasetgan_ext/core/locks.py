"""One writer at a time: who writes to a place, among the processes of all machines that see it.

A hidden lock file names the writer. On one machine the system's lock of that file tells at once whether the writer is
still there: it ends with the process, however that ends. Other machines are not told of it by many network file
systems (sshfs, NFS with local locks, Lustre without flock); so the writer renews the file every few seconds, and
another machine waits whether it does.
"""

from __future__ import annotations

import _thread
import ctypes
import errno
import json
import logging
import os
import secrets
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datasetgan_ext.core import system_locks
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import LOCK_SUFFIX, writing

log = logging.getLogger(__name__)

BEAT_S = 5.0
"""Seconds after which a writer renews its lock file."""
PATIENCE_S = 20.0
"""Seconds without a renewal after which the writer on another machine is taken to be gone."""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system answers that has no locks."""
MAX_BYTES = 4096
"""Of a lock file's content that are read."""


@contextmanager
def locked(folder: Path, argument: str = 'outdir') -> Iterator[None]:
    """Hold a folder for this process alone.

    Args:
        folder: exists.
        argument: name of the argument that gave it, for the message.

    Raises:
        UserError: another process holds it, or takes it over since this one did not renew its lock; or the folder
            cannot be written.
    """
    with _lock_file(folder / f'.folder{LOCK_SUFFIX}', folder, argument):
        yield


@contextmanager
def locked_place(path: Path, argument: str) -> Iterator[None]:
    """Hold the name of a file or folder that may not exist yet, as `locked` holds a folder that does.

    Args:
        path: what is to be written; the folder that it is in is made if it is missing.
        argument: name of the argument that gave it, for the message.

    Raises:
        UserError: as of `locked`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_file(path.with_name(f'.{path.name}{LOCK_SUFFIX}'), path, argument):
        yield


@contextmanager
def _lock_file(lock: Path, place: Path, argument: str) -> Iterator[None]:
    """Hold a lock file for a place. It is gone at the end; one that a killed process left holds nobody up for long."""
    descriptor, alone, content = _open(lock, place, argument)
    beat = _Heartbeat(lock, descriptor, _this_machine(descriptor))
    elsewhere = bool(content) and not (alone and content.get('machine') == beat.machine)
    try:
        if elsewhere:
            _wait_for_the_end_of(content, lock, place, argument)
        with beat:
            if elsewhere:  # two may have waited
                time.sleep(BEAT_S / 5)
                if not beat.is_ours():
                    raise _taken(place, argument, _content(lock))
            try:
                yield
            except KeyboardInterrupt:
                if beat.lost:
                    raise _taken(place, argument, _content(lock)) from None
                raise
    finally:
        beat.close()


def _open(lock: Path, place: Path, argument: str) -> tuple[int, bool, dict]:
    """The open lock file; whether no other process of this machine holds it (False = nobody can tell); its content."""
    flags = os.O_RDWR | getattr(os, 'O_NOFOLLOW', 0)
    while True:
        with writing(lock):
            try:
                descriptor, is_new = os.open(lock, flags | os.O_CREAT | os.O_EXCL, 0o666), True
            except FileExistsError:
                try:
                    descriptor, is_new = os.open(lock, flags), False
                except FileNotFoundError:  # its last owner has just deleted it
                    continue
        try:
            alone = _hold(descriptor, place, argument)
            if os.path.lexists(lock) and os.path.samestat(os.lstat(lock), os.fstat(descriptor)):
                if not is_new and not _content(lock):
                    time.sleep(BEAT_S / 5)  # another machine may have made it, and be about to write its name
                return descriptor, alone, _content(lock)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _hold(descriptor: int, place: Path, argument: str) -> bool:
    """Whether this machine has locks of files: then this process has this one's."""
    try:
        system_locks.hold(descriptor)
    except BlockingIOError as error:
        raise _taken(place, argument, {}) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise UserError(f'`{argument}`={place} cannot be written: {error.strerror or error}') from error
        return False
    return True


def _this_machine(descriptor: int) -> str:
    """Names a machine, its start, and the way by which it sees the lock file: within them the system's lock holds."""
    try:
        start = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    except OSError:
        start = f'{uuid.getnode():x}'
    return f'{socket.gethostname()} {start} {os.fstat(descriptor).st_dev}'


def _content(lock: Path) -> dict:
    """What a lock file says; empty = nothing. It is opened anew, which is when network file systems look again."""
    try:
        with lock.open('rb') as file:
            content = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _wait_for_the_end_of(before: dict, lock: Path, place: Path, argument: str) -> None:
    """Return when a writer has not renewed its lock file for PATIENCE_S.

    Raises:
        UserError: it has.
    """
    log.warning(
        '%s was being written on %s: waiting %g seconds to see whether it still is',
        place,
        _name_of(before),
        PATIENCE_S,
    )
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        time.sleep(min(BEAT_S, PATIENCE_S) / 5)
        now = _content(lock)
        if now and now != before:
            raise _taken(place, argument, now)


def _name_of(content: dict) -> str:
    machine = str(content.get('machine', '')).partition(' ')[0] or 'another machine'
    return f'{machine} (process {content.get("process")})'


def _taken(place: Path, argument: str, content: dict) -> UserError:
    where = f' on {_name_of(content)}' if content else ''
    return UserError(
        f'`{argument}`={place} is being written by another process{where}; wait for it, or give another place'
    )


def _interrupt_the_main_thread() -> None:
    """As Ctrl-C does, out of a system call too where the system can do that; and where a shell's script has put the
    program into the background, so that it passes Ctrl-C over."""
    thread = threading.main_thread().ident
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread or 0), ctypes.py_object(KeyboardInterrupt))
    elif hasattr(signal, 'pthread_kill') and thread is not None:
        signal.pthread_kill(thread, signal.SIGINT)
    else:
        _thread.interrupt_main()


class _Heartbeat:
    """Writes this process's name into a lock file, and renews it while it is entered.

    Attributes:
        machine: see `_this_machine`.
        lost: whether another process has put its name there: then the main thread is interrupted.
    """

    def __init__(self, lock: Path, descriptor: int, machine: str):
        self.machine = machine
        self.lost = False
        self._lock, self._descriptor = lock, descriptor
        self._own = {'machine': machine, 'process': os.getpid(), 'token': secrets.token_hex(8)}
        self._beats = 0
        self._deletes = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='lock', daemon=True)

    def is_ours(self) -> bool:
        """Whether the file has this process's name."""
        return _content(self._lock).get('token') == self._own['token']

    def __enter__(self) -> None:
        self._deletes = True
        with writing(self._lock):
            self._write()
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._deletes = self.is_ours()

    def close(self) -> None:
        """Close the lock file, and delete it unless it is another's."""
        if not system_locks.DELETES_OPEN_FILES:
            os.close(self._descriptor)
        try:
            if self._deletes:
                with suppress(OSError):  # on Windows, one that somebody has opened meanwhile stays
                    self._lock.unlink(missing_ok=True)
        finally:
            if system_locks.DELETES_OPEN_FILES:
                os.close(self._descriptor)

    def _write(self) -> None:
        content = json.dumps(self._own | {'beats': self._beats}).encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, content)
        os.ftruncate(self._descriptor, len(content))
        os.fsync(self._descriptor)

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            content = _content(self._lock)
            if content and content.get('token') != self._own['token']:
                self.lost = True
                _interrupt_the_main_thread()
                return
            self._beats += 1
            with suppress(OSError):  # a network that comes back: the next one may succeed
                self._write()
