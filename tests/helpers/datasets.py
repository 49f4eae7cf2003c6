"""A small finished dataset of random blobs, and its conversions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy import ndimage

from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.conversions import convert, make_conversion
from datasetgan_ext.formats.folder import FolderDataset
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.encoding import Encoder
from datasetgan_ext.generation.folder import FolderWriter
from datasetgan_ext.generation.manifest import RunManifest
from datasetgan_ext.interpreter.labeler import FoundKeypoints, LabeledSample

HW = (24, 32)
TASK = Task(
    ('background', 'body', 'wheel', 'window'),
    ((0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)),
    ('left', 'right', 'top'),
    left_right_pairs=((0, 1),),
    skeleton=((0, 2),),
)
SEEDS = range(20)


def make_sample(seed: int, task: Task) -> LabeledSample:
    """Blobs and specks of all classes, with holes; at times nothing but background."""
    random = np.random.RandomState(seed)
    smooth = ndimage.gaussian_filter(random.randn(*HW), 2)
    mask = np.digitize(smooth, np.quantile(smooth, [0.5, 0.8, 0.9])).astype(np.uint8)
    mask[random.rand(*HW) > 0.97] = 3
    if seed == 7:
        mask[:] = 0
    if seed == 8:  # a ring that has fewer pixels than what it encloses
        mask[:12, :12] = 1
        mask[1:11, 1:11] = 2
    keypoints = FoundKeypoints(
        (random.rand(3, 2) * HW[::-1]).astype(np.float32),
        random.choice([0, 2], 3).astype(np.uint8),
        np.ones(3, np.float32),
        np.zeros(3, np.float32),
    )
    keypoints.points[keypoints.visibility == 0] = 0
    return LabeledSample(
        seed,
        sample_name(seed),
        random.randint(256, size=(*HW, 3), dtype=np.uint8),
        mask if task.classes else None,
        float(random.rand()),
        None,
        keypoints if task.keypoints else None,
        None,
    )


def make_dataset(folder: Path, task: Task = TASK) -> FolderDataset:
    folder.mkdir()
    writer = FolderWriter(folder)
    encode = Encoder(task)
    manifest = RunManifest(folder, writer.is_whole)
    for seed in SEEDS:
        manifest.append(writer.write(encode(make_sample(seed, task))))
    summary = manifest.finish(SEEDS, manifest.dropped(SEEDS, Curation(0.9)))
    if task.keypoints:
        writer.write_keypoints(task, HW)
    info = {
        'format': 'datasetgan-folder',
        'version': 1,
        'options': {},
        'sources': {'network': 'car.pkl'},
        **task.to_json(),
        'image_hw': HW,
        'labelled_images': 4,
        'summary': {'samples': summary.samples, 'kept': summary.kept},
    }
    (folder / 'dataset.json').write_text(json.dumps(info))
    return FolderDataset(folder)


def converted(dataset: FolderDataset, name: str, val: float = 0.3, **options) -> Path:
    """The dataset in another format, beside it, in a folder of the format's name."""
    outdir = dataset.folder.parent / name
    convert(dataset, make_conversion(name, {'val': val, **options}), outdir)
    return outdir
