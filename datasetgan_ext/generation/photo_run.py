"""A run over photos: each through a trained network into a dataset's folder, continued where it stopped."""

from __future__ import annotations

import itertools
import json
import logging
import os
import platform
import shutil
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import file_sha256, save_atomically, write_atomically, writing
from datasetgan_ext.core.locks import locked
from datasetgan_ext.core.photo_files import FAILED_FILE, PhotoFile, photos_fingerprint
from datasetgan_ext.core.seeds import PHOTO
from datasetgan_ext.core.version import __version__
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.formats.conversions import check_conversion, convert_within
from datasetgan_ext.formats.folder import FORMAT, FORMAT_VERSION, MANIFEST, Conversion, FolderDataset, Summary
from datasetgan_ext.formats.png import COMPRESSION
from datasetgan_ext.generation.claim import ORDER_FILE, check_destination, claim_folder, write_info
from datasetgan_ext.generation.executors import Executor, ThisProcess
from datasetgan_ext.generation.folder import FolderWriter
from datasetgan_ext.generation.manifest import RunManifest
from datasetgan_ext.generation.photo_order import write_order
from datasetgan_ext.generation.photos import (
    FAILED,
    ModelFingerprint,
    PhotoEncoder,
    PhotoJobs,
    failure_lines,
)
from datasetgan_ext.generation.upload import Destination
from datasetgan_ext.report.photos import publish_photos

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labeled:
    """What became of a run's photos.

    Attributes:
        summary: of those that were labelled.
        failed: number of those that could not be read; FAILED_FILE says why.
    """

    summary: Summary
    failed: int


