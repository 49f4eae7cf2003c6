"""What results note of themselves."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import measure
from benchmarks.catalog import benchmark_of
from benchmarks.states import ROOT, Code, fingerprint, state_of


def written(folder, name, **options) -> dict:
    measure.write_result(name, {'figure': 1}, folder, **options)
    return json.loads((folder / f'{name}.json').read_text())


def test_a_result_notes_code_networks_time_and_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, '_START', time.monotonic() - 20)
    monkeypatch.setenv(measure.SECONDS_BEFORE, '100')
    monkeypatch.setattr(measure.sys, 'argv', ['demo_memory.py', '--few'])
    found = written(tmp_path, 'demo_memory')
    assert found['figure'] == 1 and found['machine']['cores'] and found['versions']['torch']
    assert found['run']['arguments'] == ['--few'] and found['run']['complete']
    assert 120 <= found['run']['seconds'] < 180
    assert re.fullmatch(r'20\d\d-\d\d-\d\d', found['run']['day'])
    assert found['state'] == state_of(benchmark_of('demo_memory'), Code())
    assert found['state']['interpreter'] == fingerprint('interpreter') and 'labels' not in found['state']
    assert {'benchmarks', 'generator', 'interpreter', 'generation', 'commands'} <= found['state']['code'].keys()
    assert not written(tmp_path, 'inference', complete=False)['run']['complete']


def test_no_result_holds_a_path_of_a_machine(tmp_path, monkeypatch):
    for place in (['--work=/home/somebody/tables'], ['--work', '/home/somebody/tables'], ['--out=/home/somebody']):
        monkeypatch.setattr(measure.sys, 'argv', ['table1.py', '--miniature', *place])
        assert written(tmp_path, 'table1')['run']['arguments'] == ['--miniature']
    for path in measure.RESULTS.glob('*.json'):
        assert not re.search(r'(?<![\w.])/(home|root|tmp|work|mnt)/', path.read_text()), path.name


def test_a_result_that_is_not_entered_is_written_too(tmp_path):
    """Hours of computing are not lost."""
    state = written(tmp_path, 'something_new')['state']
    assert state['labels'] == fingerprint('labels')


def test_the_commit_is_what_the_variable_says_or_git(monkeypatch):
    monkeypatch.setenv('BENCHMARK_COMMIT', 'abc')
    assert measure._commit() == 'abc'
    monkeypatch.delenv('BENCHMARK_COMMIT')
    monkeypatch.setattr(measure, '_git', lambda *words: {'rev-parse': 'def', 'status': ' M a.py'}[words[0]])
    assert measure._commit() == 'def+'
    monkeypatch.setattr(measure, '_git', lambda *words: {'rev-parse': 'def', 'status': ''}[words[0]])
    assert measure._commit() == 'def'


def test_without_git_there_is_no_commit(monkeypatch, tmp_path):
    monkeypatch.delenv('BENCHMARK_COMMIT', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert measure._commit() == ''


def test_parts_of_other_code_are_not_gone_on_with(tmp_path):
    folder = tmp_path / 'parts'
    measure.check_parts(folder, 'few_labels')
    (folder / '1.json').write_text('0.5')
    measure.check_parts(folder, 'few_labels')
    state = json.loads((folder / 'state.json').read_text())
    state['code']['interpreter'] = 'x'
    (folder / 'state.json').write_text(json.dumps(state))
    with pytest.raises(SystemExit, match=r'parts of few_labels of another state \(code of interpreter\)'):
        measure.check_parts(folder, 'few_labels')
    (folder / 'state.json').unlink()
    with pytest.raises(SystemExit, match='of unknown code'):
        measure.check_parts(folder, 'few_labels')


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_peak_memory_is_not_that_of_the_process_that_started_this_one():
    script = 'import sys; sys.path.insert(0, sys.argv[1]); from benchmarks.measure import peak_mib; print(peak_mib())'
    large = np.ones(2**29, np.uint8)
    found = subprocess.run([sys.executable, '-c', script, ROOT], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert 0 < float(found) < large.nbytes / 2**20 < measure.peak_mib()
