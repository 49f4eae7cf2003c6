"""Suggestions: an interpreter trained in the background on what is labelled so far."""
from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.errors import UserError
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter.inference import FusedEnsemble, Prediction
from datasetgan_ext.interpreter.optimization import options_from
from datasetgan_ext.interpreter.training import TrainingSet
from datasetgan_ext.labeling.store import LabelStore
from datasetgan_ext.labels.annotation import IGNORE

log = logging.getLogger(__name__)

QUICK = options_from('default', models=3, pixels_per_image=1024, batch=64, lr=3e-3, max_steps=150)
"""Seconds in place of a minute: on the demo, after 4 labelled images, 111 of 4096 pixels are wrong; 106 with 4 members
and 400 steps of the default batch and rate. `datasetgan train` trains the interpreter that is kept."""


@dataclass(frozen=True)
class Suggestion:
    """Labels that the interpreter proposes for one image.

    Attributes:
        name: of the sample.
        mask: uint8 [H, W], class ids.
        uncertainty: uint8 [H, W], 0 = the members agree, 255 = they could not differ more.
    """
    name: str
    mask: np.ndarray
    uncertainty: np.ndarray


class Suggester:
    """One background thread that trains when labels have changed, predicts the image that was asked for, then goes on
    to measure the uncertainty of the others until it is asked again. A context manager, which ends the thread."""

    def __init__(self, generator: Generator, store: LabelStore):
        """
        Args:
            generator: the network that made the samples; only the thread uses it.
            store: where the labels are.

        Raises:
            UserError: the samples are another network's.
        """
        store.sample_set.check_network(generator)
        self._generator, self._store = generator, store
        self._task = store.task.only(classes=True, keypoints=False)
        self._options = generator.check_options(store.sample_set.options)
        self._fused: FusedEnsemble | None = None
        self._trained_on = -1
        self._wanted: str | None = None
        self._condition = threading.Condition()
        self._phase, self._error = 'idle', ''
        self._suggestion: Suggestion | None = None
        self._uncertainty: dict[str, float] = {}
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
            self._wanted, self._error, self._suggestion = name, '', None
            self._phase = 'waiting'
            self._condition.notify()

    def state(self) -> dict:
        """What the thread is doing, JSON-ready: `phase`, `error`, `ready` (the name of the image whose suggestion is
        there) and `uncertainty` of the images measured so far, by name."""
        with self._condition:
            return {'phase': self._phase, 'error': self._error, 'uncertainty': dict(self._uncertainty),
                    'ready': self._suggestion.name if self._suggestion else None}

    def suggestion(self, name: str) -> Suggestion | None:
        """The suggestion for an image, if it is the one asked for last and is there."""
        with self._condition:
            return self._suggestion if self._suggestion and self._suggestion.name == name else None

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted is not None or self._closed)
                if self._closed:
                    return
                name, self._wanted = self._wanted, None
            try:
                self._suggest(name)
                self._measure_others(name)
                self._set('idle')
            except UserError as error:
                self._set('idle', error.message)
            except Exception as error:  # the page shows it; the thread must live on for the next wish
                log.exception('The suggestion for %s failed', name)
                self._set('idle', f'The training failed ({type(error).__name__}: {error}); the server\'s terminal '
                          'has the details')

    def _set(self, phase: str, error: str = '') -> None:
        with self._condition:
            if self._wanted is None:
                self._phase, self._error = phase, error

    def _suggest(self, name: str) -> None:
        if self._store.changes != self._trained_on:
            self._train()
        self._set('predicting')
        prediction = self._predict(name)
        largest = math.log(min(QUICK.models, len(self._task.classes)))
        uncertainty = (prediction.pixel_uncertainty[0].cpu().numpy() / largest * 255).round().clip(0, 255)
        with self._condition:
            if self._wanted is None:
                self._suggestion = Suggestion(name, prediction.masks[0].cpu().numpy(), uncertainty.astype(np.uint8))

    def _train(self) -> None:
        changes, annotations = self._store.changes, self._store.annotations()
        found = {class_id for annotation in annotations for class_id in np.unique(annotation.mask).tolist()} - {IGNORE}
        if len(found) < 2:
            raise UserError('Nothing to learn from yet: label at least two classes first, background among them '
                            '("Rest is background")')
        self._set('training')
        pairs = self._store.sample_set.pair(annotations, self._task)
        training_set = TrainingSet(self._generator, self._store.sample_set, pairs, self._task, QUICK, progress=False)
        self._fused = training_set.train().fused_for(self._generator)
        self._trained_on = changes
        with self._condition:
            self._uncertainty = {}

    def _predict(self, name: str) -> Prediction:
        synthesis = self._generator.synthesize([self._store.samples[name].seed], self._options)
        prediction = self._fused(synthesis.features)
        with self._condition:
            self._uncertainty[name] = float(prediction.uncertainty[0])
        return prediction

    def _measure_others(self, name: str) -> None:
        for other in self._store.samples:
            with self._condition:
                if self._wanted is not None or self._closed:
                    return
                known = other in self._uncertainty
            if not known:
                self._set('measuring')
                self._predict(other)
