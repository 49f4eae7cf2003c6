"""Contents of LabelMe's files, as its own writer has them (labelme/_label_file.py, _utils/_shape.py)."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image


def shape(label, kind, points, **more) -> dict:
    return {
        'label': label,
        'points': points,
        'group_id': None,
        'description': '',
        'shape_type': kind,
        'flags': {},
        'mask': None,
        **more,
    }


def labelme(*shapes, **changes) -> dict:
    return {
        'version': '5.8.1',
        'flags': {},
        'shapes': list(shapes),
        'imagePath': '../images/seed0000003.png',
        'imageData': None,
        'imageHeight': 5,
        'imageWidth': 6,
        **changes,
    }


def png(bits) -> str:
    file = io.BytesIO()
    PIL.Image.fromarray(np.array(bits, bool)).save(file, format='PNG')
    return base64.b64encode(file.getvalue()).decode()


CAR = shape('car', 'polygon', [[1.0, 2.0], [4.0, 2.0], [4.0, 4.0], [1.0, 4.0]])
