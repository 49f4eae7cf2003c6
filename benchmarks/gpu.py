"""The stages of benchmarks/gpu.sh, one after the other, each a process of its own with a time limit.

Each writes gpu_STAGE.json when it ends; gpu_summary.json tells what became of each. Logs are in out/gpu/logs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import RESULTS, ROOT, write_result

WORK = ROOT / 'out' / 'gpu'
LOGS = WORK / 'logs'
LOG_END = 3000
SKIPPED = 3
"""Exit code of a stage that has nothing to measure here."""


@dataclass(frozen=True)
class Stage:
    """
    Attributes:
        name: of the function in `gpu_stages`, and of the result.
        least: seconds that must be left for it to be started.
        limit: seconds after which it is stopped.
        stylegan3: whether StyleGAN3's code is what it works with.
    """

    name: str
    least: float
    limit: float
    stylegan3: bool = False


STAGES = (
    Stage('plugins', 30, 150),
    Stage('labels', 30, 100),
    Stage('project', 30, 150),
    Stage('stylegan3', 45, 150, stylegan3=True),
    Stage('inference', 60, 180),
    Stage('run', 45, 120),
    Stage('training', 60, 180),
    Stage('tests', 60, 220),
    Stage('other_tests', 60, 220),
)
BESIDE = Stage('plugins', 0, 300, stylegan3=True)
"""Compiles StyleGAN3's kernels while the stages before its own go on."""


class Process:
    """A stage that runs."""

    def __init__(self, stage: Stage, arguments: argparse.Namespace, name: str = ''):
        self.stage, self.name = stage, name or stage.name
        self.start = time.monotonic()
        self.log = LOGS / f'{self.name}.log'
        command = [sys.executable, __file__, f'--run={stage.name}', f'--as={self.name}', f'--out={arguments.out}']
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                command + (['--rehearse'] if arguments.rehearse else []),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(stage.stylegan3),
                cwd=ROOT,
                start_new_session=True,
            )

    def outcome(self, limit: float) -> dict:
        """What became of it, at the latest after so many seconds, when it is ended with all that it started."""
        try:
            code = self.process.wait(max(0, limit))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            self.end()
        text = self.log.read_text(errors='replace')[-LOG_END:]
        outcome = {'seconds': round(time.monotonic() - self.start, 1)}
        if code == 0:
            return {'state': 'done', **outcome}
        if code == SKIPPED:
            return {'state': 'skipped', **outcome, 'why': text.strip().splitlines()[-1]}
        why = f'exit code {code}' if code is not None else f'stopped after {limit:.0f} seconds'
        return {'state': 'failed', **outcome, 'why': why, 'log': text}

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def environment(stylegan3: bool) -> dict[str, str]:
    """Variables of a stage: which code of NVIDIA's it uses, and where that code's kernels are compiled."""
    extensions = WORK / ('extensions-stylegan3' if stylegan3 else 'extensions')
    variables = os.environ | {'TORCH_EXTENSIONS_DIR': str(extensions), 'PYTHONUNBUFFERED': '1'}
    if stylegan3:
        variables['DATASETGAN_UPSTREAM'] = os.environ['DATASETGAN_STYLEGAN3']
        # StyleGAN3 imports what it has compiled by its name, which PyTorch 2.9 and newer no longer prepare
        built = sorted({str(path.parent) for path in extensions.rglob('*.so')})
        variables['PYTHONPATH'] = os.pathsep.join([os.environ.get('PYTHONPATH', str(ROOT)), *built])
    return variables


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [stage.name for stage in STAGES]
    parser.add_argument('--stages', default=','.join(names), help=f'some of {",".join(names)}')
    parser.add_argument('--budget', type=float, default=560, help='seconds for all of them (default: 560)')
    parser.add_argument('--rehearse', action='store_true', help='tiny sizes, on a CPU too')
    parser.add_argument('--out', type=Path, help='folder of the results (default: benchmarks/results)')
    parser.add_argument('--tar', type=Path, help='write results and logs into this file too (gzip), after each stage')
    parser.add_argument('--run', choices=names, help=argparse.SUPPRESS)
    parser.add_argument('--as', dest='name', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out = (arguments.out or (WORK / 'rehearsal' if arguments.rehearse else RESULTS)).resolve()
    if arguments.run:
        run_stage(arguments)
        return
    unknown = set(arguments.stages.split(',')) - set(names)
    if unknown:
        parser.error(f'--stages: no such stage: {", ".join(sorted(unknown))}; there are {", ".join(names)}')
    run_stages([stage for stage in STAGES if stage.name in arguments.stages.split(',')], arguments)


def run_stages(stages: list[Stage], arguments: argparse.Namespace) -> None:
    start = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends what it has started, too
    LOGS.mkdir(parents=True, exist_ok=True)
    for lock in WORK.glob('extensions*/**/lock'):
        lock.unlink()  # of a compilation that was stopped; others would wait for it for ever
    has_stylegan3 = 'DATASETGAN_STYLEGAN3' in os.environ
    beside, outcomes = None, {}

    def left() -> float:
        return arguments.budget - (time.monotonic() - start)

    def tell(name: str, outcome: dict) -> None:
        outcomes[name] = outcome
        print(f'{name}: {json.dumps(outcome)} ({left():.0f} seconds left)', flush=True)
        write_result('gpu_summary', {'rehearsal': arguments.rehearse, 'stages': outcomes}, arguments.out)
        if arguments.tar:
            pack(arguments.tar, arguments.out)

    try:
        for stage in stages:
            if stage.stylegan3 and not has_stylegan3:
                tell(stage.name, {'state': 'skipped', 'why': 'DATASETGAN_STYLEGAN3 names no checkout'})
                continue
            if left() < stage.least:
                tell(stage.name, {'state': 'skipped', 'why': f'takes {stage.least:.0f} seconds, {left():.0f} are left'})
                continue
            if stage.stylegan3 and beside:
                tell(beside.name, beside.outcome(left()))
                beside = None
            limit = min(stage.limit, left())
            tell(stage.name, Process(stage, arguments).outcome(limit))
            if stage.name == 'plugins' and has_stylegan3 and any(other.stylegan3 for other in stages):
                beside = Process(BESIDE, arguments, 'plugins_stylegan3')
    finally:
        if beside:
            beside.end()
    if any(outcome['state'] == 'failed' for outcome in outcomes.values()):
        raise SystemExit(1)


def pack(path: Path, results: Path) -> None:
    """All results and logs in one file, which is there whole at any time."""
    partial = path.with_name(path.name + '.partial')
    with tarfile.open(partial, 'w:gz') as archive:
        for result in sorted(results.glob('gpu_*.json')):
            archive.add(result, result.name)
        archive.add(LOGS, 'logs')
    partial.replace(path)


def run_stage(arguments: argparse.Namespace) -> None:
    """In this process; what is known so far is written each time that the stage yields."""
    from benchmarks import gpu_stages

    sizes = gpu_stages.TINY if arguments.rehearse else gpu_stages.FULL
    start = time.perf_counter()
    content = {}
    try:
        for part in getattr(gpu_stages, arguments.run)(sizes):
            seconds = round(time.perf_counter() - start, 1)
            content = {**part, 'rehearsal': arguments.rehearse, 'seconds_of_stage': seconds}
            write_result(f'gpu_{arguments.name}', content, arguments.out, complete=False)
            print(json.dumps(content), flush=True)
        write_result(f'gpu_{arguments.name}', content, arguments.out)
    except gpu_stages.Skip as skip:
        print(skip)
        raise SystemExit(SKIPPED) from None


if __name__ == '__main__':
    main()
