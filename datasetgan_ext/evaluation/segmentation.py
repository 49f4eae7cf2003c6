"""Scores of predicted masks against true ones."""
from __future__ import annotations

import numpy as np

from datasetgan_ext.labels.annotation import IGNORE


class SegmentationScore:
    """Intersection over union per class and pixel accuracy, summed over all images in one confusion matrix.

    A class that neither the true nor the predicted masks hold has no IoU (nan) and does not count in the mean.
    """

    def __init__(self, class_count: int):
        self.confusion = np.zeros((class_count, class_count), dtype=np.int64)

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Count an image.

        Args:
            true: uint8 [H, W], class ids; pixels of value IGNORE do not count.
            predicted: uint8 [H, W], class ids.
        """
        labelled = true != IGNORE
        np.add.at(self.confusion, (true[labelled], predicted[labelled]), 1)

    @property
    def iou(self) -> np.ndarray:
        """float64 [K], in 0..1 or nan."""
        hit = np.diag(self.confusion)
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - hit
        return np.where(union > 0, hit / np.maximum(union, 1), np.nan)

    @property
    def mean_iou(self) -> float:
        return float(np.nanmean(self.iou))

    @property
    def pixel_accuracy(self) -> float:
        return float(np.diag(self.confusion).sum() / self.confusion.sum())

    def to_json(self, classes: tuple[str, ...]) -> dict:
        """mIoU, accuracy and IoU by class name (None for an absent class)."""
        return {'mean_iou': self.mean_iou, 'pixel_accuracy': self.pixel_accuracy,
                'iou': {name: None if np.isnan(iou) else float(iou) for name, iou in zip(classes, self.iou)}}

    def table(self, classes: tuple[str, ...]) -> str:
        """A line per class, then the mean and the accuracy, in per cent."""
        width = max(map(len, (*classes, 'pixel accuracy')))
        lines = [f'{name:{width}}  {"absent" if np.isnan(iou) else f"{100 * iou:6.2f}"}'
                 for name, iou in zip(classes, self.iou)]
        return '\n'.join([*lines, f'{"mIoU":{width}}  {100 * self.mean_iou:6.2f}',
                          f'{"pixel accuracy":{width}}  {100 * self.pixel_accuracy:6.2f}'])
