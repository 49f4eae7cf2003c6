"""The images of the paper's tables in miniature: drawings with true labels, as plain labelled folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from benchmarks import shapes
from benchmarks.demo import world
from datasetgan_ext.core.annotation import Keypoints
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.downstream.labeled_dataset import TASK_FILE
from datasetgan_ext.formats.coco import flat_keypoints
from datasetgan_ext.formats.png import write_image, write_mask
from datasetgan_ext.generator.checkpoint import DEMO, load_generator

CHUNK = 20
CARS = {
    'classes': world.CLASSES,
    'palette': world.PALETTE,
    'keypoints': world.KEYPOINTS,
    'left_right_pairs': world.LEFT_RIGHT_PAIRS,
    'skeleton': world.SKELETON,
}
SHAPES = {'classes': shapes.CLASSES, 'palette': shapes.PALETTE}


def write_drawings(folder: Path, seeds: range, run: Callable = map) -> Path:
    """Drawn cars with true masks and keypoints, if they are not there.

    Args:
        folder: to write.
        seeds: of the drawings.
        run: like `map`; a pool's, for many at once.
    """
    return _write(folder, seeds, _write_cars, CARS, run)


def write_shapes(folder: Path, seeds: range, run: Callable = map) -> Path:
    """The same of plain shapes, which have no keypoints."""
    return _write(folder, seeds, _write_shapes, SHAPES, run)


def _write(folder: Path, seeds: range, write: Callable, task: dict, run: Callable) -> Path:
    if len(list((folder / 'images').glob('*.png'))) == len(seeds) and (folder / TASK_FILE).is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ('images', 'masks'):
        (folder / kind).mkdir(parents=True)
    resolution = load_generator(DEMO, 'cpu').image_hw[0]
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    annotations = [row for rows in run(partial(write, folder, resolution), chunks) for row in rows]
    if annotations:
        images = [
            {'id': row['image_id'], 'file_name': _name(row['image_id']), 'height': resolution, 'width': resolution}
            for row in annotations
        ]
        categories = [{'id': 1, 'name': 'car', 'keypoints': world.KEYPOINTS}]
        content = {'images': images, 'annotations': annotations, 'categories': categories}
        write_atomically(folder / 'keypoints.json', json.dumps(content).encode())
    write_atomically(folder / TASK_FILE, json.dumps(task).encode())
    return folder


def _write_cars(folder: Path, resolution: int, seeds: Iterable[int]) -> list[dict]:
    """Files of some seeds; their keypoints, as COCO has them."""
    annotations = []
    for seed in seeds:
        drawing = world.draw(seed, resolution)
        _write_files(folder, seed, drawing, world.PALETTE)
        points = flat_keypoints(Keypoints(drawing.keypoints, drawing.visibility))
        annotations.append({'id': seed, 'image_id': seed, 'category_id': 1, 'keypoints': points})
    return annotations


def _write_shapes(folder: Path, resolution: int, seeds: Iterable[int]) -> list[dict]:
    for seed in seeds:
        _write_files(folder, seed, shapes.draw(seed, resolution), shapes.PALETTE)
    return []


def _write_files(folder: Path, seed: int, drawing: world.Drawing | shapes.Drawing, palette: Iterable) -> None:
    write_image(folder / 'images' / _name(seed), drawing.image)
    write_mask(folder / 'masks' / _name(seed), drawing.mask, [value for color in palette for value in color])


def _name(seed: int) -> str:
    return f'drawing{seed:08d}.png'
