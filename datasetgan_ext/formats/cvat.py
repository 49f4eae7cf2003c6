"""CVAT's XML, "CVAT for images 1.1".

The elements box, polygon, ellipse and mask of an image are regions of a class; points are keypoints, by themselves or
within a skeleton. Shapes are painted in the order of their z_order, then of the file.

Written: a mask for each class, points for each keypoint; and `labels.json`, which CVAT's constructor of labels takes
under "Raw".
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import defusedxml.ElementTree
import numpy as np

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.core.class_names import IGNORE_LABEL
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.palette import spread_colors
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, image_size, reading
from datasetgan_ext.formats.foreign import format_of_file
from datasetgan_ext.formats.label_writer import LabeledFile, LabelWriter
from datasetgan_ext.formats.shapes import MAX_SIDE, Bitmap, Ellipse, NoArea, Polygon, Region, ShapeError, bits_from_runs
from datasetgan_ext.formats.shapes import box as rectangle

PATHS = 'FILE.xml, or DIR with annotations.xml'
FILE = 'annotations.xml'
"""Name of the file in CVAT's exports."""
UNLABELED = 'unlabeled'
"""What a file of ours says, in its <meta>, of pixels in no shape; CVAT passes it over."""


def read(path: Path, argument: str = 'labels') -> Iterator[Drawing]:
    """The drawing of each image, in the order of the file.

    Raises:
        UserError: the file is not CVAT's for images, or not safe to read.
    """
    if path.is_dir():
        path = next((file for file in sorted(path.iterdir()) if file.name.lower() == FILE), path / FILE)
    root = read_xml(path, argument)
    if root.tag != 'annotations' or root.find('track') is not None:
        format_of_file(path, argument)  # refuses XML of other tools, and says whose it is
        what = 'holds tracks of a video' if root.tag == 'annotations' else f'holds <{root.tag}>'
        raise UserError(
            f'`{argument}`={path} {what}, not annotations of images; export it from CVAT as "CVAT for images 1.1"'
        )
    complete = root.findtext(f'meta/{UNLABELED}') == 'background'
    left_out: Counter[str] = Counter()
    for image in root.iter('image'):
        with reading(f'{path} image {image.get("name")}', 'CVAT'):
            drawing = Drawing(
                image_name(image.get('name'), str(path)), path, image=image.get('name', ''), complete=complete
            )
            if image.get('height') is not None or image.get('width') is not None:
                drawing.image_hw = image_size(image.get('height'), image.get('width'), f'{path} image {drawing.image}')
        layers = []
        left_out['tags of images'] += len(image.findall('tag'))
        for number, element in enumerate((e for e in image if e.tag not in ('tag', 'attribute')), 1):
            where = f'{path} image {drawing.image} shape {number}'
            if element.get('outside') == '1' and element.tag not in ('points', 'skeleton'):
                left_out['shapes that are "outside"'] += 1
                continue
            with reading(where, 'CVAT'):
                layers.append((int(element.get('z_order') or 0), list(_shapes(element, where))))
        drawing.shapes = [shape for _, shapes in sorted(layers, key=lambda layer: layer[0]) for shape in shapes]
        yield drawing
    told = ', '.join(f'{count} {what}' for what, count in left_out.items() if count)
    if told:
        note(f'{path}: passed over are {told}')


