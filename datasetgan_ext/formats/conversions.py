"""The dataset formats by name: one module each, all written from a finished dataset in the folder format."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import TEMPORARY_SUFFIX, holds_files, writing
from datasetgan_ext.formats import coco, huggingface, voc, webdataset, yolo
from datasetgan_ext.formats.folder import DATASET_FILE, MANIFEST, FolderDataset, is_conversion, read_info

CONVERTERS: dict[str, Callable] = {
    'coco': coco.convert,
    'voc': voc.convert,
    'yolo': yolo.convert_masks,
    'yolo-pose': yolo.convert_keypoints,
    'webdataset': webdataset.convert,
    'huggingface': huggingface.convert,
}


CONVERSIONS = CONVERTERS


def convert(
    dataset: FolderDataset, format_name: str, outdir: Path, val: float, shard_size: int, segmentation: str = coco.RLE
) -> None:
    """Write the kept samples of a dataset in another format, and beside them its dataset.json with a note of what was
    converted.

    All is written below a temporary name, so that `outdir` is either whole or not there.

    Args:
        dataset: what to convert.
        format_name: one of CONVERTERS.
        outdir: a new or empty folder.
        val: share of the samples that is set apart for validation, in [0, 1).
        shard_size: samples in each tar of a WebDataset.
        segmentation: of COCO's objects, one of `coco.SEGMENTATIONS`.

    Raises:
        UserError: the folder holds files or cannot be written, or the format cannot hold what the dataset has.
    """
    outdir = outdir.resolve()
    if holds_files(outdir) or outdir.is_file():
        raise UserError(f'`outdir`={outdir} is there and not empty; give a new folder')
    temporary = _temporary(outdir)
    with (
        writing(outdir),
        tqdm(
            total=dataset.info['summary']['kept'], desc=format_name, unit='image', disable=None, mininterval=0.5
        ) as bar,
    ):

        def progress(records: Iterable[dict]) -> Iterable[dict]:
            for record in records:
                yield record
                bar.update()

        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            options = _own_options(format_name, shard_size, segmentation)
            CONVERTERS[format_name](dataset, temporary, val, progress, **options)
            info = _info(dataset, format_name, val, options)
            (temporary / DATASET_FILE).write_text(json.dumps(info, indent=1) + '\n', encoding='utf-8')
            if outdir.is_dir():
                outdir.rmdir()
            temporary.rename(outdir)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class Conversion:
    """A format and its options; see `convert`."""

    name: str
    val: float = 0.1
    shard_size: int = 1000
    segmentation: str = coco.RLE


def make_conversion(name: str, options: Mapping[str, object]) -> Conversion:
    """A conversion to the format of a name."""
    return Conversion(name, **options)


def check_conversion(conversion: Conversion, info: dict, folder: Path) -> None:
    """See `check_format`."""
    check_format(conversion.name, info, folder)


def convert_within(dataset: FolderDataset, conversion: Conversion) -> Path:
    """Write a dataset in another format too, into the folder of that name in its own, and return that folder.

    What is there already stays, unless the dataset or an argument has changed since; then it is replaced.

    Raises:
        UserError: as from `convert`.
    """
    outdir = dataset.folder / conversion.name
    if is_conversion(outdir):
        options = _own_options(conversion.name, conversion.shard_size, conversion.segmentation)
        if read_info(outdir, converted=True) == _info(dataset, conversion.name, conversion.val, options):
            return outdir
        remove_conversion(dataset.folder, conversion.name)
    convert(dataset, conversion.name, outdir, conversion.val, conversion.shard_size, conversion.segmentation)
    return outdir


def remove_conversion(folder: Path, format_name: str) -> None:
    """Delete what `convert_within` wrote into a dataset's folder, or what is left of it. Other things stay."""
    outdir = folder / format_name
    with writing(outdir):
        shutil.rmtree(_temporary(outdir), ignore_errors=True)
        if is_conversion(outdir):
            # under a temporary name, half of it is no riddle should this process be killed
            outdir.rename(_temporary(outdir))
            shutil.rmtree(_temporary(outdir))


def check_format(format_name: str, info: dict, folder: Path) -> None:
    """Try a format on a dataset without images: a missing library, or labels that the format cannot hold, are better
    known before hours of work than after them.

    Args:
        format_name: one of CONVERTERS.
        info: content of the dataset.json to come.
        folder: of the dataset to come, which may be there already.

    Raises:
        UserError: the format cannot be written, or something else has its place.
    """
    place = folder / format_name
    if (holds_files(place) or place.is_file()) and not is_conversion(place):
        raise UserError(f'`format`={format_name} is written to {place}, which holds something else; move that away')
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as scratch:
        empty, outdir = Path(scratch, 'dataset'), Path(scratch, format_name)
        empty.mkdir()
        outdir.mkdir()
        (empty / DATASET_FILE).write_text(json.dumps({**info, 'summary': {'samples': 0, 'kept': 0}}), encoding='utf-8')
        (empty / MANIFEST).touch()
        options = _own_options(format_name, 1, coco.RLE)
        CONVERTERS[format_name](FolderDataset(empty), outdir, 0.5, iter, **options)


def _own_options(format_name: str, shard_size: int, segmentation: str) -> dict:
    """The options that only this format has."""
    return {'webdataset': {'shard_size': shard_size}, 'coco': {'segmentation': segmentation}}.get(format_name, {})


def _info(dataset: FolderDataset, format_name: str, val: float, own_options: dict) -> dict:
    own = {name.replace('_', '-'): value for name, value in own_options.items()}
    return dataset.info_of_conversion({'format': format_name, 'val': val, **own})


def _temporary(outdir: Path) -> Path:
    return outdir.with_name(f'{outdir.name}{TEMPORARY_SUFFIX}')
