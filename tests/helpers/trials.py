"""Label files in the form in which people's tools write them, of one true mask and two keypoints; and how to read them.

The picture has 128 x 128 pixels. Every builder of shapes draws SHAPES, which cover the true mask to the pixel.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.hand_labels import read_labeled_samples
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions

SIDE = 128
NAMES = ('background', 'car', 'wheel', 'window')
COLORS = [(0, 0, 0), (220, 20, 60), (0, 120, 255), (255, 220, 0)]
KEYPOINTS = ('front wheel', 'rear wheel')
POINTS = ((37.5, 92.5, 2), (92.0, 91.5, 1))
"""x, y and visibility of the two."""
SEED0 = 'seed0000000'

BOXES = (('car', 20, 40, 108, 90), ('wheel', 30, 84, 46, 100), ('wheel', 84, 84, 100, 100), ('window', 40, 46, 90, 60))
"""Class, left, top, right and bottom, in the order in which they are drawn."""
SHAPES = [(label, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) for label, x0, y0, x1, y1 in BOXES]


def true_mask() -> np.ndarray:
    """uint8 [128, 128]."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for label, left, top, right, bottom in BOXES:
        mask[top:bottom, left:right] = NAMES.index(label)
    return mask


def text_classes(folder: Path, names=NAMES) -> Path:
    """A class file that gives no colours: those that the program makes up are for display only."""
    return write(folder / 'classes.txt', '\n'.join(names) + '\n')


def json_classes(folder: Path, names=NAMES, palette=None, keypoints=()) -> Path:
    """A class file in JSON; with a palette, masks may be in its colours."""
    content = {'classes': list(names)}
    if palette is not None:
        content['palette'] = [list(color) for color in palette]
    if keypoints:
        content['keypoints'] = list(keypoints)
    return write(folder / 'classes.json', content)


