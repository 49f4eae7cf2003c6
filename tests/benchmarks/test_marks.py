"""Pages say which figures are not of the code and networks of now."""

import json

import pytest

from benchmarks import marks, readme_tables
from benchmarks.catalog import OF_RESULT, benchmark_of
from benchmarks.marks import Marks, duration
from benchmarks.states import Code, state_of

CODE = Code()


def write(folder, name, state=None, complete=True, gpu=None, **content):
    """A result; without `state` as results were before they noted it."""
    content |= {
        'machine': {'processor': 'P', 'cores': 2, 'gpu': gpu},
        'versions': {'torch': '2.13.0', 'datasetgan-ext': '0.2.0', 'commit': 'abc1234'},
    }
    if state is not None:
        content |= {'state': state, 'run': {'day': '2026-11-27', 'seconds': 150, 'complete': complete}}
    folder.mkdir(exist_ok=True)
    (folder / f'{name}.json').write_text(json.dumps(content))


def now(name) -> dict:
    return state_of(benchmark_of(name), CODE)


def other_code(name) -> dict:
    return {**now(name), 'code': {**now(name)['code'], 'generator': 'x'}}


def test_what_a_table_says_of_its_result(tmp_path):
    write(tmp_path, 'demo_memory', now('demo_memory'))
    write(tmp_path, 'inference', other_code('inference'))
    write(tmp_path, 'training')
    write(tmp_path, 'few_labels', now('few_labels'), complete=False)
    found = Marks(tmp_path, CODE)
    assert found.note('demo_memory') == ''
    assert found.note('inference') == (
        '*Measured at commit abc1234, and code that decides it has changed; anew: `python benchmarks/inference.py`.*'
    )
    assert 'commit abc1234, before results noted their code' in found.note('training')
    assert 'commit abc1234, not all of it' in found.note('few_labels')
    assert found.note('table1') == '*Not measured yet: `python benchmarks/table1.py --miniature`.*'
    assert all(found.why_refused(name) is None for name in (*found.results, 'table1'))


def test_gpu_results_always_say_their_commit(tmp_path):
    write(tmp_path, 'gpu_inference', now('gpu_inference'), gpu='H100')
    write(tmp_path, 'gpu_training', other_code('gpu_training'), gpu='H100')
    write(tmp_path, 'gpu_labels', {**now('gpu_labels'), 'interpreter': 'x'}, gpu='H100')
    write(tmp_path, 'gpu_run', gpu='H100')
    found = Marks(tmp_path, CODE)
    assert found.note('gpu_inference') == '*On an H100, at commit abc1234.*'
    for name in ('gpu_training', 'gpu_labels', 'gpu_run'):
        assert found.note(name) == '*On an H100, at commit abc1234; the code has changed since then.*'
        assert found.why_refused(name) is None, 'few have a GPU'


def test_another_interpreter_is_refused_and_so_is_another_generator(tmp_path):
    for part in ('generator', 'interpreter'):
        write(tmp_path, 'demo_memory', {**now('demo_memory'), part: 'x'})
        assert Marks(tmp_path, CODE).why_refused('demo_memory') == (
            f"demo_memory.json is of another state (the demo's {part}); anew: `python benchmarks/demo_memory.py`"
        )


def test_all_results_have_their_age(tmp_path):
    write(tmp_path, 'inference', now('inference'))
    write(tmp_path, 'training')
    write(tmp_path, 'gpu_run', gpu='H100')
    lines = Marks(tmp_path, CODE).table().splitlines()
    assert len(lines) == 2 + len(OF_RESULT)
    rows = {line.split('`')[1]: [cell.strip() for cell in line.split('|')] for line in lines[2:]}
    place = 'P, 2 cores, 2.13.0'
    assert rows['inference'][2:-1] == ['yes', 'abc1234, 2026-11-27', '2 min', place, '`inference.py`']
    assert rows['training'][2:-1] == ['unknown', 'abc1234', '', place, '`training.py`']
    assert rows['gpu_run'][2:-1] == ['unknown; no GPU since', 'abc1234', '', 'H100, 2.13.0', '`gpu.sh --stages=run`']
    assert rows['table1'][2:-1] == ['not measured', '', '', '', '`table1.py --miniature`']


def test_durations():
    assert [duration(seconds) for seconds in (3.4, 99, 150, 5900, 9000)] == ['3 s', '99 s', '2 min', '98 min', '2.5 h']


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """Readme and tables in a folder of their own, with two tables."""
    write(tmp_path / 'results', 'demo_memory', now('demo_memory'), runs=[])
    monkeypatch.setattr(readme_tables, 'ROOT', tmp_path)
    monkeypatch.setattr(readme_tables, 'RESULTS', tmp_path / 'results')
    monkeypatch.setattr(readme_tables, 'PAGES', ('README.md',))
    monkeypatch.setattr(readme_tables, 'TABLES', {name: readme_tables.TABLES[name] for name in ('demo_memory',)})
    marked = '<!-- table: {} -->\nas it was\n<!-- end -->\n'
    (tmp_path / 'README.md').write_text(marked.format('demo_memory') + marked.format('measured'))
    return tmp_path


def test_tables_are_filled_with_marks(pages):
    readme_tables.main()
    text = (pages / 'README.md').read_text()
    assert text.startswith('<!-- table: demo_memory -->\n| seeds | peak memory | time |\n|---|---|---|\n<!-- end -->\n')
    assert '| `demo_memory` | yes |' in text and 'as it was' not in text
    write(pages / 'results', 'demo_memory', other_code('demo_memory'), runs=[])
    readme_tables.main()
    changed = (pages / 'README.md').read_text()
    assert '|---|---|---|\n\n*Measured at commit abc1234, and code that decides it has changed' in changed
    assert 'no, code has changed' in changed


def test_a_table_of_another_interpreter_is_not_written(pages):
    write(pages / 'results', 'demo_memory', {**now('demo_memory'), 'interpreter': 'x'}, runs=[])
    with pytest.raises(SystemExit, match='demo_memory.json is of another state.*benchmarks/demo_memory.py'):
        readme_tables.main()
    text = (pages / 'README.md').read_text()
    assert text.startswith('<!-- table: demo_memory -->\nas it was\n') and marks.WORDS[marks.OTHER] in text


def test_a_page_without_marks_is_an_error(pages):
    (pages / 'README.md').write_text('nothing')
    with pytest.raises(SystemExit, match='lack the marks'):
        readme_tables.main()
