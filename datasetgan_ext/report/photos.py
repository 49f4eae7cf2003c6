"""All that labels of photos show of themselves: preview.png and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.core.seeds import PHOTO
from datasetgan_ext.downstream.prediction import LabeledPhoto, Photo, PhotoLabeler, UndecidedPhoto
from datasetgan_ext.formats.folder import MANIFEST, Summary
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.interpreter.labeler import FoundKeypoints, LabeledSample
from datasetgan_ext.report.page import Words, write_report
from datasetgan_ext.report.preview import TILE, draw_preview
from datasetgan_ext.report.publish import PREVIEW_FILE, PREVIEW_SAMPLES, REPORT_FILE
from datasetgan_ext.report.strata import read_scores, stratify

PAPER = 245
"""Gray around a photo that does not fill its tile."""


def publish_photos(
    folder: Path, info: dict, summary: Summary, labeler: PhotoLabeler, paths: Mapping[int, Path]
) -> None:
    """Write preview and report.

    Args:
        folder: of the dataset; its manifest is finished.
        info: content of dataset.json, with the summary.
        summary: the same summary.
        labeler: labelled the photos, and labels those of the preview again.
        paths: of the photos by their ids.
    """
    rows = []
    for stratum, scores in stratify(read_scores(folder / MANIFEST), PREVIEW_SAMPLES).items():
        for score in scores:
            with labeler.same_sums():
                (found,) = labeler.label([Photo(score.id, paths[score.id])])
            if isinstance(found, UndecidedPhoto):  # it could be read a minute ago
                rows.append((fitted(found.decide()), stratum))
    if rows:
        draw_preview(folder / PREVIEW_FILE, rows, labeler.model.task)
    words = Words(
        title=f'Labels of photos by {info["sources"]["model"]}',
        samples='From the photo that the network is most certain of to the one that it is least certain of; below each '
        'picture its name and uncertainty.',
        uncertainty='How unsure the network is of what it found in a photo: the mean entropy of the pixels that it '
        'does not call background, as a share of the highest that can be (of a photo without such pixels, of its most '
        'uncertain tenth); of keypoints, the entropy of whether each is there.',
    )
    write_report(
        folder / REPORT_FILE, info, summary, folder / MANIFEST, lambda record: _pictures(folder, record), words
    )


def fitted(labeled: LabeledPhoto) -> LabeledSample:
    """A labelled photo as a square tile for the preview, in which photos of all shapes have their place."""
    height, width = labeled.image.shape[:2]
    factor = TILE / max(height, width)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    top, left = (TILE - size[0]) // 2, (TILE - size[1]) // 2

    def place(pixels: np.ndarray, resample: PIL.Image.Resampling, ground: float) -> np.ndarray:
        tile = np.full((TILE, TILE, *pixels.shape[2:]), ground, pixels.dtype)
        resized = PIL.Image.fromarray(pixels).resize(size[::-1], resample)
        tile[top : top + size[0], left : left + size[1]] = np.asarray(resized)
        return tile

    resampling = PIL.Image.Resampling
    keypoints = labeled.keypoints
    if keypoints is not None:
        keypoints = FoundKeypoints(
            points=keypoints.points * factor + np.array([left, top], dtype=np.float32),
            visibility=keypoints.visibility,
            confidence=keypoints.confidence,
            spread=np.zeros_like(keypoints.confidence),
        )
    mask = labeled.mask
    pixel_uncertainty = labeled.pixel_uncertainty
    if mask is not None:
        mask = place(np.where(mask == IGNORE, 0, mask).astype(np.uint8), resampling.NEAREST, 0)
        pixel_uncertainty = place(pixel_uncertainty.astype(np.float32), resampling.NEAREST, 0)
    return LabeledSample(
        id=labeled.id,
        name=str(labeled.id),
        image=place(labeled.image, resampling.BOX if factor < 1 else resampling.NEAREST, PAPER),
        mask=mask,
        uncertainty=labeled.uncertainty,
        pixel_uncertainty=pixel_uncertainty,
        keypoints=keypoints,
        mixing=None,
        id_name=PHOTO,
    )


def _pictures(folder: Path, record: dict) -> tuple[np.ndarray, np.ndarray | None]:
    """Image and mask of a record, small enough for the report's thumbnails."""
    image = read_rgb(folder / record['image'])
    mask = read_mask(folder / record['mask']) if 'mask' in record else None
    return image, None if mask is None else np.where(mask == IGNORE, 0, mask).astype(np.uint8)
