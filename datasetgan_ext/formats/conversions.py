"""The dataset formats by name, all written from a finished dataset in the folder format."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import (
    file_sha256,
    files_by_suffix,
    holds_files,
    remove_temporary_folders,
    temporary_folder,
    writing,
)
from datasetgan_ext.core.locks import locked_place
from datasetgan_ext.formats.coco_dataset import Coco
from datasetgan_ext.formats.folder import (
    CONVERSION,
    DATASET_FILE,
    LABELS_SHA256,
    MANIFEST,
    Conversion,
    FolderDataset,
    is_conversion,
    read_info,
)
from datasetgan_ext.formats.huggingface import HuggingFace
from datasetgan_ext.formats.tool_datasets import Cvat, LabelMe, LabelStudio
from datasetgan_ext.formats.voc import MASKS, Voc
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
    given: dict[str, Any] = {option: value for option, value in (options or {}).items() if option in own}
    return kind(**given)


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
    with locked_place(outdir, 'outdir'):
        if holds_files(outdir) or outdir.is_file():
            raise UserError(f'`outdir`={outdir} is there and not empty; give a new folder')
        _write(dataset, conversion, outdir)


def _write(dataset: FolderDataset, conversion: Conversion, outdir: Path) -> None:
    """Write a dataset in another format in place of a conversion that is there, or of nothing."""
    kept = dataset.info['summary']['kept']
    with (
        writing(outdir),
        tqdm(total=kept, desc=conversion.name, unit='image', disable=None, mininterval=0.5) as bar,
        temporary_folder(outdir) as temporary,
    ):

        def progress(records: Iterable[dict]) -> Iterable[dict]:
            for record in records:
                yield record
                bar.update()

        conversion.write(dataset, temporary, progress)
        info = dataset.info_of_conversion(conversion.settings())
        info[CONVERSION][LABELS_SHA256] = labels_sha256(temporary)
        (temporary / DATASET_FILE).write_text(json.dumps(info, indent=1) + '\n', encoding='utf-8')
        if is_conversion(outdir):
            _remove(outdir)
        elif outdir.is_dir():
            outdir.rmdir()
        temporary.rename(outdir)


def convert_within(dataset: FolderDataset, conversion: Conversion) -> Path:
    """Write a dataset in another format too, into the folder of that name in its own, and return that folder.

    What is there already stays, unless the dataset or an option has changed since; then it is replaced, at the end.

    Raises:
        UserError: as from `convert`; or it would replace what a person has changed.
    """
    outdir = dataset.folder / conversion.name
    with locked_place(outdir, 'outdir'):
        if not is_conversion(outdir):
            if holds_files(outdir) or outdir.is_file():
                raise UserError(f'`format`={conversion.name} is written to {outdir}, which holds something else')
        else:
            found = read_info(outdir, converted=True)
            found[CONVERSION].pop(LABELS_SHA256, None)
            if found == dataset.info_of_conversion(conversion.settings()):
                return outdir
        check_unchanged(outdir, conversion.name)
        _write(dataset, conversion, outdir)
    return outdir


def check_unchanged(folder: Path, name: str) -> None:
    """Raises UserError if the labels of a conversion are not as they were written: a person may have corrected them.

    Args:
        folder: of the conversion; if there is none, nothing is looked at.
        name: of the format.
    """
    if not is_conversion(folder):
        return
    written = read_info(folder, converted=True)[CONVERSION].get(LABELS_SHA256)
    if written not in (None, labels_sha256(folder)):
        raise UserError(
            f'`format`={name}: {folder} would be deleted to be written anew, and labels in it were changed after they '
            'were written. Give that folder another name, so that corrections are kept, and the same command again'
        )


def labels_sha256(folder: Path) -> str:
    """sha256 (hex) over the files of a conversion in which tools save labels, and their names."""
    digest = hashlib.sha256()
    for path in files_by_suffix(folder, '.json', '.xml', '.txt', '.png', below=True):
        is_picture = path.suffix.lower() == '.png' and path.parent.name != MASKS
        if not is_picture and path != folder / DATASET_FILE:
            digest.update(os.fsencode(f'{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n'))
    return digest.hexdigest()


def remove_conversion(folder: Path, name: str) -> None:
    """Delete what `convert_within` wrote into a dataset's folder, or what is left of it. Other things stay.

    Args:
        folder: of the dataset.
        name: of the format.
    """
    outdir = folder / name
    with writing(outdir):
        remove_temporary_folders(outdir)
        if is_conversion(outdir):
            _remove(outdir)


def _remove(outdir: Path) -> None:
    with temporary_folder(outdir, keep=True) as temporary:
        # under a temporary name, half of it is no riddle should this process be killed
        outdir.rename(temporary / 'old')


def files_of_conversion(folder: Path, names: Container[str]) -> Iterator[str]:
    """What of a folder is a dataset in another format, by paths from the folder, sorted; no links, nothing else.

    Args:
        folder: which may be missing, or hold something else: then there is nothing.
        names: of the samples that it may hold.
    """
    if folder.is_symlink() or not is_conversion(folder):
        return
    kind = CONVERSIONS.get(read_info(folder, converted=True)[CONVERSION].get('format'))
    patterns = [
        re.compile(
            re.escape(pattern)
            .replace(r'\{name\}', '(?P<name>[^/]+)')
            .replace(r'\{part\}', '[a-z0-9_-]+')
            .replace(r'\{image\}', '(?:png|jpe?g)')
        )
        for pattern in ((DATASET_FILE, *kind.files) if kind else ())
    ]
    for place, inner, found in os.walk(folder):  # which follows no links
        inner.sort()
        for file in sorted(found):
            path = Path(place, file).relative_to(folder).as_posix()
            matches = filter(None, (pattern.fullmatch(path) for pattern in patterns))
            if any('name' not in match.groupdict() or match['name'] in names for match in matches):
                yield path


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
    for option in ('ignore-below', 'ignore-pixels'):
        value = info['options'].get(option)
        if value and not conversion.holds_ignore:
            raise UserError(
                f'`format`={conversion.name} cannot say of pixels that they have no label, and '
                f'`{option.replace("-", "_")}`={value} leaves some without; give it no such option, or another format'
            )
