"""Peak memory and time of `gen_dataset.py --network=demo` for more and more seeds: memory must not grow with them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.measure import ROOT, write_result

COUNTS = (64, 2000)
SMALL_PARENT = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(status != 0)
"""
"""Runs a command and prints its peak memory in KiB. It is small itself, since on Linux a process is said to have had at
least the memory of the one that started it."""


def run(count: int, outdir: str) -> dict:
    """Peak resident memory (MiB) and wall time (s) of one whole process."""
    script = ROOT / 'datasetgan_ext' / 'gen_dataset.py'
    command = [sys.executable, script, '--network=demo', f'--seeds=0-{count - 1}', f'--outdir={outdir}']
    start = time.perf_counter()
    done = subprocess.run([sys.executable, '-c', SMALL_PARENT, *command], stdout=subprocess.PIPE)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f'gen_dataset.py failed for {count} seeds')
    return {'seeds': count, 'peak_mib': int(done.stdout) / 1024, 'seconds': seconds}


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
