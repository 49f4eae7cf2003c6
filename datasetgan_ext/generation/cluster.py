"""A Ray cluster that labels: actors anywhere make samples and send them; the process that asked writes it all."""

from __future__ import annotations

import logging
import os
import platform
import socket
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.version import __version__
from datasetgan_ext.generation.folder import Encoded, FolderWriter
from datasetgan_ext.generation.workers import ATTEMPTS, Job, check_fingerprints, do_job
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.generator.download import fetch_url
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import Labeler, make_labeler

QUEUED = 2
"""Jobs that an actor has: one that it does, one that it need not wait for."""
RETRIES = 5
"""How often Ray itself begins a job again after its actor was lost."""
CONNECT_S = 10
PASSED_ON = ('DATASETGAN_UPSTREAM',)
"""Environment variables that hold on all nodes."""

log = logging.getLogger(__name__)


@dataclass
class Shipment:
    """All that a node needs to make a labeler; it need not have the files.

    Attributes:
        network, interpreter: content of the files; None = the demo's.
        options, batch, projected, allow_pickle_code: see `make_labeler`.
        upstream: an absolute path that is the same on all nodes; see `load_generator`.
    """

    network: bytes | None
    interpreter: bytes | None
    options: SamplingOptions
    batch: int
    projected: np.ndarray | None
    allow_pickle_code: bool
    upstream: str | None = None

    @classmethod
    def pack(cls, network: str, interpreter: str, *others: object) -> Shipment:
        """Read the files of `network` and `interpreter`, both of which have been loaded here before."""
        if network.startswith(('http://', 'https://')):
            network = str(fetch_url(network))
        return cls(*(None if name == DEMO else Path(name).read_bytes() for name in (network, interpreter)), *others)

    def labeler(self, device: str) -> Labeler:
        """The labeler, on this machine."""
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, content in (('network.pkl', self.network), ('interpreter.safetensors', self.interpreter)):
                paths.append(DEMO if content is None else str(Path(folder, name)))
                if content is not None:
                    Path(folder, name).write_bytes(content)
            network, interpreter = paths
            return make_labeler(
                network,
                interpreter,
                self.options,
                self.batch,
                self.projected,
                device,
                self.allow_pickle_code,
                self.upstream,
            )


class Actor:
    """Lives in a process of the cluster, on one GPU or one CPU. Ray starts it again elsewhere when it is lost."""

    def __init__(self, device: str, writer: FolderWriter, fingerprints: tuple[str, str], version: str):
        """
        Args:
            device, writer, fingerprints: see `Cluster`.
            version: of this package where the run was started.
        """
        self.device = device
        self.writer = writer
        self.fingerprints = fingerprints
        self.version = version
        self.labeler: Labeler | None = None

    def do(self, job: Job, goods: list) -> list[Encoded] | str:
        """Do a job.

        Args:
            job: what to do.
            goods: Ray's reference to the Shipment; in a list, so that only the first job fetches it.

        Returns:
            The job's result, or the message of an error.
        """
        try:
            if self.labeler is None:
                self.labeler = self._make_labeler(import_extra('ray', 'ray').get(goods[0]))
            return do_job(job, self.labeler, self.writer)
        except torch.cuda.OutOfMemoryError:
            return f"the GPU's memory on {platform.node()} is too small for a single image"
        except UserError as error:
            return f'{platform.node()}: {error.message}'

    def _make_labeler(self, shipment: Shipment) -> Labeler:
        if self.version != __version__:
            raise UserError(
                f'datasetgan-ext {__version__} is installed here, and {self.version} where the run was '
                'started; install one version on all nodes'
            )
        labeler = shipment.labeler(self.device)
        check_fingerprints(labeler, self.fingerprints)
        return labeler


