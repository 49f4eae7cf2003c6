"""The ensemble that goes on learning while a person draws."""

from __future__ import annotations

from dataclasses import replace

from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.inference import FusedEnsemble
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.labeling.learning import LIVE, Learner, Lesson
from datasetgan_ext.labeling.suggestion import Box

FIRST_STEPS = 150
"""From random weights to a first suggestion."""
WARM_STEPS = 60
"""From weights that have learned other labels to a suggestion by the new ones."""
MORE_STEPS = 150
"""At a time, while nothing else is to be done."""
ENOUGH_STEPS = 450
"""For one lesson; more change nothing any more."""


class Pupil:
    """Learns one lesson after the other, each from the weights that the last one has left.

    Attributes:
        lesson: what is learned now; None at first.
        lessons: how many there were.
        generation: a number that rises whenever the weights change.
    """

    def __init__(self) -> None:
        self.lesson: Lesson | None = None
        self.lessons = self.generation = 0
        self._ensemble: Ensemble | None = None
        self._steps = 0

    @property
    def has_learned(self) -> bool:
        """Whether there are weights of the lesson."""
        return self._steps > 0

    def fused(self, learner: Learner, box: Box | None = None) -> FusedEnsemble:
        """The weights of now, made ready for maps; `box` as of `Learner.fused`."""
        task = self.lesson.task
        return learner.fused(self._ensemble, len(task.classes), len(task.keypoints), box)

    @property
    def progress(self) -> float:
        """Share of the lesson's steps that are done, 0..1."""
        return min(1, self._steps / ENOUGH_STEPS)

    @property
    def is_done(self) -> bool:
        return self.lesson is not None and self._steps >= ENOUGH_STEPS

    def take(self, lesson: Lesson) -> None:
        """Go on to a lesson; where it has other heads than the last one, from random weights."""
        before, self.lesson, self._steps = self.lesson, lesson, 0
        self.lessons += 1
        if before is None or before.task != lesson.task:
            self._ensemble = None
        elif self._ensemble is not None and before.images != lesson.images:
            self._ensemble.restandardize(*lesson.pixels.statistics())

    def study(self) -> None:
        """Some steps: few to a first answer, then more."""
        steps = MORE_STEPS
        if not self._steps:
            steps = WARM_STEPS if self._ensemble else FIRST_STEPS
        self._ensemble, _ = train_ensemble(
            self.lesson.pixels,
            len(self.lesson.task.classes),
            len(self.lesson.task.keypoints),
            replace(LIVE, max_steps=steps, seed=self.generation),
            progress=False,
            start=self._ensemble,
        )
        self._steps += steps
        self.generation += 1
