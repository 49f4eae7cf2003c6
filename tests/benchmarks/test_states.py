"""Of which code and networks a result is."""

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import catalog, same_figures, states
from benchmarks.catalog import BENCHMARKS, OF_RESULT, Benchmark, benchmark_of
from benchmarks.states import (
    BEFORE,
    CHANGED,
    NOW,
    OTHER,
    ROOT,
    Code,
    bare_code,
    compare,
    fingerprint,
    hash_of_file,
    state_of,
)
from datasetgan_ext import load_interpreter
from datasetgan_ext.formats import labels
from tests.test_rooms import ROOMS

SOURCE = '''"""What it is."""

import os  # for its sake

LIMIT = 3
"""Of something."""


def path(name):
    """Where."""

    return os.path.join('a # b', name)
'''


def test_comments_and_docstrings_decide_nothing():
    bare = bare_code(SOURCE)
    assert bare.splitlines() == [
        'import os',
        'LIMIT = 3',
        'def path(name):',
        "    return os.path.join('a # b', name)",
    ]
    other = (
        SOURCE.replace('Where.', 'Where it\n    is.').replace('  # for its sake', '').replace('\n\n\n', '\n# so\n\n')
    )
    assert other != SOURCE and bare_code(other) == bare
    assert bare_code(SOURCE.replace('LIMIT = 3', 'LIMIT = 4')) != bare
    assert bare_code(SOURCE.replace('a # b', 'a # c')) != bare


FILES = {
    'benchmarks/figures.py': 'from benchmarks import drawing\nfrom datasetgan_ext import Labeler\n',
    'benchmarks/drawing.py': 'import numpy\n',
    'benchmarks/labels.py': 'import datasetgan_ext.formats.labels, datasetgan_ext.formats.folder\n',
    'benchmarks/measure.py': 'import datasetgan_ext.report.card\n',
    'benchmarks/unused.py': 'x = 1\n',
    'datasetgan_ext/__init__.py': 'if 0:\n    from datasetgan_ext.interpreter.labeler import Labeler\n',
    'datasetgan_ext/core/names.py': 'x = 1\n',
    'datasetgan_ext/core/unused.py': 'x = 1\n',
    'datasetgan_ext/formats/labels.py': 'from datasetgan_ext.core import unused\n',
    'datasetgan_ext/formats/folder.py': 'x = 1\n',
    'datasetgan_ext/interpreter/labeler.py': 'def f():\n    from datasetgan_ext.core import names\n',
    'datasetgan_ext/report/card.py': 'x = 1\n',
    'datasetgan_ext/generate.py': 'from datasetgan_ext.report import card\nimport datasetgan_ext.core.seeds as seeds\n',
    'datasetgan_ext/core/seeds.py': 'x = 1\n',
    'patches/1.ed': '1d\n',
}


def write_tree(folder, files) -> Code:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Code(folder)


@pytest.mark.parametrize(
    'benchmark, deciding',
    [
        (
            Benchmark('figures', 'figures.py', ('core', 'interpreter')),
            {
                'benchmarks/figures.py',
                'benchmarks/drawing.py',
                'datasetgan_ext/interpreter/labeler.py',
                'core/names.py',
            },
        ),
        (
            Benchmark('labels', 'labels.py', ('formats', 'core')),
            {'benchmarks/labels.py', 'datasetgan_ext/formats/folder.py'},
        ),
        (Benchmark('figures', 'figures.py', ()), {'benchmarks/figures.py', 'benchmarks/drawing.py'}),
        (
            Benchmark('run', 'drawing.py', ('core', 'commands'), also=('datasetgan_ext/generate.py', 'patches')),
            {'benchmarks/drawing.py', 'datasetgan_ext/generate.py', 'core/seeds.py', 'patches/1.ed'},
        ),
    ],
    ids=['what a script imports', 'but readers of labels', 'no room', 'processes and folders'],
)
def test_which_files_decide(benchmark, deciding, tmp_path):
    before = write_tree(tmp_path, FILES).of(benchmark)
    changed = {
        path
        for path, text in FILES.items()
        if write_tree(tmp_path, {**FILES, path: text.replace('1', '2') + '\ny = 5\n'}).of(benchmark) != before
    }
    short = {path.removeprefix('datasetgan_ext/') if '/core/' in path else path for path in changed}
    assert short == deciding | ({'datasetgan_ext/__init__.py'} & changed if 'commands' in benchmark.rooms else set())
    assert write_tree(tmp_path, FILES).of(benchmark) == before


