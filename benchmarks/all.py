"""Measure everything that a CPU can, one benchmark after the other, and fill the tables of README and docs.

\b
    python benchmarks/all.py --list                        # what there is, of when, and what is not of the code of now
    python benchmarks/all.py                               # all that is not of the code and networks of now
    python benchmarks/all.py --stages=inference,training   # these alone

Ctrl-C stops it, and the same command goes on: what was measured with this code and these networks is not measured
again, and long benchmarks keep what they have done so far in out/benchmarks.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.catalog import BENCHMARKS, Benchmark
from benchmarks.marks import WORDS, Marks, duration
from benchmarks.measure import RESULTS, ROOT, SECONDS_BEFORE
from benchmarks.states import NOW, Code, state_of

WORK = ROOT / 'out' / 'benchmarks'
STOP_SECONDS = 20
"""How long a benchmark may take to end after Ctrl-C."""
STAGES = {benchmark.name: benchmark for benchmark in BENCHMARKS if not benchmark.gpu}


@dataclass
class Stages:
    """
    Args:
        results: where the benchmarks write.
        work: for logs, and for what they have done so far.
        stages: by name, in the order in which they are done.
        python: what runs a script.
    """

    results: Path = RESULTS
    work: Path = WORK
    stages: dict[str, Benchmark] = field(default_factory=lambda: STAGES)
    python: str = sys.executable

    def __post_init__(self):
        self.code = Code()

    def is_current(self, benchmark: Benchmark) -> bool:
        """Whether all of its results are there, whole, and of the code and networks of now."""
        marks = Marks(self.results, self.code)
        return all(name in marks.results and marks.state(name, benchmark)[0] == NOW for name in benchmark.files)

    def run(self, names: list[str], again: bool = False) -> dict[str, str]:
        """Do the stages of these names, and those before them whose results they take up.

        Returns:
            Why, of each that has no result now.
        """
        failed = {}
        for name, benchmark in self.stages.items():
            wanted = name in names
            if not wanted and not any(self.stages[other].after == name for other in names):
                continue
            if self.is_current(benchmark) and not (wanted and again):
                print(f'{name}: there', flush=True)
            elif benchmark.needs and not importlib.util.find_spec(benchmark.needs):
                failed[name] = f'needs {benchmark.needs}, which is not installed'
                print(f'{name}: {failed[name]}', flush=True)
            elif why := self._run(benchmark, again and wanted):
                failed[name] = why
        return failed

    def _run(self, benchmark: Benchmark, again: bool) -> str | None:
        """Why it failed, if it did."""
        since = time.strftime('-%Y%m%d-%H%M%S', time.gmtime()) if again else ''
        folder = self._folder(benchmark.name, [benchmark], since)
        folder.mkdir(parents=True, exist_ok=True)
        parts = folder
        if benchmark.shares:
            sharers = [one for one in self.stages.values() if one.shares == benchmark.shares]
            parts = self._folder(benchmark.shares, sharers, since)
            parts.mkdir(parents=True, exist_ok=True)
        log, spent = folder / 'log.txt', folder / 'seconds.txt'
        command = [self.python, str(ROOT / 'benchmarks' / benchmark.script), *benchmark.arguments]
        if benchmark.keeps:
            command.append(f'{benchmark.keeps}={parts / "work"}')
        before = float(spent.read_text()) if spent.exists() and benchmark.keeps else 0.0
        print(f'{benchmark.name}: runs; its output goes to {log}', flush=True)
        start = time.monotonic()
        with open(log, 'ab') as file:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | {SECONDS_BEFORE: str(before)},
                start_new_session=True,
            )
        try:
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            seconds = before + time.monotonic() - start
            spent.write_text(f'{seconds:.1f}')
        if code == 0 and self.is_current(benchmark):
            print(f'{benchmark.name}: done, {duration(seconds)}', flush=True)
            return None
        why = f'exit code {code}, see {log}' if code else f'wrote no result of the code of now, see {log}'
        print(f'{benchmark.name}: failed, {why}', flush=True)
        return why

    def _folder(self, name: str, benchmarks: Sequence[Benchmark], since: str) -> Path:
        """By the state of these benchmarks, so that nothing of other code is taken up."""
        states = json.dumps([[state_of(benchmark, self.code), benchmark.arguments] for benchmark in benchmarks])
        return self.work / f'{name}-{hashlib.sha256(states.encode()).hexdigest()[:12]}{since}'


def _end(process: subprocess.Popen) -> None:
    """With all processes that it has started."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def listing(results: Path = RESULTS) -> str:
    """A line for each result: whether it is of now, how old it is, how long it took, and what differs."""
    marks, lines, today = Marks(results), [], datetime.now(timezone.utc).date()
    for benchmark in BENCHMARKS:
        for name in benchmark.files:
            if name not in marks.results:
                lines.append((name, 'not measured', '', '', benchmark.command))
                continue
            state, differs = marks.state(name)
            run = marks.results[name].get('run', {})
            age = f'{(today - date.fromisoformat(run["day"])).days} days' if run else ''
            took = duration(run['seconds']) if run else ''
            lines.append((name, WORDS[state], age, took, ', '.join(differs) or benchmark.command))
    widths = [max(map(len, column)) for column in zip(*lines)]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


@click.command(help=__doc__)
@click.option('--stages', metavar='A,B', help='These alone  [default: all]')
@click.option('--list', 'list_', is_flag=True, help='Show all results, and do nothing')
@click.option('--again', is_flag=True, help='Measure anew what is of the code and networks of now, too')
def main(stages, list_, again):
    if list_:
        print(listing())
        return
    names = stages.split(',') if stages else list(STAGES)
    if unknown := [name for name in names if name not in STAGES]:
        raise click.UsageError(f'--stages: there is no {", ".join(unknown)}; there are {", ".join(STAGES)}')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends what it has started, too
    try:
        failed = Stages().run(names, again)
    except KeyboardInterrupt:
        print('\nStopped; the same command goes on.')
        raise SystemExit(130) from None
    tables = subprocess.run([sys.executable, str(ROOT / 'benchmarks' / 'readme_tables.py')], cwd=ROOT).returncode
    for name, why in failed.items():
        print(f'{name}: {why}')
    raise SystemExit(1 if failed else tables)


if __name__ == '__main__':
    main()