def read_xml(path: Path, argument: str) -> ElementTree.Element:
    """The root of an XML file without a document type, which is where entities that expand to gigabytes are declared.

    Raises:
        UserError: it cannot be read, or has a document type.
    """
    try:
        return defusedxml.ElementTree.parse(path, forbid_dtd=True).getroot()
    except defusedxml.DTDForbidden:
        raise UserError(
            f'`{argument}`: {path} has a DOCTYPE; CVAT writes none, and it can make a reader take up the whole '
            'memory. Export the file from CVAT again, or remove the DOCTYPE'
        ) from None
    except (OSError, ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise UserError(f'`{argument}`: {path} cannot be read as XML ({error}); export it from CVAT again') from error


def _shapes(element: ElementTree.Element, where: str) -> Iterator[Shape]:
    if element.tag == 'skeleton':
        for points in element.iter('points'):
            yield from _shapes(points, where)
    elif element.tag == 'points':
        visibility = OCCLUDED if element.get('occluded') == '1' else VISIBLE
        is_absent = element.get('outside') == '1'
        for point in _points(element):
            yield Shape(
                _label(element),
                where,
                point=point * (not is_absent),
                visibility=ABSENT if is_absent else visibility,
            )
    else:
        yield Shape(
            _label(element),
            where,
            _region(element),
            is_box=element.tag == 'box' and not _rotation(element),
            group=int(element.get('group_id') or 0) or None,
        )


def _label(element: ElementTree.Element) -> str:
    label = element.get('label')
    if label is None:
        raise ShapeError('it has no label')
    return label


def _region(element: ElementTree.Element) -> Region:
    if element.tag == 'polygon':
        return Polygon(_points(element))
    if element.tag == 'box':
        left, top, right, bottom = _numbers(element, 'xtl', 'ytl', 'xbr', 'ybr')
        return rectangle(left, top, right, bottom, degrees=_rotation(element))
    if element.tag == 'ellipse':
        return Ellipse(_numbers(element, 'cx', 'cy'), _numbers(element, 'rx', 'ry'), _rotation(element))
    if element.tag == 'mask':
        left, top, width, height = (int(value) for value in _numbers(element, 'left', 'top', 'width', 'height'))
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
            raise ShapeError(f'its mask is {width} x {height}, which no image can hold')
        bits = bits_from_runs([int(run) for run in element.attrib['rle'].split(',')], height * width)
        return Bitmap(bits.reshape(height, width), left, top)
    return NoArea(
        f'a {element.tag} has no area; draw a box, polygon, ellipse or mask for a class, points for a keypoint'
    )


def _numbers(element: ElementTree.Element, *names: str) -> np.ndarray:
    return np.array([float(element.attrib[name]) for name in names])


def _rotation(element: ElementTree.Element) -> float:
    return float(element.get('rotation') or 0)


def _points(element: ElementTree.Element) -> np.ndarray:
    """float64 [N, 2] from "x,y;x,y"."""
    return np.array([[float(value) for value in point.split(',')] for point in element.attrib['points'].split(';')])


LABELS_FILE = 'labels.json'


class CvatWriter(LabelWriter):
    """annotations.xml, to be uploaded into a task that has images of these names."""

    name = 'cvat'

    def __init__(self, task: Task, outdir: Path):
        super().__init__(task, outdir)
        self.subset = ''
        """Of the images that are added from now on."""
        self._subsets: dict[str, None] = {}
        self._ignored = False
        self._count = 0
        self._images = tempfile.TemporaryFile('w+', encoding='utf-8', dir=outdir)  # noqa: SIM115 - closed by `close`

    def _write(self, label: LabeledFile) -> None:
        height, width = label.image_hw
        attributes = {'id': self._count, 'name': label.file_name, 'width': width, 'height': height}
        if self.subset:
            attributes['subset'] = self.subset
            self._subsets[self.subset] = None
        self._count += 1
        self._images.write(f'<image {_joined(attributes)}>\n')
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
            self._images.write(f'<mask {_joined(mask)}></mask>\n')
        for name, x, y, seen in label.points(self.task):
            points = {
                'label': name,
                'source': 'auto',
                'occluded': int(seen == OCCLUDED),
                'points': f'{x:.2f},{y:.2f}',
                'z_order': 1,
            }
            self._images.write(f'<points {_joined(points)}></points>\n')
        self._images.write('</image>\n')

    def close(self) -> None:
        """Write the XML, which names the labels before the images, and the labels for CVAT."""
        labels = self._labels()
        with (self.outdir / FILE).open('w', encoding='utf-8') as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            file.write(self._meta(labels))
            self._images.seek(0)
            shutil.copyfileobj(self._images, file)
            file.write('</annotations>\n')
        self._images.close()
        text = json.dumps(labels, ensure_ascii=False, indent=1)
        (self.outdir / LABELS_FILE).write_text(text + '\n', encoding='utf-8')

    def _labels(self) -> list[dict[str, Any]]:
        """As CVAT's constructor of labels has them."""
        names = [*self.task.classes[1:], *([IGNORE_LABEL] if self._ignored else []), *self.task.keypoints]
        colors = dict(zip(self.task.classes, self.task.palette))
        others = iter(spread_colors(len(self.task.classes) + len(names) + 1)[len(self.task.classes) + 1 :])
        return [
            {
                'name': name,
                'color': '#{:02x}{:02x}{:02x}'.format(*(colors[name] if name in colors else next(others))),
                'type': 'points' if name in self.task.keypoints else 'any',
                'attributes': [],
            }
            for name in names
        ]

    def _meta(self, labels: list[dict[str, Any]]) -> str:
        """What Datumaro and others ask for: the labels, of a task, or of a project with its subsets."""
        subsets = [f'<subset>{escape(subset)}</subset>' for subset in self._subsets]
        lines = ['<subsets>', *subsets, '</subsets>'] if subsets else []
        lines.append('<labels>')
        for label in labels:
            parts = ''.join(f'<{part}>{escape(label[part])}</{part}>' for part in ('name', 'color', 'type'))
            lines.append(f'<label>{parts}<attributes></attributes></label>')
        lines.append('</labels>')
        kind = 'project' if subsets else 'task'
        unlabeled = [f'<{UNLABELED}>background</{UNLABELED}>'] if self.task.classes else []
        return '\n'.join(['<meta>', f'<{kind}>', *lines, f'</{kind}>', *unlabeled, '</meta>', ''])


def _joined(attributes: dict) -> str:
    return ' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())
