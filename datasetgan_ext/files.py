"""Files that are either whole or not there."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datasetgan_ext.errors import UserError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full disk or an unwritable folder into a UserError that names `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(f'{path} cannot be written: {error.strerror or error}') from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` under a temporary name, then rename it to `path`.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    save_atomically(path, lambda temporary: temporary.write_bytes(content))


def save_atomically(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write a temporary file beside `path`, then rename it to `path`.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f'.{path.name}.tmp')
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