def test_a_change_that_is_entered_leaves_the_state_as_it_was(tmp_path):
    benchmark, path = Benchmark('figures', 'drawing.py', ('core',)), 'benchmarks/drawing.py'
    texts = [FILES[path] + f'x = {number}\n' for number in range(3)]
    hashes = [hash_of_file(path, text) for text in texts]
    before = write_tree(tmp_path, {**FILES, path: texts[0]}).of(benchmark)
    entries = [{'file': path, 'before': one, 'after': next_} for one, next_ in zip(hashes, hashes[1:])]
    entered = {**FILES, states.SAME_FIGURES: json.dumps(entries)}
    for text in texts:
        assert write_tree(tmp_path, {**entered, path: text}).of(benchmark) == before
    assert write_tree(tmp_path, {**entered, path: texts[0] + 'x = 3\n'}).of(benchmark) != before
    other = {**entered, states.SAME_FIGURES: json.dumps([{**entries[0], 'file': 'benchmarks/figures.py'}])}
    assert write_tree(tmp_path, {**other, path: texts[1]}).of(benchmark) != before


def test_a_new_file_that_is_entered_is_left_out(tmp_path):
    """What it took over from another file is entered there."""
    benchmark, path, new = Benchmark('figures', 'drawing.py', ()), 'benchmarks/drawing.py', 'benchmarks/new.py'
    before = write_tree(tmp_path, FILES).of(benchmark)
    texts = {path: 'import benchmarks.new\n', new: 'x = 1\n'}
    hashes = {path: hash_of_file(path, FILES[path]), new: None}
    entries = [
        {'file': file, 'before': hashes[file], 'after': hash_of_file(file, text)} for file, text in texts.items()
    ]
    entered = {**FILES, **texts, states.SAME_FIGURES: json.dumps(entries)}
    assert write_tree(tmp_path, entered).of(benchmark) == before
    assert write_tree(tmp_path, {**entered, new: 'x = 2\n'}).of(benchmark) != before
    assert write_tree(tmp_path, {**entered, states.SAME_FIGURES: json.dumps(entries[:1])}).of(benchmark) != before


def test_entered_changes_are_of_files_as_they_are_and_say_why():
    latest = {}
    for entry in json.loads((ROOT / states.SAME_FIGURES).read_text()):
        assert latest.get(entry['file'], entry['before']) == entry['before'] and len(entry['why']) > 20, entry
        latest[entry['file']] = entry['after']
    for path, after in latest.items():
        assert hash_of_file(path, (ROOT / path).read_text()) == after, f'{path} has changed since: remove its entries'


def test_entries_are_printed_for_what_has_changed(monkeypatch):
    path = 'benchmarks/borders.py'
    text = (ROOT / path).read_text()
    files = {path: text + 'x = 1\n', 'benchmarks/writing.py': (ROOT / 'benchmarks/writing.py').read_text() + '# so\n'}

    def git(verb, *others):
        changed = [*files, 'benchmarks/measure.py', 'datasetgan_ext/formats/cvat.py', 'docs/limits.md']
        lines = [f'M\t{path}' for path in changed] + ['A\tbenchmarks/strokes.py']
        return '\n'.join(lines) if verb == 'diff' else files[others[0].removeprefix('HEAD:')]

    monkeypatch.setattr(same_figures, 'git', git)
    changed, new = CliRunner().invoke(same_figures.main).output.replace('}\n{', '}\0{').split('\0')
    assert json.loads(changed) == {
        'file': path,
        'before': hash_of_file(path, files[path]),
        'after': hash_of_file(path, text),
        'why': '',
    }
    assert json.loads(new)['before'] is None and json.loads(new)['file'] == 'benchmarks/strokes.py'


