"""A folder, or a place elsewhere, taken for a run: what is there already is the run's own, or stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import holds_files, write_atomically
from datasetgan_ext.core.photo_files import FAILED_FILE
from datasetgan_ext.formats.conversions import CONVERSIONS, check_unchanged, remove_conversion
from datasetgan_ext.formats.folder import DATASET_FILE, KEYPOINTS_FILE, MANIFEST, PARTIAL, read_info
from datasetgan_ext.generation.description import check_same
from datasetgan_ext.generation.upload import Destination
from datasetgan_ext.report.publish import PUBLISHED

ORDER_FILE = 'order.txt'
"""Of a run over photos: which to label next."""
OURS = ('images', 'masks', MANIFEST, PARTIAL, KEYPOINTS_FILE, *PUBLISHED, FAILED_FILE, ORDER_FILE)


def claim_folder(folder: Path, description: dict, overwrite: bool) -> None:
    """Write a run's dataset.json, without a summary, into its folder.

    Args:
        folder: exists.
        description: of the run.
        overwrite: delete a dataset of ours that is there, whatever its options.

    Raises:
        UserError: the folder holds other things, or a dataset with other options; or labels that a person changed would
            be deleted.
    """
    if holds_files(folder):
        try:
            found = read_info(folder)
        except UserError as error:
            raise UserError(f'`outdir`: {error.message}; nothing was touched. Give an empty or new folder') from error
        if overwrite:
            _delete_dataset(folder)
        else:
            check_same(found, description, f'`outdir`={folder}')
    write_info(folder, description)


def check_destination(destination: Destination, description: dict) -> None:
    """Raises UserError if a destination holds a dataset that is not the run's own, or other files."""
    found = destination.info()
    if found is not None:
        check_same(found, description, f'`upload`={destination.url}')


def write_info(folder: Path, info: dict) -> None:
    """Write dataset.json."""
    write_atomically(folder / DATASET_FILE, (json.dumps(info, indent=1) + '\n').encode())


def _delete_dataset(folder: Path) -> None:
    """Delete a dataset but for dataset.json, which tells that the folder is ours until another replaces it."""
    for name in CONVERSIONS:
        check_unchanged(folder / name, name)
    for name in CONVERSIONS:
        remove_conversion(folder, name)
    for name in OURS:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