@dataclass(frozen=True)
class PhotoRun:
    """Labels of photos as a dataset's folder.

    Example:
        >>> labeler = PhotoLabeler(DownstreamModel.load(Path('network.safetensors')))
        >>> labeled = PhotoRun(labeler, find_photos([Path('photos')]), Path('out/labels'))()

    Attributes:
        labeler: labels the photos.
        files: see `find_photos`.
        outdir: the dataset's folder.
        executor: labels, here or elsewhere, with labelers like `labeler`; None = `labeler` itself, in this process.
        conversions: formats in which the dataset is written too, each into a folder in `outdir`.
        compression: of the masks' PNG files, 0 (none) to 9 (slow).
        copy_images: copy the photos into the dataset, instead of linking them.
        order: also write ORDER_FILE: the photos by how much a person's label would teach.
        destination: where the finished dataset is copied to; None = nowhere.
        model_source: where the network came from, for the record.
    """

    labeler: PhotoLabeler
    files: Sequence[PhotoFile]
    outdir: Path
    executor: Executor | None = None
    conversions: Sequence[Conversion] = ()
    compression: int = COMPRESSION
    copy_images: bool = False
    order: bool = False
    destination: Destination | None = None
    model_source: str = ''

    def __call__(self, overwrite: bool = False) -> Labeled:
        """Label the photos, or what is missing of them. The summary is written last.

        The result depends on network, options and photos alone (and, by rounding, on the kind of device and the batch
        size). Photos that could not be read are tried again.

        Args:
            overwrite: delete a dataset of ours that is in the folder, whatever its options.

        Raises:
            UserError: the folder holds other things, or a dataset with other options; or it cannot be written; or not
                one photo could be read.
        """
        executor = self.executor or ThisProcess(self.labeler)
        fingerprint = ModelFingerprint(self.labeler.model.fingerprint())
        description = self._describe(executor.device, fingerprint)
        for conversion in self.conversions:
            check_conversion(conversion, description, self.outdir)
        with writing(self.outdir):
            self.outdir.mkdir(parents=True, exist_ok=True)
        with locked(self.outdir), nullcontext() if self.destination is None else self.destination.held():
            if self.destination is not None:
                check_destination(self.destination, description)
            claim_folder(self.outdir, description, overwrite)
            if self.destination is not None:
                self.destination.claim(self.outdir)
            labeled = self._fill(executor, description, fingerprint)
            if self.destination is not None:
                self.destination.send(self.outdir)
        return labeled

    def _describe(self, device: str, fingerprint: ModelFingerprint) -> dict:
        """The content of dataset.json, all but the summary."""
        return {
            'format': FORMAT,
            'version': FORMAT_VERSION,
            'options': {
                'model': fingerprint.model,
                'images': photos_fingerprint(self.files),
                'views': self.labeler.views,
                'ignore-below': self.labeler.ignore_below,
                'score': 'labels' if self.labeler.model.task.classes else None,
                'copy-images': self.copy_images,
                'compression': self.compression,
            },
            'sources': {'model': self.model_source},
            **self.labeler.model.task.to_json(),
            'image_hw': None,
            'labelled_images': self.labeler.model.training.get('images', 0),
            'batch': self.labeler.batch,
            'device': device,
            'versions': {
                'datasetgan-ext': __version__,
                'torch': torch.__version__,
                'numpy': np.__version__,
                'pillow': PIL.__version__,
                'python': platform.python_version(),
            },
        }

    def _fill(self, executor: Executor, description: dict, fingerprint: ModelFingerprint) -> Labeled:
        """Label photos into the folder that is ours now."""
        task = self.labeler.model.task
        writer = FolderWriter(self.outdir)

        def is_whole(record: dict) -> bool:
            photo = self.files[record[PHOTO]]
            if not self.copy_images:
                self._place(photo)
            elif not photo.path.is_file() or file_sha256(photo.path) != record['image_sha256']:
                return False
            return writer.is_whole(record)

        manifest = RunManifest(self.outdir, is_whole)
        done = {number for number in range(len(self.files)) if number in manifest}
        failures = []
        encoder = PhotoEncoder(task, self.files, self.compression)
        jobs = PhotoJobs(self.files, self.labeler.batch, self.labeler.model.image_hw)(done, executor.shares)
        with (
            closing(executor.label(jobs, encoder, fingerprint)) as results,
            tqdm(
                total=len(self.files) - len(done), desc='labelling', unit='photo', disable=None, mininterval=0.5
            ) as bar,
        ):
            for encoded in itertools.chain.from_iterable(results):
                if FAILED in encoded.record:
                    failures.append(encoded.record)
                    self._remove(self.files[encoded.record[PHOTO]])
                else:
                    self._place(self.files[encoded.record[PHOTO]])
                    manifest.append(writer.write(encoded))
                bar.update()
        write_atomically(self.outdir / FAILED_FILE, failure_lines(failures))
        failed = {record[PHOTO] for record in failures}
        ids = [number for number in range(len(self.files)) if number not in failed]
        if not ids:
            raise UserError(
                f'`images`: not one of {len(self.files)} photos could be read; {self.outdir / FAILED_FILE} says why'
            )
        summary = manifest.finish(ids, {})
        if task.keypoints:
            writer.write_keypoints(task, None)
        info = {**description, 'summary': {**asdict(summary), 'failed': len(failures)}}
        publish_photos(self.outdir, info, summary, self.labeler, {number: self.files[number].path for number in ids})
        if self.order:
            write_order(self.outdir / ORDER_FILE, self.outdir / MANIFEST)
        write_info(self.outdir, info)
        dataset = FolderDataset(self.outdir)
        for conversion in self.conversions:
            convert_within(dataset, conversion)
        for name, _ in dataset.outdated_conversions():
            log.warning(
                '%s holds the labels as they were before; `format`=%s writes them anew', self.outdir / name, name
            )
        return Labeled(summary, len(failures))

    def _place(self, photo: PhotoFile) -> None:
        """Have a photo in the dataset's folder: linked, or copied where that was asked for or links are impossible."""
        place = self.outdir / photo.image
        target = photo.path.absolute()
        if self.copy_images:
            save_atomically(place, lambda path: shutil.copyfile(target, path), durable=False)
            return
        if place.is_symlink() and os.readlink(place) == str(target):
            return
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            try:
                place.symlink_to(target)
            except (OSError, NotImplementedError):
                log.debug('%s cannot be linked', place)
                shutil.copyfile(target, place)

    def _remove(self, photo: PhotoFile) -> None:
        """Delete what the dataset has of a photo that could be read once."""
        for name in (photo.image, f'masks/{photo.name}.png'):
            with writing(self.outdir):
                (self.outdir / name).unlink(missing_ok=True)


def read_failures(folder: Path) -> list[dict]:
    """The photos of a finished run that could not be read: file and reason."""
    return [json.loads(line) for line in (folder / FAILED_FILE).read_text(encoding='utf-8').splitlines()]
