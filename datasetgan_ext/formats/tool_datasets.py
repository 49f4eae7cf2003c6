"""Datasets as labelling tools import them: to look at generated labels there, and to correct them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import Keypoints
from datasetgan_ext.formats.cvat import CvatWriter
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress
from datasetgan_ext.formats.label_studio import LabelStudioWriter
from datasetgan_ext.formats.label_writer import LabeledFile
from datasetgan_ext.formats.labelme import LabelMeWriter

IMAGES = 'images'


@dataclass(frozen=True)
class LabelMe(Conversion):
    """`train/` and `val/`: images, and NAME.json beside each, where LabelMe looks for it."""

    name = 'labelme'
    files = ('{part}/{name}.{image}', '{part}/{name}.json')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        for split in (TRAIN, VAL):
            (outdir / split).mkdir()
            writer = LabelMeWriter(dataset.task, outdir / split)
            for label in _copied(dataset, self.val, split, outdir / split, progress):
                writer.add(label)
            writer.close()


@dataclass(frozen=True)
class Cvat(Conversion):
    """`images/`, `annotations.xml` ("CVAT for images 1.1"), in which the split is the subset, and `labels.json`."""

    name = 'cvat'
    files = ('images/{name}.{image}', 'annotations.xml', 'labels.json')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        (outdir / IMAGES).mkdir()
        writer = CvatWriter(dataset.task, outdir)
        for split in (TRAIN, VAL):
            writer.subset = split
            for label in _copied(dataset, self.val, split, outdir / IMAGES, progress):
                writer.add(label)
        writer.close()


@dataclass(frozen=True)
class LabelStudio(Conversion):
    """`images/{train,val}/`, and tasks with predictions for each split, to be imported; `interface.xml` beside them.

    The tasks look for the images below the folder that Label Studio serves files from (its
    LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT): that is `outdir`.
    """

    name = 'label-studio'
    files = ('images/{part}/{name}.{image}', '{part}/{part}.json', '{part}/interface.xml')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        for split in (TRAIN, VAL):
            images = outdir / IMAGES / split
            images.mkdir(parents=True)
            (outdir / split).mkdir()
            writer = LabelStudioWriter(dataset.task, outdir / split)
            writer.address = f'{LabelStudioWriter.address}{IMAGES}/{split}/'
            for label in _copied(dataset, self.val, split, images, progress):
                writer.add(label)
            writer.close()


def _copied(dataset: FolderDataset, val: float, split: str, images: Path, progress: Progress) -> Iterator[LabeledFile]:
    """The labels of each kept sample of a split, whose image is copied into a folder."""
    for record in progress(dataset.kept(val, split)):
        file = dataset.copy_image(record, images)
        mask = dataset.mask(record) if 'mask' in record else None
        keypoints = None
        if 'keypoints' in record:
            triples = np.reshape(np.asarray(record['keypoints'], dtype=np.float32), (-1, 3))
            keypoints = Keypoints(triples[:, :2], triples[:, 2].astype(np.uint8))
        yield LabeledFile(file, dataset.hw_of(record), mask, keypoints)
