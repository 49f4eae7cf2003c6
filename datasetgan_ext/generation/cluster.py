"""A Ray cluster that labels: actors anywhere make samples and send them; the process that asked writes it all."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType

import torch

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.version import __version__
from datasetgan_ext.generation.encoding import Encoded
from datasetgan_ext.generation.executors import (
    ATTEMPTS,
    LOST_AFTER_S,
    Check,
    Encoder,
    Job,
    MakerSpec,
    SampleMaker,
    Shares,
    do_job,
)

QUEUED = 2
"""Jobs that an actor has: one that it does, one that it need not wait for."""
RETRIES = 5
"""How often Ray itself begins a job again after its actor was lost."""
CONNECT_S = 10
PASSED_ON = ('DATASETGAN_UPSTREAM',)
"""Environment variables that hold on all nodes."""

log = logging.getLogger(__name__)


class Actor:
    """Lives in a process of the cluster, on one GPU or one CPU. Ray starts it again elsewhere when it is lost."""

    def __init__(self, encoder: Encoder, fingerprints: Check, version: str):
        """
        Args:
            encoder, fingerprints: see `Executor.label`.
            version: of this package where the run was started.
        """
        self.encoder = encoder
        self.fingerprints = fingerprints
        self.version = version
        self.labeler: SampleMaker | None = None

    def do(self, job: Job, spec: list) -> list[Encoded] | str:
        """Do a job.

        Args:
            job: what to do.
            spec: Ray's reference to the MakerSpec; in a list, so that only the first job fetches it.

        Returns:
            The job's result, or the message of an error.
        """
        try:
            if self.labeler is None:
                self.labeler = self._make_labeler(import_extra('ray', 'ray').get(spec[0]))
            return do_job(job, self.labeler, self.encoder)
        except torch.cuda.OutOfMemoryError:
            return f"the GPU's memory on {platform.node()} is too small for a single image"
        except UserError as error:
            return f'{platform.node()}: {error.message}'

    def _make_labeler(self, spec: MakerSpec) -> SampleMaker:
        if self.version != __version__:
            raise UserError(
                f'datasetgan-ext {__version__} is installed here, and {self.version} where the run was '
                'started; install one version on all nodes'
            )
        labeler = spec.make()
        self.fingerprints.check(labeler)
        return labeler


@dataclass(frozen=True)
class Machines:
    """A Ray cluster that is running already, and how many actors it is to have.

    Attributes:
        ray: the library, connected.
        device: 'cuda' if the actors have a GPU each, else 'cpu'.
        actors: number of them.
    """

    ray: ModuleType
    device: str
    actors: int


def connect(address: str, actors: int | None = None, device: str | None = None) -> Machines:
    """Find a Ray cluster.

    Args:
        address: 'auto' for the cluster that this machine belongs to, HOST:PORT, or ray://HOST:PORT.
        actors: number of actors; None = one for each GPU or, without GPUs, for each CPU.
        device: 'cpu' to leave GPUs alone; None = GPUs if there are any.

    Raises:
        UserError: Ray is not installed, or there is no cluster.
    """
    ray = import_extra('ray', 'ray')
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        if address != 'auto':  # Ray would wait for minutes
            host, _, port = address.removeprefix('ray://').rpartition(':')
            socket.create_connection((host, int(port)), CONNECT_S).close()
        if not ray.is_initialized():
            ray.init(
                address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={'env_vars': environment} if environment else None,
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f'`ray`={address}: no Ray cluster can be reached there ({str(error).splitlines()[0]}). '
            'Start one with: ray start --head'
        ) from error
    resources = ray.cluster_resources()
    device = 'cuda' if resources.get('GPU') and device != 'cpu' else 'cpu'
    unit = 'GPU' if device == 'cuda' else 'CPU'
    machines = Machines(ray, device, actors or int(resources.get(unit, 0)) or 1)
    nodes = sum(node['Alive'] for node in ray.nodes())
    log.info('Ray: %d actors with a %s each, on %d nodes', machines.actors, unit, nodes)
    return machines


class Cluster:
    """Labels on a Ray cluster. Actors and nodes may be lost and may come: as long as there is one, all jobs get done.

    An actor that finds no new job begins one that another has not finished yet; what is ready first counts. So nothing
    waits for an actor that is lost, slow, or never finds a place. One that has answered before and then does not for
    long is replaced; so are all, if none answers.

    Attributes:
        machines: the cluster.
        device, shares: see `Executor`.
    """

    shares = Shares.NOTHING

    def __init__(self, machines: Machines, spec: MakerSpec, lost_after_s: float = LOST_AFTER_S):
        """
        Args:
            machines: see `connect`.
            spec: of the labelers; its files are read here, the nodes need not have them. Its device is the cluster's.
            lost_after_s: seconds after which an actor that has not answered is replaced.
        """
        self.machines = machines
        self.device = machines.device
        self._spec = replace(spec, device=machines.device).packed()
        self._lost_after_s = lost_after_s

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Check) -> Iterator[list[Encoded]]:
        """See `Executor.label`; the results come in the order in which they are ready."""
        ray = self.machines.ray
        gpus = 1 if self.device == 'cuda' else 0
        remote = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=-1, max_task_retries=RETRIES)(Actor)
        spec = [ray.put(self._spec)]
        actors = [remote.remote(encoder, fingerprints, __version__) for _ in range(self.machines.actors)]
        watch = Watch(len(actors), self._lost_after_s)
        queue = JobQueue(jobs)
        pending = {}

        def holders() -> set[int]:
            return {index for _, index in pending.values()}

        def begin_job(index: int) -> None:
            number = queue.take(index)
            if number is not None:
                pending[actors[index].do.remote(queue.unfinished[number], spec)] = (number, index)

        def replace_actor(index: int) -> None:
            log.warning('An actor did not answer within %g minutes; another takes its place', self._lost_after_s / 60)
            ray.kill(actors[index])
            actors[index] = remote.remote(encoder, fingerprints, __version__)
            watch.begin(index)
            lost = [ready for ready, (_, holder) in pending.items() if holder == index]
            numbers = [pending.pop(ready)[0] for ready in lost]
            # it does one job at a time: the others had no part in it
            for place, number in enumerate(numbers):
                queue.give_back(number, index, TimeoutError('it did not answer'), counts=place == 0)
            for _ in numbers:
                begin_job(index)

        try:
            for _ in range(QUEUED):
                for index in range(len(actors)):
                    begin_job(index)
            while queue.unfinished:
                ready_ones, _ = ray.wait(list(pending), timeout=watch.left(holders()))
                for index in [] if ready_ones else watch.late(holders()):
                    replace_actor(index)
                for ready in ready_ones:
                    number, index = pending.pop(ready)
                    try:
                        result = ray.get(ready)
                    except ray.exceptions.RayTaskError:
                        raise
                    except ray.exceptions.RayError as error:
                        queue.give_back(number, index, error)
                        watch.begin(index)
                    else:
                        watch.answered(index)
                        if isinstance(result, str):
                            raise UserError(result)
                        if queue.finish(number):
                            yield result
                    begin_job(index)
        finally:
            for actor in actors:
                ray.kill(actor)


class Watch:
    """Tells which actors have not answered for long."""

    def __init__(self, actors: int, lost_after_s: float):
        """
        Args:
            actors: number of them, all of which begin now.
            lost_after_s: seconds after which one counts as lost.
        """
        self._lost_after_s = lost_after_s
        self._last = [time.monotonic()] * actors
        self._has_answered = [False] * actors

    def begin(self, actor: int) -> None:
        """Note that a new one is in an actor's place."""
        self._last[actor] = time.monotonic()
        self._has_answered[actor] = False

    def answered(self, actor: int) -> None:
        """Note an answer."""
        self._last[actor] = time.monotonic()
        self._has_answered[actor] = True

    def left(self, busy: Collection[int]) -> float:
        """Seconds until the next of some actors counts as lost."""
        first = min(self._last[actor] for actor in self._watched(busy))
        return max(0.0, first + self._lost_after_s - time.monotonic())

    def late(self, busy: Collection[int]) -> list[int]:
        """Those of some actors that count as lost."""
        limit = time.monotonic() - self._lost_after_s
        return [actor for actor in self._watched(busy) if self._last[actor] <= limit]

    def _watched(self, busy: Collection[int]) -> list[int]:
        """One that has never answered may have found no place yet: as long as others answer, nobody waits for it."""
        return [actor for actor in busy if self._has_answered[actor]] or list(busy)


