"""Scores of predicted masks against true ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.metrics.boundary import boundary_f


class SegmentationScore:
    """Intersection over union per class and pixel accuracy, summed over all images in one confusion matrix; and the
    boundary F-score of each class, averaged over the images in which it has a boundary.

    A class that neither the true nor the predicted masks hold has no score (nan) and does not count in the means.
    """

    def __init__(self, class_count: int):
        self.confusion = np.zeros((class_count, class_count), dtype=np.int64)
        self._boundary_sum = np.zeros(class_count)
        self._boundary_images = np.zeros(class_count, dtype=np.int64)

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Count an image.

        Args:
            true: uint8 [H, W], class ids; pixels of value IGNORE do not count.
            predicted: uint8 [H, W], class ids.
        """
        labeled = true != IGNORE
        np.add.at(self.confusion, (true[labeled], predicted[labeled]), 1)
        boundary = boundary_f(true, predicted, len(self.confusion))
        self._boundary_sum += np.nan_to_num(boundary)
        self._boundary_images += ~np.isnan(boundary)

    @classmethod
    def merged(cls, scores: Iterable[SegmentationScore]) -> SegmentationScore:
        """The score of all images that were counted in any of `scores`, of which there is one at least."""
        scores = list(scores)
        merged = cls(len(scores[0].confusion))
        for score in scores:
            merged.confusion += score.confusion
            merged._boundary_sum += score._boundary_sum
            merged._boundary_images += score._boundary_images
        return merged

    @property
    def iou(self) -> np.ndarray:
        """float64 [K], in 0..1 or nan."""
        hit = np.diag(self.confusion)
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - hit
        return np.where(union > 0, hit / np.maximum(union, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        return _mean(self.iou)

    @property
    def pixel_accuracy(self) -> float:
        return float(np.diag(self.confusion).sum() / max(1, self.confusion.sum()))

    @property
    def boundary_f(self) -> np.ndarray:
        """float64 [K], in 0..1 or nan."""
        return np.where(self._boundary_images > 0, self._boundary_sum / np.maximum(self._boundary_images, 1), np.nan)

    @property
    def mean_boundary_f(self) -> float:
        return _mean(self.boundary_f)

    def to_json(self, classes: tuple[str, ...]) -> dict:
        """Means, accuracy, IoU and boundary F-score by class name (None for an absent class), and the absent classes.
        A mean of nothing is None."""
        iou = {name: _number(value) for name, value in zip(classes, self.iou)}
        boundary = {name: _number(value) for name, value in zip(classes, self.boundary_f)}
        return {
            'mean_iou': _number(self.mean_iou),
            'pixel_accuracy': self.pixel_accuracy,
            'mean_boundary_f': _number(self.mean_boundary_f),
            'iou': iou,
            'boundary_f': boundary,
            'absent_classes': [name for name, value in iou.items() if value is None],
        }

    def table(self, classes: tuple[str, ...]) -> str:
        """A line per class, then the means and the accuracy, in per cent: IoU and boundary F-score."""
        width = max(map(len, (*classes, 'pixel accuracy')))
        lines = [f'{"":{width}}  {"IoU":>6}  {"boundary F":>10}']
        for name, iou, boundary in zip(classes, self.iou, self.boundary_f):
            if np.isnan(iou):
                lines.append(f'{name:{width}}  {"absent":>6}')
            else:
                lines.append(f'{name:{width}}  {_percent(iou, 6)}  {_percent(boundary, 10)}')
        means = f'{"mIoU":{width}}  {_percent(self.mean_iou, 6)}  {_percent(self.mean_boundary_f, 10)}'
        absent = int(np.isnan(self.iou).sum())
        if absent:
            means += f'  (mean of {len(classes) - absent} classes, {absent} absent)'
        lines.append(means)
        lines.append(f'{"pixel accuracy":{width}}  {_percent(self.pixel_accuracy, 6)}')
        return '\n'.join(lines)


def _mean(values: np.ndarray) -> float:
    """The mean of those that are not nan; nan where there are none."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else float('nan')


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _percent(value: float, width: int) -> str:
    return f'{"none":>{width}}' if np.isnan(value) else f'{100 * value:{width}.2f}'