def write(path: Path, content: object, encoding: str = 'utf-8') -> Path:
    """Write text, bytes, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)
        path.write_text(text, encoding=encoding)
    return path


@dataclass
class Read:
    """What the readers made of a label file.

    Attributes:
        masks: uint8 [H, W] of each image that has one.
        keypoints: x, y and visibility of each keypoint, of each image that has some.
        said: everything that was logged, information and warnings.
        warned: the warnings alone.
    """

    masks: dict[str, np.ndarray]
    keypoints: dict[str, list[tuple[float, float, int]]]
    said: str
    warned: str


def sample_set(folder: Path, count: int = 1, names=None, image_hw=(SIDE, SIDE)) -> SampleSet:
    """Samples of which nothing is known but name and size; enough for reading and pairing."""
    names = names or [f'seed{seed:07d}.png' for seed in range(count)]
    samples = SampleSet(
        folder,
        'network.pkl',
        'f' * 64,
        SamplingOptions(trunc=0.7),
        image_hw,
        tuple(Sample(seed, f'images/{name}', '0' * 64, folder) for seed, name in enumerate(names)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    samples.write()
    return samples


def read(labels: Path | None, classes: Path, samples: SampleSet | None = None, **options) -> Read:
    """Read labels as `datasetgan train` and `check-labels` do: the one place where the tests call the package.

    Args:
        labels: file or folder.
        classes: class file.
        samples: that the labels are of; by default one, seed 0.
        options: of read_labeled_samples: keypoints, label_format, unlabeled, mask_values.
    """
    records = _Records()
    logger = logging.getLogger('datasetgan_ext')
    level = logger.level
    logger.addHandler(records)
    logger.setLevel(logging.INFO)
    try:
        task = Task.read(classes)
        samples = samples or sample_set(classes.parent / 'the samples')
        _, pairs = read_labeled_samples(samples, task, labels, options.pop('keypoints', None), **options)
    finally:
        logger.removeHandler(records)
        logger.setLevel(level)
    found = {sample.name: annotation for sample, annotation in pairs}
    return Read(
        {name: one.mask for name, one in found.items() if one.mask is not None},
        {
            name: [
                (*point, seen) for point, seen in zip(one.keypoints.points.tolist(), one.keypoints.visibility.tolist())
            ]
            for name, one in found.items()
            if one.keypoints is not None
        },
        '\n'.join(records.texts),
        '\n'.join(text for text, warning in zip(records.texts, records.warnings) if warning),
    )


class _Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.texts, self.warnings = [], []

    def emit(self, record):
        self.texts.append(record.getMessage())
        self.warnings.append(record.levelno >= logging.WARNING)


def refusal(labels: Path | None, classes: Path, samples: SampleSet | None = None, **options) -> str:
    """The message of the UserError with which reading ends; nothing else may end it, nor may it succeed.

    The folder of the test is taken out, lest its name be found in place of what the message ought to say.
    """
    with pytest.raises(UserError) as error:
        read(labels, classes, samples, **options)
    return error.value.message.replace(str(classes.parent), '')


def told(labels: Path | None, classes: Path, samples: SampleSet | None = None, **options) -> str:
    """What a user gets to see: what was said, or the message of a refusal."""
    try:
        text = read(labels, classes, samples, **options).said
    except UserError as error:
        text = error.message
    return text.replace(str(classes.parent), '')


def names_all(text: str, *parts: str) -> None:
    """The text has every part, whatever the case of its letters; numbers stand alone; a part may list choices, a|b."""

    def is_there(part: str) -> bool:
        pattern = re.escape(part.casefold())
        return bool(re.search(rf'(?<!\d){pattern}(?!\d)' if part.isdigit() else pattern, text.casefold()))

    missing = [part for part in parts if not any(is_there(choice) for choice in part.split('|'))]
    assert not missing, f'{missing} not in: {text}'


def cases(names, failing=(), reason: str = '') -> list:
    """Parameters for pytest; those that fail today are expected to, and whoever mends one takes its name out."""
    failing = list(names) if failing == 'all' else list(failing)
    assert set(failing) <= set(names), f'{set(failing) - set(names)} are no cases'
    return [pytest.param(name, id=name, marks=fails_today(reason) if name in failing else ()) for name in names]


def fails_today(reason: str) -> pytest.MarkDecorator:
    """Mark of a kind that is not read, or not refused, as it ought to be; `reason` says what happens."""
    return pytest.mark.xfail(strict=True, reason=reason)


def labelme(shapes=SHAPES, image: str | None = f'{SEED0}.png', points=(), **changes) -> dict:
    """As LabelMe 5 and 7 write it."""
    content = {
        'version': '5.5.0',
        'flags': {},
        'shapes': [labelme_shape(label, corners) for label, corners in shapes]
        + [labelme_shape(name, [list(xy)], 'point') for name, xy in points],
        'imagePath': image,
        'imageData': None,
        'imageHeight': SIDE,
        'imageWidth': SIDE,
    }
    return content | changes


def labelme_shape(label: str, points: list, kind: str = 'polygon', **changes) -> dict:
    shape = {
        'label': label,
        'points': points,
        'group_id': None,
        'description': '',
        'shape_type': kind,
        'flags': {},
        'mask': None,
    }
    return shape | changes


def old_labelme(image: str = f'{SEED0}.png') -> dict:
    """As LabelMe 2 and 3 wrote it: no shape_type, no size, colours of lines."""
    return {
        'flags': {},
        'shapes': [
            {'label': label, 'line_color': None, 'fill_color': None, 'points': corners} for label, corners in SHAPES
        ],
        'lineColor': [0, 255, 0, 128],
        'fillColor': [255, 0, 0, 128],
        'imagePath': image,
        'imageData': image_data(),
    }


def image_data() -> str:
    """The picture itself, in base64, which LabelMe puts into its files."""
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (SIDE, SIDE)).save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode('ascii')


def xanylabeling(shapes=SHAPES, kind: str = 'polygon', image: str = f'{SEED0}.png', **changes) -> dict:
    """As X-AnyLabeling 2 and 3 write it; its rectangles have four corners, its rotated boxes are of kind rotation."""
    content = {
        'version': '2.5.4',
        'flags': {},
        'checked': False,
        'shapes': [
            {
                'label': label,
                'score': None,
                'points': corners,
                'group_id': None,
                'description': '',
                'difficult': False,
                'shape_type': kind,
                'flags': {},
                'attributes': {},
                'kie_linking': [],
                **({'direction': 0.0} if kind == 'rotation' else {}),
            }
            for label, corners in shapes
        ],
        'imagePath': image,
        'imageData': None,
        'imageHeight': SIDE,
        'imageWidth': SIDE,
        'description': '',
    }
    return content | changes


def coco(segmentations: list | None = None, image: str = f'{SEED0}.png', image_changes=(), **changes) -> dict:
    """As the COCO data format page has it: an annotation for each of SHAPES."""
    ids = {'car': 17, 'wheel': 3, 'window': 90}
    if segmentations is None:
        segmentations = [[flat(corners)] for _, corners in SHAPES]
    annotations = [
        {
            'id': number,
            'image_id': 5,
            'category_id': ids[label],
            'iscrowd': 0,
            'area': (box[2] - box[0]) * (box[3] - box[1]),
            'bbox': [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            'segmentation': segmentation,
        }
        for number, ((label, *box), segmentation) in enumerate(zip(BOXES, segmentations), 1)
    ]
    picture = {'id': 5, 'file_name': image, 'height': SIDE, 'width': SIDE} | dict(image_changes)
    content = {
        'info': {},
        'licenses': [],
        'images': [{key: value for key, value in picture.items() if value is not None}],
        'categories': [{'id': number, 'name': name, 'supercategory': ''} for name, number in ids.items()],
        'annotations': annotations,
    }
    return content | changes


def coco_keypoints(names: tuple | None = KEYPOINTS, points=POINTS, segmentation: bool = True) -> dict:
    """One car with keypoints; names None: a category that lists none, as FiftyOne's exporter writes it."""
    category = {'id': 1, 'name': 'car'} | ({} if names is None else {'keypoints': list(names), 'skeleton': []})
    annotation = {
        'id': 1,
        'image_id': 5,
        'category_id': 1,
        'iscrowd': 0,
        'keypoints': [value for point in points for value in point],
        'num_keypoints': len(points),
    }
    if segmentation:
        annotation['segmentation'] = [flat(SHAPES[0][1])]
    return coco(categories=[category], annotations=[annotation])


