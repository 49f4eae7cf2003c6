"""The folder format: images/, masks/ and a line of the manifest per sample."""
from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import PIL.Image

from datasetgan_ext.files import save_atomically
from datasetgan_ext.labeler import LabeledSample
from datasetgan_ext.labels.png import write_mask
from datasetgan_ext.labels.task import Task


def sample_name(seed: int) -> str:
    """File name of a seed's image and mask, without the suffix."""
    return f'seed{seed:07d}'


def write_image(path: Path, image: np.ndarray) -> None:
    """Write uint8 [H, W, C] as PNG, grey where C is 1."""
    PIL.Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(path, format='PNG', compress_level=1)


class FolderWriter:
    """Writes samples below a folder; each file is either whole or not there."""

    def __init__(self, folder: Path, task: Task):
        self.folder = folder
        self.task = task

    def write(self, sample: LabeledSample) -> dict:
        """Write image and mask, and return the sample's manifest record (all but `kept`)."""
        files = {'image': f'images/{sample_name(sample.seed)}.png', 'mask': f'masks/{sample_name(sample.seed)}.png'}
        save_atomically(self.folder / files['image'], lambda path: write_image(path, sample.image))
        save_atomically(self.folder / files['mask'],
                        lambda path: write_mask(path, sample.mask, self.task.flat_palette))
        return {
            'seed': sample.seed,
            **files,
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