class Cluster:
    """A Ray cluster that is running already.

    Attributes:
        device: 'cuda' if the actors have a GPU each, else 'cpu'.
        workers: number of actors.
    """

    def __init__(self, address: str, workers: int | None = None, device: str | None = None):
        """
        Args:
            address: 'auto' for the cluster that this machine belongs to, HOST:PORT, or ray://HOST:PORT.
            workers: number of actors; None = one for each GPU or, without GPUs, for each CPU.
            device: 'cpu' to leave GPUs alone; None = GPUs if there are any.

        Raises:
            UserError: Ray is not installed, or there is no cluster.
        """
        self._ray = import_extra('ray', 'ray')
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            if address != 'auto':  # Ray would wait for minutes
                host, _, port = address.removeprefix('ray://').rpartition(':')
                socket.create_connection((host, int(port)), CONNECT_S).close()
            if not self._ray.is_initialized():
                self._ray.init(
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
        resources = self._ray.cluster_resources()
        self.device = 'cuda' if resources.get('GPU') and device != 'cpu' else 'cpu'
        self.workers = workers or int(resources.get('GPU' if self.device == 'cuda' else 'CPU', 0)) or 1
        log.info(
            'Ray: %d actors with a %s each, on %d nodes',
            self.workers,
            'GPU' if self.device == 'cuda' else 'CPU',
            sum(node['Alive'] for node in self._ray.nodes()),
        )

    def label(
        self, shipment: Shipment, jobs: Iterable[Job], writer: FolderWriter, fingerprints: tuple[str, str]
    ) -> Iterator[list[Encoded]]:
        """Do the jobs. Actors and nodes may be lost and may come: as long as there is one, all jobs get done.

        An actor that finds no new job begins one that another has not finished yet; what is ready first counts. So
        nothing waits for an actor that is lost, slow, or never finds a place.

        Args:
            shipment: what the labelers are made from.
            jobs: what to do.
            writer: encodes the samples.
            fingerprints: of the generator and the interpreter that all labelers must have.

        Yields:
            Each job's result once, in the order in which they are ready.

        Raises:
            UserError: a labeler cannot be made, or the actors at one job were lost again and again.
        """
        ray = self._ray
        actor = ray.remote(num_cpus=1, num_gpus=int(self.device == 'cuda'), max_restarts=-1, max_task_retries=RETRIES)(
            Actor
        )
        goods = [ray.put(shipment)]
        actors = [actor.remote(self.device, writer, fingerprints, __version__) for _ in range(self.workers)]
        desk = _Desk(jobs)
        pending = {}
        try:
            for index in [*range(len(actors))] * QUEUED:
                if (number := desk.take(index)) is not None:
                    pending[actors[index].do.remote(desk.unfinished[number], goods)] = (number, index)
            while desk.unfinished:
                for ready in ray.wait(list(pending))[0]:
                    number, index = pending.pop(ready)
                    try:
                        result = ray.get(ready)
                    except ray.exceptions.RayTaskError:
                        raise
                    except ray.exceptions.RayError as error:
                        desk.give_back(number, index, error)
                    else:
                        if isinstance(result, str):
                            raise UserError(result)
                        if desk.finish(number):
                            yield result
                    if (number := desk.take(index)) is not None:
                        pending[actors[index].do.remote(desk.unfinished[number], goods)] = (number, index)
        finally:
            for handle in actors:
                ray.kill(handle)


class _Desk:
    """Knows which job is with which actors.

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
        if number is None and (new := next(self._new, None)) is not None:
            number, self.unfinished[new[0]] = new
            self._holders[number] = set()
        if number is None:
            others = [number for number in self.unfinished if actor not in self._holders[number]]
            number = min(others, key=lambda number: (len(self._holders[number]), number), default=None)
        if number is not None:
            self._holders[number].add(actor)
        return number

    def finish(self, number: int) -> bool:
        """Whether the result of a job is the first one."""
        self._holders.pop(number, None)
        return self.unfinished.pop(number, None) is not None

    def give_back(self, number: int, actor: int, error: Exception) -> None:
        """Note that an actor was lost at a job.

        Raises:
            UserError: this happened ATTEMPTS times, each after Ray's own attempts.
        """
        if number not in self.unfinished:
            return
        self._holders[number].discard(actor)
        self._failures[number] += 1
        if self._failures[number] == ATTEMPTS:
            raise UserError(
                f'`ray`: actors were lost at seeds {self.unfinished[number].seeds} again and again '
                f'({str(error).strip().splitlines()[-1].strip()}), perhaps for want of memory or because '
                'datasetgan-ext is not installed on a node. The same command continues'
            )
        self._again.append(number)
