"""The paper's protocol (arXiv 2104.06490, sec. 4): a fifth of the test set chooses the checkpoint, the rest reports.

A `Fold` cannot be made with an image on both sides, and it alone turns checkpoints into a score: it chooses by the one
side and reads the report off the other. So no score is of images that chose what is scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.metrics.keypoints import KeypointScore
from datasetgan_ext.metrics.segmentation import SegmentationScore

FOLDS = 5


@dataclass(frozen=True)
class Score:
    """How good a network is on some images.

    Attributes:
        segmentation: None = it has no classes.
        keypoints: None = it has no keypoints.
    """

    segmentation: SegmentationScore | None
    keypoints: KeypointScore | None

    @classmethod
    def merged(cls, scores: Iterable[Score]) -> Score:
        """Of all images that were counted in any of `scores`, of which there is one at least."""
        scores = list(scores)
        segmentation = [score.segmentation for score in scores if score.segmentation is not None]
        keypoints = [score.keypoints for score in scores if score.keypoints is not None]
        return cls(
            segmentation=SegmentationScore.merged(segmentation) if segmentation else None,
            keypoints=KeypointScore.merged(keypoints) if keypoints else None,
        )

    @property
    def merit(self) -> float:
        """What checkpoints are chosen by, more is better: mIoU, plus the PCK at a tenth of the object."""
        merit = 0.0
        if self.segmentation is not None:
            merit += float(np.nan_to_num(self.segmentation.mean_iou))
        if self.keypoints is not None:
            merit += float(np.nan_to_num(self.keypoints.pck_by_object))
        return merit


@dataclass(frozen=True)
class Fold:
    """Images that choose a checkpoint, and others that report its score.

    Attributes:
        select, report: the images' content numbers (`pairs.content_number`), none on both sides.
    """

    select: frozenset[int]
    report: frozenset[int]

    def __post_init__(self):
        if self.select & self.report:
            raise ValueError('an image that selects must not report')
        if not self.select or not self.report:
            raise ValueError('a fold needs images that select and images that report')

    def judge(self, checkpoints: Sequence[Mapping[int, Score]]) -> tuple[int, Score]:
        """The checkpoint that does best on `select`, the earliest of equals, and its score on `report`.

        Args:
            checkpoints: of each, the score of each image by its content number.
        """
        merits = [Score.merged(checkpoint[image] for image in sorted(self.select)).merit for checkpoint in checkpoints]
        chosen = int(np.argmax(merits))
        return chosen, Score.merged(checkpoints[chosen][image] for image in sorted(self.report))


def make_folds(images: Iterable[int], count: int = FOLDS, seed: int = 0) -> list[Fold]:
    """Each image selects in one of `count` folds and reports in the others.

    Args:
        images: content numbers; equal pictures have equal numbers and so always stay together.
        count: number of folds.
        seed: of the shuffle.

    Raises:
        UserError: there are fewer different images than folds.
    """
    images = np.unique(np.fromiter(images, dtype=np.int64))
    if len(images) < count:
        raise UserError(f'{len(images)} different images are too few for {count} folds')
    parts = np.array_split(np.random.RandomState(seed).permutation(images), count)
    return [Fold(frozenset(part.tolist()), frozenset(images.tolist()) - frozenset(part.tolist())) for part in parts]
