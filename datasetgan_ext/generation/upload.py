"""A finished dataset copied to an object store, or to whatever else fsspec has a protocol for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.files import TEMPORARY_SUFFIX
from datasetgan_ext.formats.folder import DATASET_FILE, MANIFEST

AT_ONCE = 64
"""Files that are handed to the library together; object stores take several at a time."""


class Destination:
    """Where a dataset is copied to.

    Attributes:
        url: as it was given.
    """

    def __init__(self, url: str):
        """
        Raises:
            UserError: fsspec or the package for the URL's protocol is not installed, or there is no such protocol.
        """
        url_to_fs = import_extra('fsspec.core', 'cloud').url_to_fs
        self.url = url
        try:
            self._files, self._root = url_to_fs(url)
        except ImportError as error:
            raise UserError(f"`upload`={url}: {error}; or: pip install 'datasetgan-ext[cloud]'") from error
        except ValueError as error:
            raise UserError(
                f'`upload`={url}: {error}. Give a URL that fsspec knows, such as s3://BUCKET/FOLDER'
            ) from error

    def options(self) -> dict | None:
        """The options of the dataset that is there, None if there is none.

        Raises:
            UserError: the place cannot be read, or holds a dataset.json of another program.
        """
        with self._telling():
            if not self._files.exists(self._path(DATASET_FILE)):
                return None
            content = self._files.cat_file(self._path(DATASET_FILE))
        try:
            return dict(json.loads(content)['options'])
        except (ValueError, KeyError, TypeError) as error:
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
        """Copy a dataset: images and masks that are missing or other than the manifest says, and all other files.

        dataset.json comes first and the manifest last, so that a place with a manifest has all that it names. Where it
        has none yet, a file of the right size is taken for whole: `options` has told that it is of the same dataset.
        Files that an earlier manifest named and the folder has no more are deleted.

        Returns:
            Number of files that were copied.

        Raises:
            UserError: the place cannot be written.
        """
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob('*') if path.is_file()}
        files = {name: path for name, path in files.items() if TEMPORARY_SUFFIX not in name}
        wanted = _hashes((folder / MANIFEST).open(encoding='utf-8')) if MANIFEST in files else {}
        with self._telling():
            sizes = {
                name[len(self._root) :].strip('/'): found['size']
                for name, found in self._files.find(self._root, detail=True).items()
            }
            there = _hashes(self._files.open(self._path(MANIFEST), 'rt', encoding='utf-8')) if MANIFEST in sizes else {}
            todo = [
                name
                for name, path in files.items()
                if name not in wanted
                or sizes.get(name) != path.stat().st_size
                or there.get(name, wanted[name]) != wanted[name]
            ]
            todo.sort(key=lambda name: (name == MANIFEST, name != DATASET_FILE, name))
            self._put({name: files[name] for name in todo})
            if gone := [self._path(name) for name in there if name in sizes and name not in files]:
                self._files.rm(gone)
        return len(todo)

    def _put(self, files: dict[str, Path]) -> None:
        """Copy files in their order, AT_ONCE together but the first and the last ones alone."""
        names = list(files)
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
        except Exception as error:  # each protocol's package has errors of its own
            raise UserError(
                f'`upload`={self.url}: {type(error).__name__}: {error}. Once that is mended, the same command goes on'
            ) from error


def _hashes(manifest) -> dict[str, str]:
    """The sha256 of each file that an opened manifest names; the files of dropped samples may have been deleted."""
    with manifest:
        records = map(json.loads, manifest)
        return {
            record[kind]: record[f'{kind}_sha256'] for record in records for kind in ('image', 'mask') if kind in record
        }
