"""Throughput of datasetgan predict beside the bare network's forward passes, and its memory.

    python benchmarks/prediction.py --photos=200

Both in one run, the bare passes before and after, so that what else the machine does weighs on both. The network has
one thread, as in a run; reading, compressing and writing have the other cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import PIL.Image
import torch

from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.generation.executors import ThisProcess
from datasetgan_ext.generation.photo_run import PhotoRun
from datasetgan_ext.generation.photos import find_photos
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER

DIFFERENT = 20
"""Photos that are not alike; the others are copies of them."""


class Watched(ThisProcess):
    """Notes when the first and the last result came, and the memory by then."""

    def __init__(self, labeler: PhotoLabeler, early: int):
        super().__init__(labeler)
        self.early = early
        self.seconds = 0.0
        self.early_mb = 0.0

    def label(self, jobs, encoder, fingerprints):
        start = time.perf_counter()
        for number, result in enumerate(super().label(jobs, encoder, fingerprints)):
            if number == self.early:
                self.early_mb = peak_mb()
            yield result
        self.seconds = time.perf_counter() - start


def peak_mb() -> float:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_photos(folder: Path, count: int, size_wh: tuple[int, int]) -> None:
    """JPEG files with the detail of photos: a little noise on smooth colours."""
    random = np.random.RandomState(0)
    folder.mkdir()
    for number in range(count):
        path = folder / f'{number:05d}.jpg'
        if number < DIFFERENT:
            small = PIL.Image.fromarray(random.randint(256, size=(9, 12, 3), dtype=np.uint8))
            smooth = np.asarray(small.resize(size_wh, PIL.Image.Resampling.BICUBIC), dtype=np.int16)
            noisy = smooth + random.randint(-8, 9, smooth.shape)
            PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        else:
            shutil.copyfile(folder / f'{number % DIFFERENT:05d}.jpg', path)


def bare_seconds(labeler: PhotoLabeler, passes: int) -> float:
    """Of forward passes of one image each."""
    inputs = torch.randn(1, 3, *labeler.model.image_hw)
    with labeler.same_sums():
        labeler.model.logits(inputs)
        start = time.perf_counter()
        for _ in range(passes):
            labeler.model.logits(inputs)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=int, default=200)
    parser.add_argument('--early', type=int, default=100, help='photos after which the memory is noted first')
    parser.add_argument('--architecture', default='deeplabv3_mobilenet_v3_large')
    parser.add_argument('--side', type=int, default=256, help='of the images that the network sees')
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=480)
    options = parser.parse_args()
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    labeler = PhotoLabeler(DownstreamModel.build(options.architecture, task, (options.side, options.side)))
    watched = Watched(labeler, options.early)
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder, 'photos'), options.photos, (options.width, options.height))
        before = bare_seconds(labeler, options.photos // 2)
        PhotoRun(labeler, find_photos([Path(folder, 'photos')]), Path(folder, 'out'), executor=watched)()
        after = bare_seconds(labeler, options.photos // 2)
    bare = (before + after) / (2 * (options.photos // 2))
    ours = watched.seconds / options.photos
    result = {
        **vars(options),
        'cores': os.cpu_count(),
        'load_average': round(os.getloadavg()[0], 1),
        'bare_pass_ms': round(1000 * bare, 2),
        'photo_ms': round(1000 * ours, 2),
        'share_of_bare_throughput': round(bare / ours, 3),
        'peak_mb_early': round(watched.early_mb),
        'peak_mb': round(peak_mb()),
    }
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
