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

HOLDS_FOLDERS = fcntl is not None
"""Whether the system opens a folder, so that it can be locked itself."""
DELETES_OPEN_FILES = fcntl is not None
"""Whether a file can be deleted while it is open."""


def hold(descriptor: int) -> None:
    """Hold an open file, or a folder, for this process alone, until it is closed.

    Raises:
        BlockingIOError: another process, or another opening of it, holds it.
        OSError: the file system, or the system, has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        os.lseek(descriptor, 0, os.SEEK_SET)  # the byte that is locked is that at the place in the file
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(errno.EAGAIN, error.strerror) from error
    else:
        raise OSError(errno.ENOTSUP, 'this system has no locks')
