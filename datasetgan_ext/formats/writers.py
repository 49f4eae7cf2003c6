"""The label formats that are written, by name: for labelled photos of any sizes, as a tool's import takes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco_dataset import CocoWriter
from datasetgan_ext.formats.cvat import CvatWriter
from datasetgan_ext.formats.label_studio import LabelStudioWriter
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
from datasetgan_ext.formats.labelme import LabelMeWriter
from datasetgan_ext.formats.mask_writer import PngWriter, VocWriter

WRITERS: dict[str, type[LabelWriter]] = {
    kind.name: kind for kind in (PngWriter, LabelMeWriter, CocoWriter, CvatWriter, LabelStudioWriter, VocWriter)
}


def write_annotations(labels: Iterable[LabeledFile], task: Task, outdir: Path, label_format: str = 'png') -> int:
    """Write labels in the format of a labelling tool.

    Args:
        labels: file name, height and width, mask and keypoints of each image; tuples of these four do as well. They
            are gone through once.
        task: what they are of.
        outdir: a folder; it is made if it is not there. Files in it of the same names are replaced.
        label_format: one of WRITERS. Masks are exact in all of them (in COCO, as pycocotools reads polygons).

    Returns:
        The number of images.

    Raises:
        UserError: there is no such format, it cannot hold the labels, or two images have one name.
    """
    if label_format not in WRITERS:
        raise UserError(f'`format`={label_format}: no such format of labels; there are {", ".join(WRITERS)}')
    outdir.mkdir(parents=True, exist_ok=True)
    writer = WRITERS[label_format](task, outdir)
    count = 0
    try:
        for label in labels:
            writer.add(LabeledFile(*label))
            count += 1
    finally:
        writer.close()
    return count
