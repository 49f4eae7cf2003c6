"""Scores of predicted keypoints against true ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, Keypoints, object_box

PAPER_SIDE = 512
"""Longer side of the images of DatasetGAN's keypoint experiments; its thresholds are pixels of those."""
PAPER_PIXELS = (5, 10, 15, 25)
OBJECT_SHARE = 0.1


class KeypointScore:
    """Distances between true and predicted keypoints, and whether absent ones are called so.

    A keypoint that is there but was called absent counts as missed at every threshold of PCK; the distances are those
    of the keypoints that are there and were found. Absent keypoints count in neither.
    """

    def __init__(self, image_hw: tuple[int, int]):
        self.side = max(image_hw)
        self._distances: list[float] = []
        self._object_sides: list[float] = []
        self.absent = 0
        self.absent_called_absent = 0
        self._heatmap_errors: list[float] = []

    def add(self, true: Keypoints, predicted: Keypoints, mask: np.ndarray | None = None) -> None:
        """Count an image.

        Args:
            true, predicted: of the image.
            mask: uint8 [H, W], true class ids; the object's size is the longer side of the box of all that is not
                background or, without a mask, of the true keypoints.
        """
        there = true.visibility != ABSENT
        called = predicted.visibility != ABSENT
        self.absent += int((~there).sum())
        self.absent_called_absent += int((~there & ~called).sum())
        distances = np.linalg.norm(true.points - predicted.points, axis=1)
        self._distances += np.where(called, distances, np.inf)[there].tolist()
        object_side = float(np.ptp(object_box(mask, true.points[there]), axis=0).max())
        self._object_sides += int(there.sum()) * [object_side]

    def add_heatmaps(self, errors: np.ndarray) -> None:
        """Count mean squared errors of heatmaps, float [J]; nan where there is no true one."""
        self._heatmap_errors += errors[~np.isnan(errors)].tolist()

    @classmethod
    def merged(cls, scores: Iterable[KeypointScore]) -> KeypointScore:
        """The score of all images that were counted in any of `scores`: images of one size; there is one at least."""
        scores = list(scores)
        merged = cls((scores[0].side, scores[0].side))
        for score in scores:
            merged._distances += score._distances
            merged._object_sides += score._object_sides
            merged.absent += score.absent
            merged.absent_called_absent += score.absent_called_absent
            merged._heatmap_errors += score._heatmap_errors
        return merged

    @property
    def found(self) -> np.ndarray:
        """float64 [F], distances in pixels of the keypoints that are there and were found."""
        return np.array([distance for distance in self._distances if np.isfinite(distance)])

    def pck(self, pixels: float) -> float:
        """Share of the keypoints that were found within so many pixels."""
        return float(np.mean(np.array(self._distances) <= pixels)) if self._distances else float('nan')

    @property
    def pck_by_object(self) -> float:
        """The same within a tenth of the longer side of the object."""
        if not self._distances:
            return float('nan')
        return float(np.mean(np.array(self._distances) <= OBJECT_SHARE * np.array(self._object_sides)))

    @property
    def heatmap_mse(self) -> float:
        """Mean over heatmaps and pixels of the squared error; nan if no heatmap was counted."""
        return float(np.mean(self._heatmap_errors)) if self._heatmap_errors else float('nan')

    def to_json(self) -> dict:
        """All figures. `l2` is the mean squared distance in units of the image's longer side, of the keypoints found;
        `heatmap_mse` is there if heatmaps were counted, and is the paper's L2 as far as one can tell;
        `pck_at_*_of_512` has the paper's thresholds, scaled to these images."""
        found = self.found
        heatmaps = {'heatmap_mse': self.heatmap_mse} if self._heatmap_errors else {}
        return {
            **heatmaps,
            'keypoints': len(self._distances),
            'found': len(found),
            'absent': self.absent,
            'absent_called_absent': self.absent_called_absent,
            'mean_error_px': float(found.mean()) if len(found) else None,
            'l2': float(np.square(found / self.side).mean()) if len(found) else None,
            **{
                f'pck_at_{pixels}_of_{PAPER_SIDE}': self.pck(pixels * self.side / PAPER_SIDE) for pixels in PAPER_PIXELS
            },
            'pck_at_2_of_64': self.pck(2 * self.side / 64),
            'pck_at_a_tenth_of_the_object': self.pck_by_object,
        }

    def table(self) -> str:
        """The figures as lines of text."""
        score = self.to_json()
        rows = [
            ('mean error, pixels', f'{score["mean_error_px"]:.3f}' if self.found.size else 'none found'),
            ('mean squared distance, of the side', f'{score["l2"]:.2e}' if self.found.size else 'none found'),
        ]
        if self._heatmap_errors:
            rows.append(('heatmaps, mean squared error', f'{score["heatmap_mse"]:.2e}'))
        rows += [
            (f'PCK within {pixels} of {PAPER_SIDE} pixels', f'{100 * score[f"pck_at_{pixels}_of_{PAPER_SIDE}"]:.2f}')
            for pixels in PAPER_PIXELS
        ]
        rows += [
            ('PCK within 2 of 64 pixels', f'{100 * score["pck_at_2_of_64"]:.2f}'),
            ('PCK within a tenth of the object', f'{100 * score["pck_at_a_tenth_of_the_object"]:.2f}'),
            ('present keypoints found', f'{score["found"]} of {score["keypoints"]}'),
            ('absent keypoints called absent', f'{score["absent_called_absent"]} of {score["absent"]}'),
        ]
        width = max(len(name) for name, _ in rows)
        return '\n'.join(f'{name:{width}}  {value}' for name, value in rows)
