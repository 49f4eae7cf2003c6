"""The pages that a person works on: what they show, keep and propose, without the browser."""

from __future__ import annotations

import numpy as np

from benchmarks.robot import costs
from benchmarks.robot.costs import Clock
from benchmarks.robot.hand import Hand, Operation
from benchmarks.robot.helpers import Anew, Live, Suggested
from datasetgan_ext.core.annotation import ABSENT, IGNORE
from datasetgan_ext.labeling.store import LabelStore

BACKGROUND = 0


class Page:
    """One image after the other, with polygons alone and without suggestions.

    Attributes:
        mask: uint8 [H, W], what is labelled; IGNORE elsewhere.
        suggestion: uint8 [H, W] or None.
        points: [x, y, visibility] of each keypoint that is suggested; empty where none are.
    """

    tools: tuple[str, ...] = ('polygon',)
    refuses = False
    """Whether one suggested region can be refused."""

    def __init__(self, store: LabelStore, clock: Clock):
        self.store = store
        self.clock = clock
        self.hand = Hand()
        self.name = ''
        self.suggestion = None
        self.points: list[list[float]] = []

    @property
    def shown(self) -> np.ndarray:
        """uint8 [H, W], the label of each pixel or else what is suggested; IGNORE where there is neither."""
        if self.suggestion is None:
            return self.mask
        return np.where(self.mask == IGNORE, self.suggestion, self.mask)

    def open(self, name: str) -> None:
        """Go on to an image."""
        self.name = name
        self.mask = self.store.mask(name).copy()
        self.suggestion = None
        self.points = []
        self.clock.spend({'keys': costs.KEY}, 'next image')

    def paint(self, operation: Operation) -> None:
        """Do something, and pay for it."""
        self.clock.spend(self.hand.seconds(operation), operation.tool)
        self.hand.take(operation)
        self.mask[operation.pixels] = operation.class_id
        self._save()

    def do(self, operation: Operation) -> None:
        """Paint, and see what comes of it."""
        self.paint(operation)

    def rest_is_background(self) -> None:
        """What has no label is background."""
        self.clock.spend({'deciding': costs.THINK, 'clicks': costs.CLICK}, 'rest is background')
        self.mask[self.mask == IGNORE] = BACKGROUND
        self._save()

    def accept(self) -> None:
        """What is suggested is right."""
        self.clock.spend({'deciding': costs.THINK, 'keys': costs.KEY}, 'accept')
        self.mask = self.shown
        self._save()

    def refuse(self, pixels: np.ndarray) -> None:
        """A click with the right button on a suggested region, which is left without a label."""
        self.clock.spend({'deciding': costs.THINK, 'clicks': costs.CLICK}, 'refuse')
        self.suggestion = np.where(pixels, IGNORE, self.suggestion)

    def place(self, keypoints: list[list[float]]) -> None:
        """Keep the image's keypoints; the person has paid for them."""
        self.store.save_keypoints(self.name, keypoints)

    def _save(self) -> None:
        self.store.save_mask(self.name, self.mask.tobytes())


class OnKey(Page):
    """The page suggests when a key is pressed, and the person waits for it."""

    tools = ('polygon', 'brush', 'fill')

    def __init__(self, store: LabelStore, clock: Clock, helper: Anew):
        super().__init__(store, clock)
        self.helper = helper

    def open(self, name: str) -> None:
        super().open(name)
        if self.store.annotations():
            suggested = self.helper.suggest(name)
            self._show(suggested)
            self.clock.spend({'keys': costs.KEY, 'waiting': suggested.seconds}, 'suggest')

    def _show(self, suggested: Suggested) -> None:
        self.suggestion = suggested.mask
        self.points = suggested.points


class Renewed(OnKey):
    """The page suggests by itself, before an image is opened and after each stroke, while the person looks for what
    comes next. Only what takes longer than that is waited for. It learns less here than in the browser, where it goes
    on until the next stroke: here, it does so only when an image is done."""

    helper: Live
    refuses = True

    def open(self, name: str) -> None:
        Page.open(self, name)
        self._show(self.helper.prepared(name))

    def do(self, operation: Operation) -> None:
        self.paint(operation)
        suggested = self.helper.suggest(self.name)
        self._show(suggested)
        self.clock.spend({'waiting': max(0.0, suggested.seconds - costs.THINK)})

    def place(self, keypoints: list[list[float]]) -> None:
        super().place(keypoints)
        self.helper.suggest(self.name)  # learns what has been accepted
        self.helper.study()


class Between(Renewed):
    """The same page with its suggestions renewed between images alone: what is shown stays while it is mended."""

    def do(self, operation: Operation) -> None:
        self.paint(operation)


def is_placed(point: list[float]) -> bool:
    return point[2] != ABSENT
