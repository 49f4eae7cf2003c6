"""A folder of photos that were projected into a generator's W+ space: samples as the generated ones are."""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from datasetgan_ext.core.choices import MAX_STRANGENESS, MIN_QUALITY, PROJECTION_BATCH, TRANSFORMS
from datasetgan_ext.core.crops import Crop, crop_of
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import (
    holds_files,
    inside,
    json_lines,
    remove_leftovers,
    save_atomically,
    write_atomically,
    writing,
)
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.core.locks import locked
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.photo_files import FAILED_FILE, PhotoFile, read_content, unique_names
from datasetgan_ext.formats.png import write_image
from datasetgan_ext.generator.encoder import Encoder
from datasetgan_ext.generator.inversion import Inversion, Inverted
from datasetgan_ext.generator.projections import Projection, pixel_sha256
from datasetgan_ext.generator.samples import SAMPLES_FILE, Sample, SampleSet

log = logging.getLogger(__name__)

PROJECTIONS_FILE = 'projections.jsonl'
LATENTS_FILE = 'projected_w.npz'
ENCODER_FILE = 'encoder.safetensors'
IMAGES, PROJECTED, LATENTS = 'images', 'projections', 'latents'
"""Folders of the photos' parts, of what the network makes for them, and of their w vectors."""
MIN_EXPLAINED = 0.7
"""Share of a photo's variance that a trusted projection explains: a gray, noisy picture has a good PSNR for nothing."""
JUDGING = ('min_quality', 'max_strangeness')
"""Options that may be others when photos are added."""


class ReadPhoto(NamedTuple):
    """A photo that can be projected.

    Attributes:
        id: its place among all photos.
        file: where it is.
        sha256: of the file (hex).
        crop: the part that is projected.
        picture: uint8 [H, W, C], that part, at the size and with the channels of the network's images.
    """

    id: int
    file: PhotoFile
    sha256: str
    crop: Crop
    picture: np.ndarray


@dataclass(frozen=True)
class Projected:
    """What became of the photos.

    Attributes:
        samples: the folder.
        failed: `file` and `reason` of each photo that could not be read.
    """

    samples: SampleSet
    failed: list[dict]


