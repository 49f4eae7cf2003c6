"""A finished dataset in the folder format, read back: to convert it, or to check it."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import PIL.ExifTags

from datasetgan_ext.core.annotation import HAND, IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import file_sha256, inside, is_inside
from datasetgan_ext.core.images import open_image, read_rgb
from datasetgan_ext.core.seeds import PHOTO, PROJECTION, SEED
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.png import png_bytes, read_image, read_mask, write_image

DATASET_FILE = 'dataset.json'
MANIFEST = 'manifest.jsonl'
PARTIAL = 'manifest.partial.jsonl'
"""Where the manifest's lines stand while a run goes on."""
KEYPOINTS_FILE = 'keypoints.json'
FORMAT = 'datasetgan-folder'
FORMAT_VERSION = 1
CONVERSION = 'conversion'
"""What the dataset.json of a dataset in another format has beside that of the dataset it was made from."""
LABELS_SHA256 = 'labels_sha256'
"""In that note: of the labels as they were written."""
TRAIN, VAL = 'train', 'val'
PLAIN_FORMATS = {'JPEG': ('.jpg', '.jpeg'), 'PNG': ('.png',)}
"""What every program reads, with the suffixes of such files."""

Progress = Callable[[Iterable[dict]], Iterable[dict]]
"""Goes through records, and shows how far it is."""


@dataclass
class Summary:
    """What a finished run holds.

    Attributes:
        samples, kept: numbers of images, all and not dropped.
        uncertainty_cut: the highest uncertainty that was not too high; 0 where no image has one.
        class_pixels: share of all pixels that each class has, kept samples only; sums to 1.
        class_images: number of kept images in which each class occurs.
        keypoint_images: number of kept images in which each keypoint is present.
        dropped: number of images that were dropped, by the reason (curation.REASONS).
        by_hand: number of images that a person labelled whole; they have no uncertainty.
    """

    samples: int
    kept: int
    uncertainty_cut: float
    class_pixels: list[float]
    class_images: list[int]
    keypoint_images: list[int]
    dropped: dict[str, int] = field(default_factory=dict)
    by_hand: int = 0


def read_manifest(path: Path, damaged: Callable[[str], object] | None = None) -> Iterator[dict]:
    """Records of a manifest. A last line that was cut off is passed over.

    Args:
        path: the manifest.
        damaged: called with a message for each line that is no record, which then is passed over; None = an error.

    Raises:
        UserError: see `records_in`.
    """
    with path.open('rb') as lines:
        yield from records_in(lines, str(path), damaged)


def records_in(lines: Iterable[bytes], source: str, damaged: Callable[[str], object] | None = None) -> Iterator[dict]:
    """Records of an opened manifest.

    Args:
        lines: of it.
        source: its path, which ends in MANIFEST if it is finished.
        damaged: see `read_manifest`.

    Raises:
        UserError: a line in the middle is no record.
    """
    finished = source.endswith(MANIFEST)
    for number, line in enumerate(lines, 1):
        if not line.endswith(b'\n'):
            continue
        try:
            record = json.loads(line)
            _check_record(record, finished)
        except (ValueError, RecursionError) as error:
            message = f'{source}: line {number} is damaged ({type(error).__name__}: {error})'
            if damaged is None:
                raise UserError(
                    f'{message}. The command that made the dataset, given again, makes that image again'
                ) from error
            damaged(message)
        else:
            yield record


def _check_record(record: object, finished: bool) -> None:
    """Raises ValueError unless a line of a manifest has what every record has; its files are not looked at."""
    if not isinstance(record, dict):
        raise ValueError('it is no record')
    missing = [name for name in ('image', 'uncertainty', 'pixels_per_class') if name not in record]
    if not any(isinstance(record.get(name), int) for name in (PROJECTION, PHOTO, SEED)):
        missing.append(SEED)
    if finished and not isinstance(record.get('kept'), bool):
        missing.append('kept')
    for kind in ('image', 'mask'):
        if kind in record:
            if not is_inside(record[kind]):
                raise ValueError(f'{kind} {record[kind]!r} is no file of the folder')
            if not isinstance(record.get(f'{kind}_sha256'), str):
                missing.append(f'{kind}_sha256')
    if missing:
        raise ValueError(f'it has no right {", ".join(missing)}')
    if not (_are_numbers([record['uncertainty']]) or (record['uncertainty'] is None and record.get('labels') == HAND)):
        raise ValueError(f'its uncertainty is {record["uncertainty"]!r}')
    if not _are_numbers(record['pixels_per_class']):
        raise ValueError('its pixels_per_class are no numbers')
    if 'keypoints' in record:
        box = record.get('box') or []
        if not _are_numbers(record['keypoints']) or not _are_numbers(box) or len(box) != 4:
            raise ValueError('its keypoints or its box are no numbers')


