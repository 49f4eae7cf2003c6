"""Samples of other runs, taken over instead of made again: so runs on several machines become one dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import inside
from datasetgan_ext.core.seeds import parse_seeds, sample_id
from datasetgan_ext.formats.folder import DATASET_FILE, read_info
from datasetgan_ext.generation.description import COMPUTING, differences
from datasetgan_ext.generation.encoding import HALVED, Encoded
from datasetgan_ext.generation.manifest import records_so_far

WHICH_ONES = ('seeds', 'keep', 'min-pixels', 'balance-classes')
"""Options that say which samples there are, not what they are like."""


class OtherRun:
    """A run in another folder, finished or not, whose samples would be the same bytes in this one.

    Attributes:
        folder: where it is.
        ids: of whole batches that this run has, too. A sample's last bits may depend on its neighbours in the batch.
    """

    def __init__(self, folder: Path, description: dict):
        """
        Args:
            folder: of the other run.
            description: of this run.

        Raises:
            UserError: the folder holds no run, or one with other options.
        """
        try:
            found = read_info(folder)
        except UserError as error:
            raise UserError(f'`reuse`: {error.message}') from error
        computing = {name: description[name] for name in COMPUTING}
        differing = differences(found['options'], description['options'], but=WHICH_ONES)
        differing += differences(found, computing)
        if differing:
            raise UserError(f'`reuse`={folder} holds images made with other options: {"; ".join(differing)}')
        self.folder = folder
        theirs = set(_batches(found['options'], description['batch']))
        ours = _batches(description['options'], description['batch'])
        self.ids = {number for batch in ours if batch in theirs for number in batch}

    def samples(self, wanted: Collection[int], is_own: Callable[[dict], bool]) -> Iterator[Encoded]:
        """Those of the wanted samples that are there, with the content that was written.

        Args:
            wanted: their ids.
            is_own: tells whether a record is one of such a dataset.
        """
        for record in records_so_far(self.folder):
            if sample_id(record) in wanted and is_own(record) and HALVED not in record:
                files = self._files(record)
                if files is not None:
                    yield Encoded(record, files)

    def _files(self, record: dict) -> dict[str, bytes] | None:
        """Content by path, or None if a file is missing or damaged."""
        files = {}
        for kind in ('image', 'mask'):
            if kind in record:
                try:
                    files[record[kind]] = inside(self.folder, record[kind]).read_bytes()
                except (UserError, OSError):
                    return None
                if hashlib.sha256(files[record[kind]]).hexdigest() != record[f'{kind}_sha256']:
                    return None
        return files


def other_runs(given: Iterable[Path], own: Path, description: dict) -> list[OtherRun]:
    """The runs in some folders, or in folders of these, all but the own one.

    Raises:
        UserError: a folder holds no run, or one with other options.
    """
    return [
        OtherRun(folder, description)
        for place in given
        for folder in find_runs(place)
        if folder.resolve() != own.resolve()
    ]


def find_runs(folder: Path) -> list[Path]:
    """The folder itself if it holds a run, or else those in it that do.

    Raises:
        UserError: there is none.
    """
    found = (
        [folder]
        if (folder / DATASET_FILE).is_file()
        else [path.parent for path in sorted(folder.glob(f'*/{DATASET_FILE}'))]
    )
    if not found:
        raise UserError(f'`reuse`={folder} is not the folder of a run, nor are there any in it')
    return found


def split(ids: Sequence[int], batch: int) -> Iterator[tuple[int, ...]]:
    """The ids of each forward pass."""
    return (tuple(ids[start : start + batch]) for start in range(0, len(ids), batch))


def _batches(options: dict, batch: int) -> Iterator[tuple[int, ...]]:
    """The ids of each forward pass of a dataset with these options."""
    return split(parse_seeds(options['seeds']), batch)
