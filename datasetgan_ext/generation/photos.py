"""Photos that are to be labelled: which there are, what they are called in the dataset, and what is written of them."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch

from datasetgan_ext.core.annotation import ABSENT, IGNORE, object_box
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import json_lines
from datasetgan_ext.core.photo_files import PhotoFile
from datasetgan_ext.core.seeds import PHOTO
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.prediction import FailedPhoto, LabeledPhoto, Photo, PhotoLabeler, UndecidedPhoto
from datasetgan_ext.formats.coco import flat_keypoints
from datasetgan_ext.formats.png import COMPRESSION, png_bytes, write_mask
from datasetgan_ext.generation.encoding import Encoded
from datasetgan_ext.generation.executors import ENCODERS, Job, Shares

AHEAD = 2
"""Jobs whose photos are read while one is labelled."""
FAILED = 'failed'
"""What the record of a photo that could not be read has: why."""


class PhotoJobs:
    """The forward passes that label photos. Always whole batches, so that a photo's neighbours are the same however a
    run was stopped or split."""

    def __init__(self, files: Sequence[PhotoFile], batch: int, image_hw: tuple[int, int]):
        """
        Args:
            files: all photos; their places are the ids.
            batch: photos in each.
            image_hw: size of the images that the network sees.
        """
        self._files = files
        self._batch = batch
        self._image_hw = image_hw

    def __call__(self, done: set[int], shares: Shares) -> Iterator[Job]:
        """Jobs of the batches that are not done.

        Args:
            done: ids of photos that need not be labelled.
            shares: what those who do the jobs have. With the memory, threads here read photos ahead; without the disk,
                jobs hold the files' content.
        """
        jobs = self._jobs(done)
        if shares is Shares.MEMORY:
            return read_ahead(jobs, self._image_hw)
        return map(_with_contents, jobs) if shares is Shares.NOTHING else jobs

    def _jobs(self, done: set[int]) -> Iterator[Job]:
        for start in range(0, len(self._files), self._batch):
            ids = range(start, min(start + self._batch, len(self._files)))
            wanted = set(ids) - done
            if wanted:
                yield Job([self._photo(number) for number in ids], wanted)

    def _photo(self, number: int) -> Photo:
        path = self._files[number].path
        try:
            str(path).encode()
        except UnicodeEncodeError:
            return Photo(number, path, problem='has a name that is no text in UTF-8; rename it')
        return Photo(number, path.absolute())


def read_ahead(jobs: Iterable[Job], image_hw: tuple[int, int]) -> Iterator[Job]:
    """The same jobs with photos that threads have read, and made inputs of that size of; AHEAD of them at most before
    they are asked for."""
    with ThreadPoolExecutor(ENCODERS) as threads:
        reading: deque[tuple[Job, list]] = deque()
        try:
            for job in jobs:
                reading.append((job, [threads.submit(photo.read, image_hw) for photo in job.ids]))
                if len(reading) > AHEAD:
                    yield _read(*reading.popleft())
            while reading:
                yield _read(*reading.popleft())
        finally:
            for _, photos in reading:
                for photo in photos:
                    photo.cancel()


def _read(job: Job, photos: list) -> Job:
    return job._replace(ids=[photo.result() for photo in photos])


def _with_contents(job: Job) -> Job:
    return job._replace(ids=[photo.with_content() for photo in job.ids])


class ModelFingerprint(NamedTuple):
    """What all labelers of a run of photos have in common."""

    model: str

    def check(self, labeler: PhotoLabeler) -> None:
        """Raises UserError unless a labeler has the network that the run has."""
        if labeler.model.fingerprint() != self.model:
            raise UserError('`model` changed while it was being read; start again')


@dataclass(frozen=True)
class PhotoLabelerSpec:
    """How to make a labeler of photos, here or in a process elsewhere; picklable.

    Attributes:
        model: file of the network; or its content.
        views, ignore_below, batch: see `PhotoLabeler`.
        device: where it computes; None = the first GPU, or the CPU where there is none.
    """

    model: Path | bytes
    views: int = 1
    ignore_below: float = 0.0
    batch: int | None = None
    device: torch.device | str | None = None

    def packed(self) -> PhotoLabelerSpec:
        """The same with the file's content, for machines that do not have it."""
        return self if isinstance(self.model, bytes) else replace(self, model=self.model.read_bytes())

    def make(self) -> PhotoLabeler:
        """The labeler.

        Raises:
            UserError: the file cannot be read, or an option has no such value.
        """
        with TemporaryDirectory() as folder:
            path = self.model
            if isinstance(path, bytes):
                path = Path(folder, 'model.safetensors')
                path.write_bytes(self.model)
            return PhotoLabeler(DownstreamModel.load(path, self.device), self.views, self.ignore_below, self.batch)


