"""The dataset formats by name, all written from a finished dataset in the folder format."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import TEMPORARY_SUFFIX, holds_files, writing
from datasetgan_ext.formats.coco_dataset import Coco
from datasetgan_ext.formats.folder import DATASET_FILE, MANIFEST, Conversion, FolderDataset, is_conversion, read_info
from datasetgan_ext.formats.huggingface import HuggingFace
from datasetgan_ext.formats.tool_datasets import Cvat, LabelMe, LabelStudio
from datasetgan_ext.formats.voc import Voc
from datasetgan_ext.formats.webdataset import Webdataset
from datasetgan_ext.formats.yolo import Yolo, YoloPose

CONVERSIONS: dict[str, type[Conversion]] = {
    kind.name: kind for kind in (Coco, Voc, Yolo, YoloPose, Webdataset, HuggingFace, LabelMe, Cvat, LabelStudio)
}


def make_conversion(name: str, options: Mapping[str, object] | None = None) -> Conversion:
    """A conversion to the format of a name.

    Args:
        name: one of CONVERSIONS.
        options: by their names; those that the format does not have are passed over.

    Raises:
        UserError: there is no such format, or an option has a value that it cannot have.
    """
    if name not in CONVERSIONS:
        raise UserError(f'`format`={name}: no such format; there are {", ".join(CONVERSIONS)}')
    kind = CONVERSIONS[name]
    own = {field.name for field in fields(kind)}
    return kind(**{option: value for option, value in (options or {}).items() if option in own})


def convert(dataset: FolderDataset, conversion: Conversion, outdir: Path) -> None:
    """Write the kept samples of a dataset in another format, and beside them its dataset.json with a note of what was
    converted.

    All is written below a temporary name, so that `outdir` is either whole or not there.

    Args:
        dataset: what to convert.
        conversion: the format, with its options.
        outdir: a new or empty folder.

    Raises:
        UserError: the folder holds files or cannot be written, or the format cannot hold what the dataset has.
    """
    _check_ignore(conversion, dataset.info)
    outdir = outdir.resolve()
    if holds_files(outdir) or outdir.is_file():
        raise UserError(f'`outdir`={outdir} is there and not empty; give a new folder')
    temporary = _temporary(outdir)
    kept = dataset.info['summary']['kept']
    with (
        writing(outdir),
        tqdm(total=kept, desc=conversion.name, unit='image', disable=None, mininterval=0.5) as bar,
    ):

        def progress(records: Iterable[dict]) -> Iterable[dict]:
            for record in records:
                yield record
                bar.update()

        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            conversion.write(dataset, temporary, progress)
            info = dataset.info_of_conversion(conversion.settings())
            (temporary / DATASET_FILE).write_text(json.dumps(info, indent=1) + '\n', encoding='utf-8')
            if outdir.is_dir():
                outdir.rmdir()
            temporary.rename(outdir)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def convert_within(dataset: FolderDataset, conversion: Conversion) -> Path:
    """Write a dataset in another format too, into the folder of that name in its own, and return that folder.

    What is there already stays, unless the dataset or an option has changed since; then it is replaced.

    Raises:
        UserError: as from `convert`.
    """
    outdir = dataset.folder / conversion.name
    if is_conversion(outdir):
        if read_info(outdir, converted=True) == dataset.info_of_conversion(conversion.settings()):
            return outdir
        remove_conversion(dataset.folder, conversion.name)
    convert(dataset, conversion, outdir)
    return outdir


def remove_conversion(folder: Path, name: str) -> None:
    """Delete what `convert_within` wrote into a dataset's folder, or what is left of it. Other things stay.

    Args:
        folder: of the dataset.
        name: of the format.
    """
    outdir = folder / name
    with writing(outdir):
        shutil.rmtree(_temporary(outdir), ignore_errors=True)
        if is_conversion(outdir):
            # under a temporary name, half of it is no riddle should this process be killed
            outdir.rename(_temporary(outdir))
            shutil.rmtree(_temporary(outdir))


def check_conversion(conversion: Conversion, info: dict, folder: Path) -> None:
    """Try a conversion on a dataset without images: a missing library, or labels that the format cannot hold, are
    better known before hours of work than after them.

    Args:
        conversion: the format, with its options.
        info: content of the dataset.json to come.
        folder: of the dataset to come, which may be there already.

    Raises:
        UserError: the format cannot be written, or something else has its place.
    """
    _check_ignore(conversion, info)
    place = folder / conversion.name
    if (holds_files(place) or place.is_file()) and not is_conversion(place):
        raise UserError(f'`format`={conversion.name} is written to {place}, which holds something else; move that away')
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory() as scratch:
        empty, outdir = Path(scratch, 'dataset'), Path(scratch, conversion.name)
        empty.mkdir()
        outdir.mkdir()
        (empty / DATASET_FILE).write_text(json.dumps({**info, 'summary': {'samples': 0, 'kept': 0}}), encoding='utf-8')
        (empty / MANIFEST).touch()
        conversion.write(FolderDataset(empty), outdir, iter)


def _check_ignore(conversion: Conversion, info: dict) -> None:
    if info['options'].get('ignore-below') and not conversion.holds_ignore:
        raise UserError(
            f'`format`={conversion.name} cannot say of pixels that they have no label, and `ignore_below`='
            f'{info["options"]["ignore-below"]} leaves some without; give 0, or another format'
        )


def _temporary(outdir: Path) -> Path:
    return outdir.with_name(f'{outdir.name}{TEMPORARY_SUFFIX}')
