"""Masks as PNG files: in a folder of their own with keypoints.json beside them, or in VOC's folders."""

from __future__ import annotations

from pathlib import Path

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import flat_keypoints, keypoint_category
from datasetgan_ext.formats.coco_dataset import CocoFile
from datasetgan_ext.formats.folder import KEYPOINTS_FILE
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
from datasetgan_ext.formats.name_tables import voc_color
from datasetgan_ext.formats.png import write_mask
from datasetgan_ext.formats.voc import LABEL_MAP, MASKS, label_map_text


class PngWriter(LabelWriter):
    """NAME.png, whose value is the class id, in the class file's colours; and keypoints.json, as our page writes it."""

    name = 'png'

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self._keypoints = None
        if task.keypoints:
            self._keypoints = CocoFile(outdir / KEYPOINTS_FILE, [keypoint_category(task)], {})

    def _write(self, label: LabeledFile) -> None:
        if label.mask is not None:
            write_mask(self.outdir / f'{label.name}.png', label.mask, _palette(self.task))
        if self._keypoints is not None and label.keypoints is not None:
            annotation = {
                'category_id': 1,
                'iscrowd': 0,
                'keypoints': flat_keypoints(label.keypoints),
                'num_keypoints': int((label.keypoints.visibility > 0).sum()),
            }
            self._keypoints.add(label.file_name, label.image_hw, [annotation])

    def close(self) -> None:
        """Put keypoints.json together."""
        if self._keypoints is not None:
            self._keypoints.close()


class VocWriter(LabelWriter):
    """SegmentationClass/NAME.png and labelmap.txt, which names the colours. Keypoints have no place in it."""

    name = 'voc'

    def __init__(self, task: Task, outdir: Path):
        if not task.classes:
            raise UserError('`format`=voc holds masks, and there are keypoints alone; use coco')
        super().__init__(task, outdir)
        (outdir / MASKS).mkdir(exist_ok=True)
        (outdir / LABEL_MAP).write_text(label_map_text(task), encoding='utf-8')

    def _write(self, label: LabeledFile) -> None:
        if label.mask is not None:
            write_mask(self.outdir / MASKS / f'{label.name}.png', label.mask, _palette(self.task))


def _palette(task: Task) -> list[int]:
    """The class file's colours, and VOC's for what has no label."""
    colors = task.flat_palette
    return [*colors, *[0] * (3 * IGNORE - len(colors)), *voc_color(IGNORE)]
