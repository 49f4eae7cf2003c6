"""manifest.jsonl: a line per sample. While a run goes on its lines stand in a partial file, appended as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasetgan_ext.core.files import save_atomically, writing
from datasetgan_ext.formats.folder import MANIFEST, PARTIAL, Summary, records_so_far
from datasetgan_ext.generation.curation import REASONS, UNCERTAINTY, Curation


class RunManifest:
    """The samples of a run that are done. Memory holds two numbers for each, the disk the rest.

    Attributes:
        without_files: samples whose record is known, but whose files are gone or damaged.
    """

    def __init__(self, folder: Path, is_whole: Callable[[dict], bool], records_alone: bool = False):
        """Take up what the folder holds.

        Args:
            folder: the dataset.
            is_whole: tells whether a record's files are as they were written.
            records_alone: whether a record counts whose files are gone or damaged.
        """
        self._final = folder / MANIFEST
        self._partial = folder / PARTIAL
        self._offsets: dict[int, int] = {}
        self._uncertainty: dict[int, float] = {}
        self.without_files: set[int] = set()

        def take_up(path: Path) -> None:
            with path.open('wb') as file:
                for record in records_so_far(folder):
                    whole = is_whole(record)
                    if whole or records_alone:
                        self._add(file, record)
                    if not whole and records_alone:
                        self.without_files.add(record['seed'])

        save_atomically(self._partial, take_up)

    def __contains__(self, seed: int) -> bool:
        return seed in self._offsets

    def append(self, record: dict) -> None:
        """Note a sample as done, after its files were written."""
        with writing(self._partial), self._partial.open('ab') as file:
            self._add(file, record)
        self.without_files.discard(record['seed'])

    def dropped(self, seeds: Sequence[int], curation: Curation) -> dict[int, str]:
        """Those of `seeds`, all of them done, that are dropped, and why.

        Of two equally uncertain samples the one with the lower seed counts as the more certain one. The order in which
        samples were made has no part in it.
        """
        order = sorted(seeds, key=lambda seed: (self._uncertainty[seed], seed))
        with self._partial.open('rb') as partial:
            return curation.dropped(order, lambda seed: self._read(partial, seed)['pixels_per_class'])

    def finish(self, seeds: Sequence[int], dropped: Mapping[int, str]) -> Summary:
        """Write manifest.jsonl in the order of `seeds`, each record with `kept`, and the reason if it is `dropped`."""
        pixels, images, keypoints = 0, 0, 0

        def write_final(path: Path) -> None:
            nonlocal pixels, images, keypoints
            with path.open('wb') as final, self._partial.open('rb') as partial:
                for seed in seeds:
                    record = {**self._read(partial, seed), 'kept': seed not in dropped}
                    if seed in dropped:
                        record['dropped'] = dropped[seed]
                    final.write(_line(record))
                    if record['kept']:
                        counts = np.array(record['pixels_per_class'])
                        present = np.array(record.get('keypoints', [])[2::3]) > 0
                        pixels, images, keypoints = pixels + counts, images + (counts > 0), keypoints + present

        save_atomically(self._final, write_final)
        self._partial.unlink()
        cut = max(self._uncertainty[seed] for seed in seeds if dropped.get(seed) != UNCERTAINTY)
        reasons = list(dropped.values())
        return Summary(
            len(seeds),
            len(seeds) - len(dropped),
            cut,
            (pixels / pixels.sum()).round(6).tolist(),
            images.tolist(),
            keypoints.tolist(),
            {reason: reasons.count(reason) for reason in REASONS},
        )

    def _read(self, partial: BinaryIO, seed: int) -> dict:
        partial.seek(self._offsets[seed])
        return json.loads(partial.readline())

    def _add(self, file: BinaryIO, record: dict) -> None:
        self._offsets[record['seed']] = file.tell()
        self._uncertainty[record['seed']] = record['uncertainty']
        file.write(_line({name: value for name, value in record.items() if name not in ('kept', 'dropped')}))


def _line(record: dict) -> bytes:
    return (json.dumps(record) + '\n').encode()
