"""Refusals that mend: formats that are known and not read, text in other encodings, and shapes that are not read.

A format that is known is recognised by its content, as a file and as the folder that holds it: it is read, or the
message names the tool, that it is not read, and which export of the tool to use instead. Never a KeyError, and never
another tool's name alone.
"""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from tests.helpers.trial_tools import SAID, TOOLS, roboflow_masks
from tests.helpers.trials import (
    KEYPOINTS,
    NAMES,
    SEED0,
    SHAPES,
    SIDE,
    cases,
    coco,
    cvat,
    flat,
    json_classes,
    label_studio,
    label_studio_polygon,
    labelme,
    labelme_shape,
    names_all,
    png_bits,
    read,
    refusal,
    runs,
    text_classes,
    true_mask,
    write,
)


def is_read_or_named(labels, classes, tool: str) -> None:
    try:
        found = read(labels, classes)
    except UserError as error:
        message = error.message.replace(str(classes.parent), '')
        for path in classes.parent.rglob('*'):  # whose names give the tool away
            message = message.replace(path.name, '')
        names_all(message, SAID.get(tool, tool), 'unpack' if tool == 'zip' else 'export')
        assert 'KeyError' not in message
        return
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())


@pytest.mark.parametrize(
    'tool',
    cases(TOOLS),
)
def test_a_file_of_a_known_tool(tmp_path, tool):
    is_read_or_named(TOOLS[tool](tmp_path / 'labels'), text_classes(tmp_path), tool)


@pytest.mark.parametrize('tool', cases(TOOLS))
def test_a_folder_with_files_of_a_known_tool(tmp_path, tool):
    TOOLS[tool](tmp_path / 'labels')
    is_read_or_named(tmp_path / 'labels', text_classes(tmp_path), tool)


@pytest.mark.parametrize('tool', cases(('ISAT', 'SA-1B', 'VIA')))
def test_a_file_of_a_known_tool_beside_the_pictures(tmp_path, tool):
    """The pictures are no masks, though they are PNG files."""
    TOOLS[tool](tmp_path / 'labels')
    PIL.Image.new('RGB', (SIDE, SIDE), (90, 80, 70)).save(tmp_path / 'labels' / f'{SEED0}.png')
    is_read_or_named(tmp_path / 'labels', text_classes(tmp_path), tool)


@pytest.mark.parametrize(
    'image',
    cases((f'{SEED0}.png', f'{SEED0}.PNG', f'{SEED0}.jpg')),
)
def test_labelme_beside_its_pictures(tmp_path, image):
    """As LabelMe saves by default. The picture is no mask: the file says that it is what was labelled."""
    labels = write(tmp_path / 'labels' / f'{SEED0}.json', labelme(image=image)).parent
    PIL.Image.new('RGB', (SIDE, SIDE), (90, 80, 70)).save(labels / image)
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], true_mask())


def test_roboflows_table_of_classes_decides(tmp_path):
    """Its numbers may stand for other classes than the class file's ids."""
    path = roboflow_masks(tmp_path / 'labels')
    path.write_text('Pixel Value, Class\n0, background\n1, wheel\n2, car\n3, window\n')
    try:
        found = read(tmp_path / 'labels', text_classes(tmp_path))
    except UserError as error:
        names_all(error.message, 'Roboflow')
    else:
        np.testing.assert_array_equal(found.masks[SEED0], np.array([0, 2, 1, 3], np.uint8)[true_mask()])


NO_TEXTS = {
    'seed0000000.png': (b'\x89PNG\r\n\x1a\n\0\0', 'folder'),
    'seed0000000.jpg': (b'\xff\xd8\xff\xe0\0\x10', 'folder'),
    'export.tar.gz': (b'\x1f\x8b\x08\0\0\xff', 'unpack'),
    'export.7z': (b'7z\xbc\xaf\x27\x1c\0\x04', 'unpack'),
    'gTruth.mat': (b'MATLAB 5.0 MAT-file\0\x01IM', 'PNG files'),
}


@pytest.mark.parametrize('name', cases(NO_TEXTS))
def test_files_that_are_no_text_are_named(tmp_path, name):
    content, fix = NO_TEXTS[name]
    message = refusal(write(tmp_path / 'labels' / name, content), text_classes(tmp_path))
    names_all(message, name, fix)
    assert 'in no known format' not in message


# ------------------------------------------------------------------------------------------------- encodings of text

ENCODINGS = ('utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le-bom', 'cp1252')


def encoded(text: str, encoding: str) -> bytes:
    if encoding == 'utf-16-le-bom':
        return b'\xff\xfe' + text.encode('utf-16-le')
    return text.encode(encoding)


