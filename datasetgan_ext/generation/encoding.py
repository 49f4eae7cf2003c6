"""What bytes a sample becomes: its files, and its line of the manifest."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, object_box
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import projected_name, sample_id, sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import flat_keypoints
from datasetgan_ext.formats.png import COMPRESSION, png_bytes, write_image, write_mask
from datasetgan_ext.interpreter.labeler import LabeledSample

HALVED = 'batch'
"""In a record: how many images its forward pass had, where the GPU's memory was too small for the run's batch."""


@dataclass
class Encoded:
    """A sample as it is written.

    Attributes:
        record: its line of the manifest, all but `kept`.
        files: the content of its files, by their path in the dataset's folder.
    """

    record: dict
    files: dict[str, bytes]


@dataclass(frozen=True)
class Encoder:
    """Turns samples into bytes. It needs no disk, so that another process or machine can do it.

    Attributes:
        task: names and colours of the classes.
        compression: of the PNG files, 0 (none) to 9 (slow).
    """

    task: Task
    compression: int = COMPRESSION

    def __call__(self, sample: LabeledSample) -> Encoded:
        """What is to be written of a sample.

        Raises:
            UserError: network or interpreter gave no numbers for it.
        """
        if sample.uncertainty is not None and not math.isfinite(sample.uncertainty):
            raise UserError(
                f'`interpreter`: the uncertainty of {sample.name} is {sample.uncertainty}: network or interpreter '
                'have weights that are no numbers, or too large; train the interpreter anew, or take another checkpoint'
            )
        names = {'image': f'images/{sample.name}.png'}
        contents = {'image': png_bytes(write_image, sample.image, self.compression)}
        pixels_per_class = []
        if sample.mask is not None:
            names['mask'] = f'masks/{sample.name}.png'
            contents['mask'] = png_bytes(write_mask, sample.mask, self.task.flat_palette, self.compression)
            labeled = sample.mask[sample.mask != IGNORE]
            pixels_per_class = np.bincount(labeled, minlength=len(self.task.classes)).tolist()
        record = {sample.id_name: sample.id, **names}
        if sample.mixing is not None:
            record['mixed_with'] = sample.mixing.seed
            record['mixed_from_w'] = sample.mixing.first_w
        if sample.step is not None:
            record['more_of'] = sample.step.name
            record['step'] = sample.step.length
        if sample.halved_batch is not None:
            record[HALVED] = sample.halved_batch
        if sample.labels is not None:
            record['labels'] = sample.labels
        record['uncertainty'] = None if sample.uncertainty is None else round(sample.uncertainty, 6)
        record['pixels_per_class'] = pixels_per_class
        if sample.keypoints is not None:
            record |= _keypoint_record(sample)
        for kind, content in contents.items():
            record[f'{kind}_sha256'] = hashlib.sha256(content).hexdigest()
        return Encoded(record, {names[kind]: contents[kind] for kind in names})

    def is_own(self, record: dict) -> bool:
        """Whether a manifest's record is one that this encoder could have made."""
        known = (sample_name(sample_id(record)), projected_name(sample_id(record)))
        classes, keypoints = len(self.task.classes), len(self.task.keypoints)
        return (
            record['image'] in [f'images/{name}.png' for name in known]
            and record.get('mask') == (record['image'].replace('images/', 'masks/') if classes else None)
            and len(record['pixels_per_class']) == classes
            and len(record.get('keypoints', [])) == 3 * keypoints
        )


def _keypoint_record(sample: LabeledSample) -> dict:
    """Keypoints as COCO has them, and the object's box (x, y, width, height)."""
    found = sample.keypoints
    low, high = object_box(sample.mask, found.points[found.visibility != ABSENT])
    box = [*low.tolist(), *(high - low).tolist()]
    return {
        'keypoints': flat_keypoints(found),
        'keypoint_confidence': [round(value, 4) for value in found.confidence.tolist()],
        'keypoint_spread': [round(value, 3) for value in found.spread.tolist()],
        'box': [round(value, 2) for value in box],
    }
