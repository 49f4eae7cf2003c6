"""Files of photos: which there are, and a name for each."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import IMAGE_SUFFIXES
from datasetgan_ext.core.names import listed

OTHER_SUFFIXES = ('.gif', '.jfif', '.jpe', '.mpo', '.avif', '.heic', '.heif', '.jp2', '.dng')
"""Of files that are photos too; those that Pillow cannot read are told of."""
OWN_FILES = {'dataset.json': b'"format": "datasetgan-folder"', 'samples.json': b'"fingerprint": "'}
"""What marks a folder that this program wrote, by the file in which it stands, near its beginning."""
MAX_BYTES = 1 << 30
"""Of a photo's file."""
HEAD_BYTES = 4096
FAILED_FILE = 'failed.jsonl'
"""Of a folder that is made of photos: a line for each photo that could not be read, its file and the reason."""
JOINT = '__'
"""Between the folders and the name of a photo, in the name of its mask."""
CONTROL = re.compile(r'[\x00-\x1f\x7f\\]')
"""What a photo's file may have in its name, and label files may not: line breaks and the like, and what separates
folders on Windows."""
LONGEST_NAME = 180
"""Bytes of a name: 255 are a file's, with what is put before and after it."""


log = logging.getLogger(__name__)


class PhotoFile(NamedTuple):
    """A photo's file.

    Attributes:
        path: where it is.
        file: its path below the folder of all photos, with slashes.
        name: of its mask and other files, without suffix; no two photos have the same, in whatever case of letters.
    """

    path: Path
    file: str
    name: str

    @property
    def image(self) -> str:
        """Where the dataset has it."""
        return f'images/{self.name}{self.path.suffix}'


def find_photos(given: Sequence[Path], but: Path | None = None) -> list[PhotoFile]:
    """Photos in folders, and folders below these, and single ones; in the order of their paths.

    Hidden files and folders are passed over. So are, with a warning, files of folders that have no suffix of an image,
    links to folders, and folders that this program wrote: the masks there are no photos.

    Args:
        given: folders and files.
        but: a folder that is passed over.

    Raises:
        UserError: there is no such file or folder, or no photo; or this program wrote the folder.
    """
    paths: dict[Path, None] = {}
    passed = _PassedOver()
    for place in given:
        if place.is_dir():
            if _is_own(place):
                raise UserError(
                    f'`images`={place} was written by this program, and holds more than photos, such as masks; give '
                    'the folder in it that has the images alone'
                )
            paths.update(dict.fromkeys(_photos_in(place, but, passed)))
        elif os.path.lexists(place):
            paths[place] = None
        else:
            raise UserError(f'`images`={place}: no such file or folder')
    passed.tell()
    if not paths:
        listed = ', '.join(map(str, given))
        raise UserError(f'`images`={listed} holds no photo ({", ".join((*IMAGE_SUFFIXES, *OTHER_SUFFIXES))})')
    folders = [place if place.is_dir() else place.parent for place in given]
    root = Path(os.path.commonpath([folder.absolute() for folder in folders]))
    files = sorted({path.absolute().relative_to(root).as_posix(): path for path in paths}.items())
    names = unique_names([file for file, _ in files])
    return [PhotoFile(path, file, name) for (file, path), name in zip(files, names)]


class _PassedOver:
    """What of folders of photos is not taken."""

    def __init__(self):
        self.suffixes: Counter[str] = Counter()
        self.links: list[str] = []
        self.own: list[str] = []

    def tell(self) -> None:
        """Warn of it, in a line for each kind."""
        counts = [f'{count} {suffix or "without a suffix"}' for suffix, count in sorted(self.suffixes.items())]
        for names, what in (
            (counts, 'files that do not have the suffix of a photo are passed over: {}'),
            (self.links, 'links to folders are not followed: {}; give the folders themselves too'),
            (self.own, 'folders that this program wrote are passed over: {}; their masks are no photos'),
        ):
            if names:
                log.warning('`images`: %s', what.format(listed(names)))


def _photos_in(folder: Path, but: Path | None, passed: _PassedOver) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UserError(f'`images`: {error.filename} cannot be listed: {error.strerror}') from error

    but = but and but.resolve()
    for place, inner, files in os.walk(folder, onerror=refuse):
        folders = [Path(place, name) for name in sorted(inner) if not name.startswith('.')]
        inner.clear()
        for path in folders:
            if path.resolve() == but:
                continue
            if path.is_symlink():
                passed.links.append(str(path))
            elif _is_own(path):
                passed.own.append(str(path))
            else:
                inner.append(path.name)
        for name in files:
            if name.startswith('.'):
                continue
            suffix = Path(name).suffix.lower()
            if suffix in (*IMAGE_SUFFIXES, *OTHER_SUFFIXES):
                yield Path(place, name)
            else:
                passed.suffixes[suffix] += 1


def _is_own(folder: Path) -> bool:
    """Whether this program wrote a folder of images and more; a file of that name may be somebody else's."""
    for name, mark in OWN_FILES.items():
        path = folder / name
        if path.is_file():
            with suppress(OSError), path.open('rb') as file:
                if mark in file.read(HEAD_BYTES):
                    return True
    return False


def unique_names(files: Sequence[str], known: Mapping[str, str] | None = None) -> list[str]:
    """A name for each file, out of its folders' and its own; `a/b.jpg` -> `a__b`, and `a/b.png` beside it `a__b-png`.

    Args:
        files: paths with slashes, no two alike.
        known: names that are taken, and the file of each. With it, no new name is a stem that several files have: which
            of them is labelled under that stem would not be sure.
    """
    taken = {_folded(name) for name in known or ()}
    stems = Counter(_folded(Path(file).stem) for file in [*files, *(known or {}).values()])
    names = []
    for file in files:
        path = Path(file)
        stem = CONTROL.sub('_', JOINT.join(path.with_suffix('').parts))
        encoded = stem.encode(errors='surrogateescape')
        if len(encoded) > LONGEST_NAME:
            digest = hashlib.sha256(encoded).hexdigest()[:8]
            stem = f'{digest}-{encoded[-LONGEST_NAME + 9 :].decode(errors="ignore")}'
        offers = (stem, f'{stem}-{path.suffix[1:]}', *(f'{stem}-{number}' for number in range(2, len(files) + 2)))
        if known is not None and len(path.parts) == 1 and stems[_folded(path.stem)] > 1:
            offers = offers[1:]
        name = next(offer for offer in offers if _folded(offer) not in taken)
        taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    """What file systems take for the same name."""
    return unicodedata.normalize('NFC', name).casefold()


def photos_fingerprint(files: Sequence[PhotoFile]) -> str:
    """Their number, and a part of the sha256 of their paths below the folder of all photos."""
    digest = hashlib.sha256('\0'.join(photo.file for photo in files).encode(errors='surrogateescape')).hexdigest()
    return f'{len(files)} files ({digest[:12]})'


def read_content(path: Path) -> bytes:
    """All bytes of a file.

    Raises:
        UserError: it is missing, unreadable, empty, too large for any image, or no file.
    """
    try:
        if not path.is_file():
            raise UserError(f'{path} {"is no file" if path.exists() else "is not there, or a link to nothing"}')
        size = path.stat().st_size
        if not size:
            raise UserError(f'{path} is empty')
        if size > MAX_BYTES:
            raise UserError(f'{path} has {size:,} bytes, more than {MAX_BYTES:,}; save it at a smaller size')
        return path.read_bytes()
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}') from error
