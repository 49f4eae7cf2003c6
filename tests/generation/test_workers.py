"""Several processes make the same dataset as one, whatever happens to them."""

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from datasetgan_ext import gen_dataset
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.folder import read_manifest
from datasetgan_ext.generation import placement
from datasetgan_ext.generation import workers as module
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.executors import ATTEMPTS
from datasetgan_ext.generation.placement import worker_devices
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generation.workers import Processes
from datasetgan_ext.interpreter.labeler import Labeler, LabelerSpec
from tests.helpers.commands import invoke
from tests.helpers.trees import tree

SEEDS = range(7)


class DyingLabeler(Labeler):
    """Its process gets a signal when it comes to a seed, as often as there are files in a folder."""

    deaths: Path
    seed: int
    signal: int

    def label(self, seeds):
        if self.seed in seeds:
            for file in self.deaths.iterdir():
                file.unlink()
                os.kill(os.getpid(), self.signal)
        return super().label(seeds)


@dataclass(frozen=True)
class DyingSpec(LabelerSpec):
    deaths: Path | None = None
    seed: int = 0
    signal: int = signal.SIGKILL

    def make(self):
        labeler = super().make()
        labeler.__class__ = DyingLabeler
        labeler.deaths = self.deaths
        labeler.seed = self.seed
        labeler.signal = self.signal
        return labeler


SPEC = LabelerSpec('demo', 'demo', batch=2, device='cpu')


def make_dying(deaths, seed) -> DyingSpec:
    return DyingSpec('demo', 'demo', batch=2, device='cpu', deaths=deaths, seed=seed)


def make_run(outdir, specs=()) -> Run:
    return Run(SPEC.make(), SEEDS, outdir, Curation(0.5), Processes(specs) if specs else None)


@pytest.fixture
def deaths(tmp_path):
    def make(count):
        folder = tmp_path / 'deaths'
        folder.mkdir()
        for index in range(count):
            (folder / str(index)).touch()
        return folder

    return make


def test_any_number_of_workers_makes_the_same_bytes(tmp_path):
    for workers in (1, 3):
        make_run(tmp_path / str(workers), [SPEC] * workers)()
        assert tree(tmp_path / str(workers)) == tree(tmp_path / '1')


def test_the_command_takes_a_number_of_workers(tmp_path, monkeypatch):
    started = []

    def start(specs, lost_after_s):
        assert lost_after_s == 1800
        started.extend(specs)
        return Processes(specs)

    monkeypatch.setattr(placement, 'Processes', start)
    for option in ('--workers=1', '--workers=2'):
        result = invoke(
            gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/{option}', '--seeds=0-1', '--device=cpu', option
        )
        assert result.exit_code == 0, result.output
    assert [(spec.network, str(spec.device)) for spec in started] == [('demo', 'cpu')] * 2


def test_the_number_of_threads_changes_no_byte(tmp_path):
    """On a CPU: the last layers of one of these images round another way in one thread than in two."""
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            Run(LabelerSpec('demo', 'demo', device='cpu').make(), (12, 13), tmp_path / str(number), Curation(1))()
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert tree(tmp_path / '1') == tree(tmp_path / '2')


@pytest.mark.parametrize(
    'device, workers, most, expected',
    [
        (None, None, 100, 6),
        (None, None, 2, 2),
        (None, None, 0, 1),
        (torch.device('cpu'), 3, 0, 3),
        (torch.device('cuda:1'), None, 100, 1),
        (torch.device('cuda:1'), 2, 0, 2),
    ],
)
def test_as_many_processes_as_cores_that_have_enough_to_do(monkeypatch, device, workers, most, expected):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 6)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    assert worker_devices(device, workers, most) == [device] * expected


def test_a_worker_that_is_killed_is_replaced(tmp_path, deaths, caplog):
    folder = deaths(ATTEMPTS - 1)
    spec = make_dying(folder, 3)
    make_run(tmp_path / 'killed', [spec, spec])()
    assert list(folder.iterdir()) == []
    assert [message for message in caplog.messages if 'died' in message] == [
        'A worker died (exit code -9); another takes its place'
    ] * (ATTEMPTS - 1)
    make_run(tmp_path / 'whole')()
    assert tree(tmp_path / 'killed') == tree(tmp_path / 'whole')


def test_a_worker_that_does_not_answer_is_replaced(tmp_path, deaths, caplog):
    """It is stopped, so that it does not even end when it is asked to."""
    folder = deaths(1)
    spec = replace(make_dying(folder, 3), signal=signal.SIGSTOP)
    run = make_run(tmp_path / 'stopped')
    executor = Processes([spec], lost_after_s=60)  # a fresh process needs some of them to load
    monotonic = module.time.monotonic
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'GRACE_S', 1)
        # once the worker has come to the seed, a minute is over at once
        late = SimpleNamespace(monotonic=lambda: monotonic() + 60 * (not any(folder.iterdir())))
        patch.setattr(module, 'time', late)
        replace(run, executor=executor)()
    assert 'A worker did not answer within 1 minutes; another takes its place' in caplog.messages
    make_run(tmp_path / 'whole')()
    assert tree(tmp_path / 'stopped') == tree(tmp_path / 'whole')


def test_a_job_that_kills_every_worker_is_told_and_the_rest_is_kept(tmp_path, deaths):
    spec = make_dying(deaths(ATTEMPTS), 6)
    with pytest.raises(UserError, match=rf'{ATTEMPTS} processes were lost at samples \[6\]: the last died'):
        make_run(tmp_path / 'out', [spec, spec])()
    done = {record['seed'] for record in read_manifest(tmp_path / 'out' / 'manifest.partial.jsonl')}
    assert done and 6 not in done
    make_run(tmp_path / 'out')()
    make_run(tmp_path / 'whole')()
    assert tree(tmp_path / 'out') == tree(tmp_path / 'whole')


def test_a_worker_that_cannot_start_says_why(tmp_path):
    with pytest.raises(UserError, match='gone.pkl'):
        make_run(tmp_path / 'out', [replace(SPEC, network='gone.pkl')] * 2)()


def test_a_worker_with_another_interpreter_is_refused(tmp_path, interpreter):
    run = make_run(tmp_path / 'out', [SPEC] * 2)
    run.labeler.interpreter = interpreter
    with pytest.raises(UserError, match='changed while it was being read'):
        run()
