"""A dataset with files from end to end: `datasetgan generate` against a plain script, on the demo, in one run.

    python benchmarks/plain_dataset.py --images=50

Time and memory are of the whole command with all processes that it starts, from its start to its last file. What is
compared: the labels, pixel by pixel.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import psutil

from benchmarks.measure import ROOT, write_result
from benchmarks.plain_script import FIRST
from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.formats.png import read_image, read_mask

OURS, PLAIN = 'datasetgan generate', 'plain script'
FULL = 100
"""Images from which the result is written."""
EVERY = 0.2
"""Seconds between two looks at the memory."""


def measure(command: list[str], outdir: Path) -> dict:
    """Of a command that writes a folder: seconds, seconds of all cores, the most memory that its processes took
    together (MiB; what they share counts once), files and bytes.

    Raises:
        SystemExit: the command failed.
    """
    start, peak, used = time.perf_counter(), 0, {}
    process = psutil.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        total = 0
        for one in (process, *_children(process)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
                times = one.cpu_times()
                used[one.pid] = times.user + times.system
        peak = max(peak, total)
        time.sleep(EVERY)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f'{" ".join(command)} ended with {process.returncode}')
    files = [path for path in outdir.rglob('*') if path.is_file()]
    of_samples = [path for path in files if path.parent.name in ('images', 'masks')]
    return {
        'seconds': seconds,
        'core_seconds': sum(used.values()),
        'peak_mib': peak / 2**20,
        'files': len(files),
        'bytes': sum(path.stat().st_size for path in files),
        'bytes_of_images_and_masks': sum(path.stat().st_size for path in of_samples),
    }


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def equal_share(one: Path, other: Path, images: int) -> dict:
    """Share of the pixels that two datasets agree in: of the labels, of those in the worst image, and of the images."""
    masks, pictures = [], []
    for seed in range(FIRST, FIRST + images):
        name = f'{sample_name(seed)}.png'
        masks.append(np.mean(read_mask(one / 'masks' / name) == read_mask(other / 'masks' / name)))
        pictures.append(np.mean(read_image(one / 'images' / name) == read_image(other / 'images' / name)))
    return {'labels': float(np.mean(masks)), 'worst': float(np.min(masks)), 'images': float(np.mean(pictures))}


@click.command(help=__doc__)
@click.option('--images', type=click.IntRange(min=2), default=1000, show_default=True)
def main(images):
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = Path(folder, 'ours'), Path(folder, 'plain')
        commands = {
            OURS: [f'{ROOT}/datasetgan_ext/gen_dataset.py', '--network=demo', f'--seeds={FIRST}-{FIRST + images - 1}'],
            PLAIN: [f'{ROOT}/benchmarks/plain_script.py', f'--images={images}'],
        }
        rows = {
            name: measure([*command, f'--outdir={outdir}'], outdir)
            for (name, command), outdir in zip(commands.items(), (ours, plain))
        }
        equal = equal_share(ours, plain, images)
    for name, row in rows.items():
        print(name, row)
    print(equal)
    if images < FULL:
        print(f'Nothing is written for fewer than {FULL} images.')
        return
    write_result('plain_dataset', {'images': images, 'rows': rows, 'equal': equal})


if __name__ == '__main__':
    main()
