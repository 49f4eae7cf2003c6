"""manifest.jsonl: a line per sample. While a run goes on its lines stand in a partial file, appended as it goes."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasetgan_ext.errors import UserError
from datasetgan_ext.export.curation import REASONS, UNCERTAINTY, Curation
from datasetgan_ext.files import save_atomically, writing

MANIFEST = 'manifest.jsonl'
PARTIAL = 'manifest.partial.jsonl'


@dataclass
class Summary:
    """What a finished run holds.

    Attributes:
        samples, kept: numbers of images, all and not dropped.
        uncertainty_cut: the highest uncertainty that was not too high, in nats.
        class_pixels: share of all pixels that each class has, kept samples only; sums to 1.
        class_images: number of kept images in which each class occurs.
        keypoint_images: number of kept images in which each keypoint is present.
        dropped: number of images that were dropped, by the reason (curation.REASONS).
    """
    samples: int
    kept: int
    uncertainty_cut: float
    class_pixels: list[float]
    class_images: list[int]
    keypoint_images: list[int]
    dropped: dict[str, int] = field(default_factory=dict)


def read_manifest(path: Path) -> Iterator[dict]:
    """Records of a manifest. A last line that was cut off is passed over.

    Raises:
        UserError: a line in the middle is damaged.
    """
    with path.open(encoding='utf-8') as lines:
        for line in lines:
            if line.endswith('\n'):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise UserError(f'{path} is damaged ({error}); start again with --overwrite') from error


def records_so_far(folder: Path) -> Iterator[dict]:
    """Records of a run that goes on, of a finished one, or none of one that has only begun."""
    for path in (folder / PARTIAL, folder / MANIFEST):
        if path.exists():
            return read_manifest(path)
    return iter(())


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
        return Summary(len(seeds), len(seeds) - len(dropped), cut, (pixels / pixels.sum()).round(6).tolist(),
                       images.tolist(), keypoints.tolist(), {reason: reasons.count(reason) for reason in REASONS})

    def _read(self, partial: BinaryIO, seed: int) -> dict:
        partial.seek(self._offsets[seed])
        return json.loads(partial.readline())

    def _add(self, file: BinaryIO, record: dict) -> None:
        self._offsets[record['seed']] = file.tell()
        self._uncertainty[record['seed']] = record['uncertainty']
        file.write(_line({name: value for name, value in record.items() if name not in ('kept', 'dropped')}))


def _line(record: dict) -> bytes:
    return (json.dumps(record) + '\n').encode()
