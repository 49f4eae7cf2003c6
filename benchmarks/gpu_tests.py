"""Runs tests for `gpu.sh`, as a process of its own, and says what became of them."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from benchmarks.gpu import LOGS
from benchmarks.measure import ROOT

MESSAGE_END = 4000
"""Characters of what a process said that are kept."""
LIMIT, AGAIN_LIMIT = 150, 40
"""Seconds of all tests, and of those that failed."""


def run_tests(selected: list[str], name: str) -> Iterator[dict]:
    """Many at once; those that fail once more, alone, one after the other."""
    parallel = ['-n', str(max(1, (os.cpu_count() or 1) - 2))] if importlib.util.find_spec('xdist') else []
    result = run_pytest(selected, parallel, name, LIMIT)
    yield result
    if result['failures']:
        again = run_pytest([failure['test'] for failure in result['failures']], [], f'{name}-again', AGAIN_LIMIT)
        yield {**result, 'alone': again}
        raise SystemExit(f'{len(result["failures"])} tests failed, {len(again["failures"])} of them alone too')


def run_pytest(selected: list[str], parallel: list[str], name: str, limit: float) -> dict:
    """Counts, and the failures with their messages; the whole log and the XML are in the folder of logs.

    After so many seconds the tests are interrupted, and pytest tells of those that it ran.
    """
    log, xml = LOGS / f'{name}.txt', LOGS / f'{name}.xml'
    xml.unlink(missing_ok=True)
    command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-ra', '-v', '--durations=15', *parallel]
    # the checkout is patched here, and these look at the pinned one
    command.append('--deselect=tests/generator/test_patches.py::test_patches_repeat_no_line_of_upstream')
    command.append('--deselect=tests/generator/test_legacy_pickles.py::test_other_tensorflow_networks_are_errors')
    if importlib.util.find_spec('pytest_timeout'):
        command.append(f'--timeout={limit:.0f}')
    command += [f'--junit-xml={xml}', '-o', 'junit_family=xunit1', '-o', 'junit_logging=all', *selected]
    start, variables = time.perf_counter(), os.environ | {'OMP_NUM_THREADS': '1'}
    with open(log, 'w') as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=variables)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            code = process.wait()
    seconds = time.perf_counter() - start
    if not xml.is_file():
        raise SystemExit(f'pytest ended with {code}: {log.read_text()[-MESSAGE_END:]}')
    failures, skipped, count = [], [], 0
    for case in ElementTree.parse(xml).iter('testcase'):
        count += 1
        test = f'{case.get("file")}::{case.get("name")}'
        for outcome in case:
            if outcome.tag in ('failure', 'error'):
                text = (outcome.text or '')[-MESSAGE_END:]
                failures.append({'test': test, 'message': outcome.get('message'), 'text': text})
            elif outcome.tag == 'skipped':
                skipped.append(f'{test}: {outcome.get("message")}')
    return {
        'tests': count,
        'interrupted': seconds >= limit,
        'exit_code': code,
        'seconds': seconds,
        'failures': failures,
        'skipped': skipped,
    }