@pytest.mark.parametrize('encoding', cases(ENCODINGS))
@pytest.mark.parametrize('kind', ['labelme file', 'labelme folder', 'coco', 'label studio'])
def test_json_in_another_encoding(tmp_path, encoding, kind):
    shapes = [('Tür' if label == 'car' else label, corners) for label, corners in SHAPES]
    content = {
        'coco': coco()
        | {'categories': [{'id': 17, 'name': 'Tür'}, {'id': 3, 'name': 'wheel'}, {'id': 90, 'name': 'window'}]},
        'label studio': label_studio([label_studio_polygon(*shape) for shape in shapes]),
    }.get(kind, labelme(shapes))
    data = encoded(json.dumps(content, ensure_ascii=False), encoding)
    labels = write(tmp_path / 'labels' / f'{SEED0}.json', data)
    classes = text_classes(tmp_path, ('background', 'Tür', 'wheel', 'window'))
    masks = read(labels.parent if kind == 'labelme folder' else labels, classes).masks
    np.testing.assert_array_equal(masks[SEED0], true_mask())


@pytest.mark.parametrize('encoding', cases(('utf-8', 'utf-16', 'cp1252')))
def test_xml_in_another_encoding(tmp_path, encoding):
    """The encoding stands in the first line; a byte order mark says it as well."""
    text = cvat().replace('label="car"', 'label="Tür"').replace('encoding="utf-8"', f'encoding="{encoding}"')
    labels = write(tmp_path / 'annotations.xml', text.encode(encoding))
    masks = read(labels, text_classes(tmp_path, ('background', 'Tür', 'wheel', 'window'))).masks
    np.testing.assert_array_equal(masks[SEED0], true_mask())


@pytest.mark.parametrize('encoding', cases(ENCODINGS))
@pytest.mark.parametrize('kind', ['text', 'json'])
def test_class_files_in_another_encoding(tmp_path, encoding, kind):
    names = ('background', 'Tür', 'wheel', 'window')
    path = text_classes(tmp_path, names) if kind == 'text' else json_classes(tmp_path, names)
    path.write_bytes(encoded(path.read_text(encoding='utf-8'), encoding))
    shapes = [('Tür' if label == 'car' else label, corners) for label, corners in SHAPES]
    masks = read(write(tmp_path / f'{SEED0}.json', labelme(shapes)), path).masks
    np.testing.assert_array_equal(masks[SEED0], true_mask())


def test_names_that_differ_by_what_cannot_be_seen_show_the_difference(tmp_path):
    """A space that does not break, or a Cyrillic letter, looks like the class file's own name."""
    shapes = [('c\u0430r' if label == 'car' else label, corners) for label, corners in SHAPES]
    message = refusal(write(tmp_path / f'{SEED0}.json', labelme(shapes)), text_classes(tmp_path))
    names_all(message, 'u0430|U+0430|CYRILLIC')


# ------------------------------------------------------------------------------------- COCO's and the others' spellings


def test_a_flat_list_of_corners_is_read_or_explained(tmp_path):
    """Some converters forget the list around it; one polygon can be nothing else."""
    labels = write(tmp_path / 'l.json', coco([flat(corners) for _, corners in SHAPES]))
    try:
        found = read(labels, text_classes(tmp_path))
    except UserError as error:
        names_all(error.message, SEED0, 'list of lists|list of polygons|[[')
        assert 'expected [-1]' not in error.message
    else:
        np.testing.assert_array_equal(found.masks[SEED0], true_mask())


COCO_KINDS = {
    'crowd runs': lambda: _crowd(),
    'runs in a list': lambda: _crowd(in_list=True),
    'ids as text': lambda: _ids_as_text(),
    'points in pairs': lambda: coco([[corners] for _, corners in SHAPES]),
}


def _crowd(in_list: bool = False) -> dict:
    content = coco()
    bits = np.zeros((SIDE, SIDE), bool)
    bits[40:90, 20:108] = True
    content['annotations'][0] |= {'segmentation': [runs(bits)] if in_list else runs(bits), 'iscrowd': 1}
    return content


def _ids_as_text() -> dict:
    content = coco()
    for one in content['categories']:
        one['id'] = str(one['id'])
    return content


@pytest.mark.parametrize('kind', cases(COCO_KINDS))
def test_spellings_of_coco(tmp_path, kind):
    labels = write(tmp_path / 'l.json', COCO_KINDS[kind]())
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], true_mask())


@pytest.mark.parametrize('kind', cases(('other size', 'too few', 'too many', 'negative', 'damaged text')))
def test_runs_that_do_not_fit_are_refused(tmp_path, kind):
    bits = np.zeros((SIDE, SIDE), bool)
    bits[40:90, 20:108] = True
    encoded_runs = runs(bits)
    if kind == 'other size':
        encoded_runs = runs(bits[:64])
    elif kind == 'too few':
        encoded_runs['counts'] = encoded_runs['counts'][:-1]
    elif kind == 'too many':
        encoded_runs['counts'] = [*encoded_runs['counts'], 5]
    elif kind == 'negative':
        encoded_runs['counts'][0] = -1
    else:
        encoded_runs['counts'] = 'abc~~'
    labels = write(tmp_path / 'l.json', coco([encoded_runs]))
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'annotation 1')


