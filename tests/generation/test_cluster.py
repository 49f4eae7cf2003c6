"""A Ray cluster makes the same dataset as one process, also when one of its machines is lost."""

import pickle
import time
from types import SimpleNamespace

import numpy as np
import pytest

from datasetgan_ext import gen_dataset
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.version import __version__
from datasetgan_ext.generation import cluster
from datasetgan_ext.generation.cluster import Actor, Cluster, JobQueue, Watch, connect
from datasetgan_ext.generation.encoding import Encoder
from datasetgan_ext.generation.executors import ATTEMPTS, Fingerprints, Job
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import LabelerSpec
from tests.helpers.commands import invoke
from tests.helpers.trees import manifest, tree

JOBS = [Job([seed], {seed}) for seed in range(3)]


def test_each_job_is_new_once_then_given_to_those_that_have_nothing_else_to_do():
    queue = JobQueue(iter(JOBS))
    assert [queue.take(0), queue.take(1), queue.take(1)] == [0, 1, 2]
    assert queue.finish(1)
    assert queue.take(1) == 0, 'the other one has not finished it'
    assert queue.take(1) is None and queue.take(0) == 2
    assert queue.finish(0) and not queue.finish(0), 'a result counts once'
    assert list(queue.unfinished) == [2]


def test_a_job_whose_actor_was_lost_comes_first_unless_another_has_done_it():
    queue = JobQueue(iter(JOBS))
    queue.take(0), queue.take(1)
    queue.give_back(0, 0, OSError('lost'))
    queue.give_back(1, 1, OSError('lost'))
    assert queue.take(0) == 0
    assert queue.finish(1), 'a result that was on its way'
    assert queue.take(1) == 2


def test_a_job_at_which_actors_are_lost_again_and_again_is_told():
    queue, attempts = JobQueue(iter(JOBS)), []
    with pytest.raises(UserError, match=r'actors were lost at samples \[0\] again and again \(the node died\)'):
        for attempt in range(ATTEMPTS):
            attempts.append(attempt)
            assert queue.take(0) == 0
            queue.give_back(0, 0, OSError('dead:\n\n\tthe node died'))
    assert len(attempts) == ATTEMPTS


def test_who_has_not_answered_for_long_is_lost(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(cluster, 'time', SimpleNamespace(monotonic=lambda: now[0]))
    watch = Watch(3, 60)
    assert watch.left({0, 1, 2}) == 60
    now[0] += 10
    watch.answered(0)
    watch.answered(1)
    assert watch.left({0, 1, 2}) == 60 and watch.late({0, 1, 2}) == []
    now[0] += 59
    watch.answered(1)
    now[0] += 1
    assert watch.left({0, 1, 2}) == 0 and watch.late({0, 1, 2}) == [0], 'the third may have found no place yet'
    assert watch.late({1, 2}) == [], 'nor is one late that has nothing to do'
    watch.begin(0)
    now[0] += 60
    assert watch.late({0, 2}) == [0, 2], 'if none answers'


class FakeRay:
    """Actors in this process. Those in `hanging` never answer."""

    class exceptions:
        RayTaskError = ZeroDivisionError
        RayError = ConnectionError

    def __init__(self, clock, hanging):
        self.clock = clock
        self.hanging = hanging
        self.made = 0
        self.killed = []
        self.results = {}

    def put(self, value):
        return value

    def remote(self, **options):
        def make(*arguments):
            index = self.made
            self.made += 1

            def do(job, spec):
                reference = object()
                if index not in self.hanging:
                    self.results[reference] = [f'{job.ids} by {index}']
                return reference

            return SimpleNamespace(do=SimpleNamespace(remote=do), index=index)

        return lambda kind: SimpleNamespace(remote=make)

    def wait(self, references, timeout):
        ready = [reference for reference in references if reference in self.results][:1]
        if not ready:
            self.clock[0] += timeout
        return ready, []

    def get(self, reference):
        return self.results[reference]

    def kill(self, actor):
        self.killed.append(actor.index)


def run_cluster(monkeypatch, hanging, actors=1):
    clock = [0.0]
    monkeypatch.setattr(cluster, 'time', SimpleNamespace(monotonic=lambda: clock[0]))
    ray = FakeRay(clock, hanging)
    executor = Cluster(SimpleNamespace(ray=ray, device='cpu', actors=actors), LabelerSpec('demo', 'demo'), 60)
    return ray, list(executor.label(JOBS, None, None))


def test_an_actor_that_hangs_is_replaced(monkeypatch, caplog):
    ray, results = run_cluster(monkeypatch, hanging={0})
    assert sorted(results) == [[f'[{seed}] by 1'] for seed in range(3)]
    assert ray.killed == [0, 1] and 'An actor did not answer within 1 minutes' in caplog.text


def test_actors_that_all_hang_are_told(monkeypatch):
    with pytest.raises(UserError, match=r'actors were lost at samples \[\d\] again and again \(it did not answer\)'):
        run_cluster(monkeypatch, hanging=range(100), actors=2)


def test_a_packed_spec_needs_none_of_the_files(tmp_path):
    demo = LabelerSpec('demo', 'demo', SamplingOptions(trunc=0.5)).make()
    path = tmp_path / 'interpreter.safetensors'
    demo.interpreter.save(path)
    spec = LabelerSpec('demo', str(path), SamplingOptions(trunc=0.5), batch=2, device='cpu').packed()
    path.unlink()
    labeler = pickle.loads(pickle.dumps(spec)).make()
    assert labeler.interpreter.fingerprint == demo.interpreter.fingerprint
    assert (labeler.options.trunc, labeler.batch) == (0.5, 2)
    (sample,) = labeler([3])
    (expected,) = demo([3])
    assert np.array_equal(sample.mask, expected.mask)


@pytest.mark.parametrize(
    'resources, options, device, workers',
    [
        ({'CPU': 64.0, 'GPU': 4.0}, {}, 'cuda', 4),
        ({'CPU': 64.0, 'GPU': 4.0}, {'actors': 6}, 'cuda', 6),
        ({'CPU': 64.0, 'GPU': 4.0}, {'device': 'cpu'}, 'cpu', 64),
        ({'CPU': 8.0}, {}, 'cpu', 8),
        ({}, {}, 'cpu', 1),
    ],
)
def test_actors_follow_what_the_cluster_has(monkeypatch, resources, options, device, workers):
    ray = SimpleNamespace(is_initialized=lambda: True, cluster_resources=lambda: resources, nodes=list)
    monkeypatch.setattr(cluster, 'import_extra', lambda *_: ray)
    found = connect('auto', **options)
    assert (found.device, found.actors) == (device, workers)


@pytest.mark.ray
@pytest.mark.xdist_group('ray')
@pytest.mark.parametrize('address', ['auto', '127.0.0.1:1', 'ray://127.0.0.1:1', 'nonsense'])
def test_no_cluster_is_told(tmp_path, address):
    pytest.importorskip('ray', reason='ray is not installed')
    psutil = pytest.importorskip('psutil')
    if address == 'auto' and any(process.name() == 'gcs_server' for process in psutil.process_iter()):
        pytest.skip('a Ray cluster is running on this machine')
    result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path / "out"}', '--seeds=0', f'--ray={address}')
    assert result.exit_code == 1 and f'--ray={address}: no Ray cluster' in result.output
    assert not (tmp_path / 'out').exists()


