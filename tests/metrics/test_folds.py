"""What selects never reports."""

from collections.abc import Mapping

import numpy as np
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.metrics.folds import Fold, Score, make_folds
from datasetgan_ext.metrics.segmentation import SegmentationScore


def score(right: int, wrong: int) -> Score:
    """Of an image of one row, of class 1 throughout, with so many pixels right and wrong."""
    found = SegmentationScore(2)
    found.add(np.ones((1, right + wrong), np.uint8), np.array([[1] * right + [0] * wrong], np.uint8))
    return Score(found, None)


class Watched(Mapping):
    """Scores that note which images were looked at."""

    def __init__(self, scores):
        self.scores, self.looked_at = scores, []

    def __getitem__(self, image):
        self.looked_at.append(image)
        return self.scores[image]

    def __iter__(self):
        return iter(self.scores)

    def __len__(self):
        return len(self.scores)


def test_an_overlap_cannot_be_made():
    with pytest.raises(ValueError, match='must not report'):
        Fold(frozenset({1, 2}), frozenset({2, 3}))
    for select, report in (((), (1,)), ((1,), ())):
        with pytest.raises(ValueError, match='needs images'):
            Fold(frozenset(select), frozenset(report))


def test_folds_share_no_image_and_cover_all():
    folds = make_folds(range(23))
    assert all(not fold.select & fold.report and fold.select | fold.report == set(range(23)) for fold in folds)
    assert sorted(image for fold in folds for image in fold.select) == list(range(23))
    assert [len(fold.select) for fold in folds] == [5, 5, 5, 4, 4]
    assert make_folds(range(23), seed=1) != folds == make_folds(reversed(range(23)))


def test_equal_pictures_stay_together():
    """Their content numbers are equal, so that a picture that is there twice is not on both sides."""
    assert make_folds([7, 7, 7, 1, 2, 3, 4]) == make_folds([1, 2, 3, 4, 7])
    with pytest.raises(UserError, match='too few'):
        make_folds([7, 7, 7, 7, 7, 1])


def test_the_report_is_of_other_images_than_the_choice():
    """The checkpoint that is best where it is chosen is worst where it is reported, and no image is looked at twice."""
    checkpoints = [
        Watched({1: score(1, 9), 2: score(9, 1), 3: score(9, 1)}),
        Watched({1: score(9, 1), 2: score(1, 9), 3: score(2, 8)}),
    ]
    chosen, reported = Fold(frozenset({1}), frozenset({2, 3})).judge(checkpoints)
    assert chosen == 1 and reported.segmentation.confusion[1].tolist() == [17, 3]
    assert checkpoints[0].looked_at == [1] and checkpoints[1].looked_at == [1, 2, 3]


def test_the_earliest_of_equal_checkpoints_is_chosen():
    chosen, _ = Fold(frozenset({1}), frozenset({2})).judge([{1: score(5, 5), 2: score(1, 1)}] * 3)
    assert chosen == 0
