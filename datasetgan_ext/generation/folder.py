"""The folder format: images/, masks/, a line of the manifest per sample, and keypoints in COCO's format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, object_box
from datasetgan_ext.core.files import file_sha256, remove_leftovers, save_atomically, writing
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import flat_keypoints, keypoint_category, keypoint_object, write_coco
from datasetgan_ext.formats.folder import KEYPOINTS_FILE, read_manifest
from datasetgan_ext.formats.png import COMPRESSION, png_bytes, write_image, write_mask
from datasetgan_ext.interpreter.labeler import LabeledSample


@dataclass
class Encoded:
    """A sample as it is written.

    Attributes:
        record: its line of the manifest, all but `kept`.
        files: the content of its files, by their path in the dataset's folder.
    """

    record: dict
    files: dict[str, bytes]


class FolderWriter:
    """Writes samples below a folder; each file is either whole or not there."""

    def __init__(self, folder: Path, task: Task, image_hw: tuple[int, int], compression: int = COMPRESSION):
        """What a killed run left half written in the folder is deleted; nobody else may write there."""
        for place in (folder, folder / 'images', folder / 'masks'):
            remove_leftovers(place)
        self.folder = folder
        self.task = task
        self.image_hw = image_hw
        self.compression = compression

    def encode(self, sample: LabeledSample) -> Encoded:
        """What is to be written of a sample. It needs no disk, so that another process can do it."""
        files, counts = (
            {'image': (f'images/{sample.name}.png', png_bytes(write_image, sample.image, self.compression))},
            [],
        )
        if sample.mask is not None:
            files['mask'] = (
                f'masks/{sample.name}.png',
                png_bytes(write_mask, sample.mask, self.task.flat_palette, self.compression),
            )
            counts = np.bincount(sample.mask.reshape(-1), minlength=len(self.task.classes)).tolist()
        record = {
            'seed': sample.seed,
            **{kind: name for kind, (name, _) in files.items()},
            **({'mixed_with': sample.mixing.seed, 'mixed_from_w': sample.mixing.first_w} if sample.mixing else {}),
            'uncertainty': round(sample.uncertainty, 6),
            'pixels_per_class': counts,
            **({} if sample.keypoints is None else _keypoint_record(sample)),
            **{f'{kind}_sha256': hashlib.sha256(content).hexdigest() for kind, (_, content) in files.items()},
        }
        return Encoded(record, dict(files.values()))

    def write(self, encoded: Encoded) -> dict:
        """Write a sample's files, and return its manifest record."""
        for name, content in encoded.files.items():
            # a continued run compares them with their hashes in the manifest
            save_atomically(self.folder / name, lambda path, content=content: path.write_bytes(content), durable=False)
        return encoded.record

    def is_whole(self, record: dict) -> bool:
        """Whether a record's files are there, with the content that was written."""
        return all(
            (self.folder / record[kind]).is_file()
            and file_sha256(self.folder / record[kind]) == record[f'{kind}_sha256']
            for kind in ('image', 'mask')
            if kind in record
        )

    def delete(self, record: dict) -> None:
        """Delete a record's files, as far as they are there."""
        for kind in ('image', 'mask'):
            if kind in record:
                with writing(self.folder):
                    (self.folder / record[kind]).unlink(missing_ok=True)

    def finish(self, manifest: Path) -> None:
        """Write `keypoints.json`, the kept samples' keypoints in COCO's format, where the task has keypoints."""

        def kept() -> Iterator[dict]:
            return (record for record in read_manifest(manifest) if record['kept'])

        if self.task.keypoints:
            save_atomically(
                self.folder / KEYPOINTS_FILE,
                lambda path: write_coco(
                    path,
                    [keypoint_category(self.task)],
                    lambda record: record['image'],
                    kept,
                    self.image_hw,
                    keypoint_object,
                ),
            )


def _keypoint_record(sample: LabeledSample) -> dict:
    """Keypoints as COCO has them, and the object's box (x, y, width, height)."""
    found = sample.keypoints
    corners = object_box(sample.mask, found.points[found.visibility != ABSENT])
    return {
        'keypoints': flat_keypoints(found),
        'keypoint_confidence': [round(value, 4) for value in found.confidence.tolist()],
        'keypoint_spread': [round(value, 3) for value in found.spread.tolist()],
        'box': [round(value, 2) for value in (*corners[0].tolist(), *(corners[1] - corners[0]).tolist())],
    }
