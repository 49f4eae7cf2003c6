"""Keypoints from COCO and LabelMe files, and every mistake in them."""

import json

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import READY_MADE, Task
from datasetgan_ext.formats.labels import read_annotations

TASK = Task((), (), ('head', 'tail', 'left_foot'))


def coco(names=('tail', 'head', 'left_foot'), values=(3, 4, 2, 10.5, 20.25, 1, 0, 0, 0), **changes) -> dict:
    return {
        'images': [{'id': 7, 'file_name': 'images/seed0000003.png'}],
        'categories': [{'id': 1, 'name': 'bird', 'keypoints': list(names)}, {'id': 2, 'name': 'tree'}],
        'annotations': [
            {'id': 1, 'image_id': 7, 'category_id': 1, 'keypoints': list(values)},
            {'id': 2, 'image_id': 7, 'category_id': 2, 'bbox': [0, 0, 1, 1]},
        ],
        **changes,
    }


def read(tmp_path, content):
    (tmp_path / 'keypoints.json').write_text(content if isinstance(content, str) else json.dumps(content))
    return read_annotations(TASK, None, tmp_path / 'keypoints.json')


def test_coco_keypoints_in_the_order_of_the_task(tmp_path):
    (annotation,) = read(tmp_path, coco())
    assert annotation.name == 'seed0000003' and annotation.mask is None
    assert annotation.keypoints.points.tolist() == [[10.5, 20.25], [3, 4], [0, 0]]
    assert annotation.keypoints.visibility.tolist() == [OCCLUDED, VISIBLE, ABSENT]


def test_a_category_may_lack_keypoints_of_the_task(tmp_path):
    (annotation,) = read(tmp_path, coco(names=['tail'], values=[3, 4, 2]))
    assert annotation.keypoints.visibility.tolist() == [ABSENT, VISIBLE, ABSENT]


@pytest.mark.parametrize(
    'content, message',
    [
        ('{', 'cannot be read as JSON'),
        ('[]', 'holds no labelled image'),
        ({'images': []}, r'not as COCO .* writes it \(KeyError'),
        (coco(categories=[{'id': 1, 'name': 'bird'}]), 'is of category 2, which is not among'),
        (coco(categories=[{'id': 1, 'name': 'bird'}, {'id': 2, 'name': 'tree'}]), 'keypoints without names'),
        (
            coco(names=['tail', 'haed', 'left_foot']),
            r"'haed' \(did you mean 'head'\?\), at .*keypoints.json image images/seed0000003.png annotation 1\.",
        ),
        (coco(names=['tail', 'tail', 'head']), "'tail' is there twice"),
        (coco(values=[1, 2, 2]), 'has 3 values under "keypoints"; 3 keypoints take 9'),
        (coco(values=[1] * 8 + ['x']), 'not all numbers'),
        (coco(values=[1, 1, 3] * 3), 'visibility is none of'),
        (coco(values=[float('nan'), 1, 2] * 3), 'no finite number'),
        (coco(images=[]), 'is of image 7, which is not among'),
        (coco(annotations=coco()['annotations'][:1] * 2), "'tail' is there twice on images/seed0000003.png"),
    ],
)
def test_coco_mistakes(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, content)
    assert 'keypoints.json' in error.value.message


def labelme(*shapes) -> str:
    return json.dumps(
        {
            'shapes': [
                {'label': label, 'shape_type': kind, 'points': points, 'flags': flags}
                for label, kind, points, flags in shapes
            ]
        }
    )


def test_labelme_points(tmp_path):
    (tmp_path / 'seed0000002.json').write_text(
        labelme(
            ('tail', 'point', [[4.5, 6]], {}),
            ('head', 'point', [[1, 2]], {'occluded': True}),
            ('wing', 'polygon', [[0, 0], [1, 1], [0, 1]], {}),
        )
    )
    (annotation,) = read_annotations(TASK, None, tmp_path)
    assert annotation.name == 'seed0000002'
    assert annotation.keypoints.points.tolist() == [[1, 2], [4.5, 6], [0, 0]]
    assert annotation.keypoints.visibility.tolist() == [OCCLUDED, VISIBLE, ABSENT]


