"""manifest.jsonl: a line per sample. While a run goes on its lines stand in a partial file, appended as it goes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import filterfalse
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasetgan_ext.core.files import save_atomically, writing
from datasetgan_ext.core.seeds import sample_id
from datasetgan_ext.formats.folder import MANIFEST, PARTIAL, Summary, read_manifest
from datasetgan_ext.generation.curation import REASONS, UNCERTAINTY, Curation

log = logging.getLogger(__name__)


class RunManifest:
    """The samples of a run that are done. Memory holds two numbers for each, the disk the rest.

    Attributes:
        without_files: samples whose record is known, but whose files are gone or damaged.
    """

    def __init__(
        self,
        folder: Path,
        is_whole: Callable[[dict], bool],
        is_own: Callable[[dict], bool] = lambda record: True,
        records_alone: bool = False,
    ):
        """Take up what the folder holds. Damaged lines are told and left out, so that their images are made again.

        Args:
            folder: the dataset.
            is_whole: tells whether a record's files are as they were written.
            is_own: tells whether a record is one of this dataset.
            records_alone: whether a record counts whose files are gone or damaged.
        """
        self._final = folder / MANIFEST
        self._partial = folder / PARTIAL
        self._offsets: dict[int, int] = {}
        self._uncertainty: dict[int, float | None] = {}
        self.without_files: set[int] = set()
        self._records_alone = records_alone

        def take_up(path: Path) -> None:
            with path.open('wb') as file:
                for record in records_so_far(folder):
                    if not is_own(record):
                        log.warning('%s has a line that is not of this dataset: passed over', folder)
                        continue
                    whole = is_whole(record)
                    if whole or records_alone:
                        self._add(file, record)
                    if not whole and records_alone:
                        self.without_files.add(sample_id(record))

        save_atomically(self._partial, take_up)

    def __contains__(self, id: int) -> bool:
        return id in self._offsets

    def append(self, record: dict) -> None:
        """Note a sample as done, after its files were written."""
        with writing(self._partial), self._partial.open('ab') as file:
            self._add(file, record)
        self.without_files.discard(sample_id(record))

    def find_lost(self, has_files: Callable[[dict], bool]) -> int:
        """Look for samples whose files were deleted while the run went on; as at the beginning, they are to be made.

        Args:
            has_files: tells whether a record's files are there.

        Returns:
            Number of samples.
        """
        lost = [id for id in map(sample_id, filterfalse(has_files, read_manifest(self._partial))) if id in self]
        lost = [id for id in lost if id not in self.without_files]
        for id in lost:
            if self._records_alone:
                self.without_files.add(id)
            else:
                del self._offsets[id]
        return len(lost)

    def dropped(self, ids: Sequence[int], curation: Curation) -> dict[int, str]:
        """Those of `ids`, all of them done, that are dropped, and why.

        Of two equally uncertain samples the one with the lower id counts as the more certain one. The order in which
        samples were made has no part in it. Those without an uncertainty, which a person labelled, come first.
        """
        by_hand = [id for id in ids if self._uncertainty[id] is None]
        order = sorted(set(ids).difference(by_hand), key=lambda id: (self._uncertainty[id], id))
        with self._partial.open('rb') as partial:
            return curation.dropped(order, lambda id: self._read(partial, id)['pixels_per_class'], sorted(by_hand))

    def finish(self, ids: Sequence[int], dropped: Mapping[int, str]) -> Summary:
        """Write manifest.jsonl in the order of `ids`, each record with `kept`, and the reason if it is `dropped`."""
        counts = _Counts()

        def write_final(path: Path) -> None:
            with path.open('wb') as final, self._partial.open('rb') as partial:
                for id in ids:
                    record = {**self._read(partial, id), 'kept': id not in dropped}
                    if id in dropped:
                        record['dropped'] = dropped[id]
                    else:
                        counts.add(record)
                    final.write(_line(record))

        save_atomically(self._final, write_final)
        self._partial.unlink()
        reasons = list(dropped.values())
        found = {id: self._uncertainty[id] for id in ids}
        certain = [value for id, value in found.items() if value is not None and dropped.get(id) != UNCERTAINTY]
        return Summary(
            samples=len(ids),
            kept=len(ids) - len(dropped),
            uncertainty_cut=max(certain, default=0.0),
            class_pixels=(counts.pixels / max(1, counts.pixels.sum())).round(6).tolist(),
            class_images=counts.images.tolist(),
            keypoint_images=counts.keypoints.tolist(),
            dropped={reason: reasons.count(reason) for reason in REASONS},
            by_hand=list(found.values()).count(None),
        )

    def _read(self, partial: BinaryIO, id: int) -> dict:
        partial.seek(self._offsets[id])
        return json.loads(partial.readline())

    def _add(self, file: BinaryIO, record: dict) -> None:
        id = sample_id(record)
        self._offsets[id] = file.tell()
        self._uncertainty[id] = record['uncertainty']
        file.write(_line({name: value for name, value in record.items() if name not in ('kept', 'dropped')}))


class _Counts:
    """What the kept samples have in all.

    Attributes:
        pixels: of each class.
        images: in which each class is.
        keypoints: number of images in which each keypoint is.
    """

    def __init__(self):
        self.pixels = 0
        self.images = 0
        self.keypoints = 0

    def add(self, record: dict) -> None:
        """Count a kept sample."""
        pixels = np.array(record['pixels_per_class'])
        visibility = np.array(record.get('keypoints', [])[2::3])
        self.pixels = self.pixels + pixels
        self.images = self.images + (pixels > 0)
        self.keypoints = self.keypoints + (visibility > 0)


def _line(record: dict) -> bytes:
    return (json.dumps(record) + '\n').encode()


def records_so_far(folder: Path) -> Iterator[dict]:
    """Records of a run that goes on, of a finished one, or none of one that has only begun. Damaged ones are told."""
    for path in (folder / PARTIAL, folder / MANIFEST):
        if path.exists():
            return read_manifest(path, lambda message: log.warning('%s: that image is made again', message))
    return iter(())
