"""What the benchmarks share: where results go, a note of the machine, and processes to compute in."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from datasetgan_ext.core.version import __version__

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks' / 'results'


def one_thread_each(processes: int | None = None) -> ProcessPoolExecutor:
    """Processes, as many as there are cores unless told, in each of which torch has one thread."""
    spawn = multiprocessing.get_context('spawn')  # a fork would inherit torch's threads
    return ProcessPoolExecutor(processes or os.cpu_count(), spawn, torch.set_num_threads, (1,))


def write_result(name: str, content: dict, folder: Path = RESULTS) -> None:
    """Write NAME.json into benchmarks/results, or another folder, with machine, versions and commit."""
    machine = {
        'processor': _processor(),
        'cores': os.cpu_count(),
        'system': platform.system(),
        'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    versions = {
        'datasetgan-ext': __version__,
        'torch': torch.__version__,
        'python': platform.python_version(),
        'commit': _commit(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.json').write_text(
        json.dumps({**content, 'machine': machine, 'versions': versions}, indent=1) + '\n'
    )


def _commit() -> str:
    """What `BENCHMARK_COMMIT` says, which gpu.sh sets from what `--pack` has noted, or else what git says."""
    if 'BENCHMARK_COMMIT' in os.environ:
        return os.environ['BENCHMARK_COMMIT']
    command = ['git', 'rev-parse', '--short', 'HEAD']
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
