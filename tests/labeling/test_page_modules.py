"""The page's modules by themselves: their own tests under Node, and how they hang together."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from datasetgan_ext.labeling.server import PAGE

TESTS = Path(__file__).with_name('page')
MODULES = {path.name: path.read_text() for path in sorted(PAGE.glob('*.js'))}
IMPORTS = {
    module: set(re.findall(r"^(?:import|export)\b[^;']*'\./([\w-]+\.js)'", text, flags=re.MULTILINE))
    for module, text in MODULES.items()
}


@pytest.mark.parametrize('path', sorted(TESTS.glob('*.test.mjs')), ids=lambda path: path.name.split('.')[0])
def test_under_node(path):
    if not shutil.which('node'):
        pytest.skip('node is not installed')
    done = subprocess.run(['node', '--test', path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_entry_and_no_circle_of_modules():
    assert re.findall(r'<script[^>]*>', (PAGE / 'index.html').read_text()) == ['<script type="module" src="main.js">']
    left = dict(IMPORTS)
    while free := [module for module, imports in left.items() if not imports & left.keys()]:
        for module in free:
            del left[module]
    assert not left
    reached, waiting = set(), ['main.js', 'slic-worker.js']
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += IMPORTS[module] - reached
    assert reached == MODULES.keys()


def test_modules_are_short():
    assert {module for module, text in MODULES.items() if len(text.splitlines()) > 250} == set()
    assert [line for text in MODULES.values() for line in text.splitlines() if len(line) > 120] == []
