"""COCO's JSON for images of many sizes, written as they come."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from datasetgan_ext.core.annotation import IGNORE, object_box
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import FIRST_ID, OUTLINE, UNLABELED, flat_keypoints, head, keypoint_category
from datasetgan_ext.formats.coco_dataset import (
    INSTANCES,
    KEYPOINTS,
    class_categories,
    mask_objects,
    outline,
    region_polygons,
)
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter


class CocoWriter(LabelWriter):
    """instances.json with the masks' regions as polygons, person_keypoints.json with the keypoints; or one of them."""

    name = 'coco'

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self._instances = self._keypoints = None
        if task.classes:
            info = {UNLABELED: 'background'}
            self._instances = CocoFile(outdir / f'{INSTANCES}.json', class_categories(task), info)
        if task.keypoints:
            info = {OUTLINE: 'of the object with the keypoints'}
            self._keypoints = CocoFile(outdir / f'{KEYPOINTS}.json', [keypoint_category(task)], info)

    def _write(self, label: LabeledFile) -> None:
        if label.mask is not None and (label.mask == IGNORE).any():
            raise UserError(f'{label.image} has pixels without a label, which COCO cannot hold; write PNG masks')
        if self._instances is not None and label.mask is not None:
            self._instances.add(label.file_name, label.image_hw, mask_objects(label.mask, region_polygons))
        if self._keypoints is not None and label.keypoints is not None:
            found = label.keypoints
            there = found.points[found.visibility > 0]
            (x0, y0), (x1, y1) = object_box(label.mask, there).round(2).tolist()
            box = [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]
            annotation = {
                'category_id': 1,
                'iscrowd': 0,
                'keypoints': flat_keypoints(found),
                'num_keypoints': len(there),
                'bbox': box,
                'area': box[2] * box[3],
                'segmentation': outline(label.mask, box),
            }
            self._keypoints.add(label.file_name, label.image_hw, [annotation])

    def close(self) -> None:
        """Put the files together."""
        for file in (self._instances, self._keypoints):
            if file is not None:
                file.close()


class CocoFile:
    """One annotation file; annotations wait in a temporary file until all images are known."""

    def __init__(self, path: Path, categories: list[dict], info: dict):
        self._file = path.open('w', encoding='utf-8')
        self._file.write(head(categories, info))
        self._waiting = tempfile.TemporaryFile('w+', encoding='utf-8')  # noqa: SIM115 - closed by `close`
        self._images = self._annotations = 0

    def add(self, file_name: str, image_hw: tuple[int, int], objects: Iterable[dict]) -> None:
        """An image and its annotations, without `id` and `image_id`."""
        height, width = image_hw
        number = FIRST_ID + self._images
        image = {'id': number, 'file_name': file_name, 'height': height, 'width': width}
        self._file.write(',\n' * (self._images > 0) + json.dumps(image, ensure_ascii=False))
        self._images += 1
        for found in objects:
            annotation = {'id': FIRST_ID + self._annotations, 'image_id': number, **found}
            self._waiting.write(',\n' * (self._annotations > 0) + json.dumps(annotation))
            self._annotations += 1

    def close(self) -> None:
        self._file.write('],\n"annotations": [')
        self._waiting.seek(0)
        shutil.copyfileobj(self._waiting, self._file)
        self._file.write(']}\n')
        self._waiting.close()
        self._file.close()