@dataclass(frozen=True)
class PhotoProjector:
    """Projects photos into a folder.

    Attributes:
        inversion: finds w vectors.
        files: see `find_photos`.
        outdir: the folder.
        transform: one of TRANSFORMS: how a photo becomes as large as the network's images.
        min_quality: PSNR in dB from which a projection is trusted.
        max_strangeness: from which it is not, see `Inverted`.
        batch: photos at once. Larger ones are faster on a GPU; the last bits depend on it.
    """

    inversion: Inversion
    files: Sequence[PhotoFile]
    outdir: Path
    transform: str = TRANSFORMS[0]
    min_quality: float = MIN_QUALITY
    max_strangeness: float = MAX_STRANGENESS
    batch: int = PROJECTION_BATCH

    def __call__(self, overwrite: bool = False, progress: bool = True) -> Projected:
        """Project the photos, or what is missing of them.

        What is in the folder stays and keeps its name, so that labels stay with their pictures: also samples of photos
        that have changed since, or that are not among the photos now. Photos are known by their content. They are
        projected in batches of their order, so that a run that was stopped ends as one that was not.

        Args:
            overwrite: delete what `project` wrote into the folder before.
            progress: show a progress bar.

        Raises:
            UserError: the folder holds other things, or photos projected with other options; or not one photo could be
                projected.
        """
        for name in JUDGING:
            if math.isnan(getattr(self, name)):
                raise UserError(f'`{name}`={getattr(self, name)} is not a number')
        with writing(self.outdir):
            self.outdir.mkdir(parents=True, exist_ok=True)
        with locked(self.outdir):
            known = self._claim(overwrite)
            there = _of_photos(known, self.files)
            names = {sample.name for sample in there.values()}
            others = [sample for sample in known if sample.name not in names]
            _tell_of_others(others, {photo.file for photo in self.files})
            return replace(self, files=_named(self.files, there, others))._fill(there, others, progress)

    def _claim(self, overwrite: bool) -> list[Sample]:
        """Make the folder ours; returns what it holds."""
        path = self.outdir / SAMPLES_FILE
        if not path.exists():
            if holds_files(self.outdir):
                raise UserError(
                    f'`outdir`={self.outdir} is not empty and holds no {SAMPLES_FILE}; give an empty or new folder'
                )
            self._set(()).write()
            return []
        there = SampleSet.read(self.outdir)
        if there.projecting is None:
            raise UserError(
                f'`outdir`={self.outdir} holds generated samples; give another folder for photos, both can be given to '
                'datasetgan train'
            )
        if overwrite:
            with writing(self.outdir):
                for folder in (IMAGES, PROJECTED, LATENTS):
                    shutil.rmtree(inside(self.outdir, folder), ignore_errors=True)
                (self.outdir / ENCODER_FILE).unlink(missing_ok=True)
            self._set(()).write()
            return []
        if not there.samples:
            (self.outdir / ENCODER_FILE).unlink(missing_ok=True)  # perhaps of another network
            return []
        there.check(self.inversion.generator, self.inversion.options)
        now = self._projecting()
        differing = [name for name in now if name not in JUDGING and there.projecting.get(name) != now[name]]
        if differing:
            raise UserError(
                f'`outdir`={self.outdir} holds photos that were projected with other options ('
                + ', '.join(f'{name}: {there.projecting.get(name)}, now {now[name]}' for name in differing)
                + '). Give another folder, or `overwrite`'
            )
        return list(there.samples)

    def _projecting(self) -> dict:
        return {
            'transform': self.transform,
            'steps': self.inversion.steps,
            'encoder_images': self.inversion.encoder_images,
            'batch': self.batch,
            'perceptual': self.inversion.perceptual_kind,
            'min_quality': self.min_quality,
            'max_strangeness': self.max_strangeness,
        }

    def _set(self, samples: Sequence[Sample]) -> SampleSet:
        generator, options = self.inversion.generator, self.inversion.options
        return SampleSet(
            folder=self.outdir,
            network=generator.source,
            fingerprint=generator.fingerprint,
            options=options,
            image_hw=self.inversion.image_hw,
            samples=tuple(samples),
            projecting=self._projecting(),
        )

    def _fill(self, there: dict[int, Sample], others: Sequence[Sample], progress: bool) -> Projected:
        """Project what is not there.

        Args:
            there: samples of the photos, by the photos' places.
            others: samples that are kept after them.
            progress: show a progress bar.
        """
        for folder in (self.outdir, *(inside(self.outdir, name) for name in (IMAGES, PROJECTED, LATENTS))):
            remove_leftovers(folder)
        failed = []
        # what a stopped run left stays on record until its photo has had its turn
        samples = {number: replace(sample, seed=number) for number, sample in there.items()}
        samples |= {number: replace(sample, seed=number) for number, sample in enumerate(others, len(self.files))}
        bar = tqdm(total=len(self.files), desc='projecting', unit='photo', disable=None if progress else True)
        with bar:
            for first in range(0, len(self.files), self.batch):
                ids = range(first, min(first + self.batch, len(self.files)))
                photos, failures = self._read(ids)
                failed += failures
                known = {number: samples.pop(number, None) for number in ids}
                found = self._samples_of(photos, [known[photo.id] for photo in photos])
                samples.update({photo.id: self._judged(sample) for photo, sample in zip(photos, found)})
                self._record(samples.values())
                bar.update(len(ids))
        write_atomically(self.outdir / FAILED_FILE, json_lines(failed))
        if not samples:
            raise UserError(
                f'`images`: not one of {len(self.files)} photos could be projected; {self.outdir / FAILED_FILE} says '
                f'why, of the first: {failed[0]["file"]}: {failed[0]["reason"]}'
            )
        projected = self._set(in_order(samples.values()))
        self._remove_strangers(projected.samples)
        ws = np.stack([sample.projection.w for sample in projected.samples if sample.projection is not None])
        save_atomically(self.outdir / LATENTS_FILE, partial(_save_w, ws=ws))
        return Projected(projected, failed)

    def _samples_of(self, photos: list[ReadPhoto], there: list[Sample | None]) -> list[Sample]:
        """Samples of a batch of photos: those that are there, if all are whole, or new ones."""
        whole = [sample for photo, sample in zip(photos, there) if sample and self._is_whole(photo, sample)]
        if len(whole) == len(photos):
            return whole
        self._have_encoder()
        found = self.inversion([photo.picture for photo in photos])
        return [self._write(photo, inverted) for photo, inverted in zip(photos, found)]

    def _have_encoder(self) -> None:
        """The encoder is kept in the folder: a run that goes on takes the same, and does not train it again."""
        path = self.outdir / ENCODER_FILE
        if path.exists() and self.inversion.encoder_images:
            self.inversion.use_encoder(Encoder.load(path))
        elif self.inversion.encoder is not None:
            self.inversion.encoder.save(path)

    def _read(self, ids: Sequence[int]) -> tuple[list[ReadPhoto], list[dict]]:
        photos, failures = [], []
        for number in ids:
            file = self.files[number]
            try:
                photos.append(self._read_one(number, file))
            except UserError as error:
                failures.append({'file': file.file, 'reason': error.message.removeprefix(f'{file.path} ')})
        return photos, failures

    def _read_one(self, number: int, file: PhotoFile) -> ReadPhoto:
        content = read_content(file.path)
        photo = read_rgb(file.path, content)
        crop = crop_of(self.transform, photo.shape[:2], self.inversion.image_hw)
        picture = crop.picture(photo, self.inversion.generator.image_channels)
        return ReadPhoto(number, file, hashlib.sha256(content).hexdigest(), crop, picture)

    def _is_whole(self, photo: ReadPhoto, sample: Sample) -> bool:
        """Whether a sample is of a photo as it is now, and its pictures are there."""
        assert sample.projection is not None
        is_of_it = sample.projection.file_sha256 == photo.sha256 and sample.name == photo.file.name
        return is_of_it and self._set(()).holds(sample)

    def _write(self, photo: ReadPhoto, found: Inverted) -> Sample:
        name = photo.file.name
        files = f'{IMAGES}/{name}.png', f'{PROJECTED}/{name}.png', f'{LATENTS}/{name}.npz'
        for file, picture in zip(files, (photo.picture, found.image)):
            save_atomically(self.outdir / file, partial(write_image, image=picture))
        save_atomically(self.outdir / files[2], partial(_save_w, ws=found.w[None]))
        projection = Projection(
            image=files[1],
            sha256=pixel_sha256(found.image),
            latent=files[2],
            file=photo.file.file,
            file_sha256=photo.sha256,
            crop=photo.crop,
            psnr=round(found.psnr, 3),
            explained=round(found.explained, 4),
            perceptual=round(found.perceptual, 5),
            strangeness=None if found.strangeness is None else round(found.strangeness, 3),
            trusted=False,
            w=found.w,
        )
        return Sample(photo.id, files[0], pixel_sha256(photo.picture), self.outdir, projection)

    def _judged(self, sample: Sample) -> Sample:
        assert sample.projection is not None
        strangeness = sample.projection.strangeness or 0
        alike = sample.projection.psnr >= self.min_quality and sample.projection.explained >= MIN_EXPLAINED
        trusted = alike and strangeness <= self.max_strangeness
        return replace(sample, projection=replace(sample.projection, trusted=trusted))

    def _record(self, samples: Iterable[Sample]) -> None:
        """Write samples.json and PROJECTIONS_FILE."""
        ordered = in_order(samples)
        self._set(ordered).write()
        rows = []
        for sample in ordered:
            assert sample.projection is not None
            rows.append(
                {
                    'file': sample.projection.file,
                    'name': sample.name,
                    'psnr': sample.projection.psnr,
                    'perceptual': sample.projection.perceptual,
                    'strangeness': sample.projection.strangeness,
                    'trusted': sample.projection.trusted,
                }
            )
        write_atomically(self.outdir / PROJECTIONS_FILE, json_lines(rows))

    def _remove_strangers(self, samples: Sequence[Sample]) -> None:
        """Delete pictures that are of no sample."""
        names = {sample.name for sample in samples}
        with writing(self.outdir):
            for folder in (IMAGES, PROJECTED, LATENTS):
                for path in inside(self.outdir, folder).glob('*'):
                    if path.stem not in names and path.suffix in ('.png', '.npz'):
                        path.unlink()