@pytest.fixture(scope='module')
def two_nodes():
    """A cluster of two machines with one CPU each, as far as Ray knows; and the second machine."""
    ray = pytest.importorskip('ray', reason='ray is not installed')
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False})
    second = machines.add_node(num_cpus=1)
    yield machines, second
    ray.shutdown()
    machines.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.xdist_group('ray')
def test_one_of_two_machines_is_lost(two_nodes, tmp_path, monkeypatch):
    import ray

    machines, second = two_nodes
    label, lost = Cluster.label, []

    def label_and_lose_a_machine(cluster, *arguments):
        assert (cluster.device, cluster.machines.actors) == ('cpu', 2)
        for number, result in enumerate(label(cluster, *arguments)):
            if number == 6:
                while ray.available_resources().get('CPU', 0):
                    time.sleep(0.1)  # an actor has not found its place yet
                machines.remove_node(second, allow_graceful=False)
                lost.append(number)
            yield result

    monkeypatch.setattr(Cluster, 'label', label_and_lose_a_machine)
    for name, option in (('lost', f'--ray={machines.address}'), ('whole', '--workers=1')):
        result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path / name}', '--seeds=0-15', option)
        assert result.exit_code == 0, result.output
    assert lost == [6]
    assert [record['seed'] for record in manifest(tmp_path / 'lost')] == list(range(16))
    assert tree(tmp_path / 'lost') == tree(tmp_path / 'whole')


@pytest.mark.parametrize(
    'fingerprint, version, message',
    [('another', __version__, '`network` or `interpreter` changed'), ('', '0.0', '0.0 where the run was started')],
)
def test_an_actor_that_would_make_other_samples_says_so(monkeypatch, fingerprint, version, message):
    monkeypatch.setattr(cluster, 'import_extra', lambda *_: SimpleNamespace(get=lambda spec: spec))
    spec = LabelerSpec('demo', 'demo', batch=1, device='cpu')
    labeler = spec.make()
    encoder = Encoder(labeler.interpreter.task)
    same = Fingerprints.of(labeler)
    asked = Fingerprints(fingerprint or same.network, same.interpreter)
    assert message in Actor(encoder, asked, version).do(JOBS[0], [spec])
    if version == __version__:
        (encoded,) = Actor(encoder, same, version).do(JOBS[1], [spec])
        assert encoded.record == encoder(next(labeler([1]))).record
