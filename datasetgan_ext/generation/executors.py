"""What labels a run's samples: the jobs, what an executor is, and the one that works in this process.

Generated samples or photos: an executor needs not know which. A labeler makes the samples of a job, an encoder their
bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, NamedTuple, Protocol

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generation.encoding import Encoded
from datasetgan_ext.interpreter import by_hand
from datasetgan_ext.interpreter.labeler import Labeler

ATTEMPTS = 3
"""How often a job is begun whose process is lost."""
LOST_AFTER_S = 30 * 60
"""Seconds after which a process that has not answered counts as lost. Its first answer takes it the longest: it loads
the network, and upstream may compile."""
ENCODERS = min(8, os.cpu_count() or 1)


class Sample(Protocol):
    """What a labeler makes.

    Attributes:
        id: its number in the run.
    """

    id: int


class SampleMaker(Protocol):
    """A labeler: of generated images, or of photos.

    Attributes:
        device: where it computes.
    """

    device: torch.device

    def label(self, ids: list) -> Sequence[Sample]:
        """The samples of a job's ids, from one forward pass."""

    def same_sums(self) -> AbstractContextManager[None]:
        """Within it, results are to the last bit the same in any process."""


class MakerSpec(Protocol):
    """How to make a labeler, here or in a process elsewhere; a picklable dataclass.

    Attributes:
        device: where it computes; None = the first GPU, or the CPU where there is none.
    """

    device: torch.device | str | None

    def make(self) -> SampleMaker:
        """The labeler. Raises UserError if it cannot be made."""

    def packed(self) -> MakerSpec:
        """The same with the files' content, for machines that do not have them."""


class Check(Protocol):
    """Tells whether a labeler is that of a run; picklable."""

    def check(self, labeler: Any) -> None:
        """Raises UserError unless it is."""


Encoder = Callable[[Any], Encoded]
"""Tells what is to be written of a sample; picklable."""


class Job(NamedTuple):
    """What a labeler is given for one forward pass, and the numbers of the samples among them that are wanted."""

    ids: list
    wanted: set[int]


class Fingerprints(NamedTuple):
    """What all labelers of a run of generated samples have in common."""

    network: str
    interpreter: str
    hand_labels: str | None = None

    @classmethod
    def of(cls, labeler: Labeler) -> Fingerprints:
        """Those of a labeler."""
        hand_labels = by_hand.digest(labeler.hand_labels)
        return cls(labeler.generator.fingerprint, labeler.interpreter.fingerprint, hand_labels)

    def check(self, labeler: Labeler) -> None:
        """Raises UserError unless a labeler has the generator and the interpreter that the run has."""
        if Fingerprints.of(labeler) != self:
            raise UserError('`network` or `interpreter` changed while it was being read; start again')


class Shares(Enum):
    """What labelers share with the process that gives them jobs, so that it need not be in the jobs."""

    MEMORY = 'memory'
    DISK = 'disk'
    NOTHING = 'nothing'


class Executor(Protocol):
    """Does a run's jobs, wherever it is.

    Attributes:
        device: the kind of device that computes, 'cpu' or 'cuda'.
        shares: what its labelers share with whoever gives the jobs.
    """

    device: str
    shares: Shares

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Check) -> Iterator[list[Encoded]]:
        """Do jobs.

        Args:
            jobs: what to do; taken one by one.
            encoder: tells what is to be written of a sample.
            fingerprints: of the run; all labelers are checked by them.

        Yields:
            Each job's result once, in any order.

        Raises:
            UserError: a labeler cannot be made, is another one, or is lost again and again.
        """


def do_job(job: Job, labeler: SampleMaker, encoder: Encoder) -> list[Encoded]:
    """What is to be written of a job's samples."""
    return [encoder(sample) for sample in wanted_samples(job, labeler)]


def wanted_samples(job: Job, labeler: SampleMaker) -> Iterator[Sample]:
    """A job's samples, to the last bit the same in any process."""
    with labeler.same_sums():
        for sample in labeler.label(job.ids):
            if sample.id in job.wanted:
                yield sample


class ThisProcess:
    """Labels with one labeler. Threads compress a job's images while the next job is labelled.

    Attributes:
        device, shares: see `Executor`.
    """

    shares = Shares.MEMORY

    def __init__(self, labeler: SampleMaker):
        self._labeler = labeler
        self.device = labeler.device.type

    def label(self, jobs: Iterable[Job], encoder: Encoder, fingerprints: Check) -> Iterator[list[Encoded]]:
        """See `Executor.label`; the results come in the order of the jobs."""
        fingerprints.check(self._labeler)
        with ThreadPoolExecutor(ENCODERS) as threads:
            encoding = []
            for job in jobs:
                last = encoding
                encoding = [threads.submit(encoder, sample) for sample in wanted_samples(job, self._labeler)]
                yield [encoded.result() for encoded in last]
            yield [encoded.result() for encoded in encoding]
