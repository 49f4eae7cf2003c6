"""Of which code, which networks and which labels a result is, and whether these are the ones that are here.

A state is what `catalog.py` says that a result depends on: a hash of the code for each room, and the fingerprints of
the demo's networks and labels. Results note it (`measure.write_result`); pages compare it with that of the checkout.

A change of code that cannot change a figure is entered in same_figures.json (`same_figures.py`); the file's hash then
stays what it was, and a new file has none.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.catalog import COMMANDS, GENERATOR, HAND_LABELS, INTERPRETER, Benchmark

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, OWN = 'datasetgan_ext', 'benchmarks'
CODE = {'.py', '.js', '.html', '.css', '.ed', '.sh'}
SAME_FIGURES = 'benchmarks/same_figures.json'
BOOKKEEPING = {
    'benchmarks/all.py',
    'benchmarks/catalog.py',
    'benchmarks/marks.py',
    'benchmarks/measure.py',
    'benchmarks/readme_tables.py',
    'benchmarks/same_figures.py',
    'benchmarks/states.py',
    'datasetgan_ext/core/version.py',
}
"""What changes no figure, and is not followed."""
DATA_FILES = ('folder', 'png')
"""Of the formats, how datasets and their images lie on the disk. The others are label files, also those of other tools:
what the readers make of the demo's labels is in the state in place of their code (`labels_as_read`)."""
DIGITS = 16
LABELED_PARTS = ('samples', 'more', 'real')
"""Folders of the demo."""
READING_LABELS = 'reading labels'
"""Stands for the readers' code among the rooms."""

NOW, CHANGED, OTHER, BEFORE = 'now', 'code changed', 'other networks', 'unknown'
"""Of the code and networks that are here; the networks are, but not the code; other networks or labels; a result of
before states were noted."""


class Code:
    """The code that can decide a result, as it is in the files now.

    Args:
        root: of the checkout.
    """

    def __init__(self, root: Path = ROOT):
        folders = (root / PACKAGE, root / OWN, root / 'patches', root / 'tests')
        self.files = {
            path.relative_to(root).as_posix(): path.read_bytes()
            for folder in folders
            for path in folder.rglob('*')
            if path.suffix in CODE and 'node_modules' not in path.parts
        }
        self._passed_over = {path for path in self.files if not is_followed(path)}
        entries = json.loads((root / SAME_FIGURES).read_text()) if (root / SAME_FIGURES).exists() else []
        self._before = {(entry['file'], entry['after']): entry['before'] for entry in entries}
        self._imports: dict[str, set[str]] = {}
        self._hashes: dict[str, str | None] = {}

    def of(self, benchmark: Benchmark) -> dict[str, str]:
        """A hash for each room, and for the benchmarks' own files, of what decides a benchmark's figures."""
        rooms: dict[str, list[str]] = {}
        for path in sorted(self._deciding(benchmark)):
            rooms.setdefault(room_of(path), []).append(path)
        hashes = {
            room: [f'{path} {self._hash(path)}' for path in paths if self._hash(path)] for room, paths in rooms.items()
        }
        return {room: _digest(of_room) for room, of_room in sorted(hashes.items()) if of_room}

    def _deciding(self, benchmark: Benchmark) -> set[str]:
        given = [f'{OWN}/{benchmark.script}', *benchmark.also]
        starts = {path for path in self.files for name in given if path == name or path.startswith(f'{name}/')}
        return {
            path
            for path in self.reached(starts)
            if not path.startswith(f'{PACKAGE}/') or room_of(path) in benchmark.rooms
        }

    def reached(self, starts: Iterable[str]) -> set[str]:
        """These files and all that they import, directly or not, also where they do so in a function."""
        found, ahead = set(), set(starts) - self._passed_over
        while ahead:
            path = ahead.pop()
            found.add(path)
            ahead |= self._imported(path) - found - self._passed_over
        return found

    def _imported(self, path: str) -> set[str]:
        if path not in self._imports:
            names: set[str] = set()
            for node in ast.walk(ast.parse(self.files[path])) if path.endswith('.py') else ():
                if isinstance(node, ast.Import):
                    names.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
            modules = {name.replace('.', '/') for name in names}
            files = {f'{module}{end}' for module in modules for end in ('.py', '/__init__.py')}
            self._imports[path] = files & self.files.keys()
        return self._imports[path]

    def _hash(self, path: str) -> str | None:
        """Of a file as it was before the changes that are entered; None = it was not there."""
        if path not in self._hashes:
            found: str | None = hash_of_file(path, self.files[path].decode())
            while found is not None and (path, found) in self._before:
                found = self._before[path, found]
            self._hashes[path] = found
        return self._hashes[path]


