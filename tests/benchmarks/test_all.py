"""`make benchmarks`: stages that can be stopped, go on, and are not done twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import all as everything
from benchmarks.all import STAGES, Stages, listing
from benchmarks.catalog import BENCHMARKS, Benchmark, benchmark_of
from benchmarks.marks import Marks
from benchmarks.states import ROOT, state_of
from tests.benchmarks.test_marks import CODE, now, write
from tests.helpers.scripts import show_help

# what a benchmark does, without what it measures
SCRIPT = """
import json, os, pathlib, sys, time
results, name, *others = sys.argv[1:]
work = [word for word in others if word.startswith('--work=')]
results = pathlib.Path(results)
with open(results / 'calls.txt', 'a') as calls:
    calls.write(name + '\\n')
if name == 'fails':
    raise SystemExit('no such thing')
if work:
    folder = pathlib.Path(work[0].partition('=')[2])
    folder.mkdir(exist_ok=True)
    part = folder / 'part'
    if not part.exists():
        part.write_text('')
        (results / 'started').write_text(str(os.getpid()))
        time.sleep(float(os.environ.get('PART_SECONDS', 600)))
run = {'day': '2026-11-27', 'seconds': float(os.environ['BENCHMARK_SECONDS_BEFORE']), 'complete': name != 'part'}
content = {'run': run, 'state': {'code': {}}, 'arguments': sys.argv[1:]}
(results / f'{name}.json').write_text(json.dumps(content))
"""
# a folder of results, of work and of scripts; then stages' names
MAIN = """
import sys
sys.path[:0] = [{root!r}]
from tests.benchmarks.test_all import stages_in
from pathlib import Path
print(stages_in(Path(sys.argv[1])).run(sys.argv[2:]))
"""


def stages_in(folder: Path) -> Stages:
    script = folder / 'script.py'
    results = folder / 'results'
    results.mkdir(exist_ok=True)
    script.write_text(SCRIPT)

    def stage(name, **options):
        return Benchmark(name, str(script), (), (), arguments=(str(results), name), **options)

    stages = (
        stage('first'),
        stage('fails'),
        stage('part'),
        stage('needy', needs='no_such_module'),
        stage('second', after='first'),
        stage('long', keeps='--work'),
        stage('one', keeps='--work', shares='both'),
        stage('two', keeps='--work', shares='both'),
    )
    return Stages(results, folder / 'work', {one.name: one for one in stages})


def calls(folder: Path) -> list[str]:
    path = folder / 'results' / 'calls.txt'
    return path.read_text().split() if path.exists() else []


def test_what_is_there_is_not_measured_again(tmp_path, capsys):
    stages = stages_in(tmp_path)
    assert stages.run(['first']) == {}
    assert stages.run(['first']) == {} and calls(tmp_path) == ['first']
    assert 'first: there' in capsys.readouterr().out
    assert stages.run(['first'], again=True) == {} and calls(tmp_path) == ['first', 'first']


def test_of_other_code_it_is(tmp_path):
    stages = stages_in(tmp_path)
    stages.run(['first'])
    path = tmp_path / 'results' / 'first.json'
    for change in ({'state': {'code': {'core': 'x'}}}, {'state': {'code': {}, 'interpreter': 'x'}}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        stages.run(['first'])
    content = json.loads(path.read_text())
    content.pop('state')
    path.write_text(json.dumps(content))
    stages.run(['first'])
    assert calls(tmp_path) == ['first'] * 4


def test_failures_are_told_and_the_others_go_on(tmp_path):
    stages = stages_in(tmp_path)
    failed = stages.run(['fails', 'part', 'needy', 'second'])
    assert list(failed) == ['fails', 'part', 'needy']
    assert 'exit code 1' in failed['fails'] and 'wrote no result' in failed['part']
    assert failed['needy'] == 'needs no_such_module, which is not installed'
    (log,) = (tmp_path / 'work').glob('fails-*/log.txt')
    assert 'no such thing' in log.read_text() and str(log) in failed['fails']
    assert calls(tmp_path) == ['first', 'fails', 'part', 'second'], 'what second takes up comes before it'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['Ctrl-C', 'SIGTERM'])
def test_a_stage_that_was_stopped_goes_on(number, tmp_path):
    stages = stages_in(tmp_path)
    main = 'import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))' + MAIN.format(root=str(ROOT))
    process = subprocess.Popen(
        [sys.executable, '-c', main, tmp_path, 'long'],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    started = tmp_path / 'results' / 'started'
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)  # seconds are noted to a tenth
    process.send_signal(number)
    assert process.wait(60) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert not (tmp_path / 'results' / 'long.json').exists()

    (spent,) = (tmp_path / 'work').glob('long-*/seconds.txt')
    before = float(spent.read_text())
    assert before > 0
    assert stages.run(['long']) == {}
    content = json.loads((tmp_path / 'results' / 'long.json').read_text())
    assert content['run']['seconds'] == before and float(spent.read_text()) >= before
    assert content['arguments'][2] == f'--work={spent.parent / "work"}', 'where the first try has left its parts'


def test_another_state_works_in_another_folder(tmp_path):
    stages = stages_in(tmp_path)
    stages.run(['first'])
    (tmp_path / 'results' / 'first.json').unlink()
    stages.run(['first'])
    assert len(list((tmp_path / 'work').iterdir())) == 1
    first = stages.stages['first']
    stages.stages['first'] = replace(first, arguments=(*first.arguments, '--more'))
    (tmp_path / 'results' / 'first.json').unlink()
    stages.run(['first'])
    assert len(list((tmp_path / 'work').iterdir())) == 2


def test_stages_that_train_the_same_share_a_folder(tmp_path, monkeypatch):
    stages = stages_in(tmp_path)
    work = tmp_path / 'work'

    def folder_of(name: str) -> str:
        content = json.loads((tmp_path / 'results' / f'{name}.json').read_text())
        return Path(content['arguments'][2].partition('=')[2]).parent.name

    monkeypatch.setenv('PART_SECONDS', '0')
    assert stages.run(['one', 'two']) == {}
    assert folder_of('one') == folder_of('two') and folder_of('one').startswith('both-')
    assert len(list(work.glob('one-*/log.txt'))) == len(list(work.glob('two-*/log.txt'))) == 1
    # a change of one is a change of what both have together
    (tmp_path / 'results' / 'one.json').unlink()
    before, two = folder_of('two'), stages.stages['two']
    stages.stages['two'] = replace(two, arguments=(*two.arguments, '--more'))
    assert stages.run(['one']) == {}
    assert folder_of('one') != before


def test_the_list_says_what_differs(tmp_path):
    write(tmp_path, 'inference', now('inference'))
    write(tmp_path, 'training', {**now('training'), 'code': {**now('training')['code'], 'interpreter': 'x'}})
    write(tmp_path, 'writing')
    lines = {line.split()[0]: line for line in listing(tmp_path).splitlines()}
    assert set(lines) == {name for benchmark in BENCHMARKS for name in benchmark.files}
    assert 'yes' in lines['inference'] and 'days' in lines['inference'] and '2 min' in lines['inference']
    assert 'no, code has changed' in lines['training'] and lines['training'].endswith('code of interpreter')
    assert 'unknown' in lines['writing'] and lines['writing'].endswith('python benchmarks/writing.py')
    assert 'not measured' in lines['table1']


def test_all_stages_of_a_cpu_are_done_by_default():
    assert {'inference', 'table1', 'plain_dataset', 'ablation_datasets'} <= STAGES.keys()
    assert not [name for name in STAGES if name.startswith('gpu_')]
    order = list(STAGES)
    assert all(order.index(one.after) < order.index(name) for name, one in STAGES.items() if one.after)
    assert Marks(ROOT / 'none', CODE).results == {} and state_of(benchmark_of('scale'), CODE)['code']


def test_options_of_stages_are_options_of_their_scripts():
    shared = (ROOT / 'benchmarks' / 'tables.py').read_text()
    for one in STAGES.values():
        script = (ROOT / 'benchmarks' / one.script).read_text()
        text = script + shared * ('@table_options' in script)
        for option in [*one.arguments, *([one.keeps] if one.keeps else [])]:
            assert f"'{option.partition('=')[0]}'" in text, one.name


def test_it_runs_from_a_checkout(tmp_path):
    assert '--again' in show_help(['benchmarks/all.py'], tmp_path)['benchmarks/all.py']


def test_every_script_has_a_help():
    scripts = [path for path in (ROOT / 'benchmarks').glob('*.py') if "if __name__ == '__main__'" in path.read_text()]
    assert len(scripts) > 35
    for path in scripts:
        assert re.search(r'click\.(command|group)|ArgumentParser', path.read_text()), f'{path.name} --help starts it'


def test_a_stage_that_is_not_there_is_named():
    result = CliRunner().invoke(everything.main, ['--stages=nothing'])
    assert result.exit_code == 2 and 'there is no nothing; there are demo_generator' in result.output
