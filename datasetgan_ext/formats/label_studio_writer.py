"""Label Studio's tasks with predictions: a brush for each class, a keypoint for each; and the labelling interface.

`tasks.json` is what "Import" takes, `interface.xml` is the code of the labelling interface. Label Studio has no hidden
keypoints: those are written as the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.drawing import IGNORE_LABEL
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter

TASKS_FILE, INTERFACE_FILE = 'tasks.json', 'interface.xml'
LENGTH_BITS = (3, 4, 8, 16)
"""Widths of the lengths in a brush's stream."""
POINT_WIDTH = 0.5
"""Of a keypoint on the screen, in per cent of the image's width."""


class LabelStudioWriter(LabelWriter):
    """tasks.json; the images are where `address` says, as Label Studio serves files of its own disk."""

    name = 'label-studio'
    address = '/data/local-files/?d='

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self._ignored = False
        self._file = (outdir / TASKS_FILE).open('w', encoding='utf-8')
        self._file.write('[')

    def _write(self, label: LabeledFile) -> None:
        results = list(self._results(label))
        content = {
            'data': {'image': f'{self.address}{quote(label.file_name)}'},
            'predictions': [{'model_version': 'datasetgan', 'result': results}],
        }
        self._file.write(',\n' if len(self._files) > 1 else '\n')
        self._file.write(json.dumps(content, ensure_ascii=False))

    def _results(self, label: LabeledFile) -> Iterator[dict]:
        height, width = label.image_hw
        for number, (name, window) in enumerate(label.regions(self.task)):
            self._ignored |= name == IGNORE_LABEL
            bits = np.zeros(label.image_hw, dtype=bool)
            rows, columns = window.bits.shape
            bits[window.top : window.top + rows, window.left : window.left + columns] = window.bits
            value = {'format': 'rle', 'rle': brush_stream(bits)}
            yield _result('brush', 'brushlabels', name, f'region{number}', label.image_hw, value)
        for number, (name, x, y, _) in enumerate(label.points(self.task)):
            value = {'x': 100 * x / width, 'y': 100 * y / height, 'width': POINT_WIDTH}
            yield _result('point', 'keypointlabels', name, f'point{number}', label.image_hw, value)

    def close(self) -> None:
        """Finish the list of tasks, and write the interface."""
        self._file.write('\n]\n')
        self._file.close()
        classes = [*self.task.classes[1:], *([IGNORE_LABEL] if self._ignored else [])]
        colors = {
            name: '#{:02x}{:02x}{:02x}'.format(*color) for name, color in zip(self.task.classes, self.task.palette)
        }
        rows = ['<View>', '  <Image name="image" value="$image" zoom="true"/>']
        for tag, name, labels in (
            ('BrushLabels', 'brush', classes),
            ('KeyPointLabels', 'point', self.task.keypoints),
        ):
            if labels:
                rows.append(f'  <{tag} name="{name}" toName="image">')
                for label in labels:
                    color = f' background="{colors[label]}"' if label in colors else ''
                    rows.append(f'    <Label value={quoteattr(label)}{color}/>')
                rows.append(f'  </{tag}>')
        rows.append('</View>')
        (self.outdir / INTERFACE_FILE).write_text('\n'.join(rows) + '\n', encoding='utf-8')


def _result(control: str, kind: str, label: str, number: str, image_hw: tuple[int, int], value: dict) -> dict:
    height, width = image_hw
    return {
        'id': number,
        'type': kind,
        'from_name': control,
        'to_name': 'image',
        'original_width': width,
        'original_height': height,
        'image_rotation': 0,
        'value': {**value, kind: [label]},
    }


def brush_stream(bits: np.ndarray) -> list[int]:
    """The bytes of a brush that painted bool [H, W]: what `label_studio.brush_bits` reads, and describes."""
    flat = bits.reshape(-1)
    starts = np.flatnonzero(np.diff(flat, prepend=~flat[:1])).tolist()
    parts = [f'{4 * flat.size:032b}{8 - 1:05b}', *(f'{size - 1:04b}' for size in LENGTH_BITS)]
    for start, end in zip(starts, [*starts[1:], flat.size]):
        value = f'{255 if flat[start] else 0:08b}'
        left = 4 * (end - start)  # red, green, blue and alpha of each pixel
        while left:
            length = min(left, 1 << LENGTH_BITS[-1])
            width = next(place for place, size in enumerate(LENGTH_BITS) if length <= 1 << size)
            parts.append(f'1{width:02b}{length - 1:0{LENGTH_BITS[width]}b}{value}')
            left -= length
    text = ''.join(parts)
    text += '0' * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, 'big'))
