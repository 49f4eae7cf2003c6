"""YOLO: `images/{train,val}/`, `labels/{train,val}/` with a line per object, `data.yaml`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.markup import yaml
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record
from datasetgan_ext.formats.regions import ConnectedRegion, find_regions

FILES = ('images/{part}/{name}.png', 'labels/{part}/{name}.txt', 'data.yaml')


@dataclass(frozen=True)
class Yolo(Conversion):
    """For segmentation: class and outline of each region, larger regions first.

    An outline runs through the centres of the region's border pixels. It has no holes: what lies inside belongs to the
    region unless another region, later in the file, covers it. Classes count from 0 without the background.
    """

    name = 'yolo'
    files = FILES

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. A dataset without masks cannot be written."""
        if not dataset.task.classes:
            raise UserError('`format`=yolo holds masks, and this dataset has keypoints alone; use yolo-pose')
        cv2 = import_extra('cv2', 'formats')
        height, width = dataset.image_hw

        def lines(record: dict) -> Iterator[str]:
            for region in sorted(find_regions(dataset.mask(record)), key=_box_area, reverse=True):
                yield _line(region.class_id - 1, (_outline(region, cv2) + 0.5) / (width, height))

        _write_samples(dataset, outdir, self.val, progress, lines)
        _write_description(outdir, {'names': dict(enumerate(dataset.task.classes[1:]))})


@dataclass(frozen=True)
class YoloPose(Conversion):
    """For pose estimation: the object's box, then x, y and visibility of each keypoint."""

    name = 'yolo-pose'
    files = FILES

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. A dataset without keypoints cannot be written."""
        task = dataset.task
        height, width = dataset.image_hw
        if not task.keypoints:
            raise UserError('`format`=yolo-pose holds keypoints, and this dataset has none; use yolo')

        def lines(record: dict) -> Iterator[str]:
            x, y, box_width, box_height = record['box']
            points = np.reshape(record['keypoints'], (-1, 3)) / (width, height, 1)
            box = ((x + box_width / 2) / width, (y + box_height / 2) / height, box_width / width, box_height / height)
            if points[:, 2].any():
                yield _line(0, np.concatenate([box, points.reshape(-1)]))

        _write_samples(dataset, outdir, self.val, progress, lines)
        mirrored = list(range(len(task.keypoints)))
        for one, other in task.left_right_pairs:
            mirrored[one] = other
            mirrored[other] = one
        description = {
            'names': {0: 'object'},
            'kpt_shape': [len(task.keypoints), 3],
            'flip_idx': mirrored,
            'kpt_names': {0: list(task.keypoints)},
        }
        _write_description(outdir, description)


def _write_samples(
    dataset: FolderDataset, outdir: Path, val: float, progress: Progress, lines: Callable[[dict], Iterator[str]]
) -> None:
    for split in (TRAIN, VAL):
        for folder in ('images', 'labels'):
            (outdir / folder / split).mkdir(parents=True)
        for record in progress(dataset.kept(val, split)):
            name = name_of_record(record)
            shutil.copyfile(dataset.folder / record['image'], outdir / 'images' / split / f'{name}.png')
            (outdir / 'labels' / split / f'{name}.txt').write_text(''.join(lines(record)), encoding='utf-8')


def _write_description(outdir: Path, description: dict) -> None:
    rows = {'train': f'images/{TRAIN}', 'val': f'images/{VAL}', **description}
    text = ''.join(f'{name}: {_yaml(value)}\n' for name, value in rows.items())
    (outdir / 'data.yaml').write_text(text, encoding='utf-8')


def _outline(region: ConnectedRegion, cv2) -> np.ndarray:
    """Border pixels of a region in order: float [N, 2], x and y, at least three."""
    (outline, *_), _ = cv2.findContours(region.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = outline[:, 0] + np.array(region.box[:2], dtype=float)
    return points if len(points) > 2 else np.concatenate([points, np.repeat(points[-1:], 3 - len(points), axis=0)])


def _box_area(region: ConnectedRegion) -> int:
    """An outline is filled, so a region's own area says nothing: a thin ring must come before what is inside it."""
    return region.box[2] * region.box[3]


def _line(class_id: int, values: np.ndarray) -> str:
    numbers = [f'{value:.6f}'.rstrip('0').rstrip('.') for value in np.ravel(values)]
    return f'{class_id} {" ".join(numbers)}\n'


def _yaml(value: object) -> str:
    """A mapping whose keys are numbers, or anything else."""
    if isinstance(value, dict):
        return '{' + ', '.join(f'{key}: {yaml(item)}' for key, item in value.items()) + '}'
    return yaml(value)