def file_of(folder: Path, record: dict, kind: str) -> Path:
    """A record's image or mask. A photo may be a link to where it lies, if that has the recorded content.

    Raises:
        UserError: the file is outside the folder, or the photo has changed since it was labelled.
    """
    path = folder / record[kind] if is_inside(record[kind]) else folder
    if PHOTO in record and kind == 'image' and path.is_symlink():
        if path.is_file() and file_sha256(path) == record['image_sha256']:
            return path
        raise UserError(
            f'{path} is a link to a photo that has changed since it was labelled, or is not there; put it back, or '
            'give the command that made the labels again'
        )
    return inside(folder, record[kind])


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(type(value) in (int, float) and math.isfinite(value) for value in values)


class FolderDataset:
    """A dataset of datasetgan generate.

    Attributes:
        folder: where it is.
        info: content of dataset.json.
        task: classes and keypoints.
        image_hw: height and width of every image; None for photos, see `hw_of`.
        id_name: what the samples were made from, `seeds.SEED` or `seeds.PROJECTION`; or `seeds.PHOTO`.
    """

    def __init__(self, folder: Path):
        """
        Raises:
            UserError: the folder holds no dataset of ours, or one that is not finished.
        """
        self.folder = folder
        self.info = read_info(folder)
        if 'summary' not in self.info or (folder / PARTIAL).exists() or not (folder / MANIFEST).is_file():
            raise UserError(f'{folder} holds a dataset that is not finished; the command that began it completes it')
        self.task = Task.from_json(self.info, folder / DATASET_FILE)
        self.image_hw = tuple(self.info['image_hw']) if self.info['image_hw'] else None
        self.id_name = PROJECTION if self.info['options'].get('projected-w') else SEED
        if self.image_hw is None:
            self.id_name = PHOTO

    def records(self) -> Iterator[dict]:
        """The manifest's records, dropped samples too."""
        return read_manifest(self.folder / MANIFEST)

    def kept(self, val: float, split: str) -> Iterator[dict]:
        """Records of the kept samples that are in a split.

        Args:
            val: share of the samples that is meant for validation. A sample's split follows from its name alone, so
                that it stays when seeds are added.
            split: TRAIN or VAL.

        Raises:
            UserError: a file of one is missing, or outside the folder.
        """
        for record in self.records():
            if record['kept'] and (split == VAL) == (_unit_interval(name_of_record(record)) < val):
                for kind in ('image', 'mask'):
                    if kind in record and not file_of(self.folder, record, kind).is_file():
                        raise UserError(
                            f'{self.folder / record[kind]} is missing; the command that made the dataset, '
                            'given again, makes it again'
                        )
                yield record

    def hw_of(self, record: dict) -> tuple[int, int]:
        """Height and width of a record's image, upright."""
        return self.image_hw or tuple(record['image_hw'])

    def file_name(self, record: dict) -> str:
        """Name of a record's image file in other formats: that of the sample, with the suffix of `content`."""
        path = self.folder / record['image']
        suffix = path.suffix.lower() if self.image_hw or _is_plain(path) else '.png'
        return f'{name_of_record(record)}{suffix}'

    def content(self, record: dict) -> bytes:
        """A record's image as any program shows it alike: its file, or an upright RGB PNG of a photo that is turned by
        its EXIF, transparent, deeper than 8 bits or in a format that few programs know."""
        path = self.folder / record['image']
        if self.image_hw or _is_plain(path):
            return path.read_bytes()
        return png_bytes(write_image, read_rgb(path))

    def copy_image(self, record: dict, folder: Path) -> str:
        """Write `content` into a folder, and return `file_name`."""
        name = self.file_name(record)
        (folder / name).write_bytes(self.content(record))
        return name

    def image(self, record: dict) -> np.ndarray:
        """uint8 [H, W, C]."""
        path = file_of(self.folder, record, 'image')
        return read_image(path) if self.image_hw else read_rgb(path)

    def mask(self, record: dict) -> np.ndarray:
        """uint8 [H, W], class ids."""
        return read_mask(file_of(self.folder, record, 'mask'))

    def info_of_conversion(self, settings: dict) -> dict:
        """Content of the dataset.json of this dataset in another format: all that decides that other dataset.

        Args:
            settings: the format, and what it was told.
        """
        return {**self.info, CONVERSION: {**settings, 'manifest_sha256': file_sha256(self.folder / MANIFEST)}}

    def outdated_conversions(self) -> Iterator[tuple[str, dict]]:
        """Folders in this one that hold the dataset in another format as it once was: name, format and settings."""
        for path in sorted(self.folder.glob(f'*/{DATASET_FILE}')):
            if not path.parent.name.startswith('.') and is_conversion(path.parent):
                found = read_info(path.parent, converted=True)
                found[CONVERSION].pop(LABELS_SHA256, None)
                settings = {name: value for name, value in found[CONVERSION].items() if name != 'manifest_sha256'}
                if found != self.info_of_conversion(settings):
                    yield path.parent.name, settings

    def problems(self) -> Iterator[str]:
        """What is wrong with the dataset, in words: each file against its hash, each mask against the class list, the
        number of samples against the summary, files that belong to no sample, and outdated conversions."""
        known, samples, kept = set(), 0, 0
        if self.task.keypoints and not (self.folder / KEYPOINTS_FILE).is_file():
            yield f'{KEYPOINTS_FILE}: is missing'
        damaged: list[str] = []
        for record in read_manifest(self.folder / MANIFEST, damaged.append):
            samples += 1
            kept += record['kept']
            for kind in ('image', 'mask'):
                if kind in record and (record['kept'] or not self.info.get('drop')):
                    known.add(record[kind])
                    yield from self._file_problems(record, kind)
        yield from damaged
        for folder in ('images', 'masks'):
            for path in sorted((self.folder / folder).glob('*')):
                if f'{folder}/{path.name}' not in known:
                    yield f'{folder}/{path.name}: belongs to no sample of {MANIFEST} that has files'
        for name, settings in self.outdated_conversions():
            yield f'{name}: was converted before the dataset changed; --format={settings["format"]} writes it anew'
        for name, count in (('samples', samples), ('kept', kept)):
            if count != self.info['summary'][name]:
                yield f'{MANIFEST}: {count} {name}, but {DATASET_FILE} tells of {self.info["summary"][name]}'

    def _file_problems(self, record: dict, kind: str) -> Iterator[str]:
        try:
            path = file_of(self.folder, record, kind)
        except UserError as error:
            yield error.message
            return
        if not path.is_file():
            yield f'{record[kind]}: is missing'
        elif file_sha256(path) != record[f'{kind}_sha256']:
            yield f'{record[kind]}: is not as it was written (its sha256 differs from {MANIFEST})'
        elif kind == 'mask':
            mask = read_mask(path)
            counts = np.bincount(mask[mask != IGNORE], minlength=len(self.task.classes)).tolist()
            if counts != record['pixels_per_class']:
                yield f'{record[kind]}: its classes are not those of {MANIFEST}'


