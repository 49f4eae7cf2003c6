"""The house: a folder imports only from folders below it, and a circle of files is in none of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'datasetgan_ext'
COMMANDS = 'the commands'
ROOMS = (
    COMMANDS,
    'generation',
    'report',
    'labeling',
    'downstream',
    'interpreter',
    'generator',
    'metrics',
    'formats',
    'core',
)
"""From top to bottom; the files beside the folders are the topmost room."""
FILES = sorted(PACKAGE.rglob('*.py'))


def room_of(file: Path) -> str:
    inside = file.relative_to(PACKAGE).parts
    return inside[0] if len(inside) > 1 else COMMANDS


def imported_files(file: Path) -> Iterator[Path]:
    """Files of the package that a file imports, also where it does so in a function or for type checkers alone."""
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{file}: a relative import'
            names = [node.module, *(f'{node.module}.{alias.name}' for alias in node.names)]
        for name in names:
            path = PACKAGE.parent.joinpath(*name.split('.'))
            if path.with_suffix('.py') in FILES:
                yield path.with_suffix('.py')


def test_all_folders_with_code_are_rooms():
    assert {room_of(file) for file in FILES} == set(ROOMS)


@pytest.mark.parametrize('file', FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_below(file):
    floor = ROOMS.index(room_of(file))
    upward = [str(other.relative_to(PACKAGE)) for other in imported_files(file) if ROOMS.index(room_of(other)) < floor]
    assert not upward, f'{file.relative_to(PACKAGE)} imports from a room above its own'


def test_no_circle_of_files():
    order = TopologicalSorter({file: set(imported_files(file)) for file in FILES}).static_order()
    assert set(order) == set(FILES)


@pytest.mark.parametrize('file', FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_module_is_over_400_lines(file):
    assert len(file.read_text(encoding='utf-8').splitlines()) <= 400


def test_nothing_depends_on_the_clock():
    """It may jump. What is measured is measured by time.monotonic or time.perf_counter."""
    for path in FILES:
        if path.name == 'download.py':  # which takes the age of what it may delete as one of two signs
            continue
        text = path.read_text(encoding='utf-8')
        for name in ('time.time(', 'datetime.', 'st_mtime', 'getmtime'):
            assert name not in text, f'{path} reads {name}'