def is_followed(path: str) -> bool:
    """Whether a file's code is looked at."""
    is_label_format = path.startswith(f'{PACKAGE}/formats/') and Path(path).stem not in DATA_FILES
    return path not in BOOKKEEPING and not is_label_format


def room_of(path: str) -> str:
    """'core' for datasetgan_ext/core/…, 'commands' for what is beside the rooms, else the first folder."""
    folders = path.split('/')[:-1]
    if folders[0] != PACKAGE:
        return folders[0]
    return folders[1] if len(folders) > 1 else COMMANDS


def hash_of_file(path: str, text: str) -> str:
    """Of what decides figures in a file's text."""
    return _digest([bare_code(text) if path.endswith('.py') else text])


def bare_code(text: str) -> str:
    """Python's lines without comments, docstrings, empty lines and the space at their ends.

    Every version of Python finds the same.
    """
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            and not lines[node.lineno - 1][: node.col_offset].strip()
        ):
            lines[node.lineno - 1 : node.end_lineno] = [''] * (node.end_lineno - node.lineno + 1)
    return '\n'.join(line.rstrip() for line in lines if line.strip())


@cache
def fingerprint(part: str) -> str:
    """Of a part of the demo that ships: sha256 of a network's weights and settings, or of all labels."""
    from datasetgan_ext import load_generator, load_interpreter
    from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER

    if part == GENERATOR:  # with NVIDIA's code or our stand-in: the weights are the same
        return load_generator(DEMO, 'cpu').fingerprint.partition('-')[0]
    if part == INTERPRETER:
        return load_interpreter(DEMO).fingerprint
    assert part == HAND_LABELS
    digest = hashlib.sha256((DEMO_FOLDER / 'task.json').read_bytes())
    for path in sorted(path for name in LABELED_PARTS for path in (DEMO_FOLDER / name).rglob('*.*')):
        digest.update(path.relative_to(DEMO_FOLDER).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def labels_as_read() -> str:
    """A hash of the masks and keypoints that the readers make of the demo's label files."""
    from datasetgan_ext.core.task import Task
    from datasetgan_ext.formats.labels import read_annotations
    from datasetgan_ext.generator.checkpoint import DEMO_FOLDER

    task, digest = Task.read(DEMO_FOLDER / 'task.json'), hashlib.sha256()
    for part in LABELED_PARTS:
        folder = DEMO_FOLDER / part
        for one in read_annotations(task, folder / 'masks', folder / 'keypoints.json'):
            digest.update(one.name.encode())
            for array in (one.mask, one.keypoints.points, one.keypoints.visibility):
                digest.update(f'{array.dtype} {array.shape}'.encode() + array.tobytes())
    return digest.hexdigest()[:DIGITS]


def state_of(benchmark: Benchmark, code: Code) -> dict:
    """What a result of that benchmark notes: hashes of the code, and the demo's fingerprints."""
    rooms = code.of(benchmark)
    if HAND_LABELS in benchmark.demo:
        rooms[READING_LABELS] = labels_as_read()
    return {'code': rooms, **{part: fingerprint(part) for part in benchmark.demo}}


def compare(noted: dict | None, now: dict) -> tuple[str, list[str]]:
    """What a result's note says of it now, and what differs, in words.

    Args:
        noted: by `state_of` when it was measured; None where a result has no such note.
        now: by `state_of`.
    """
    if noted is None:
        return BEFORE, []
    networks = [
        "the demo's " + part
        for part in sorted((noted.keys() | now.keys()) - {'code'})
        if noted.get(part) != now.get(part)
    ]
    rooms = sorted(noted['code'].keys() | now['code'].keys())
    code = [f'code of {room}' for room in rooms if noted['code'].get(room) != now['code'].get(room)]
    return (OTHER if networks else CHANGED if code else NOW), networks + code


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:DIGITS]