@pytest.mark.parametrize(
    'content, message',
    [
        ('{}', 'is not as LabelMe writes it'),
        (
            labelme(('tail', 'point', [[1]], {})),
            r'shape 1 \(tail\): its coordinates are 1 lists of 1 numbers, expected 1 pairs of numbers',
        ),
        (labelme(('tial', 'point', [[1, 2]], {})), "did you mean 'tail'"),
        (labelme(*[('tail', 'point', [[1, 2]], {})] * 2), "'tail' is there twice"),
    ],
)
def test_labelme_mistakes(tmp_path, content, message):
    (tmp_path / 'seed0000002.json').write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read_annotations(TASK, None, tmp_path)
    assert 'seed0000002.json' in error.value.message


@pytest.mark.parametrize('point', [(-1, 5), (5, 21), (31, 5)])
def test_keypoints_outside_the_image(tmp_path, point):
    def annotation(visibility):
        return Annotation(
            'seed0000001',
            None,
            tmp_path,
            Keypoints(
                np.array([point, (0, 0), (30, 20)], dtype=np.float32), np.array([visibility, ABSENT, VISIBLE], np.uint8)
            ),
        )

    with pytest.raises(UserError, match='keypoint head of seed0000001 is at .* outside the image of 30 x 20'):
        annotation(OCCLUDED).check(TASK, (20, 30))
    annotation(ABSENT).check(TASK, (20, 30))


def test_sources_that_the_task_has_no_use_for(tmp_path):
    classes = Task.from_names(['background', 'car'])
    with pytest.raises(UserError, match='is of no use: `classes` lists no keypoints'):
        read_annotations(classes, None, tmp_path)
    PIL.Image.new('L', (3, 2)).save(tmp_path / 'seed0000001.png')
    with pytest.raises(UserError, match='is of no use: `classes` lists no classes'):
        read_annotations(TASK, tmp_path, None)
    with pytest.raises(UserError, match='is of no use: `classes` lists no classes'):
        read_annotations(TASK, tmp_path, tmp_path)
    with pytest.raises(UserError, match='`keypoints` is missing'):
        read_annotations(TASK, None, None)
    with pytest.raises(UserError, match='`labels` is missing'):
        read_annotations(classes, None, None)
    with pytest.raises(UserError, match='no such file'):
        read_annotations(TASK, None, tmp_path / 'nowhere.json')


@pytest.mark.parametrize(
    'content, message',
    [
        ({'keypoints': ['a', 'a']}, "keypoint 'a' is listed twice"),
        ({'keypoints': ['a', 3]}, 'keypoint 3 is not a name'),
        ({'keypoints': ['a', 'b'], 'skeleton': [[0, 2]]}, '"skeleton" must be a list of pairs'),
        ({'keypoints': ['a', 'b'], 'skeleton': [[0, 0]]}, '"skeleton" must be a list of pairs'),
        ({'keypoints': ['a', 'b'], 'left_right_pairs': 'ab'}, '"left_right_pairs" must be a list of pairs'),
        ({'keypoints': ['a', 'b', 'c'], 'left_right_pairs': [[0, 1], [1, 2]]}, 'holds a keypoint twice'),
        ({'shapes': []}, 'has no list named "classes" or "keypoints"'),
    ],
)
def test_class_files_with_mistakes_in_keypoints(tmp_path, content, message):
    (tmp_path / 'task.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        Task.read(tmp_path / 'task.json')


def test_class_file_with_both(tmp_path):
    content = {
        'classes': ['background', 'car'],
        'keypoints': ['left', 'right'],
        'left_right_pairs': [[0, 1]],
        'skeleton': [[0, 1]],
    }
    (tmp_path / 'task.json').write_text(json.dumps(content))
    task = Task.read(tmp_path / 'task.json')
    assert task.keypoints == ('left', 'right') and task.left_right_pairs == task.skeleton == ((0, 1),)
    assert Task.from_json(task.to_json(), 'again') == task
    assert task.only(classes=True, keypoints=False) == Task.from_names(['background', 'car'])
    assert task.only(classes=False, keypoints=True).classes == ()


def test_ready_made_tasks():
    assert {
        name: (len(task.classes), len(task.keypoints))
        for name, task in ((name, Task.read(name)) for name in READY_MADE)
    } == {
        'ade-car-12': (12, 0),
        'bedroom-19': (19, 0),
        'car-20': (20, 0),
        'cat-16': (16, 0),
        'cub-15': (0, 15),
        'face-34': (34, 0),
    }
    cub = Task.read('cub-15')
    for left, right in cub.left_right_pairs:
        assert cub.keypoints[left].replace('left', 'right') == cub.keypoints[right]
    with pytest.raises(UserError, match='or one of ade-car-12'):
        Task.read('car-21')
