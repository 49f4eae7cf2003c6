"""What the ensemble has said of each image, and the order that comes of it."""

from __future__ import annotations

import math
import threading

import numpy as np

from datasetgan_ext.interpreter.inference import Prediction
from datasetgan_ext.labeling.learning import LIVE, Learner
from datasetgan_ext.labeling.live import Pupil
from datasetgan_ext.labeling.selection import Look, choose_diverse
from datasetgan_ext.labeling.store import LabelStore
from datasetgan_ext.labeling.suggestion import Box, Suggestion


class Book:
    """Suggestions, and how unsure the ensemble is. One thread writes, all may read.

    Attributes:
        glance_hw: height and width of `Suggestion.glance`.
        uncertainty: of the images predicted so far, by name, by whichever weights were the last to see them.
        order: names of the images that are not finished, most worth labelling first; empty before `put_in_order`.
    """

    def __init__(self, learner: Learner, store: LabelStore):
        self._learner = learner
        self._store = store
        self._places = learner.places()
        self.glance_hw = tuple(int(places[-1]) - int(places[0]) + 1 for places in self._places)
        self._lock = threading.Lock()
        self._looks: dict[str, Look] = {}
        self._finished: set[str] | None = None
        self._ordered_changes: int | None = None
        self.order: list[str] = []
        self._serial = 0
        self.forget()

    def forget(self) -> None:
        """Have nothing said any more."""
        with self._lock:
            self._suggestions: dict[str, Suggestion] = {}
            self.uncertainty: dict[str, float] = {}

    def find(self, name: str) -> Suggestion | None:
        """The suggestion for an image, if there is one whose labels are there still."""
        with self._lock:
            found = self._suggestions.get(name)
        return found if found and self._is_valid(found) else None

    def serials(self) -> dict[str, int]:
        """The serial numbers of all suggestions whose labels are there still, by name."""
        with self._lock:
            suggestions = list(self._suggestions.values())
        return {one.name: one.serial for one in suggestions if self._is_valid(one)}

    def _is_valid(self, suggestion: Suggestion) -> bool:
        """Whether each class that it was learned from is labelled still, and keypoints are, if it has any."""
        if not suggestion.classes <= self._store.classes():
            return False
        return not suggestion.keypoints or any(labels.keypoints is not None for labels in self._store.annotations())

    def is_of(self, name: str, pupil: Pupil) -> bool:
        """Whether an image's suggestion is by the weights of now."""
        found = self._suggestions.get(name)
        return found is not None and found.generation == pupil.generation

    def is_of_lesson(self, name: str, pupil: Pupil) -> bool:
        """Whether an image's suggestion is by what is learned now."""
        found = self._suggestions.get(name)
        return found is not None and found.lesson == pupil.lessons

    def note(self, name: str, pupil: Pupil) -> None:
        """Predict an image."""
        prediction = self._learner.predict(pupil.fused(self._learner), name)
        mask = uncertainty = None
        if prediction.masks is not None:
            mask = prediction.masks[0].cpu().numpy()
            uncertainty = self._in_bytes(prediction)
        with self._lock:
            self._serial += 1
            self.uncertainty = {**self.uncertainty, name: float(prediction.uncertainty[0])}
            self._suggestions[name] = Suggestion(
                name=name,
                small_mask=mask,
                small_uncertainty=uncertainty,
                places=self._places,
                keypoints=self._learner.found_keypoints(prediction) if prediction.keypoints is not None else [],
                serial=self._serial,
                classes=pupil.lesson.classes,
                generation=pupil.generation,
                lesson=pupil.lessons,
            )

    def _in_bytes(self, prediction: Prediction) -> np.ndarray:
        """uint8 [H, W]: 0 = the members agree, 255 = they could not differ more."""
        largest = math.log(min(LIVE.models, len(self._store.task.classes)))
        shares = prediction.pixel_uncertainty[0].cpu().numpy() / largest
        return (shares * 255).round().clip(0, 255).astype(np.uint8)

    def next_strip(self, name: str, box: Box | None) -> Box | None:
        """The part of an image that is to be refined next: see `Suggestion.next_strip`."""
        return self._suggestions[name].next_strip(box)

    def refine(self, name: str, box: Box | None, pupil: Pupil) -> None:
        """Predict the next strip of a box at the size of the picture."""
        suggestion = self._suggestions[name]
        strip = suggestion.next_strip(box)
        if not strip:
            return
        prediction = self._learner.predict(pupil.fused(self._learner, strip), name)
        with self._lock:
            suggestion.refine(strip, prediction.masks[0].cpu().numpy(), self._in_bytes(prediction))
            if not suggestion.next_strip(box):
                self._serial += 1
                suggestion.serial = self._serial

    def unseen(self) -> list[str]:
        """Names of images that `look_at` has not been called for."""
        return [name for name in self._store.samples if name not in self._looks]

    def look_at(self, name: str) -> None:
        """Note what an image looks like to its generator."""
        self._looks[name] = self._learner.look(name)

    @property
    def is_ordered(self) -> bool:
        """Whether the order is of the labels of now."""
        return self._ordered_changes == self._store.changes

    def put_in_order(self) -> None:
        """Put the images that are not finished in an order, once all have been looked at; it changes when another image
        is finished."""
        self._ordered_changes = self._store.changes
        finished = {name for name in self._store.samples if self._store.is_finished(name)}
        if finished != self._finished:
            self._finished = finished
            order = choose_diverse(self._looks, sorted(finished))
            with self._lock:
                self.order = order
