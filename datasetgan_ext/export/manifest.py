"""manifest.jsonl: a line per sample. While a run goes on its lines stand in a partial file, appended as it goes."""
from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.errors import UserError
from datasetgan_ext.files import save_atomically, writing

MANIFEST = 'manifest.jsonl'
PARTIAL = 'manifest.partial.jsonl'


@dataclass
class Summary:
    """What a finished run holds.

    Attributes:
        samples, kept: numbers of images, all and not dropped.
        uncertainty_cut: the highest uncertainty that was kept, in nats.
        class_pixels: share of all pixels that each class has, kept samples only; sums to 1.
        class_images: number of kept images in which each class occurs.
        keypoint_images: number of kept images in which each keypoint is present.
    """
    samples: int
    kept: int
    uncertainty_cut: float
    class_pixels: list[float]
    class_images: list[int]
    keypoint_images: list[int]


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


class RunManifest:
    """The samples of a run that are done. Memory holds two numbers for each, the disk the rest."""

    def __init__(self, folder: Path, is_whole: Callable[[dict], bool]):
        """Take up what the folder holds; records whose files are gone or damaged do not count.

        Args:
            folder: the dataset.
            is_whole: tells whether a record's files are as they were written.
        """
        self._final = folder / MANIFEST
        self._partial = folder / PARTIAL
        self._offsets: dict[int, int] = {}
        self._uncertainty: dict[int, float] = {}
        source = self._partial if self._partial.exists() else self._final
        records = (record for record in read_manifest(source) if is_whole(record)) if source.exists() else ()
        save_atomically(self._partial, lambda path: self._write(path, records))

    def __contains__(self, seed: int) -> bool:
        return seed in self._offsets

    def append(self, record: dict) -> None:
        """Note a sample as done, after its files were written."""
        with writing(self._partial), self._partial.open('ab') as file:
            self._add(file, record)

    def finish(self, seeds: Sequence[int], keep: float) -> Summary:
        """Write manifest.jsonl in the order of `seeds`, each record with `kept`.

        The most uncertain samples are dropped; `ceil(keep * number)` are kept, at least one, and of two equally
        uncertain ones the one with the lower seed. The order in which samples were made has no part in it.
        """
        kept_count = max(1, math.ceil(keep * len(seeds) - 1e-9))
        kept = set(sorted(seeds, key=lambda seed: (self._uncertainty[seed], seed))[:kept_count])
        pixels, images, keypoints = 0, 0, 0

        def write_final(path: Path) -> None:
            nonlocal pixels, images, keypoints
            with path.open('wb') as final, self._partial.open('rb') as partial:
                for seed in seeds:
                    partial.seek(self._offsets[seed])
                    record = json.loads(partial.readline())
                    record['kept'] = seed in kept
                    final.write(_line(record))
                    if record['kept']:
                        counts = np.array(record['pixels_per_class'])
                        present = np.array(record.get('keypoints', [])[2::3]) > 0
                        pixels, images, keypoints = pixels + counts, images + (counts > 0), keypoints + present

        save_atomically(self._final, write_final)
        self._partial.unlink()
        return Summary(len(seeds), len(kept), max(self._uncertainty[seed] for seed in kept),
                       (pixels / pixels.sum()).round(6).tolist(), images.tolist(), keypoints.tolist())

    def _write(self, path: Path, records: Iterator[dict]) -> None:
        with path.open('wb') as file:
            for record in records:
                record.pop('kept', None)
                self._add(file, record)

    def _add(self, file, record: dict) -> None:
        self._offsets[record['seed']] = file.tell()
        self._uncertainty[record['seed']] = record['uncertainty']
        file.write(_line(record))


def _line(record: dict) -> bytes:
    return (json.dumps(record) + '\n').encode()
