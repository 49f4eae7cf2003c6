"""Files of tools that are not read, and of tools that nobody knows: the message names what is there, never LabelMe."""

from __future__ import annotations

import json

import pytest

from tests.helpers.trials import SEED0, SHAPES, cases, flat, names_all, refusal, text_classes, write

IMAGE = f'{SEED0}.png'
CORNERS = SHAPES[0][1]
NAMED = {
    'backup of CVAT': (
        'annotations.json',
        [{'version': 0, 'tags': [], 'shapes': [{'type': 'polygon', 'points': flat(CORNERS)}], 'tracks': []}],
        ('CVAT', 'backup', 'images 1.1'),
    ),
    'task of a backup': (
        'task.json',
        {'name': 'cars', 'bug_tracker': '', 'labels': [{'name': 'car'}], 'jobs': []},
        ('CVAT', 'backup', 'images 1.1'),
    ),
    'Cityscapes': (
        f'{SEED0}_gtFine_polygons.json',
        {'imgHeight': 128, 'imgWidth': 128, 'objects': [{'label': 'car', 'polygon': CORNERS}]},
        ('Cityscapes', 'PNG'),
    ),
    'QuPath': ('cars.json', {'type': 'FeatureCollection', 'features': []}, ('GeoJSON', 'PNG')),
    'VIA 1': (
        'via_region_data.csv',
        '#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n',
        ('VIA', 'JSON'),
    ),
    'VIA 3': ('via.csv', '# Exported using VGG Image Annotator (http://x)\n# CSV_HEADER = metadata_id\n', ('VIA 3',)),
    'a list of images with annotations': (
        'l.json',
        [{'filename': IMAGE, 'class': 'image', 'annotations': [{'class': 'car', 'x': 1}]}],
        ('Label Studio', '"data"', 'COCO'),
    ),
}


@pytest.mark.parametrize('given', ['file', 'folder'])
@pytest.mark.parametrize('kind', cases(NAMED))
def test_files_that_are_known_and_not_read(tmp_path, kind, given):
    name, content, parts = NAMED[kind]
    path = write(tmp_path / 'labels' / name, content)
    message = refusal(path if given == 'file' else path.parent, text_classes(tmp_path))
    names_all(message, name, *parts)
    assert 'KeyError' not in message and 'LabelMe' not in message


UNKNOWN = {
    'an object': ({'samples_of': 'x', 'regions_here': []}, '"samples_of", "regions_here"'),
    'an empty object': ({}, 'nothing'),
    'a list': ([[1, 2], [3, 4]], 'list'),
    'a text': ('"car"', 'str'),
}


@pytest.mark.parametrize('kind', cases(UNKNOWN))
def test_json_that_nobody_knows_is_shown(tmp_path, kind):
    content, shown = UNKNOWN[kind]
    write(tmp_path / 'labels' / f'{SEED0}.json', content)
    message = refusal(tmp_path / 'labels', text_classes(tmp_path))
    names_all(message, f'{SEED0}.json', 'no known', shown, 'COCO')
    assert 'Error:' not in message


def test_lines_of_json_are_no_files_of_labelme(tmp_path):
    write(tmp_path / 'labels' / 'l.jsonl', json.dumps({'image': IMAGE, 'spans': []}) + '\n')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), 'no known format')