@dataclass(frozen=True)
class PhotoEncoder:
    """Turns labelled photos into bytes. It needs no disk, so that another process or machine can do it.

    Attributes:
        task: names and colours of the classes.
        files: all photos; their places are the ids.
        compression: of the masks' PNG files, 0 (none) to 9 (slow).
    """

    task: Task
    files: Sequence[PhotoFile]
    compression: int = COMPRESSION

    def __call__(self, labeled: UndecidedPhoto | LabeledPhoto | FailedPhoto) -> Encoded:
        """What is to be written of a photo; of one that could not be read, only its record, which says why."""
        photo = self.files[labeled.id]
        record = {PHOTO: labeled.id, 'file': photo.file}
        if isinstance(labeled, FailedPhoto):
            return Encoded({**record, FAILED: _one_line(labeled.problem)}, {})
        if isinstance(labeled, UndecidedPhoto):
            labeled = labeled.decide()
        record['image'] = photo.image
        files = {}
        pixels_per_class: list[int] = []
        if labeled.mask is not None:
            record['mask'] = f'masks/{photo.name}.png'
            content = png_bytes(write_mask, labeled.mask, self.task.flat_palette, self.compression)
            files[record['mask']] = content
            known = labeled.mask[labeled.mask != IGNORE]
            pixels_per_class = np.bincount(known, minlength=len(self.task.classes)).tolist()
        record['image_hw'] = list(labeled.image.shape[:2])
        record['uncertainty'] = round(labeled.uncertainty, 6)
        record['pixels_per_class'] = pixels_per_class
        if labeled.keypoints is not None:
            record.update(_keypoint_record(labeled))
        record['look'] = labeled.look.tobytes().hex()
        record['image_sha256'] = labeled.sha256
        if labeled.mask is not None:
            record['mask_sha256'] = hashlib.sha256(content).hexdigest()
        return Encoded(record, files)


def _keypoint_record(labeled: LabeledPhoto) -> dict:
    """Keypoints as COCO has them, and the object's box (x, y, width, height)."""
    found = labeled.keypoints
    mask = labeled.mask
    if mask is not None:
        mask = np.where(mask == IGNORE, 0, mask)
    low, high = object_box(mask, found.points[found.visibility != ABSENT])
    return {
        'keypoints': flat_keypoints(found),
        'keypoint_confidence': [round(value, 4) for value in found.confidence.tolist()],
        'box': [round(value, 2) for value in (*low.tolist(), *(high - low).tolist())],
    }


def _one_line(text: str) -> str:
    """A message without the addresses of objects, which are others each time."""
    return re.sub(r'0x[0-9a-f]{6,}', '0x', ' '.join(text.split()))


def failure_lines(records: Iterable[dict]) -> bytes:
    """Content of failed.jsonl: a line for each photo that could not be read, in the order of their ids."""
    ordered = sorted(records, key=lambda record: record[PHOTO])
    return json_lines({'file': record['file'], 'reason': record[FAILED]} for record in ordered)