@dataclass(frozen=True)
class Conversion(ABC):
    """A dataset format, with all that decides what is written in it.

    Attributes:
        name: of the format.
        files: what it writes, as patterns of paths: {name} stands for a sample's, {part} for one of several files.
        val: share of the samples that is set apart for validation, in [0, 1).
    """

    name: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = ()
    holds_ignore: ClassVar[bool] = True
    """Whether it can say of pixels that they have no label."""
    val: float = 0.1

    def __post_init__(self):
        """
        Raises:
            UserError: an option has a value that it cannot have.
        """
        if not 0 <= self.val < 1:
            raise UserError(f'`val`={self.val} is not a share; give a number from 0 to below 1, for example 0.1')

    @abstractmethod
    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """Write the kept samples of a dataset.

        Args:
            dataset: what to convert.
            outdir: an empty folder.
            progress: goes through the records.

        Raises:
            UserError: the format cannot hold what the dataset has, a library is missing, or a file of the dataset.
        """

    def settings(self) -> dict:
        """The format and its options, for the written dataset's dataset.json."""
        return {'format': self.name, **{name.replace('_', '-'): value for name, value in asdict(self).items()}}


def read_info(folder: Path, converted: bool = False) -> dict:
    """Content of a folder's dataset.json.

    Args:
        folder: where it is.
        converted: whether the dataset is wanted in another format, or as it was generated.

    Raises:
        UserError: there is none, it is not ours, or the dataset is in the other form.
    """
    path = folder / DATASET_FILE
    if not path.is_file():
        raise UserError(f'{folder} holds no dataset of ours (no {DATASET_FILE})')
    try:
        info = json.loads(path.read_text(encoding='utf-8'))
        name, version, options = info['format'], info['version'], info['options']
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path} was not written by this program, or is damaged') from error
    if name != FORMAT or version != FORMAT_VERSION:
        raise UserError(f'{path} is of format {name} {version}, this program knows {FORMAT} {FORMAT_VERSION}')
    if not isinstance(options, dict):
        raise UserError(f'{path} was not written by this program, or is damaged: "options" holds no names')
    if (CONVERSION in info) != converted:
        there = 'as it was generated' if converted else 'in another format, made by conversion'
        raise UserError(f'{folder} holds a dataset {there}')
    return info


def is_conversion(folder: Path) -> bool:
    """Whether a folder holds a dataset of ours in another format."""
    try:
        read_info(folder, converted=True)
        return True
    except UserError:
        return False


def _is_plain(path: Path) -> bool:
    """Whether every program shows a photo's file alike."""
    with open_image(path) as image:
        upright = image.getexif().get(PIL.ExifTags.Base.Orientation, 1) == 1
        common = path.suffix.lower() in PLAIN_FORMATS.get(image.format or '', ())
        return upright and common and image.mode in ('RGB', 'L') and not image.has_transparency_data


def name_of_record(record: dict) -> str:
    """A sample's file name without folder and suffix."""
    return Path(record['image']).stem


def _unit_interval(name: str) -> float:
    """A number in [0, 1) that looks random but follows from the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], 'big') / 2**48