def flat(corners: list) -> list:
    return [value for corner in corners for value in corner]


def runs(bits: np.ndarray) -> dict:
    """COCO's uncompressed runs, column by column, unset first."""
    values = bits.T.reshape(-1).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], values]))).tolist()
    return {'size': list(bits.shape), 'counts': np.diff([0, *edges, values.size]).tolist()}


def cvat(elements: list[str] | None = None, image: str = f'{SEED0}.png', images: list | None = None) -> str:
    """CVAT for images 1.1; `images` are (name, elements)."""
    if elements is None:
        elements = [
            f'<polygon label="{label}" source="manual" occluded="0" points="'
            + ';'.join(f'{x:.2f},{y:.2f}' for x, y in corners)
            + '" z_order="0"></polygon>'
            for label, corners in SHAPES
        ]
    pictures = ''.join(
        f'<image id="{number}" name="{name}" width="{SIDE}" height="{SIDE}">{"".join(inside)}</image>'
        for number, (name, inside) in enumerate(images or [(image, elements)])
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><id>1</id>'
        f'<name>cars</name></task></meta>{pictures}</annotations>\n'
    )


def label_studio(results: list | None = None, image: str = f'/data/upload/1/3f2a1b4c-{SEED0}.png') -> list:
    """The "JSON" export, one task."""
    if results is None:
        results = [label_studio_polygon(label, corners) for label, corners in SHAPES]
    return [
        {
            'id': 1,
            'annotations': [{'id': 1, 'completed_by': 1, 'was_cancelled': False, 'result': results}],
            'file_upload': image.rsplit('/', 1)[-1],
            'data': {'image': image},
            'predictions': [],
        }
    ]


def label_studio_polygon(label: str, corners: list, **changes) -> dict:
    result = {
        'original_width': SIDE,
        'original_height': SIDE,
        'image_rotation': 0,
        'value': {
            'points': [[100 * x / SIDE, 100 * y / SIDE] for x, y in corners],
            'closed': True,
            'polygonlabels': [label],
        },
        'id': 'aB3_x',
        'from_name': 'label',
        'to_name': 'image',
        'type': 'polygonlabels',
        'origin': 'manual',
    }
    return result | changes


def png_bits(bits: np.ndarray, compressed: bool = False) -> str:
    """A bitmap as PNG in base64, as LabelMe has it; deflated once more, as Supervisely has it."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(bits.astype(np.uint8) * 255).convert('1').save(buffer, format='PNG')
    data = buffer.getvalue()
    return base64.b64encode(zlib.compress(data) if compressed else data).decode('ascii')