def _of_photos(samples: Sequence[Sample], files: Sequence[PhotoFile]) -> dict[int, Sample]:
    """Samples of photos as they are now, by the photos' places; also of photos that have another path than before."""
    contents = [''] * len(files)
    for number, file in enumerate(files):
        with suppress(UserError):  # is told when the photo has its turn
            contents[number] = hashlib.sha256(read_content(file.path)).hexdigest()
    left = {(of.file_sha256, of.file): sample for sample in samples if (of := sample.projection) is not None}
    found = {}
    for number, (file, content) in enumerate(zip(files, contents)):
        if sample := left.pop((content, file.file), None):
            found[number] = sample
    for number, (file, content) in enumerate(zip(files, contents)):
        place = next((place for place in left if place[0] == content), None)
        if number not in found and place is not None:
            sample = left.pop(place)
            assert sample.projection is not None
            found[number] = replace(sample, projection=replace(sample.projection, file=file.file))
    return found


def _named(files: Sequence[PhotoFile], there: Mapping[int, Sample], others: Sequence[Sample]) -> list[PhotoFile]:
    """The photos with the names of the samples that are there, and with new ones."""
    new = [number for number in range(len(files)) if number not in there]
    taken = {sample.name: files[number].file for number, sample in there.items()}
    taken |= {sample.name: sample.projection.file for sample in others if sample.projection is not None}
    names = {number: sample.name for number, sample in there.items()}
    names |= dict(zip(new, unique_names([files[number].file for number in new], taken)))
    return [file._replace(name=names[number]) for number, file in enumerate(files)]


def _tell_of_others(others: Sequence[Sample], files: Container[str]) -> None:
    """Tell of samples that are of none of the photos, as these are now."""
    photos = {sample.name: sample.projection.file for sample in others if sample.projection is not None}
    changed = [f'{file} ({name})' for name, file in photos.items() if file in files]
    if changed:
        log.warning(
            'photos have changed since they were projected, or cannot be read: %s. Their samples, with their labels, '
            'stay as they are; what can be read becomes new samples',
            listed(changed),
        )
    gone = [f'{file} ({name})' for name, file in photos.items() if file not in files]
    if gone:
        log.warning(
            '%d samples are of photos that are not among `images` now, and stay: %s. `overwrite` begins anew',
            *(len(gone), listed(gone)),
        )


def in_order(samples: Iterable[Sample]) -> list[Sample]:
    """By their numbers."""
    return sorted(samples, key=lambda sample: sample.seed)


def _save_w(path: Path, ws: np.ndarray) -> None:
    """float32 [N, num_ws, w_dim] as upstream's projector.py writes them."""
    with path.open('wb') as file:
        np.savez(file, w=ws)
