"""Locks of open files that the system lets go of when a process ends, however it ends: flock, or Windows's own."""

from __future__ import annotations

import errno
import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

try:
    import msvcrt
except ImportError:  # all but Windows
    msvcrt = None  # type: ignore[assignment]

DELETES_OPEN_FILES = fcntl is not None
"""Whether a file can be deleted while it is open."""
LOCKED_BYTE = 1 << 30
"""Place of the byte that Windows locks: beyond the content, since no other process can read a locked byte."""


def hold(descriptor: int) -> None:
    """Hold an open file for this process alone, until it is closed.

    Raises:
        BlockingIOError: another process, or another opening of it, holds it.
        OSError: the file system, or the system, has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(errno.EAGAIN, error.strerror) from error
    else:
        raise OSError(errno.ENOTSUP, 'this system has no locks')