def test_a_coco_box_alone_says_so(tmp_path):
    message = refusal(write(tmp_path / 'l.json', coco([[]])), text_classes(tmp_path))
    names_all(message, SEED0, 'annotation 1', 'car', 'segmentation', 'box')


LABEL_STUDIO_KINDS = {
    'labels and polygon': lambda label, corners: [
        label_studio_polygon(label, corners, type='polygon')
        | {'value': {'points': [[100 * x / SIDE, 100 * y / SIDE] for x, y in corners]}, 'from_name': 'shape'},
        label_studio_polygon(label, corners, type='labels')
        | {
            'value': {'points': [[100 * x / SIDE, 100 * y / SIDE] for x, y in corners], 'labels': [label]},
            'from_name': 'tag',
        },
    ],
    'labels alone': lambda label, corners: [
        label_studio_polygon(label, corners, type='labels')
        | {'value': {'points': [[100 * x / SIDE, 100 * y / SIDE] for x, y in corners], 'labels': [label]}}
    ],
    'labels and rectangle': lambda label, corners: [
        label_studio_polygon(label, corners, type=kind)
        | {
            'value': {
                'x': 100 * corners[0][0] / SIDE,
                'y': 100 * corners[0][1] / SIDE,
                'width': 100 * (corners[2][0] - corners[0][0]) / SIDE,
                'height': 100 * (corners[2][1] - corners[0][1]) / SIDE,
                'rotation': 0,
                **({'labels': [label]} if kind == 'labels' else {}),
            }
        }
        for kind in ('rectangle', 'labels')
    ],
}


@pytest.mark.parametrize('kind', cases(LABEL_STUDIO_KINDS))
def test_labels_and_shapes_of_label_studio_apart(tmp_path, kind):
    """<Labels> with <Polygon>: two results with one id, of which one has the class."""
    results = [
        result | {'id': f'r{number}'}
        for number, shape in enumerate(SHAPES)
        for result in LABEL_STUDIO_KINDS[kind](*shape)
    ]
    labels = write(tmp_path / 'l.json', label_studio(results))
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], true_mask())


def test_an_image_that_was_rotated_in_label_studio_is_refused(tmp_path):
    results = [label_studio_polygon(*SHAPES[0], image_rotation=90)]
    message = refusal(write(tmp_path / 'l.json', label_studio(results)), text_classes(tmp_path))
    names_all(message, SEED0, 'rotat', '90')


@pytest.mark.parametrize('kind', cases(('line', 'linestrip', 'points', 'cuboid')))
def test_labelme_shapes_without_an_area_are_named(tmp_path, kind):
    points = [[10, 10], [50, 50]] if kind == 'line' else [[10, 10], [50, 10], [50, 50]]
    labels = write(tmp_path / f'{SEED0}.json', labelme([]) | {'shapes': [labelme_shape('car', points, kind)]})
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'shape 1', 'car', kind, 'polygon')


def test_a_keypoint_of_two_objects_is_refused(tmp_path):
    points = [(name, (10 + 5 * group, 10)) for group in (1, 2) for name in KEYPOINTS]
    content = labelme([], points=points)
    for shape, group in zip(content['shapes'], (1, 1, 2, 2)):
        shape['group_id'] = group
    labels = write(tmp_path / f'{SEED0}.json', content)
    names_all(refusal(labels, json_classes(tmp_path, keypoints=KEYPOINTS)), SEED0, 'front wheel', 'twice')


def test_a_mask_of_labelme_that_does_not_fill_its_box_is_refused(tmp_path):
    """Its points span 50 x 30 pixels; the picture in it has 10 x 10."""
    shape = labelme_shape('car', [[20, 40], [69, 69]], 'mask', mask=png_bits(np.ones((10, 10), bool)))
    labels = write(tmp_path / f'{SEED0}.json', labelme([]) | {'shapes': [shape]})
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'shape 1', 'car', '10', '50')


@pytest.mark.parametrize('difference', cases(('Car', 'car ', ' car')))
def test_a_name_that_nearly_fits_is_suggested(tmp_path, difference):
    shapes = [(difference if label == 'car' else label, corners) for label, corners in SHAPES]
    message = refusal(write(tmp_path / f'{SEED0}.json', labelme(shapes)), text_classes(tmp_path))
    names_all(message, repr(difference), "mean 'car'", *NAMES)
