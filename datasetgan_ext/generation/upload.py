"""A finished dataset copied to an object store, or to whatever else fsspec has a protocol for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.files import CHUNK, LOCK_SUFFIX, file_sha256, inside
from datasetgan_ext.core.locks import locked_place
from datasetgan_ext.core.urls import without_secrets
from datasetgan_ext.formats.conversions import CONVERSIONS, files_of_conversion
from datasetgan_ext.formats.folder import DATASET_FILE, KEYPOINTS_FILE, MANIFEST, read_manifest, records_in
from datasetgan_ext.report.publish import PUBLISHED

AT_ONCE = 64
"""Files that are handed to the library together; object stores take several at a time."""
LISTED = 3
"""Names that a message has."""


class Destination:
    """Where a dataset is copied to.

    Attributes:
        url: as it was given, without user, password and query: for messages and records.
    """

    def __init__(self, url: str):
        """
        Raises:
            UserError: fsspec or the package for the URL's protocol is not installed, or there is no such protocol.
        """
        url_to_fs = import_extra('fsspec.core', 'cloud').url_to_fs
        self.url = without_secrets(url)
        try:
            self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise UserError(f"`upload`={self.url}: {error}; or: pip install 'datasetgan-ext[cloud]'") from error
        except ValueError as error:
            raise UserError(
                f'`upload`={self.url}: {without_secrets(str(error))}. Give a URL that fsspec knows, such as '
                's3://BUCKET/FOLDER'
            ) from error
        self._is_local = 'file' in self._files.protocol

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the place for this process alone where that can be done: on a file system, not in an object store.

        Raises:
            UserError: another process writes there.
        """
        if not self._is_local:
            yield
            return
        with locked_place(Path(self._root), 'upload'):
            yield

    def info(self) -> dict | None:
        """Content of the dataset.json that is there, None if there is nothing at all.

        Raises:
            UserError: the place cannot be read, holds files but no dataset, or a dataset.json of another program.
        """
        with self._telling():
            if not self._files.exists(self._path(DATASET_FILE)):
                strangers = self._strangers()
                if strangers:
                    raise UserError(
                        f'`upload`={self.url} holds files, but no {DATASET_FILE}: {", ".join(strangers[:LISTED])}'
                        f'{", ..." if len(strangers) > LISTED else ""}. Nothing there was touched; give a new or '
                        'empty folder'
                    )
                return None
            content = self._files.cat_file(self._path(DATASET_FILE))
        try:
            info = json.loads(content)
            dict(info['options'])
            return info
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f'`upload`={self.url} holds a {DATASET_FILE} that this program did not write; give another URL'
            ) from error

    def claim(self, folder: Path) -> None:
        """Copy a dataset's dataset.json alone, before the dataset is made.

        Raises:
            UserError: the place cannot be written.
        """
        with self._telling():
            self._put({DATASET_FILE: folder / DATASET_FILE})

    def send(self, folder: Path) -> int:
        """Copy a dataset: images and masks that are missing or other than the manifest says, and all other files that
        are the dataset's own. Other files of the folder, and links, stay where they are.

        dataset.json comes first and the manifest last, so that a place with a manifest has all that it names. Where it
        has none yet, a file of the right size is compared by its content. Files that an earlier manifest named and the
        folder has no more are deleted.

        Returns:
            Number of files that were copied.

        Raises:
            UserError: the place cannot be written, or another process wrote there meanwhile.
        """
        wanted = _hashes(read_manifest(folder / MANIFEST)) if (folder / MANIFEST).is_file() else {}
        files = _own_files(folder, wanted)
        with self._telling():
            there = self._listing()
            named = self._manifest() if MANIFEST in there else {}
            todo = [
                name
                for name, path in files.items()
                if name not in wanted
                or name not in there
                or there[name]['size'] != path.stat().st_size
                or (named[name] != wanted[name] if name in named else not self._has_content(there[name], path))
            ]
            todo.sort(key=lambda name: (name == MANIFEST, name != DATASET_FILE, name))
            self._put({name: files[name] for name in todo})
            if gone := [self._path(name) for name in named if name in there and name not in files]:
                self._files.rm(gone)
            self._check_arrived(files)
        return len(todo)

    def _strangers(self) -> list[str]:
        """Names of what the place holds."""
        try:
            found = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        names = [path.rstrip('/').rpartition('/')[2] for path in found if path.strip('/') != self._root.strip('/')]
        if self._files.isfile(self._root):
            names.append(self._root.rpartition('/')[2])
        return sorted(name for name in names if not name.endswith(LOCK_SUFFIX))

    def _listing(self) -> dict[str, dict]:
        """What fsspec knows of each file that is there, by its path from the place."""
        found = self._files.find(self._root, detail=True)
        return {path[len(self._root) :].strip('/'): info for path, info in found.items()}

    def _manifest(self) -> dict[str, str]:
        with self._files.open(self._path(MANIFEST), 'rb') as file:
            # damaged lines name nothing: what they named is compared by its content
            return _hashes(records_in(file, MANIFEST, lambda message: None))

    def _has_content(self, found: Mapping[str, object], path: Path) -> bool:
        """Whether a file there has the content of one here: by the hash that the store tells, or else by reading it."""
        told = found.get('md5Hash') or found.get('ETag') or ''
        if isinstance(told, str):
            text = told.strip('"').lower()
            own = hashlib.md5(path.read_bytes(), usedforsecurity=False)
            if told == base64.b64encode(own.digest()).decode() or text == own.hexdigest():
                return True
        digest = hashlib.sha256()
        with self._files.open(found['name'], 'rb') as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == file_sha256(path)

    def _check_arrived(self, files: Mapping[str, Path]) -> None:
        """Raises UserError unless the place has what was sent: not so if another process writes there, too."""
        self._files.invalidate_cache()
        there = self._listing()
        lacking = [
            name for name, path in files.items() if name not in there or there[name]['size'] != path.stat().st_size
        ]
        for name in (DATASET_FILE, MANIFEST):
            if name in files and not lacking and self._files.cat_file(self._path(name)) != files[name].read_bytes():
                lacking.append(name)
        if lacking:
            raise UserError(
                f'`upload`={self.url}: {", ".join(lacking[:LISTED])} is not there as it was sent; does another '
                'process write to the same place? Stop that one, then the same command goes on'
            )

    def _put(self, files: dict[str, Path]) -> None:
        """Copy files in their order, AT_ONCE together but the first and the last ones alone."""
        names = list(files)
        if self._is_local:
            for name in names:
                inside(Path(self._root), name)
        if not self._files.async_impl:  # object stores, all of which are, have no folders
            for parent in sorted({self._path(name).rpartition('/')[0] for name in names}):
                self._files.makedirs(parent, exist_ok=True)
        middle = names[1:-1]
        groups = [
            names[:1],
            *(middle[start : start + AT_ONCE] for start in range(0, len(middle), AT_ONCE)),
            names[1:][-1:],
        ]
        with tqdm(total=len(names), desc='uploading', unit='file', disable=None, mininterval=0.5) as bar:
            for group in filter(None, groups):
                self._files.put([str(files[name]) for name in group], [self._path(name) for name in group])
                bar.update(len(group))

    def _path(self, name: str) -> str:
        return f'{self._root.rstrip("/")}/{name}'

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # each protocol's package has errors of its own
            raise UserError(
                f'`upload`={self.url}: {type(error).__name__}: {without_secrets(str(error))}. Once that is mended, the '
                'same command goes on'
            ) from error


def _own_files(folder: Path, wanted: Mapping[str, str]) -> dict[str, Path]:
    """The dataset's files by their paths in it: those that the manifest names, those that each dataset has, and those
    of its conversions; no links."""
    names = [DATASET_FILE, MANIFEST, KEYPOINTS_FILE, *PUBLISHED, *wanted]
    samples = {Path(name).stem for name in wanted}
    for conversion in CONVERSIONS.values():
        names += (f'{conversion.name}/{name}' for name in files_of_conversion(folder / conversion.name, samples))
    paths = {name: folder / name for name in names}
    found = {name: path for name, path in paths.items() if path.is_file() and not path.is_symlink()}
    return {name: inside(folder, name) for name in found}


def _hashes(records: Iterator[dict]) -> dict[str, str]:
    """The sha256 of each file that records name; the files of dropped samples may have been deleted."""
    return {
        record[kind]: record[f'{kind}_sha256'] for record in records for kind in ('image', 'mask') if kind in record
    }
