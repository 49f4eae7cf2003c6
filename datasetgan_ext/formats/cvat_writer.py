"""CVAT's XML, "CVAT for images 1.1": a mask for each class, points for each keypoint; and the task's labels.

`labels.json` is what CVAT's constructor of labels takes under "Raw".
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

from datasetgan_ext.core.annotation import OCCLUDED
from datasetgan_ext.core.palette import spread_colors
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.cvat import FILE, UNLABELED
from datasetgan_ext.formats.drawing import IGNORE_LABEL
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter

LABELS_FILE = 'labels.json'


class CvatWriter(LabelWriter):
    """annotations.xml, to be uploaded into a task that has images of these names."""

    name = 'cvat'

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self.subset = ''
        """Of the images that are added from now on."""
        self._ignored = False
        self._count = 0
        self._file = (outdir / FILE).open('w', encoding='utf-8')
        unlabeled = f'<meta><{UNLABELED}>background</{UNLABELED}></meta>\n' if task.classes else ''
        self._file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n{unlabeled}')

    def _write(self, label: LabeledFile) -> None:
        height, width = label.image_hw
        attributes = {'id': self._count, 'name': label.file_name, 'width': width, 'height': height}
        if self.subset:
            attributes['subset'] = self.subset
        self._count += 1
        self._file.write(f'<image {_joined(attributes)}>\n')
        for name, window in label.regions(self.task):
            self._ignored |= name == IGNORE_LABEL
            mask = {
                'label': name,
                'source': 'auto',
                'occluded': 0,
                'rle': ', '.join(map(str, window.runs())),
                'left': window.left,
                'top': window.top,
                'width': window.bits.shape[1],
                'height': window.bits.shape[0],
                'z_order': 0,
            }
            self._file.write(f'<mask {_joined(mask)}></mask>\n')
        for name, x, y, seen in label.points(self.task):
            points = {
                'label': name,
                'source': 'auto',
                'occluded': int(seen == OCCLUDED),
                'points': f'{x:.2f},{y:.2f}',
                'z_order': 1,
            }
            self._file.write(f'<points {_joined(points)}></points>\n')
        self._file.write('</image>\n')

    def close(self) -> None:
        """Finish the XML, and write the labels."""
        self._file.write('</annotations>\n')
        self._file.close()
        names = [*self.task.classes[1:], *([IGNORE_LABEL] if self._ignored else []), *self.task.keypoints]
        colors = dict(zip(self.task.classes, self.task.palette))
        others = iter(spread_colors(len(self.task.classes) + len(names) + 1)[len(self.task.classes) + 1 :])
        labels = [
            {
                'name': name,
                'color': '#{:02x}{:02x}{:02x}'.format(*(colors[name] if name in colors else next(others))),
                'type': 'points' if name in self.task.keypoints else 'any',
                'attributes': [],
            }
            for name in names
        ]
        (self.outdir / LABELS_FILE).write_text(
            json.dumps(labels, ensure_ascii=False, indent=1) + '\n', encoding='utf-8'
        )


def _joined(attributes: dict) -> str:
    return ' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())