class JobQueue:
    """Jobs, and which of them is with which actors.

    Attributes:
        unfinished: jobs by number that some actor has, or had when it was lost.
    """

    def __init__(self, jobs: Iterable[Job]):
        self.unfinished: dict[int, Job] = {}
        self._new = enumerate(jobs)
        self._again: deque[int] = deque()
        self._holders: dict[int, set[int]] = {}
        self._failures: Counter = Counter()

    def take(self, actor: int) -> int | None:
        """The number of a job for an actor: one that was lost, a new one, or one that the fewest others work at."""
        self._again = deque(number for number in self._again if number in self.unfinished)
        number = self._again.popleft() if self._again else None
        if number is None:
            number = self._begin_new()
        if number is None:
            others = [number for number in self.unfinished if actor not in self._holders[number]]
            number = min(others, key=lambda number: (len(self._holders[number]), number), default=None)
        if number is not None:
            self._holders[number].add(actor)
        return number

    def _begin_new(self) -> int | None:
        number, job = next(self._new, (None, None))
        if job is not None:
            self.unfinished[number] = job
            self._holders[number] = set()
        return number

    def finish(self, number: int) -> bool:
        """Whether the result of a job is the first one."""
        self._holders.pop(number, None)
        return self.unfinished.pop(number, None) is not None

    def give_back(self, number: int, actor: int, error: Exception, counts: bool = True) -> None:
        """Note that an actor was lost that had a job.

        Args:
            number: of the job.
            actor: which it was.
            error: what was told of it.
            counts: whether it may have been lost by the job.

        Raises:
            UserError: this happened ATTEMPTS times, each after Ray's own attempts.
        """
        if number not in self.unfinished:
            return
        self._holders[number].discard(actor)
        self._failures[number] += counts
        if self._failures[number] == ATTEMPTS:
            raise UserError(
                f'`ray`: actors were lost at samples {sorted(self.unfinished[number].wanted)} again and again '
                f'({str(error).strip().splitlines()[-1].strip()}), perhaps for want of memory or because '
                'datasetgan-ext is not installed on a node. The same command continues'
            )
        self._again.append(number)
