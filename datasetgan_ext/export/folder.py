"""The folder format: images/, masks/ and a line of the manifest per sample."""
from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from datasetgan_ext.files import save_atomically
from datasetgan_ext.labeler import LabeledSample
from datasetgan_ext.labels.png import write_image, write_mask
from datasetgan_ext.labels.task import Task


class FolderWriter:
    """Writes samples below a folder; each file is either whole or not there."""

    def __init__(self, folder: Path, task: Task):
        self.folder = folder
        self.task = task

    def write(self, sample: LabeledSample) -> dict:
        """Write image and mask, and return the sample's manifest record (all but `kept`)."""
        files = {'image': f'images/{sample.name}.png', 'mask': f'masks/{sample.name}.png'}
        # a continued run compares both with their hashes in the manifest
        save_atomically(self.folder / files['image'], lambda path: write_image(path, sample.image), durable=False)
        save_atomically(self.folder / files['mask'],
                        lambda path: write_mask(path, sample.mask, self.task.flat_palette), durable=False)
        return {
            'seed': sample.seed,
            **files,
            **({'mixed_with': sample.mixing.seed, 'mixed_from_w': sample.mixing.first_w} if sample.mixing else {}),
            'uncertainty': round(sample.uncertainty, 6),
            'pixels_per_class': np.bincount(sample.mask.reshape(-1), minlength=len(self.task.classes)).tolist(),
            **{f'{kind}_sha256': self._file_sha256(file) for kind, file in files.items()},
        }

    def is_whole(self, record: dict) -> bool:
        """Whether a record's files are there, with the content that was written."""
        return all((self.folder / record[kind]).is_file()
                   and self._file_sha256(record[kind]) == record[f'{kind}_sha256'] for kind in ('image', 'mask'))

    def _file_sha256(self, file: str) -> str:
        return hashlib.sha256((self.folder / file).read_bytes()).hexdigest()
