"""What a run costs beside generating and labelling, as processor time: files by their size, and the manifest's work.

    python benchmarks/scale.py                  # a manifest of 100,000 lines
    python benchmarks/scale.py --lines=1000     # to see that it works

The pictures are drawn: soft shapes with some noise, which PNG packs to about as many bytes as a photograph.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from scipy import ndimage

from benchmarks.measure import peak_mib, write_result
from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.encoding import Encoder
from datasetgan_ext.generation.folder import FolderWriter
from datasetgan_ext.generation.manifest import RunManifest
from datasetgan_ext.interpreter.labeler import LabeledSample

CLASSES, SIZES = 14, {64: 100, 256: 40, 512: 10, 1024: 4}


def draw(seed: int, side: int) -> LabeledSample:
    random = np.random.RandomState(seed)
    shapes = np.stack([ndimage.zoom(random.randn(8, 8), side / 8, order=1) for _ in range(3)], axis=2)
    image = np.clip(128 + 40 * shapes + 2 * random.randn(side, side, 3), 0, 255).astype(np.uint8)
    mask = np.digitize(shapes[..., 0], np.linspace(-2, 2, CLASSES - 1)).astype(np.uint8)
    return LabeledSample(
        id=seed,
        name=sample_name(seed),
        image=image,
        mask=mask,
        uncertainty=float(random.rand()),
        pixel_uncertainty=None,
        keypoints=None,
        mixing=None,
    )


def milliseconds(work: Callable[[], object], count: int) -> float:
    """Processor time of `work`, divided by a count."""
    start = time.process_time()
    work()
    return round(1000 * (time.process_time() - start) / count, 3)


def measure_files(side: int, count: int, folder: Path) -> dict:
    """Of one image of this side, in milliseconds and bytes."""
    task = Task.from_names([f'class {index}' for index in range(CLASSES)])
    writer = FolderWriter(folder)
    encoder = Encoder(task)
    encoded = []
    records = []
    samples = [draw(seed, side) for seed in range(count)]
    times = {
        'encode': milliseconds(lambda: encoded.extend(map(encoder, samples)), count),
        'write': milliseconds(lambda: records.extend(map(writer.write, encoded)), count),
        'check': milliseconds(lambda: all(map(writer.is_whole, records)), count),
    }
    sizes = {
        f'{kind}_bytes': round(np.mean([len(one.files[one.record[kind]]) for one in encoded]))
        for kind in ('image', 'mask')
    }
    return {'side': side, **times, **sizes}


def measure_manifest(lines: int, folder: Path) -> dict:
    """Of a manifest of so many lines, in milliseconds a line and MiB."""
    random = np.random.RandomState(0)
    frequent = random.uniform(0.05, 1, CLASSES)
    before = peak_mib()
    manifest = RunManifest(folder, lambda record: True)

    def append():
        for seed in range(lines):
            counts = np.where(random.rand(CLASSES) < frequent, 100, 0).tolist()
            manifest.append(
                {
                    'seed': seed,
                    'image': f'images/{sample_name(seed)}.png',
                    'mask': f'masks/{sample_name(seed)}.png',
                    'uncertainty': round(random.rand(), 6),
                    'pixels_per_class': counts,
                    'image_sha256': 64 * '0',
                    'mask_sha256': 64 * '0',
                }
            )

    seeds, times = range(lines), {'append': milliseconds(append, lines)}
    times['take up'] = milliseconds(lambda: RunManifest(folder, lambda record: True), lines)
    times['choose'] = milliseconds(lambda: manifest.dropped(seeds, Curation(0.9)), lines)
    times['choose, balanced'] = milliseconds(lambda: manifest.dropped(seeds, Curation(0.9, balance=0.2)), lines)
    times['finish'] = milliseconds(lambda: manifest.finish(seeds, {}), lines)
    size = (folder / 'manifest.jsonl').stat().st_size / lines
    return {'lines': lines, **times, 'bytes_a_line': round(size), 'memory_mib': round(peak_mib() - before, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lines', type=int, default=100_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / 'manifest').mkdir()
        manifest = measure_manifest(lines, Path(scratch) / 'manifest')
        files = [measure_files(side, count, Path(scratch) / str(side)) for side, count in SIZES.items()]
    for row in [*files, manifest]:
        print(row)
    write_result('scale', {'files': files, 'manifest': manifest})


if __name__ == '__main__':
    main()
