"""Several processes of this machine that label at once. The one that started them writes it all."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generation.encoding import Encoded
from datasetgan_ext.generation.executors import ATTEMPTS, Check, Encoder, Job, MakerSpec, Shares, do_job
from datasetgan_ext.generator.generator import default_device

log = logging.getLogger(__name__)


class Processes:
    """Labels in one process for each labeler; a process that dies is replaced, and its job done again.

    Attributes:
        device, shares: see `Executor`.
    """

    shares = Shares.DISK

    def __init__(self, specs: Sequence[MakerSpec]):
        """
        Args:
            specs: each makes the labeler of one process, all on devices of one kind.
        """
        self._specs = specs
        self.device = torch.device(specs[0].device or default_device()).type

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Check) -> Iterator[list[Encoded]]:
        """See `Executor.label`; the results come in the order in which they are ready."""
        queue = _Queue(jobs)
        workers: dict[Connection, _Worker] = {}

        def start(spec: MakerSpec) -> bool:
            """Whether there was a job for the new process."""
            worker = _Worker.start(spec, encoder, fingerprints)
            workers[worker.connection] = worker
            return worker.take(queue)

        try:
            for spec in self._specs:
                if not start(spec):
                    break
            while busy := [connection for connection, worker in workers.items() if worker.job is not None]:
                for connection in wait(busy):
                    worker = workers[connection]
                    try:
                        result = connection.recv()
                    except (EOFError, OSError):
                        queue.put_back(worker.job, worker.attempt, worker.exit_code())
                        del workers[connection]
                        start(worker.spec)
                        continue
                    if isinstance(result, str):
                        raise UserError(result)
                    yield result
                    worker.take(queue)
        finally:
            for worker in workers.values():
                worker.stop()


class _Queue:
    """Jobs that nobody does: first those whose process died, then new ones."""

    def __init__(self, jobs: Iterable[Job]):
        self._new = iter(jobs)
        self._again: deque[tuple[Job, int]] = deque()

    def take(self) -> tuple[Job | None, int]:
        """A job, None if there is none, and how often it was begun."""
        if self._again:
            return self._again.popleft()
        return next(self._new, None), 0

    def put_back(self, job: Job, attempts: int, exit_code: int | None) -> None:
        """Take back a job whose process died.

        Raises:
            UserError: it was begun ATTEMPTS times.
        """
        if attempts == ATTEMPTS:
            raise UserError(
                f'{ATTEMPTS} processes died at samples {sorted(job.wanted)} (exit code {exit_code}), perhaps for want '
                'of memory; give fewer `workers` or a smaller `batch`. The same command continues'
            )
        log.warning('A worker died (exit code %s); another takes its place', exit_code)
        self._again.append((job, attempts))


@dataclass
class _Worker:
    """A process, what it was started with, our end of the pipe to it, and its job and how often that was begun."""

    spec: MakerSpec
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    attempt: int = 0

    @classmethod
    def start(cls, spec: MakerSpec, encoder: Encoder, fingerprints: Check) -> _Worker:
        """A new process without a job."""
        context = multiprocessing.get_context('spawn')
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, spec, encoder, fingerprints), daemon=True)
        process.start()
        theirs.close()
        return cls(spec, process, ours)

    def take(self, queue: _Queue) -> bool:
        """Whether there was a job left to do."""
        self.job, begun = queue.take()
        self.attempt = begun + 1
        if self.job is not None:
            with suppress(OSError):  # it has died, which `wait` will tell
                self.connection.send(self.job)
        return self.job is not None

    def exit_code(self) -> int | None:
        """Of the process, once it has ended."""
        self.process.join()
        return self.process.exitcode

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _work(connection: Connection, spec: MakerSpec, encoder: Encoder, fingerprints: Check) -> None:
    """A worker's life: jobs in, results out, or the message of an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that ends this one
    logging.disable()  # that one has said it
    try:
        labeler = spec.make()
        fingerprints.check(labeler)
        while True:
            connection.send(do_job(connection.recv(), labeler, encoder))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the process that started this one is gone
    except torch.cuda.OutOfMemoryError:
        connection.send("the GPU's memory is too small for a single image of each worker; give fewer `workers`")
    except UserError as error:
        connection.send(error.message)