def test_readers_decide_by_what_they_read(monkeypatch):
    with_labels, without = (Benchmark('any', 'borders.py', (), demo) for demo in (('labels',), ('generator',)))
    before = state_of(with_labels, Code())
    assert 'reading labels' not in state_of(without, Code())['code']
    states.labels_as_read.cache_clear()
    read = labels.read_annotations

    def otherwise(*arguments):
        found = read(*arguments)
        found[0].mask[0, 0] ^= 1
        return found

    with monkeypatch.context() as context:
        context.setattr(labels, 'read_annotations', otherwise)
        now = state_of(with_labels, Code())
    states.labels_as_read.cache_clear()
    assert compare(before, now) == (CHANGED, ['code of reading labels'])
    assert state_of(with_labels, Code()) == before


def test_what_differs_is_named():
    now = {'code': {'core': 'a', 'generator': 'b'}, 'interpreter': 'c'}
    assert compare(None, now) == (BEFORE, [])
    assert compare(now, now) == (NOW, [])
    assert compare({**now, 'code': {'core': 'a', 'generator': 'x'}}, now) == (CHANGED, ['code of generator'])
    assert compare({**now, 'code': {'core': 'a'}}, now) == (CHANGED, ['code of generator'])
    other = {'code': {'core': 'x', 'generator': 'b'}, 'interpreter': 'x'}
    assert compare(other, now) == (OTHER, ["the demo's interpreter", 'code of core'])
    assert compare({'code': now['code']}, now)[0] == OTHER, 'it depends on more than was noted'


def test_the_demo_has_fingerprints():
    assert fingerprint('interpreter') == load_interpreter('demo').fingerprint
    assert {len(fingerprint(part)) for part in ('generator', 'interpreter', 'labels')} == {64}


def test_all_rooms_scripts_and_results_are_known():
    assert {*catalog.ROOMS, catalog.COMMANDS} == {room.removeprefix('the ') for room in ROOMS}
    code = Code()
    for benchmark in BENCHMARKS:
        assert set(benchmark.rooms) <= set(catalog.EVERYTHING)
        assert (ROOT / 'benchmarks' / benchmark.script).is_file()
        assert all((ROOT / path).exists() for path in benchmark.also)
        assert benchmark.after is None or benchmark.after in [one.name for one in BENCHMARKS]
        assert 'benchmarks' in code.of(benchmark)
    assert len({one.name for one in BENCHMARKS}) == len(BENCHMARKS)
    assert len(OF_RESULT) == sum(len(one.files) for one in BENCHMARKS)
    assert {path.stem for path in (ROOT / 'benchmarks' / 'results').glob('*.json')} <= OF_RESULT.keys()


def written_results(script: Path) -> set[str]:
    """Names that a script gives `write_result`, or `tables.measure`, as they stand."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, 'id', '') in ('write_result', 'measure')
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and (node.func.id == 'write_result' or len(node.args) > 3)
    }


def test_results_are_entered_with_the_script_that_writes_them():
    found = {name: path.name for path in (ROOT / 'benchmarks').glob('*.py') for name in written_results(path)}
    assert {'inference', 'table1', 'ablation_interpreters', 'gpu_summary'} <= found.keys()
    assert {name: benchmark_of(name).script for name in found if name in OF_RESULT} == found, 'enter it in catalog.py'


def test_of_what_is_not_entered_everything_decides():
    benchmark = benchmark_of('nothing')
    assert set(benchmark.rooms) == set(catalog.EVERYTHING)
    state = state_of(Benchmark('inference', 'inference.py', demo=('labels',)), Code())
    assert state['labels'] == fingerprint('labels') and 'generator' not in state
