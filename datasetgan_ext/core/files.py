"""Files: found by suffix, either whole or not there, their checksums; and tensors with a description."""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from safetensors import SafetensorError, safe_open

from datasetgan_ext.core.errors import UserError

if TYPE_CHECKING:
    import torch

TEMPORARY_SUFFIX = '.datasetgan-tmp'
"""Of files that are not whole yet."""
LOCK_SUFFIX = '.datasetgan-lock'
"""Of files that say who writes another one."""
SHOWN = 200
"""Characters of a file's content that a message shows."""
WINDOWS = os.name == 'nt'
REPLACE_PAUSES_S = (0.02, 0.1, 0.5, 2.0)
"""Between tries to rename a file to the name of one that is open."""
CHUNK = 1 << 20
"""Bytes of a file that are in memory at a time."""


def is_inside(name: object) -> TypeGuard[str]:
    """Whether a file's name, as another file has it, stays in its folder on any system; links are not looked at."""
    if not isinstance(name, str) or '\0' in name or re.match('[A-Za-z]:', name):
        return False
    parts = name.replace('\\', '/').split('/')
    return bool(parts[0]) and '..' not in parts and name not in ('.', './')


def inside(folder: Path, name: object) -> Path:
    """The file of a name that stands in another file: a manifest, samples.json, labels, an archive.

    Such names are data of somebody else. All that reads, converts, sends or deletes a file by one asks here.

    Args:
        folder: in which the file must be, its links followed.
        name: relative to the folder.

    Returns:
        `folder / name`, which may be missing.

    Raises:
        UserError: it leads out of the folder, by itself or by a link.
    """
    if is_inside(name):
        path = folder / name
        try:
            place = path.resolve()
            if place.is_relative_to(folder.resolve()) and not place.is_symlink():
                return path
        except (OSError, RuntimeError):  # a circle of links; from Python 3.13 on, one of them is the place
            pass
    raise UserError(
        f'{folder}: {name!r} leads out of this folder, by its name or by a link; nothing there is read or written. '
        'Put the file itself into the folder'
    )


def holds_files(folder: Path) -> bool:
    """Whether a folder exists and holds anything but what a killed `save_atomically` left."""
    return folder.is_dir() and any(path.suffix not in (TEMPORARY_SUFFIX, LOCK_SUFFIX) for path in folder.iterdir())


def remove_leftovers(folder: Path, names: str = '*') -> None:
    """Delete what a killed `save_atomically` left of some files. No other process may be writing them now.

    Args:
        folder: of the files, which may be missing; not those below it.
        names: pattern of the files' names; a name that may have brackets in it goes through `glob.escape`.
    """
    for path in list(folder.glob(f'.{names}{TEMPORARY_SUFFIX}')):
        if path.is_symlink() or path.is_file():
            with writing(path):
                path.unlink(missing_ok=True)


