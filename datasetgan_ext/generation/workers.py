"""Labelling of a run's seeds, in this process or in several at once. One process writes it all."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generation.folder import Encoded, FolderWriter
from datasetgan_ext.interpreter.labeler import LabeledSample, Labeler

ATTEMPTS = 3
ENCODERS = min(8, os.cpu_count() or 1)

log = logging.getLogger(__name__)


class Job(NamedTuple):
    """Seeds of one forward pass, and those among them whose samples are wanted."""

    seeds: list[int]
    wanted: set[int]


def check_fingerprints(labeler: Labeler, fingerprints: tuple[str, str]) -> None:
    """Raises UserError unless a labeler has the generator and the interpreter that the run has."""
    if (labeler.generator.fingerprint, labeler.interpreter.fingerprint) != fingerprints:
        raise UserError('`network` or `interpreter` changed while it was being read; start again')


def do_job(job: Job, labeler: Labeler, writer: FolderWriter) -> list[Encoded]:
    """What is to be written of a job's samples."""
    return [writer.encode(sample) for sample in _wanted(job, labeler)]


def label_here(jobs: Iterable[Job], labeler: Labeler, writer: FolderWriter) -> Iterator[list[Encoded]]:
    """Do the jobs in this process. Threads compress a job's images while the next job is labelled.

    Yields:
        Each job's result, in the order of the jobs.
    """
    with ThreadPoolExecutor(ENCODERS) as threads:
        encoding = []
        for job in jobs:
            last, encoding = encoding, [threads.submit(writer.encode, sample) for sample in _wanted(job, labeler)]
            yield [encoded.result() for encoded in last]
        yield [encoded.result() for encoded in encoding]


def _wanted(job: Job, labeler: Labeler) -> Iterator[LabeledSample]:
    with same_sums(labeler):
        for sample in labeler.label(job.seeds):
            if sample.seed in job.wanted:
                yield sample


@contextmanager
def same_sums(labeler: Labeler) -> Iterator[None]:
    """One thread on a CPU: in several, some layers add in another order, which can change a pixel by one level."""
    threads = torch.get_num_threads()
    if labeler.generator.device.type == 'cpu':
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class _Worker:
    """A process, what it was started with, our end of the pipe to it, and its job and how often that was begun."""

    recipe: Callable[[], Labeler]
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    attempt: int = 0


def label_in_processes(
    jobs: Iterable[Job], recipes: list[Callable[[], Labeler]], writer: FolderWriter, fingerprints: tuple[str, str]
) -> Iterator[list[Encoded]]:
    """Do the jobs in one process for each recipe; a process that dies is replaced, and its job done again.

    Args:
        jobs: what to do.
        recipes: each makes the labeler of one process; picklable.
        writer: encodes the samples.
        fingerprints: of the generator and the interpreter that all labelers must have.

    Yields:
        Each job's result, in the order in which they are ready.

    Raises:
        UserError: a process could not make its labeler, or the processes at one job died ATTEMPTS times.
    """
    todo, again = iter(jobs), deque()

    def start(recipe: Callable[[], Labeler]) -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, recipe, writer, fingerprints), daemon=True)
        process.start()
        theirs.close()
        return _Worker(recipe, process, ours)

    def give(worker: _Worker) -> bool:
        """Whether there was something left to do."""
        job, attempt = again.popleft() if again else (next(todo, None), 0)
        worker.job, worker.attempt = job, attempt + 1
        if job is not None:
            with suppress(OSError):  # it has died, which `wait` will tell
                worker.connection.send(job)
        return job is not None

    context = multiprocessing.get_context('spawn')
    workers: dict[Connection, _Worker] = {}
    try:
        for recipe in recipes:
            worker = start(recipe)
            workers[worker.connection] = worker
            if not give(worker):
                break
        while any(worker.job for worker in workers.values()):
            for connection in wait([connection for connection, worker in workers.items() if worker.job]):
                worker = workers[connection]
                try:
                    result = connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    if worker.attempt == ATTEMPTS:
                        raise UserError(
                            f'{ATTEMPTS} processes died at seeds {worker.job.seeds} (exit code '
                            f'{worker.process.exitcode}), perhaps for want of memory; give fewer `workers` '
                            'or a smaller `batch`. The same command continues'
                        ) from None
                    log.warning('A worker died (exit code %s); another takes its place', worker.process.exitcode)
                    again.append((worker.job, worker.attempt))
                    del workers[connection]
                    worker = start(worker.recipe)
                    workers[worker.connection] = worker
                    give(worker)
                    continue
                if isinstance(result, str):
                    raise UserError(result)
                yield result
                give(worker)
    finally:
        for worker in workers.values():
            worker.process.terminate()
            worker.process.join()
            worker.connection.close()


def _work(
    connection: Connection, recipe: Callable[[], Labeler], writer: FolderWriter, fingerprints: tuple[str, str]
) -> None:
    """A worker's life: jobs in, results out, or the message of an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that ends this one
    logging.disable()  # that one has said it
    try:
        labeler = recipe()
        check_fingerprints(labeler, fingerprints)
        while True:
            connection.send(do_job(connection.recv(), labeler, writer))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the process that started this one is gone
    except torch.cuda.OutOfMemoryError:
        connection.send("the GPU's memory is too small for a single image of each worker; give fewer `workers`")
    except UserError as error:
        connection.send(error.message)
