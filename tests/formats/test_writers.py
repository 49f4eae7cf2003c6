"""Each label format is written as its tool imports it, and its own reader gives back the same labels."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from datasetgan_ext.core.annotation import ABSENT, IGNORE, OCCLUDED, VISIBLE, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.conversions import CONVERSIONS
from datasetgan_ext.formats.folder import TRAIN, VAL, name_of_record
from datasetgan_ext.formats.label_studio import brush_bits, brush_stream
from datasetgan_ext.formats.label_writer import LabeledFile, Window
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.writers import WRITERS, write_annotations
from tests.helpers.datasets import converted, make_dataset
from tests.helpers.labels import TASK

SIZES = ((5, 6), (31, 17), (70, 90))


def photos() -> list[LabeledFile]:
    """Of three sizes; specks and holes, the last but background; keypoints of each visibility."""
    random = np.random.RandomState(0)
    masks = [random.randint(3, size=hw).astype(np.uint8) for hw in SIZES]
    masks[2][:] = 0
    points = np.array([[1.25, 2.5], [4, 3]], np.float32)
    visibility = ((VISIBLE, OCCLUDED), (ABSENT, VISIBLE), (VISIBLE, VISIBLE))
    return [
        LabeledFile(f'monday/photo {number}.jpg', hw, mask, Keypoints(points, np.array(seen, np.uint8)))
        for number, (hw, mask, seen) in enumerate(zip(SIZES, masks, visibility))
    ]


def readable(folder, name: str):
    """The files that `--labels` and `--keypoints` take; a person has accepted the predictions."""
    if name == 'coco':
        return folder / 'instances.json', folder / 'person_keypoints.json'
    if name == 'voc':
        return folder, None
    if name == 'label-studio':
        path = folder / 'tasks.json'
        tasks = json.loads(path.read_text())
        for task in tasks:
            task['annotations'] = task.pop('predictions')
        path.write_text(json.dumps(tasks))
        return path, None
    return folder, None


@pytest.mark.parametrize('name', WRITERS)
def test_labels_come_back_as_they_were_written(tmp_path, name):
    written = photos()
    assert write_annotations(iter(written), TASK, tmp_path, name) == 3
    labels, keypoints = readable(tmp_path, name)
    found = {one.name: one for one in read_annotations(TASK, labels, keypoints)}
    assert set(found) == {'photo 0', 'photo 1', 'photo 2'}
    for one in written:
        again = found[one.name]
        if name == 'label-studio' and not one.mask.any():
            assert again.mask is None, 'a task does not say that the rest is background'
        else:
            np.testing.assert_array_equal(again.mask, one.mask)
        if name == 'voc':
            continue
        seen = one.keypoints.visibility
        if name == 'label-studio':  # it has no hidden keypoints
            seen = np.where(seen == OCCLUDED, VISIBLE, seen)
        assert again.keypoints.visibility.tolist() == seen.tolist()
        there = seen > 0
        np.testing.assert_allclose(again.keypoints.points[there], one.keypoints.points[there], atol=0.01)


@pytest.mark.parametrize('name', sorted(set(WRITERS) - {'coco'}))
def test_what_has_no_label_stays_without(tmp_path, name):
    mask = np.array([[0, 1, IGNORE], [2, 2, IGNORE]], np.uint8)
    write_annotations([('a.png', (2, 3), mask, None)], TASK.only(True, False), tmp_path, name)
    labels, _ = readable(tmp_path, name)
    (found,) = read_annotations(TASK.only(True, False), labels, None)
    np.testing.assert_array_equal(found.mask, mask)


def test_coco_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(UserError, match=r'a\.png has pixels without a label'):
        write_annotations([('a.png', (1, 1), np.array([[IGNORE]], np.uint8), None)], TASK, tmp_path, 'coco')


@pytest.mark.parametrize('name', WRITERS)
def test_two_images_of_one_name_are_refused(tmp_path, name):
    one = LabeledFile('monday/a.png', (1, 1), np.ones((1, 1), np.uint8))
    with pytest.raises(UserError, match='monday/a.png and tuesday/a.jpg'):
        write_annotations([one, one._replace(image='tuesday/a.jpg')], TASK, tmp_path, name)


def test_names_of_formats(tmp_path):
    with pytest.raises(UserError, match='`format`=via: no such format of labels; there are png, labelme'):
        write_annotations([], TASK, tmp_path, 'via')
    with pytest.raises(UserError, match='voc holds masks'):
        write_annotations([], TASK.only(False, True), tmp_path, 'voc')


def test_names_with_quotes_and_angles_are_escaped(tmp_path):
    task = Task.from_names(['background', 'a "b" <c> & d'])
    mask = np.ones((2, 3), np.uint8)
    for name in ('cvat', 'label-studio'):
        write_annotations([('x & <y>.png', (2, 3), mask, None)], task, tmp_path / name, name)
        labels, _ = readable(tmp_path / name, name)
        (found,) = read_annotations(task, labels, None)
        assert found.name == 'x & <y>' and found.mask.all()
    interface = ElementTree.parse(tmp_path / 'label-studio' / 'interface.xml')
    assert [label.get('value') for label in interface.iter('Label')] == ['a "b" <c> & d']


def test_a_mask_of_labelme_by_hand(tmp_path):
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 2:5] = 1
    write_annotations([('a.png', (4, 5), mask, None)], TASK, tmp_path, 'labelme')
    content = json.loads((tmp_path / 'a.json').read_text())
    (shape,) = content['shapes']
    assert shape['label'] == 'car' and shape['shape_type'] == 'mask' and shape['points'] == [[2, 1], [4, 2]]
    assert (content['imagePath'], content['imageHeight'], content['imageWidth']) == ('a.png', 4, 5)


def test_a_mask_and_keypoints_of_cvat_by_hand(tmp_path):
    mask = np.array([[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]], np.uint8)
    points = Keypoints(np.array([[1.5, 2], [0, 0]], np.float32), np.array([OCCLUDED, ABSENT], np.uint8))
    write_annotations([('a.png', (3, 4), mask, points)], TASK, tmp_path, 'cvat')
    root = ElementTree.parse(tmp_path / 'annotations.xml').getroot()
    meta = [(label.findtext('name'), label.findtext('type')) for label in root.iterfind('meta/task/labels/label')]
    assert meta == [('car', 'any'), ('wheel', 'any'), ('head', 'points'), ('tail', 'points')]
    (image,) = root.iter('image')
    (found,) = image.iter('mask')
    expected = {'left': '1', 'top': '1', 'width': '3', 'height': '2', 'rle': '0, 1, 1, 1, 1, 1, 1'}
    assert {name: found.get(name) for name in expected} == expected
    (point,) = image.iter('points')
    assert (point.get('label'), point.get('points'), point.get('occluded')) == ('head', '1.50,2.00', '1')
    labels = json.loads((tmp_path / 'labels.json').read_text())
    assert [(one['name'], one['color'], one['type']) for one in labels][:2] == [
        ('car', '#ff0000', 'any'),
        ('wheel', '#0000ff', 'any'),
    ]
    assert [one['name'] for one in labels[2:]] == ['head', 'tail'] and len({one['color'] for one in labels}) == 4


def test_runs_begin_with_what_is_unset():
    assert Window(0, 0, np.array([[True, True], [False, True]])).runs() == [0, 2, 1, 1]
    assert Window(0, 0, np.array([[False, True]])).runs() == [1, 1]


@pytest.mark.parametrize('hw', [(1, 1), (3, 2), (300, 400)])
def test_a_brush_is_read_back(hw):
    random = np.random.RandomState(1)
    for bits in (np.zeros(hw, bool), np.ones(hw, bool), random.rand(*hw) > 0.5, np.indices(hw)[0] < hw[0] // 2):
        assert (brush_bits(brush_stream(bits), hw) == bits).all()


def test_a_brush_by_hand():
    """One pixel: 4 values of 8 bits; lengths of 3, 4, 8 or 16 bits; one block: 4 times 255."""
    text = f'{4:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}' + '1' + '00' + '011' + '11111111'
    expected = [int(text[start : start + 8].ljust(8, '0'), 2) for start in range(0, len(text), 8)]
    assert brush_stream(np.ones((1, 1), bool)) == expected


def test_a_brush_by_the_tools_own_decoder():
    brush = pytest.importorskip('label_studio_sdk.converter.brush')
    bits = np.random.RandomState(2).rand(40, 30) > 0.7
    decoded = np.reshape(brush.decode_rle(brush_stream(bits)), (40, 30, 4))[:, :, 3]
    assert ((decoded > 0) == bits).all()


def test_labelme_opens_what_we_write(tmp_path):
    """By its own reader, and painted by its own export."""
    label_file = pytest.importorskip('labelme._label_file')
    from labelme.utils import shapes_to_label

    dataset = make_dataset(tmp_path / 'dataset')
    folder = converted(dataset, 'labelme') / TRAIN
    numbers = {name: number for number, name in enumerate(dataset.task.classes)}
    for record in dataset.kept(0.3, TRAIN):
        opened = label_file.LabelFile(str(folder / f'{name_of_record(record)}.json'))
        assert opened.image_data == (dataset.folder / record['image']).read_bytes()
        regions = [shape for shape in opened.shapes if shape['shape_type'] != 'point']
        mask, _ = shapes_to_label(dataset.image_hw, regions, numbers)
        np.testing.assert_array_equal(mask, dataset.mask(record))
        points = {shape['label']: shape['points'][0] for shape in opened.shapes if shape['shape_type'] == 'point'}
        for name, (x, y, seen) in zip(dataset.task.keypoints, np.reshape(record['keypoints'], (-1, 3)).tolist()):
            assert (name in points) == (seen > 0)
            if seen:
                assert points[name] == pytest.approx([x, y], abs=0.01)


def test_datumaro_imports_our_cvat(tmp_path):
    """Labels, subsets, masks and keypoints."""
    datumaro = pytest.importorskip('datumaro')
    dataset = make_dataset(tmp_path / 'dataset')
    loaded = datumaro.Dataset.import_from(str(converted(dataset, 'cvat')), 'cvat')
    names = [label.name for label in loaded.categories()[datumaro.AnnotationType.label]]
    task = dataset.task
    assert names == [*task.classes[1:], *task.keypoints]
    truth = {name_of_record(record): (split, record) for split in (TRAIN, VAL) for record in dataset.kept(0.3, split)}
    assert {item.id.rpartition('/')[2]: item.subset for item in loaded} == {
        name: split for name, (split, _) in truth.items()
    }
    for item in loaded:
        _, record = truth[item.id.rpartition('/')[2]]
        mask, points = np.zeros(dataset.image_hw, np.uint8), {}
        for one in item.annotations:
            name = names[one.label]
            if one.type == datumaro.AnnotationType.mask:
                mask[one.image > 0] = task.classes.index(name)
            else:
                points[name] = [*one.points, one.attributes['occluded']]
        np.testing.assert_array_equal(mask, dataset.mask(record))
        triples = dict(zip(task.keypoints, np.reshape(record['keypoints'], (-1, 3)).tolist()))
        seen = {name: [x, y, seen == OCCLUDED] for name, (x, y, seen) in triples.items() if seen}
        assert points.keys() == seen.keys()
        for name, point in points.items():
            np.testing.assert_allclose(point, seen[name], atol=0.01)


@pytest.mark.parametrize('name', ['labelme', 'cvat', 'label-studio'])
def test_conversions_for_tools(tmp_path, name):
    assert name in CONVERSIONS
    dataset = make_dataset(tmp_path / 'dataset')
    folder = converted(dataset, name)
    for split in (TRAIN, VAL):
        records = {re.sub(r'.*/|\.png$', '', record['image']): record for record in dataset.kept(0.3, split)}
        images = {'labelme': folder / split, 'cvat': folder / 'images'}.get(name, folder / 'images' / split)
        labels = folder
        if name == 'labelme':
            labels = folder / split
        elif name == 'label-studio':
            labels, _ = readable(folder / split, name)
        found = {one.name: one for one in read_annotations(dataset.task, labels, None, label_format=name)}
        for record_name, record in records.items():
            original = dataset.folder / record['image']
            assert (images / f'{record_name}.png').read_bytes() == original.read_bytes()
            mask, triples = dataset.mask(record), np.reshape(record['keypoints'], (-1, 3))
            if not mask.any() and name == 'label-studio':
                continue
            np.testing.assert_array_equal(found[record_name].mask, mask)
            there = triples[:, 2] > 0
            if there.any():
                np.testing.assert_allclose(found[record_name].keypoints.points[there], triples[there, :2], atol=0.01)
