"""Several processes of this machine that label at once. The one that started them writes it all."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generation.encoding import Encoded
from datasetgan_ext.generation.executors import (
    ATTEMPTS,
    LOST_AFTER_S,
    Check,
    Encoder,
    Job,
    MakerSpec,
    Shares,
    do_job,
)
from datasetgan_ext.generator.generator import default_device

LOOK_S = 1.0
"""Seconds after which it is looked whether one of the processes has not answered for too long."""

log = logging.getLogger(__name__)

GRACE_S = 10
"""Seconds that a process has to end."""


class Processes:
    """Labels in one process for each labeler; one that dies or does not answer is replaced, and its job done again.

    Attributes:
        device, shares: see `Executor`.
    """

    shares = Shares.DISK

    def __init__(self, specs: Sequence[MakerSpec], lost_after_s: float = LOST_AFTER_S):
        """
        Args:
            specs: each makes the labeler of one process, all on devices of one kind.
            lost_after_s: seconds after which a process that has not answered is replaced.
        """
        self._specs = specs
        self._lost_after_s = lost_after_s
        self.device = torch.device(specs[0].device or default_device()).type

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Check) -> Iterator[list[Encoded]]:
        """See `Executor.label`; the results come in the order in which they are ready."""
        waiting = _Waiting(jobs)
        answers: queue.SimpleQueue[tuple[_Worker, object]] = queue.SimpleQueue()
        workers: list[_Worker] = []

        def start(spec: MakerSpec) -> bool:
            """Whether there was a job for the new process."""
            worker = _Worker.start(spec, encoder, fingerprints, answers)
            workers.append(worker)
            return worker.take(waiting)

        def replace(worker: _Worker, what: str) -> None:
            workers.remove(worker)
            worker.stop()
            waiting.put_back(worker.job, worker.attempt, what)
            start(worker.spec)

        try:
            for spec in self._specs:
                if not start(spec):
                    break
            while busy := [worker for worker in workers if worker.job is not None]:
                try:
                    worker, answer = answers.get(timeout=LOOK_S)
                except queue.Empty:
                    for worker in busy:
                        if worker.begun + self._lost_after_s <= time.monotonic():
                            replace(worker, f'did not answer within {self._lost_after_s / 60:g} minutes')
                    continue
                if worker not in workers:  # the last that is heard of one that was replaced
                    continue
                if answer is None:
                    replace(worker, f'died (exit code {worker.exit_code()})')
                    continue
                if isinstance(answer, str):
                    raise UserError(answer)
                yield answer
                worker.take(waiting)
        finally:
            for worker in workers:
                worker.stop()


class _Waiting:
    """Jobs that nobody does: first those whose process was lost, then new ones."""

    def __init__(self, jobs: Iterable[Job]):
        self._new = iter(jobs)
        self._again: deque[tuple[Job, int]] = deque()

    def take(self) -> tuple[Job | None, int]:
        """A job, None if there is none, and how often it was begun."""
        if self._again:
            return self._again.popleft()
        return next(self._new, None), 0

    def put_back(self, job: Job, attempts: int, what: str) -> None:
        """Take back a job whose process was lost.

        Args:
            job: what it had to do.
            attempts: how often it was begun.
            what: what the process did.

        Raises:
            UserError: it was begun ATTEMPTS times.
        """
        if attempts == ATTEMPTS:
            raise UserError(
                f'{ATTEMPTS} processes were lost at samples {sorted(job.wanted)}: the last {what}, perhaps for want of '
                'memory; give fewer `workers` or a smaller `batch`. The same command continues'
            )
        log.warning('A worker %s; another takes its place', what)
        self._again.append((job, attempts))


@dataclass(eq=False)
class _Worker:
    """A process, what it was started with, our end of the pipe to it, its job, how often and when that was begun."""

    spec: MakerSpec
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    attempt: int = 0
    begun: float = 0

    @classmethod
    def start(cls, spec: MakerSpec, encoder: Encoder, fingerprints: Check, answers: queue.SimpleQueue) -> _Worker:
        """A new process without a job. What it answers is put into `answers`, and None at its end."""
        context = multiprocessing.get_context('spawn')
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, spec, encoder, fingerprints), daemon=True)
        process.start()
        theirs.close()
        worker = cls(spec, process, ours)
        # a thread of its own: a process that stops in the midst of an answer holds nobody up
        threading.Thread(target=worker._listen, args=(answers,), daemon=True).start()
        return worker

    def take(self, waiting: _Waiting) -> bool:
        """Whether there was a job left to do."""
        self.job, begun = waiting.take()
        self.attempt = begun + 1
        self.begun = time.monotonic()
        if self.job is not None:
            with suppress(OSError):  # it has died, which `_listen` tells
                self.connection.send(self.job)
        return self.job is not None

    def exit_code(self) -> int | None:
        """Of the process, once it has ended."""
        self.process.join(GRACE_S)
        return self.process.exitcode

    def stop(self) -> None:
        """End the process; one that hangs in the system is left to it."""
        for end in (self.process.terminate, self.process.kill):
            end()
            self.process.join(GRACE_S)
            if self.process.exitcode is not None:
                break

    def _listen(self, answers: queue.SimpleQueue) -> None:
        with self.connection:
            try:
                while True:
                    answers.put((self, self.connection.recv()))
            except (EOFError, OSError):
                answers.put((self, None))


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
