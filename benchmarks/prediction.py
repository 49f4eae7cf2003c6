"""Throughput of datasetgan predict beside the bare network's forward passes, and its memory.

    python benchmarks/prediction.py --photos=200 --workers=1
    python benchmarks/prediction.py --photos=400 --workers=2

Both in one run, the bare passes before and after, so that what else the machine does weighs on both. A network has one
thread, as in a run. With one worker, reading, compressing and writing have the other cores, and it is compared with
bare passes in one thread; with more workers, with bare passes in as many threads at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import PIL.Image
import torch

from benchmarks.measure import peak_mib
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.generation.executors import Executor, ThisProcess
from datasetgan_ext.generation.photo_run import PhotoRun
from datasetgan_ext.generation.photos import PhotoLabelerSpec
from datasetgan_ext.generation.workers import Processes
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER

FIRST = 20
"""Photos after which the clock starts."""
PASSES = 100
DIFFERENT = 20
"""Photos that are not alike; the others are copies of them."""


class Watched:
    """An executor that notes when its first and its last results came, and the memory by then."""

    def __init__(self, executor: Executor, early: int):
        self._executor = executor
        self.device, self.shares = executor.device, executor.shares
        self.early = early
        self.seconds_each = 0.0
        self.own_seconds_each = 0.0
        self.all_seconds_each = 0.0
        self.early_mb = 0.0

    def label(self, jobs, encoder, fingerprints):
        start = count = 0
        for number, result in enumerate(self._executor.label(jobs, encoder, fingerprints)):
            if number == FIRST:  # imports and first passes are over
                start = np.array([time.perf_counter(), time.thread_time(), time.process_time()])
            if number == self.early:
                self.early_mb = peak_mib()
            count = number - FIRST
            yield result
        now = np.array([time.perf_counter(), time.thread_time(), time.process_time()])
        self.seconds_each, self.own_seconds_each, self.all_seconds_each = ((now - start) / count).tolist()


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


def bare_seconds(labeler: PhotoLabeler, passes: int, threads: int) -> np.ndarray:
    """Of a forward pass of one image, in so many threads at once: on the clock, and of a processor."""
    inputs = torch.randn(1, 3, *labeler.model.image_hw)

    def run(_thread: int) -> float:
        start = time.thread_time()
        for _ in range(passes):
            labeler.model.logits(inputs)
        return time.thread_time() - start

    with labeler.same_sums(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
        start = time.perf_counter()
        own = sum(pool.map(run, range(threads)))
        return np.array([time.perf_counter() - start, own]) / (passes * threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=int, default=200)
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument('--early', type=int, default=100, help='photos after which the memory is noted first')
    parser.add_argument('--architecture', default='deeplabv3_mobilenet_v3_large')
    parser.add_argument('--side', type=int, default=256, help='of the images that the network sees')
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=480)
    options = parser.parse_args()
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    model = DownstreamModel.build(options.architecture, task, (options.side, options.side))
    labeler = PhotoLabeler(model)
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder, 'network.safetensors')
        model.save(network)
        executor = ThisProcess(labeler)
        if options.workers > 1:
            executor = Processes([PhotoLabelerSpec(network, device='cpu')] * options.workers)
        watched = Watched(executor, options.early)
        write_photos(Path(folder, 'photos'), options.photos, (options.width, options.height))
        before = bare_seconds(labeler, PASSES, options.workers)
        PhotoRun(labeler, find_photos([Path(folder, 'photos')]), Path(folder, 'out'), executor=watched)()
        after = bare_seconds(labeler, PASSES, options.workers)
    bare, bare_cpu = ((before + after) / 2).tolist()
    result = {
        **vars(options),
        'cores': os.cpu_count(),
        'load_average': round(os.getloadavg()[0], 1),
        'bare_pass_ms': round(1000 * bare, 2),
        'photo_ms': round(1000 * watched.seconds_each, 2),
        'share_of_bare_throughput': round(bare / watched.seconds_each, 3),
        # of a processor, in the process that writes; with one worker that is all there is
        'bare_pass_cpu_ms': round(1000 * bare_cpu, 2),
        'main_thread_cpu_ms': round(1000 * watched.own_seconds_each, 2),
        'all_threads_cpu_ms': round(1000 * watched.all_seconds_each, 2),
        'peak_mb_early': round(watched.early_mb),
        'peak_mb': round(peak_mib()),
    }
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
