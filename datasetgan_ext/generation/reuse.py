"""Samples of other runs, taken over instead of made again: so runs on several machines become one dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import parse_seeds
from datasetgan_ext.formats.folder import DATASET_FILE, read_info, records_so_far
from datasetgan_ext.generation.folder import Encoded

WHICH_ONES = ('seeds', 'keep', 'min-pixels', 'balance-classes')
"""Options that say which samples there are, not what they are like."""


def differences(found: dict, now: dict, but: Collection[str] = ()) -> list[str]:
    """In words, which options of a dataset are others now; an option that is in neither is the same.

    Args:
        found, now: options by the name of the flag.
        but: names of those that may differ.
    """
    return [
        f'`{name.replace("-", "_")}` was {found.get(name)}, now {value}'
        for name, value in now.items()
        if found.get(name) != value and name not in but
    ]


class OtherRun:
    """A run in another folder, finished or not, whose samples would be the same bytes in this one.

    Attributes:
        folder: where it is.
        seeds: of whole batches that this run has, too. A sample's last bits may depend on its neighbours in the batch.
    """

    def __init__(self, folder: Path, info: dict, batches: Sequence[Sequence[int]]):
        """
        Args:
            folder: of the other run.
            info: content of this run's dataset.json.
            batches: seeds of this run's forward passes.

        Raises:
            UserError: the folder holds no run, or one with other options.
        """
        try:
            found = read_info(folder)
        except UserError as error:
            raise UserError(f'`reuse`: {error.message}') from error
        computing = ('batch', 'device')
        differing = differences(found['options'], info['options'], but=WHICH_ONES) + differences(
            found, {name: info[name] for name in computing}
        )
        if differing:
            raise UserError(f'`reuse`={folder} holds images made with other options: {"; ".join(differing)}')
        self.folder = folder
        theirs = set(split(parse_seeds(found['options']['seeds']), info['batch']))
        self.seeds = {seed for batch in batches if tuple(batch) in theirs for seed in batch}

    def samples(self, wanted: Collection[int]) -> Iterator[Encoded]:
        """Those of the wanted samples that are there, with the content that was written."""
        for record in records_so_far(self.folder):
            if record['seed'] in wanted:
                files = self._files(record)
                if files is not None:
                    yield Encoded(record, files)

    def _files(self, record: dict) -> dict[str, bytes] | None:
        """Content by path, or None if a file is missing or damaged."""
        files = {}
        for kind in ('image', 'mask'):
            if kind in record:
                name = f'{kind}s/{Path(record[kind]).name}'
                if name != record[kind] or not (self.folder / name).is_file():
                    return None
                files[name] = (self.folder / name).read_bytes()
                if hashlib.sha256(files[name]).hexdigest() != record[f'{kind}_sha256']:
                    return None
        return files


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


def split(seeds: Sequence[int], batch: int) -> Iterator[tuple[int, ...]]:
    """The seeds of each forward pass."""
    return (tuple(seeds[start : start + batch]) for start in range(0, len(seeds), batch))
