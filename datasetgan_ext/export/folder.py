"""The folder format: images/, masks/, a line of the manifest per sample, and keypoints in COCO's format."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasetgan_ext.export.manifest import read_manifest
from datasetgan_ext.files import save_atomically
from datasetgan_ext.labeler import LabeledSample
from datasetgan_ext.labels.annotation import ABSENT, object_box
from datasetgan_ext.labels.coco import flat_keypoints
from datasetgan_ext.labels.png import write_image, write_mask
from datasetgan_ext.labels.task import Task

KEYPOINTS_FILE = 'keypoints.json'


class FolderWriter:
    """Writes samples below a folder; each file is either whole or not there."""

    def __init__(self, folder: Path, task: Task, image_hw: tuple[int, int]):
        self.folder = folder
        self.task = task
        self.image_hw = image_hw

    def write(self, sample: LabeledSample) -> dict:
        """Write image and mask, and return the sample's manifest record (all but `kept`)."""
        files = {'image': f'images/{sample.name}.png'}
        counts = []
        # a continued run compares both with their hashes in the manifest
        save_atomically(self.folder / files['image'], lambda path: write_image(path, sample.image), durable=False)
        if sample.mask is not None:
            files['mask'] = f'masks/{sample.name}.png'
            save_atomically(self.folder / files['mask'],
                            lambda path: write_mask(path, sample.mask, self.task.flat_palette), durable=False)
            counts = np.bincount(sample.mask.reshape(-1), minlength=len(self.task.classes)).tolist()
        return {
            'seed': sample.seed,
            **files,
            **({'mixed_with': sample.mixing.seed, 'mixed_from_w': sample.mixing.first_w} if sample.mixing else {}),
            'uncertainty': round(sample.uncertainty, 6),
            'pixels_per_class': counts,
            **({} if sample.keypoints is None else _keypoint_record(sample)),
            **{f'{kind}_sha256': self._file_sha256(file) for kind, file in files.items()},
        }

    def is_whole(self, record: dict) -> bool:
        """Whether a record's files are there, with the content that was written."""
        return all((self.folder / record[kind]).is_file()
                   and self._file_sha256(record[kind]) == record[f'{kind}_sha256']
                   for kind in ('image', 'mask') if kind in record)

    def finish(self, manifest: Path) -> None:
        """Write `keypoints.json`, the kept samples' keypoints in COCO's format, where the task has keypoints."""
        if self.task.keypoints:
            save_atomically(self.folder / KEYPOINTS_FILE, lambda path: self._write_coco(path, manifest))

    def _write_coco(self, path: Path, manifest: Path) -> None:
        """Record by record, so that memory does not grow with the run."""
        def items(make) -> Iterator[str]:
            kept = (record for record in read_manifest(manifest) if record['kept'])
            return (', ' * (index > 0) + json.dumps(make(index, record)) for index, record in enumerate(kept))
        category = {'id': 1, 'name': 'object', 'keypoints': self.task.keypoints,
                    'skeleton': [[one + 1, other + 1] for one, other in self.task.skeleton]}
        with path.open('w', encoding='utf-8') as file:
            file.write('{"info": {"description": "x and y from the upper left corner: the centre of the first pixel is '
                       f'(0.5, 0.5)"}}, "categories": {json.dumps([category])},\n"images": [')
            file.writelines(items(lambda index, record: {
                'id': index, 'file_name': record['image'], 'height': self.image_hw[0], 'width': self.image_hw[1]}))
            file.write('],\n"annotations": [')
            file.writelines(items(lambda index, record: {
                'id': index, 'image_id': index, 'category_id': 1, 'iscrowd': 0, 'keypoints': record['keypoints'],
                'num_keypoints': sum(seen > 0 for seen in record['keypoints'][2::3]), 'bbox': record['box'],
                'area': record['box'][2] * record['box'][3]}))
            file.write(']}\n')

    def _file_sha256(self, file: str) -> str:
        return hashlib.sha256((self.folder / file).read_bytes()).hexdigest()


def _keypoint_record(sample: LabeledSample) -> dict:
    """Keypoints as COCO has them, and the object's box (x, y, width, height)."""
    found = sample.keypoints
    corners = object_box(sample.mask, found.points[found.visibility != ABSENT])
    return {'keypoints': flat_keypoints(found),
            'keypoint_confidence': [round(value, 4) for value in found.confidence.tolist()],
            'keypoint_spread': [round(value, 3) for value in found.spread.tolist()],
            'box': [round(value, 2) for value in (*corners[0].tolist(), *(corners[1] - corners[0]).tolist())]}
