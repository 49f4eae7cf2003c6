"""The page's helper in the background: suggestions, an order of the images, and labels that are perhaps mistakes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from datasetgan_ext.core.annotation import ABSENT
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.labeling.book import Book
from datasetgan_ext.labeling.learning import Learner, NothingToLearn
from datasetgan_ext.labeling.live import Pupil
from datasetgan_ext.labeling.similarity import Similarity
from datasetgan_ext.labeling.store import LabelStore
from datasetgan_ext.labeling.suggestion import Box, Suggestion
from datasetgan_ext.metrics.label_errors import LabelError, find_label_errors

log = logging.getLogger(__name__)

SETTLED_SECONDS = 1.0
"""Labels that have not changed for so long are made ready to be learned from."""
NICENESS = 5
"""So much does the thread step back for the browser, where threads have a priority of their own."""


class Suggester:
    """One background thread. In this order, it suggests labels of the image that was asked for; checks the labels of
    each image, when that was asked for; renews the suggestion of the image that is open, once its labels change; goes
    on learning, and makes ready what comes next; and measures how unsure it is of the other images. A context manager,
    which ends the thread."""

    def __init__(self, generator: Generator, store: LabelStore):
        """
        Args:
            generator: the network that made the samples; only the thread uses it.
            store: where the labels are.

        Raises:
            UserError: the samples are another network's.
        """
        self._store = store
        self._learner = Learner(generator, store)
        self._pupil = Pupil()
        self._book = Book(self._learner, store)
        self._similarity = Similarity(self._learner.maps, self._learner.places())
        self._condition = threading.Condition()
        self._asked: str | None = None
        self._wish = self._answered = 0
        self._open: str | None = None
        self._next: list[str] = []
        self._box: Box | None = None
        self._auto = False
        self._learned: tuple[int, str] | None = None
        self._measures_all = False
        self._prefetches = True
        self._unchecked: list[str] = []
        self._phase = 'starting'
        self._error = ''
        self._lacks = ''
        self._label_errors: dict[str, list[LabelError]] = {}
        self._ready_changes: int | None = None
        self._seen_changes = store.changes
        self._closed = False
        self._thread = threading.Thread(target=self._work, name='suggestions')
        self._thread.start()

    def __enter__(self) -> Suggester:
        return self

    def __exit__(self, *error) -> None:
        """End the thread; a training that is under way is waited for, which takes seconds."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()

    @property
    def glance_hw(self) -> tuple[int, int]:
        """Height and width of a suggestion in small."""
        return self._book.glance_hw

    def ask(self, name: str) -> None:
        """Have the image's labels suggested, and tell why if that cannot be; returns at once."""
        with self._condition:
            self._asked = self._open = name
            self._wish += 1
            self._box = None
            self._measures_all = True
            self._error = ''
            self._phase = 'waiting'
            self._condition.notify()

    def follow(self, name: str, following: Sequence[str] = (), box: Box | None = None, auto: bool = True) -> None:
        """Suggest what is asked for by itself from now on; returns at once.

        Args:
            name: of the image that is open: its suggestion is renewed whenever labels have changed.
            following: names of those that are likely to be opened next.
            box: part of the open image that is seen, in which a suggestion is refined; None = all of it.
            auto: False = suggest only what is asked for.
        """
        with self._condition:
            self._open = name
            self._next = [other for other in following if other != name]
            self._box = box
            self._auto = auto
            if self._phase == 'idle' and auto:
                self._phase = 'waiting'
            self._condition.notify()

    def check(self) -> None:
        """Have all labels checked, each image by an ensemble that never saw it; returns at once.

        Raises:
            UserError: fewer than two images have classes.
        """
        names = [labels.name for labels in self._store.annotations() if labels.mask is not None]
        if len(names) < 2:
            raise UserError('The labels of an image are checked by those of the others: label two images at least')
        with self._condition:
            self._unchecked = names
            self._label_errors = {}
            self._error = ''
            self._phase = 'waiting'
            self._condition.notify()

    def state(self) -> dict:
        """What the thread is doing, JSON-ready: `phase`; `error`; `lacks`, what has to be labelled before there can be
        suggestions; `ready`, the name of the image asked for last, once its suggestion is there; `serials`, of each
        suggestion that is there, by name, a number that rises when it is renewed; `progress`, 0..1, how far the labels
        are learned; `uncertainty` of the images measured so far, by name; `order`, once all have been looked at, the
        names of those that are not finished, most worth labelling first; `unchecked`, how many images are still to be
        checked; `doubts`, of the images checked, how many pixels are perhaps labelled wrongly, by name."""
        with self._condition:
            valid = self._book.serials()
            return {
                'phase': 'looking' if self._phase == 'idle' and self._looks_around else self._phase,
                'error': self._error,
                'lacks': self._lacks,
                'uncertainty': self._book.uncertainty,
                'ready': self._asked if self._asked in valid and not self._is_wished else None,
                'serials': valid,
                'progress': self._pupil.progress,
                'order': self._book.order,
                'unchecked': len(self._unchecked),
                'doubts': {name: sum(error.area for error in errors) for name, errors in self._label_errors.items()},
            }

    def suggestion(self, name: str) -> Suggestion | None:
        """The suggestion for an image, if there is one whose labels are there still."""
        return self._book.find(name)

    def similar(self, name: str, place: tuple[float, float], other: str) -> np.ndarray | None:
        """How like the pixels of an image are to one that a person has pointed at: see `Similarity.distances`."""
        return self._similarity.distances(name, place, other)

    def label_errors(self, name: str) -> list[LabelError]:
        """Where an image's labels are perhaps mistakes, as of the last check; largest region first."""
        with self._condition:
            return self._label_errors.get(name, [])

    @property
    def _looks_around(self) -> bool:
        """Whether images are still to be looked at, or put in an order."""
        return self._prefetches and not self._book.is_ordered

    @property
    def _is_wished(self) -> bool:
        return self._wish != self._answered

    def _work(self) -> None:
        step_back()
        self._try(self._learner.warm_up)
        while True:
            with self._condition:
                job = None if self._closed else self._next_job()
                if not job:
                    self._phase = 'idle'
                    job = None if self._closed else self._next_silent_job()
                if not job:
                    if not self._closed:
                        self._condition.wait(SETTLED_SECONDS)
                    if self._closed:
                        return
                    continue
            self._try(job)

    def _next_job(self) -> Callable[[], None] | None:
        """What there is to do for the person."""
        if self._is_wished:
            return partial(self._answer, self._asked, self._wish)
        if self._unchecked:
            return partial(self._check, self._unchecked[0])
        if self._auto and self._open and self._lesson_key(self._open) != self._learned:
            return partial(self._renew, self._open)
        if not self._pupil.has_learned or self._learned is None or self._learned[0] != self._store.changes:
            return None
        likely = [name for name in (self._open, *self._next[:1]) if name]
        for name in likely:
            if not self._book.is_of_lesson(name, self._pupil):
                return partial(self._suggest, name)
        if not self._pupil.is_done:
            return self._study
        for name in (*likely, *self._next):
            if not self._book.is_of(name, self._pupil):
                return partial(self._suggest, name)
        if self._open and self._book.next_strip(self._open, self._box):
            return self._refine
        unmeasured = self._unmeasured()
        if unmeasured:
            return partial(self._measure, unmeasured[0])
        self._measures_all = False
        return None

    def _next_silent_job(self) -> Callable[[], None] | None:
        """What makes the next job shorter."""
        changes = self._store.changes
        if changes != self._seen_changes:  # they have not settled yet
            self._seen_changes = changes
        elif changes != self._ready_changes:
            return self._make_ready
        maps = self._learner.maps
        for name in [name for name in (self._open, *self._next) if name] + list(self._store.samples):
            if self._prefetches and not maps.has(name) and maps.has_room:
                return partial(maps, self._store.samples[name])
        unseen = self._book.unseen() if self._prefetches else []
        if unseen:
            return partial(self._book.look_at, unseen[0])
        if self._looks_around and changes == self._ready_changes:
            return self._book.put_in_order
        return None

    def _unmeasured(self) -> list[str]:
        """Names of images that the weights of now have not seen. Where their maps cannot all be kept, to make them
        anew after each stroke would take too long: it is done when a person asks for a suggestion."""
        maps = self._learner.maps
        return [
            name
            for name in self._store.samples
            if not self._book.is_of(name, self._pupil) and (self._measures_all or maps.has(name) or maps.has_room)
        ]

    def _lesson_key(self, name: str) -> tuple[int, str]:
        """What a lesson for an image depends on: its own keypoints are not learned before all are placed."""
        started = any(seen != ABSENT for _, _, seen in self._store.keypoints(name))
        return self._store.changes, name if started and not self._store.has_all_keypoints(name) else ''

    def _try(self, job: Callable[[], None]) -> None:
        try:
            job()
        except UserError as error:
            self._give_up(error.message)
        except Exception as error:  # the page shows it; the thread must live on for the next wish
            log.exception('The learning failed')
            self._prefetches = False
            self._forget('')
            self._give_up(
                f"The learning failed ({type(error).__name__}: {error}); the server's terminal has the details"
            )

    def _give_up(self, error: str) -> None:
        with self._condition:
            if not self._is_wished:
                self._error = error
                self._unchecked = []

    def _set(self, phase: str) -> None:
        with self._condition:
            self._phase = phase

    def _answer(self, name: str, wish: int) -> None:
        """Suggest the labels of an image to a person who waits for them, or tell why not."""
        try:
            self._renew(name)
        finally:
            with self._condition:
                self._answered = wish
        if self._lacks:
            raise UserError(self._lacks)

    def _renew(self, name: str) -> None:
        """Learn the labels of now, unless that is done, and suggest those of an image."""
        key = self._lesson_key(name)
        if key != self._learned or not self._pupil.has_learned:
            self._set('training')
            self._learned = key  # also if it fails: it would fail again
            try:
                lesson = self._learner.lesson(name)
            except NothingToLearn as error:
                self._forget(error.message)
                return
            except UserError:
                self._forget('')
                raise
            self._pupil.take(lesson)
            self._pupil.study()
            with self._condition:
                self._lacks = ''
                self._error = ''
        self._suggest(name)

    def _forget(self, lacks: str) -> None:
        """Begin from nothing next time."""
        with self._condition:
            self._pupil = Pupil()
            self._lacks = lacks
        self._book.forget()

    def _study(self) -> None:
        self._set('training')
        self._pupil.study(self._is_called)

    def _is_called(self) -> bool:
        """Whether there is something to do that a person waits for, or that renews what is shown."""
        with self._condition:
            if self._closed or self._is_wished or self._unchecked:
                return True
            return self._auto and self._open is not None and self._lesson_key(self._open) != self._learned

    def _suggest(self, name: str) -> None:
        self._set('predicting')
        self._book.note(name, self._pupil)

    def _measure(self, name: str) -> None:
        self._set('measuring')
        self._book.note(name, self._pupil)

    def _refine(self) -> None:
        """Some rows of what is seen of the open image, at its own size."""
        self._set('refining')
        with self._condition:
            name, box = self._open, self._box
        self._book.refine(name, box, self._pupil)

    def _check(self, name: str) -> None:
        self._set('checking')
        prediction = self._learner.predict(self._learner.train(name, without=True), name)
        rows, columns = self._learner.places()
        errors = find_label_errors(
            name,
            labeled=self._store.mask(name),
            predicted=prediction.masks[0].cpu().numpy()[rows][:, columns],
            uncertainty=prediction.pixel_uncertainty[0].cpu().numpy()[rows][:, columns],
        )
        with self._condition:
            self._label_errors[name] = errors
            self._unchecked = [other for other in self._unchecked if other != name]

    def _make_ready(self) -> None:
        changes = self._store.changes
        for name in self._learner.stale():
            if self._is_wished or self._closed:
                return
            try:
                self._learner.gather(name)
            except UserError:  # told when a suggestion is asked for
                break
        self._ready_changes = changes


def step_back() -> None:
    """Give this thread, and those that it starts, a lower priority. Only where threads have one, as on Linux."""
    if sys.platform != 'linux':  # elsewhere it would be the whole process's
        return
    with contextlib.suppress(AttributeError, OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
