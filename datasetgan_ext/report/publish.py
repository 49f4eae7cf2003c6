"""All that a finished dataset shows of itself: preview.png, report.html and README.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.seeds import sample_id
from datasetgan_ext.formats.folder import MANIFEST, Summary
from datasetgan_ext.formats.png import read_image, read_mask
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.report.card import write_card
from datasetgan_ext.report.page import write_report
from datasetgan_ext.report.preview import draw_preview
from datasetgan_ext.report.strata import read_by_hand, read_scores, stratify

PREVIEW_FILE = 'preview.png'
REPORT_FILE = 'report.html'
CARD_FILE = 'README.md'
PUBLISHED = (PREVIEW_FILE, REPORT_FILE, CARD_FILE)
PREVIEW_SAMPLES = 3
"""Of each stratum."""


def publish(folder: Path, info: dict, summary: Summary, *, labeler: Labeler, ids: Sequence[int]) -> None:
    """Write preview, report and card.

    Args:
        folder: of the dataset; its manifest is finished, and its files are there, if dropped samples have files.
        info: content of dataset.json, with the summary.
        summary: the same summary.
        labeler: made the samples, and makes those of the preview again.
        ids: of all samples, in their order.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    write_preview(folder, labeler)
    pictures = Pictures(folder, labeler, ids)
    write_report(folder / REPORT_FILE, info, summary, folder / MANIFEST, pictures)
    write_atomically(folder / CARD_FILE, write_card(info, summary).encode())


def write_preview(folder: Path, labeler: Labeler) -> None:
    """Draw a few samples of each stratum into preview.png."""
    manifest = folder / MANIFEST
    strata = stratify(read_scores(manifest), PREVIEW_SAMPLES, read_by_hand(manifest))
    shown = [(score.id, name) for name, part in strata.items() for score in part]
    with labeler.same_sums():
        samples = list(labeler(number for number, _ in shown))
    rows = [(sample, name) for sample, (_, name) in zip(samples, shown)]
    draw_preview(folder / PREVIEW_FILE, rows, labeler.interpreter.task)


class Pictures:
    """Image and mask of a record: from its files or, if these were deleted, made again to the same last bit."""

    def __init__(self, folder: Path, labeler: Labeler, ids: Sequence[int]):
        """See `publish`."""
        self._folder = folder
        self._labeler = labeler
        self._ids = ids

    def __call__(self, record: dict) -> tuple[np.ndarray, np.ndarray | None]:
        """Image, uint8 [H, W, C], and mask, uint8 [H, W] or None."""
        files = {kind: self._folder / record[kind] for kind in ('image', 'mask') if kind in record}
        if all(path.is_file() for path in files.values()):
            return read_image(files['image']), read_mask(files['mask']) if 'mask' in files else None
        wanted = sample_id(record)
        batch = self._labeler.batch
        start = self._ids.index(wanted) // batch * batch
        with self._labeler.same_sums():
            samples = self._labeler.label(list(self._ids[start : start + batch]))
        (sample,) = (sample for sample in samples if sample.id == wanted)
        return sample.image, sample.mask
