"""The page's helper in the background: suggestions, an order of the images, and labels that are perhaps mistakes."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.core.annotation import ABSENT
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter.inference import FusedEnsemble, Prediction
from datasetgan_ext.labeling.learning import QUICK, Learner, found_keypoints
from datasetgan_ext.labeling.selection import label_order
from datasetgan_ext.labeling.store import LabelStore
from datasetgan_ext.metrics.label_errors import LabelError, find_label_errors

log = logging.getLogger(__name__)

SETTLED_SECONDS = 1.0
"""Labels that have not changed for so long are made ready to be learned from."""


@dataclass(frozen=True)
class Suggestion:
    """Labels that the ensemble proposes for one image.

    Attributes:
        name: of the sample.
        mask: uint8 [H, W], class ids; None where nothing is known of classes.
        uncertainty: uint8 [H, W], 0 = the members agree, 255 = they could not differ more; None likewise.
        keypoints: [x, y, visibility] of each keypoint of the task; empty where nothing is known of keypoints.
    """

    name: str
    mask: np.ndarray | None
    uncertainty: np.ndarray | None
    keypoints: list[list[float]]


class Suggester:
    """One background thread. In this order, it predicts the image that was asked for, after a training if labels have
    changed; checks the labels of each image, when that was asked for; measures how unsure it is of the other images;
    and makes settled labels ready for the next training. A context manager, which ends the thread."""

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
        self._fused: FusedEnsemble | None = None
        self._learned: tuple[int, str] | None = None
        self._condition = threading.Condition()
        self._wanted: str | None = None
        self._unchecked: list[str] = []
        self._unmeasured: list[str] = []
        self._phase = 'starting'
        self._error = ''
        self._suggestion: Suggestion | None = None
        self._uncertainty: dict[str, float] = {}
        self._styles: dict[str, np.ndarray] = {}
        self._label_errors: dict[str, list[LabelError]] = {}
        self._order: list[str] = []
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

    def ask(self, name: str) -> None:
        """Have the image's labels suggested; returns at once."""
        with self._condition:
            self._wanted = name
            self._error = ''
            self._suggestion = None
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
        """What the thread is doing, JSON-ready: `phase`; `error`; `ready`, the name of the image whose suggestion is
        there; `uncertainty` of the images measured so far, by name; `order`, once all are measured, the names of those
        that are not finished, most worth labelling first; `unchecked`, how many images are still to be checked;
        `doubts`, of the images checked, how many pixels are perhaps labelled wrongly, by name."""
        with self._condition:
            return {
                'phase': self._phase,
                'error': self._error,
                'uncertainty': dict(self._uncertainty),
                'ready': self._suggestion.name if self._suggestion else None,
                'order': list(self._order),
                'unchecked': len(self._unchecked),
                'doubts': {name: sum(error.area for error in errors) for name, errors in self._label_errors.items()},
            }

    def suggestion(self, name: str) -> Suggestion | None:
        """The suggestion for an image, if it is the one asked for last and is there."""
        with self._condition:
            if self._suggestion and self._suggestion.name == name:
                return self._suggestion
            return None

    def label_errors(self, name: str) -> list[LabelError]:
        """Where an image's labels are perhaps mistakes, as of the last check; largest region first."""
        with self._condition:
            return self._label_errors.get(name, [])

    def _work(self) -> None:
        self._try(self._learner.warm_up)
        while True:
            with self._condition:
                self._condition.wait_for(self._is_asked, SETTLED_SECONDS)
                if self._closed:
                    return
                job = self._next_job()
            self._try(job)

    def _is_asked(self) -> bool:
        return bool(self._closed or self._wanted or self._unchecked or self._unmeasured)

    def _next_job(self) -> Callable[[], None]:
        if self._wanted:
            name = self._wanted
            self._wanted = None
            return lambda: self._suggest(name)
        if self._unchecked:
            unchecked = self._unchecked[0]
            return lambda: self._check(unchecked)
        if self._unmeasured:
            return self._measure
        return self._make_ready

    def _try(self, job: Callable[[], None]) -> None:
        try:
            job()
        except UserError as error:
            self._give_up(error.message)
        except Exception as error:  # the page shows it; the thread must live on for the next wish
            log.exception('The learning failed')
            self._give_up(
                f"The learning failed ({type(error).__name__}: {error}); the server's terminal has the details"
            )
        with self._condition:
            if not self._is_asked():
                self._phase = 'idle'

    def _give_up(self, error: str) -> None:
        with self._condition:
            if not self._wanted:
                self._error = error
                self._unchecked = []
                self._unmeasured = []

    def _set(self, phase: str) -> None:
        with self._condition:
            if not self._wanted:
                self._phase = phase

    def _suggest(self, name: str) -> None:
        # keypoints of the image that is asked for are not learned, so that another image takes another training
        placed = any(seen != ABSENT for _, _, seen in self._store.keypoints(name))
        now = (self._store.changes, name if placed else '')
        if now != self._learned:
            self._set('training')
            self._fused = self._learner.train(name)
            self._learned = now
            with self._condition:
                self._uncertainty = {}
        self._set('predicting')
        prediction = self._learner.predict(self._fused, name)
        mask = uncertainty = None
        if prediction.masks is not None:
            mask = prediction.masks[0].cpu().numpy()
            largest = math.log(min(QUICK.models, len(self._store.task.classes)))
            uncertainty = (prediction.pixel_uncertainty[0].cpu().numpy() / largest * 255).round().clip(0, 255)
            uncertainty = uncertainty.astype(np.uint8)
        keypoints = found_keypoints(prediction) if prediction.keypoints is not None else []
        self._note(name, prediction)
        with self._condition:
            if not self._wanted:
                self._suggestion = Suggestion(name, mask, uncertainty, keypoints)
                self._unmeasured = [other for other in self._store.samples if other not in self._uncertainty]

    def _measure(self) -> None:
        self._set('measuring')
        name = self._unmeasured[0]
        self._note(name, self._learner.predict(self._fused, name))
        if not self._unmeasured:
            finished = [other for other in self._store.samples if self._store.is_finished(other)]
            order = label_order(
                {other: value for other, value in self._uncertainty.items() if other not in finished},
                self._styles,
                finished,
            )
            with self._condition:
                self._order = order

    def _note(self, name: str, prediction: Prediction) -> None:
        style = self._styles.get(name)
        if style is None:
            style = self._learner.style(name)
        with self._condition:
            self._styles[name] = style
            self._uncertainty[name] = float(prediction.uncertainty[0])
            self._unmeasured = [other for other in self._unmeasured if other != name]

    def _check(self, name: str) -> None:
        self._set('checking')
        prediction = self._learner.predict(self._learner.train(name, without=True), name)
        errors = find_label_errors(
            name,
            labeled=self._store.mask(name),
            predicted=prediction.masks[0].cpu().numpy(),
            uncertainty=prediction.pixel_uncertainty[0].cpu().numpy(),
        )
        with self._condition:
            self._label_errors[name] = errors
            self._unchecked = [other for other in self._unchecked if other != name]

    def _make_ready(self) -> None:
        changes = self._store.changes
        if changes != self._seen_changes:  # they have not settled yet
            self._seen_changes = changes
            return
        if changes == self._ready_changes:
            return
        for name in self._learner.stale():
            if self._is_asked():
                return
            try:
                self._learner.gather(name)
            except UserError:  # told when a suggestion is asked for
                break
        self._ready_changes = changes
