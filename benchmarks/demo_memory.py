"""Peak memory and time of `gen_dataset.py --network=demo` for more and more seeds: memory must not grow with them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.measure import ROOT, write_result

COUNTS = (64, 2000)


def run(count: int, outdir: str) -> dict:
    """Peak resident memory (MiB) and wall time (s) of one whole process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            ROOT / 'datasetgan_ext' / 'gen_dataset.py',
            '--network=demo',
            f'--seeds=0-{count - 1}',
            f'--outdir={outdir}',
        ],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f'gen_dataset.py failed for {count} seeds')
    return {'seeds': count, 'peak_mib': usage.ru_maxrss / 1024, 'seconds': time.perf_counter() - start}


def main():
    with tempfile.TemporaryDirectory() as folder:
        rows = [run(count, f'{folder}/{count}') for count in COUNTS]
    for row in rows:
        print(f'{row["seeds"]:5d} seeds: {row["peak_mib"]:6.0f} MiB peak, {row["seconds"]:6.1f} s')
    growth = rows[-1]['peak_mib'] / rows[0]['peak_mib']
    print(f'peak memory, {COUNTS[-1]} seeds / {COUNTS[0]} seeds: {growth:.3f}')
    write_result('demo_memory', {'runs': rows, 'growth': growth})


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