def files_by_suffix(folder: Path, *suffixes: str, below: bool = False) -> list[Path]:
    """The files of a folder whose names end in one of the suffixes, in capitals or not; sorted, without hidden ones.

    Args:
        folder: which may be missing.
        suffixes: in small letters, with their dot, as ".png"; none = all files.
        below: also those of its subfolders, at any depth.
    """
    return sorted(
        path
        for path in folder.glob('**/*' if below else '*')
        if (not suffixes or path.suffix.lower() in suffixes)
        and not any(part.startswith('.') for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def check_stems(paths: Iterable[Path], argument: str) -> None:
    """Raises UserError when two files are of one image: they differ in their folders or suffixes alone."""
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(path.stem, path)
        if other != path:
            one_folder = '' if other.parent == path.parent else ', or give the folder of the right ones alone'
            raise UserError(
                f'`{argument}`: {other} and {path} are both of the image {path.stem}; keep one of them{one_folder}'
            )


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's content, which may be larger than the memory."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


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


def json_lines(rows: Iterable[dict]) -> bytes:
    """A line of JSON for each row."""
    return ''.join(f'{json.dumps(row)}\n' for row in rows).encode()


def save_atomically(path: Path, save: Callable[[Path], object], durable: bool = True) -> None:
    """Let `save` write a temporary file beside `path`, then rename it to `path`.

    Args:
        path: the file to write.
        save: writes the file whose path it is given.
        durable: wait until the disk has the content, so that a power cut cannot leave an empty file under the name. Not
            needed for files whose content is checked when they are used again.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with writing(path), temporary_file(path.parent, path.name) as temporary:
        save(temporary)
        move_whole(temporary, path, durable)


@contextmanager
def temporary_file(folder: Path, name: str) -> Iterator[Path]:
    """An empty file that is this call's alone, deleted at the end unless `move_whole` gave it its name.

    Args:
        folder: where it is; made if it is missing.
        name: begins its own name, the rest of which nobody can guess.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f'.{name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}'
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(place: Path, keep: bool = False) -> Iterator[Path]:
    """An empty folder beside a place that is this call's alone, deleted at the end unless it was renamed.

    Args:
        place: what it is to become; no other process writes there, see `locked_place`.
        keep: leave what killed calls left; otherwise it is deleted first.

    Raises:
        OSError: it cannot be made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if not keep:
        remove_temporary_folders(place)
    temporary = place.with_name(f'.{place.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}')
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_temporary_folders(place: Path) -> None:
    """Delete what killed calls of `temporary_folder` left beside a place."""
    for path in list(place.parent.glob(f'.{glob.escape(place.name)}.*{TEMPORARY_SUFFIX}')):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def move_whole(temporary: Path, path: Path, durable: bool = True) -> None:
    """Give a temporary file, once it is whole, its name in the same folder.

    Args:
        temporary: see `temporary_file`.
        path: the name; a file that has it is replaced.
        durable: see `save_atomically`.

    Raises:
        OSError: the disk is full.
    """
    if durable:
        with temporary.open('rb+') as file:  # Windows flushes no handle that only reads
            os.fsync(file.fileno())
    _replace(temporary, path)


def _replace(temporary: Path, path: Path) -> None:
    """Rename to a name that may be taken. On Windows, who reads the old file holds that up for a moment."""
    for pause in REPLACE_PAUSES_S:
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if not WINDOWS:
                raise
            time.sleep(pause)
    os.replace(temporary, path)


@contextmanager
def reading_tensors(
    path: Path, argument: str, writer: str, key: str, version: int
) -> Iterator[tuple[dict, dict[str, torch.Tensor]]]:
    """Read a safetensors file of ours, and turn what fails while its content is used into a UserError that names it.

    Args:
        path: the file.
        argument: name of the argument that gave it.
        writer: the script that writes such files.
        key: of the metadata, under which the JSON that describes the tensors is kept.
        version: of the format, which the description has to have.

    Yields:
        The description, and the tensors by name, on the CPU.

    Raises:
        UserError: the file is missing, damaged, of another kind or another version, or holds a NaN or an infinity.
    """
    if not path.is_file():
        raise UserError(f'`{argument}`={path}: no such file; {writer} writes one')
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise UserError(f'`{argument}`={path} is not a safetensors file, or damaged: {error}') from error
    if key not in metadata:
        raise UserError(f'`{argument}`={path} is a safetensors file, but not one that {writer} wrote')
    try:
        content = json.loads(metadata[key], parse_constant=_refuse_constant, parse_float=_finite)
        found = content['version']
        if found != version:
            shown = found if type(found) is int and abs(found) < 10**9 else type(found).__name__
            raise UserError(f'`{argument}`={path} has format version {shown}, this program reads {version}')
        infinite = [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]
        if infinite:
            raise ValueError(f'{infinite[0][:SHOWN]} holds values that are no numbers')
        yield content, state
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise UserError(
            f'`{argument}`={path} is damaged ({type(error).__name__}: {str(error)[:SHOWN]}); {writer} writes a new one'
        ) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f'{name} is no number')


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f'{text[:SHOWN]} is too large a number')
    return number
