"""LabelMe's JSON: a shape of type mask for each class, a point for each keypoint."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import OCCLUDED
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
from datasetgan_ext.formats.labelme import UNLABELED

VERSION = '5.5.0'
"""Of LabelMe, which has masks since 5.3."""


class LabelMeWriter(LabelWriter):
    """NAME.json beside the others, of the image IMAGE in `image_folder`."""

    name = 'labelme'
    image_folder = ''
    """Where LabelMe finds the images, from the JSON files' folder: empty, or a path that ends with a slash."""

    def _write(self, label: LabeledFile) -> None:
        shapes = [
            _shape(
                name,
                'mask',
                [
                    [window.left, window.top],
                    [window.left + window.bits.shape[1] - 1, window.top + window.bits.shape[0] - 1],
                ],
                mask=_png(window.bits),
            )
            for name, window in label.regions(self.task)
        ]
        shapes += [
            _shape(name, 'point', [[x, y]], flags={'occluded': True} if seen == OCCLUDED else {})
            for name, x, y, seen in label.points(self.task)
        ]
        height, width = label.image_hw
        content = {
            'version': VERSION,
            'flags': {},
            'shapes': shapes,
            'imagePath': f'{self.image_folder}{label.file_name}',
            'imageData': None,
            'imageHeight': height,
            'imageWidth': width,
        }
        if label.mask is not None:
            content[UNLABELED] = 'background'
        path = self.outdir / f'{label.name}.json'
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + '\n', encoding='utf-8')


def _shape(label: str, kind: str, points: list, mask: str | None = None, flags: dict | None = None) -> dict:
    return {
        'label': label,
        'points': points,
        'group_id': None,
        'description': '',
        'shape_type': kind,
        'flags': flags or {},
        'mask': mask,
    }


def _png(bits: np.ndarray) -> str:
    """Bool [h, w] as a PNG in base64."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(bits.astype(np.uint8) * 255).convert('1').save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode('ascii')
