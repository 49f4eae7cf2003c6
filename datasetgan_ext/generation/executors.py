"""What labels a run's samples: the jobs, what an executor is, and the one that works in this process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generation.encoding import Encoded, Encoder
from datasetgan_ext.interpreter.labeler import LabeledSample, Labeler

ATTEMPTS = 3
"""How often a job is begun whose process is lost."""
LOST_AFTER_S = 30 * 60
"""Seconds after which a process that has not answered counts as lost. Its first answer takes it the longest: it loads
the network, and upstream may compile."""
ENCODERS = min(8, os.cpu_count() or 1)


class Job(NamedTuple):
    """Ids of one forward pass, and those among them whose samples are wanted."""

    ids: list[int]
    wanted: set[int]


class Fingerprints(NamedTuple):
    """What all labelers of a run have in common."""

    network: str
    interpreter: str

    @classmethod
    def of(cls, labeler: Labeler) -> Fingerprints:
        """Those of a labeler."""
        return cls(labeler.generator.fingerprint, labeler.interpreter.fingerprint)

    def check(self, labeler: Labeler) -> None:
        """Raises UserError unless a labeler has the generator and the interpreter that the run has."""
        if Fingerprints.of(labeler) != self:
            raise UserError('`network` or `interpreter` changed while it was being read; start again')


class Executor(Protocol):
    """Does a run's jobs, wherever it is.

    Attributes:
        device: the kind of device that computes, 'cpu' or 'cuda'.
    """

    device: str

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Fingerprints) -> Iterator[list[Encoded]]:
        """Do jobs.

        Args:
            jobs: what to do; taken one by one.
            encoder: tells what is to be written of a sample.
            fingerprints: those that all labelers must have.

        Yields:
            Each job's result once, in any order.

        Raises:
            UserError: a labeler cannot be made, is another one, or is lost again and again.
        """


def do_job(job: Job, labeler: Labeler, encoder: Encoder) -> list[Encoded]:
    """What is to be written of a job's samples."""
    return [encoder(sample) for sample in wanted_samples(job, labeler)]


def wanted_samples(job: Job, labeler: Labeler) -> Iterator[LabeledSample]:
    """A job's samples, to the last bit the same in any process."""
    with labeler.same_sums():
        for sample in labeler.label(job.ids):
            if sample.id in job.wanted:
                yield sample


class ThisProcess:
    """Labels with one labeler. Threads compress a job's images while the next job is labelled.

    Attributes:
        device: see `Executor`.
    """

    def __init__(self, labeler: Labeler):
        self._labeler = labeler
        self.device = labeler.generator.device.type

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Fingerprints) -> Iterator[list[Encoded]]:
        """See `Executor.label`; the results come in the order of the jobs."""
        fingerprints.check(self._labeler)
        with ThreadPoolExecutor(ENCODERS) as threads:
            encoding = []
            for job in jobs:
                last = encoding
                encoding = [threads.submit(encoder, sample) for sample in wanted_samples(job, self._labeler)]
                yield [encoded.result() for encoded in last]
            yield [encoded.result() for encoded in encoding]
