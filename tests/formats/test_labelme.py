"""LabelMe's files, as its own writer and reader have them (labelme/_label_file.py, _utils/_shape.py: version, flags,
shapes, imagePath, imageData, imageHeight, imageWidth; a mask shape's two points are its box, both ends included)."""

import numpy as np
import pytest

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.formats.labels import read_annotations
from tests.helpers.labelme_labels import CAR, labelme, png, shape
from tests.helpers.labels import CAR_AND_WHEEL, TASK, one, refused, rows, write

WHEEL = shape('wheel', 'rectangle', [[4.0, 4.0], [2.0, 3.0]])


def test_later_shapes_over_earlier_ones(tmp_path):
    annotation = one(write(tmp_path / 'seed0000003.json', labelme(CAR, WHEEL)))
    assert annotation.name == 'seed0000003' and rows(annotation.mask) == CAR_AND_WHEEL
    assert annotation.keypoints is None and annotation.mask.dtype == np.uint8
    assert 'w' not in ''.join(rows(one(write(tmp_path / 'seed0000003.json', labelme(WHEEL, CAR))).mask))


def test_every_type_of_region(tmp_path):
    content = labelme(
        shape('car', 'oriented_rectangle', [[0, 0], [2, 0], [2, 2], [0, 2]]),
        shape('wheel', 'circle', [[4.5, 1.5], [4.5, 0.4]]),
        shape('car', 'mask', [[1.0, 3.0], [3.0, 4.0]], mask=png([[1, 0, 1], [0, 1, 0]])),
        shape('__ignore__', 'polygon', [[4, 3], [6, 3], [6, 5], [4, 5]]),
    )
    annotation = one(write(tmp_path / 'seed0000003.json', content), unlabeled='background')
    assert rows(annotation.mask) == ['cc..w.', 'cc.www', '....w.', '.c.c??', '..c.??']


def test_masks_in_a_folder_and_points_in_it(tmp_path):
    write(
        tmp_path / 'seed0000003.json',
        labelme(CAR, WHEEL, shape('tail', 'point', [[4.5, 1.0]], flags={'occluded': True})),
    )
    write(tmp_path / 'seed0000004.json', labelme(shape('head', 'point', [[0.5, 1.0]]), imagePath='seed0000004.png'))
    write(tmp_path / '.seed0000005.json', '{')
    both, points = read_annotations(TASK, tmp_path, None)
    assert rows(both.mask) == CAR_AND_WHEEL and both.keypoints.visibility.tolist() == [ABSENT, OCCLUDED]
    assert both.keypoints.points[1].tolist() == [4.5, 1.0]
    assert points.mask is None and points.keypoints.visibility.tolist() == [VISIBLE, ABSENT]


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"shapes": [', 'cannot be read as JSON'),
        ('[' * 100_000, 'cannot be read as JSON'),
        ('[]', 'holds no labelled image'),
        ({'shapes': None}, 'is not as LabelMe writes it'),
        (labelme({'label': 'car'}), r"shape 1 \(car\) is not as LabelMe writes it .KeyError: 'points'"),
        (labelme(CAR, shape(3, 'rectangle', [[0, 0], [1, 1]])), r'shape 2 \(3\): its label is 3'),
        (
            labelme(
                shape('Car', 'polygon', CAR['points']),
                CAR,
                shape('weel', 'polygon', CAR['points']),
                shape('head', 'rectangle', [[0, 0], [1, 1]]),
            ),
            r"'Car' \(did you mean 'car'\?\), at \S+ shape 1; 'weel' \(did you mean 'wheel'\?\), at \S+ shape 3; "
            r"'head' \(that is the other kind.*\), at \S+ shape 4\. The class file lists background, car, wheel",
        ),
        (
            labelme(CAR, shape('car', 'polygon', [[0, 0], [4, 4], [4, 0], [0, 4]])),
            r'shape 2 \(car\): .* crosses itself',
        ),
        (labelme(shape('car', 'polygon', [[8, 0], [9, 4], [8, 0]])), r'shape 1 \(car\): it is outside the image'),
        (labelme(shape('car', 'circle', [[0, 9], [1, 9]])), 'it covers columns -1 to 1 and rows 8 to 10'),
        (labelme(shape('car', 'polygon', [[0, 0], [9, 4]])), 'three corners'),
        (
            labelme(shape('car', 'rectangle', [[0, 0]])),
            r'shape 1 \(car\): its coordinates are 1 pairs of numbers, expected 2 pairs',
        ),
        (labelme(shape('car', 'linestrip', [[0, 0], [3, 3]])), "type 'linestrip' has no area"),
        (labelme(shape('car', 'mask', [[0, 0], [1, 1]], mask='AAAA')), 'is no PNG in base64'),
        (labelme(shape('car', 'mask', [[0, 0], [1, 1]])), 'is no PNG in base64'),
        (labelme(shape('car', 'mask', [[8, 4], [10, 6]], mask=png(np.ones((3, 3))))), 'outside the image of 6 x 5'),
        (
            labelme(CAR, imageHeight=None, imageWidth=None),
            'height and width of image ../images/seed0000003.png are missing',
        ),
        (labelme(CAR, imageHeight=10**9), 'are no size of an image'),
        (labelme(CAR, imageHeight='x'), 'are no size of an image'),
        (labelme(CAR, imagePath='seed0000004.png'), 'give the file the name of its image, seed0000004.json'),
        (labelme(CAR, imagePath=''), 'names no image'),
        (labelme(), 'holds no labelled image'),
        (labelme(shape('head', 'point', [[0, 0]]), shape('head', 'point', [[1, 0]])), "'head' is there twice"),
        (labelme(shape('head', 'point', [[0, float('nan')]])), 'no finite number'),
    ],
)
def test_bad_files(tmp_path, content, message):
    refused(write(tmp_path / 'seed0000003.json', content), message)
