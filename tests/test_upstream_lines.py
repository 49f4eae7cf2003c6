"""The licence line: no run of lines of NVIDIA's code is in this repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import datasetgan_ext
from datasetgan_ext.generator.upstream import own_submodule
from tests.helpers.trees import files_of_checkout
from tests.helpers.upstream import needs_upstream

ROOT = Path(datasetgan_ext.__file__).parents[1]
RUN = 3
"""Lines in a row that tell where they are from; fewer are chance."""
SHORTEST = 12
"""Characters of a line that tells anything."""
TEXT = ('.py', '.cu', '.cpp', '.h', '.md', '.sh', '.js', '.html', '.cfg', '.toml', '.yml', '.ed', '.ipynb')
SAYS_NOTHING = re.compile(r'import |from \S+ import |@[\w.]+$|return \w+$|[^a-zA-Z]*$')


def telling_lines(text: str) -> list[tuple[int, str]]:
    """Number and content of the lines that tell where they are from: without indentation, diff marks and gaps."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = ' '.join(line.lstrip('+').split())
        if len(words) >= SHORTEST and not SAYS_NOTHING.match(words):
            found.append((number, words))
    return found


def runs(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Every run of telling lines, with the number of its first."""
    lines = telling_lines(text)
    for rest in zip(*(lines[start:] for start in range(RUN))):
        yield rest[0][0], tuple(words for _, words in rest)


def repeated(ours: Iterable[Path], theirs: Iterable[Path]) -> list[str]:
    """Where a run of ours is one of theirs."""
    known = {run: path for path in theirs for _, run in runs(path.read_text(encoding='utf-8', errors='replace'))}
    assert known, 'nothing to compare with'
    return [
        f'{path}:{number} repeats {known[run]}'
        for path in ours
        for number, run in runs(path.read_text(encoding='utf-8', errors='replace'))
        if run in known
    ]


def texts_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob('*')) if path.suffix in TEXT and path.is_file()]


@needs_upstream
def test_no_run_of_upstreams_lines_is_ours():
    upstream = own_submodule()
    if upstream is None:
        pytest.skip('the submodule is not checked out beside the package')
    ours = [ROOT / name for name in files_of_checkout(ROOT) if Path(name).suffix in TEXT]
    assert ROOT / 'datasetgan_ext' / 'cli.py' in ours and not any(path.is_relative_to(upstream) for path in ours)
    assert repeated(ours, texts_below(upstream)) == []


def test_a_run_is_found_whatever_stands_between_its_lines(tmp_path):
    (tmp_path / 'theirs.py').write_text(
        'import torch\n\ndef first(weights, biases):\n    second = weights @ biases\n    third = second.relu()\n'
    )
    (tmp_path / 'ours.py').write_text(
        'x = 1\n\n+  def first(weights,  biases):\n\n# ----\nimport numpy\n\tsecond = weights @ biases\n\n'
        'third = second.relu()\n'
    )
    (tmp_path / 'other.py').write_text(
        'def first(weights, biases):\nsecond = weights @ biases\nfourth = second.relu()\n'
    )
    found = repeated([tmp_path / 'ours.py', tmp_path / 'other.py'], [tmp_path / 'theirs.py'])
    assert found == [f'{tmp_path}/ours.py:3 repeats {tmp_path}/theirs.py']
