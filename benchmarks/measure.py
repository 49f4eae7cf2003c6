"""What the benchmarks share: where results go, what a result notes of itself, and processes to compute in."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.catalog import benchmark_of
from benchmarks.states import ROOT, Code, compare, state_of
from datasetgan_ext.core.version import __version__

RESULTS = ROOT / 'benchmarks' / 'results'
SECONDS_BEFORE = 'BENCHMARK_SECONDS_BEFORE'
"""The variable in which `all.py` says how long earlier tries of a benchmark took, on whose work it goes on."""


def one_thread_each(processes: int | None = None) -> ProcessPoolExecutor:
    """Processes, as many as there are cores unless told, in each of which torch has one thread."""
    spawn = multiprocessing.get_context('spawn')  # a fork would inherit torch's threads
    return ProcessPoolExecutor(processes or os.cpu_count(), spawn, torch.set_num_threads, (1,))


def mean_and_std(values: Sequence[float]) -> dict[str, float | None]:
    """Of the runs of a figure; a single one has no standard deviation, which is that of a sample."""
    return {'mean': float(np.mean(values)), 'std': float(np.std(values, ddof=1)) if len(values) > 1 else None}


def peak_mib() -> float:
    """The most memory that this process has had so far; on Linux alone.

    `getrusage` says more where the process that started this one had more.
    """
    status = Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', status)[1]) / 1024


def write_result(name: str, content: dict, folder: Path = RESULTS, complete: bool = True) -> None:
    """Write NAME.json into benchmarks/results, or another folder, with machine, versions, time, and what it is of.

    Code and commit are those of the process's start, which is what it has imported.

    Args:
        name: of the result, as entered in `catalog.py`.
        content: its figures.
        folder: where it goes.
        complete: whether all that belongs to it was measured; `all.py` goes on with one that is not.
    """
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
        'commit': _COMMIT,
    }
    benchmark = benchmark_of(name)
    run = {
        # where parts and results are kept is no matter of the figures, and a path of this machine
        'arguments': [one for one in sys.argv[1:] if '/' not in one and one != benchmark.keeps],
        'day': time.strftime('%Y-%m-%d', time.gmtime()),
        'seconds': round(float(os.environ.get(SECONDS_BEFORE, 0)) + time.monotonic() - _START, 1),
        'complete': complete,
    }
    content = {
        **content,
        'machine': machine,
        'versions': versions,
        'run': run,
        'state': state_of(benchmark, _CODE),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.json').write_text(json.dumps(content, indent=1) + '\n')


def check_parts(folder: Path, name: str) -> None:
    """Note in a folder of finished parts of a result of which code and networks they are, or end the program where they
    are of others."""
    path, state = folder / 'state.json', state_of(benchmark_of(name), _CODE)
    found = json.loads(path.read_text()) if path.exists() else None
    if found is None and folder.exists() and any(folder.iterdir()):
        raise SystemExit(f'{folder} has parts of {name} of unknown code: delete it, or give another folder')
    if found is not None and found != state:
        differs = ', '.join(compare(found, state)[1])
        raise SystemExit(
            f'{folder} has parts of {name} of another state ({differs}): delete it, or give another folder'
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(state))


def _commit() -> str:
    """What `BENCHMARK_COMMIT` says, which gpu.sh sets from what `--pack` has noted, or else what git says; with a + if
    code has been changed since."""
    if 'BENCHMARK_COMMIT' in os.environ:
        return os.environ['BENCHMARK_COMMIT']
    commit = _git('rev-parse', '--short', 'HEAD')
    return commit + '+' * bool(_git('status', '--porcelain', '--', 'datasetgan_ext', 'benchmarks/*.py', 'patches'))


def _git(*arguments: str) -> str:
    """What git says, nothing where there is none."""
    try:
        return subprocess.run(('git', *arguments), cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ''


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


_START = time.monotonic()
if multiprocessing.parent_process() is None:  # those that compute for another process write nothing
    _CODE, _COMMIT = Code(), _commit()


def import_pyplot():
    """matplotlib's, which draws into files alone; ends the program where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("matplotlib is missing: pip install 'datasetgan-ext[benchmarks]'") from None
    matplotlib.use('Agg')
    from matplotlib import pyplot

    return pyplot
