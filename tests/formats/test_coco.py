"""COCO's files, by its data format page (cocodataset.org, "Data format": polygons [x, y, ...], runs {"counts", "size"},
column by column); pycocotools writes and reads them in the round trips."""

import json

import numpy as np
import pytest

from datasetgan_ext.formats.labels import read_annotations
from tests.helpers.coco_labels import CAR, coco
from tests.helpers.labels import CAR_AND_WHEEL, TASK, one, refused, rows, write


def test_polygons_and_runs(tmp_path):
    content = coco([CAR], {'size': [5, 6], 'counts': [13, 1, 4, 1, 11]})
    content['annotations'][1]['category_id'] = 2
    assert rows(one(write(tmp_path / 'a.json', content)).mask) == CAR_AND_WHEEL
    # the same in pycocotools' compressed form: 13, 1, 4, 1 - 1, 11 - 4
    content['annotations'][1]['segmentation']['counts'] = '=1407'
    assert rows(one(write(tmp_path / 'a.json', content)).mask) == CAR_AND_WHEEL


def test_an_object_in_parts(tmp_path):
    mask = one(write(tmp_path / 'a.json', coco([[0, 0, 1, 0, 1, 1, 0, 1], [5, 4, 6, 4, 6, 5, 5, 5]]))).mask
    assert rows(mask) == ['c.....', '......', '......', '......', '.....c']


@pytest.mark.parametrize('compressed', [True, False])
@pytest.mark.parametrize('height, width', [(1, 1), (7, 5), (40, 60)])
def test_round_trip_by_pycocotools(tmp_path, height, width, compressed):
    oracle = pytest.importorskip('pycocotools.mask')
    random = np.random.RandomState(height)
    for density in (0, 0.02, 0.5, 1):
        bits = random.rand(height, width) < density
        runs = oracle.encode(np.asfortranarray(bits.astype(np.uint8)))
        counts = runs['counts'].decode()
        if not compressed:
            flat = bits.ravel(order='F')
            edges = np.flatnonzero(np.diff(flat)) + 1
            counts = np.diff([0, *([0] if flat[0] else []), *edges, flat.size]).tolist()
        content = coco({'size': [height, width], 'counts': counts})
        content['images'][0] |= {'height': height, 'width': width}
        assert np.array_equal(one(write(tmp_path / 'a.json', content)).mask, bits)


def test_polygons_as_pycocotools_paints_them_within_a_pixel_of_the_border(tmp_path):
    oracle = pytest.importorskip('pycocotools.mask')
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (18.3, 12.7) + (20.2, 20.9)
    theirs = oracle.decode(oracle.frPyObjects([corners.ravel().tolist()], 40, 40))[:, :, 0] > 0
    content = coco([corners.ravel().tolist()])
    content['images'][0] |= {'height': 40, 'width': 40}
    ours = one(write(tmp_path / 'a.json', content)).mask > 0
    around = [np.roll(theirs, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    assert not (ours & ~np.any(around, axis=0)).any() and not (np.all(around, axis=0) & ~ours).any()


def test_masks_and_keypoints_in_one_file(tmp_path):
    content = coco([CAR], category=2)
    content['categories'][1]['keypoints'] = ['tail', 'head']
    content['annotations'][0]['keypoints'] = [1.5, 2.5, 1, 0, 0, 0]
    path = write(tmp_path / 'a.json', content)
    annotation = one(path)
    assert annotation.keypoints.visibility.tolist() == [0, 1] and annotation.mask.max() == 2
    (masks,) = read_annotations(TASK.only(True, False), path, None)
    assert masks.keypoints is None and masks.mask.max() == 2
    (points,) = read_annotations(TASK.only(False, True), path, None)
    assert points.mask is None and points.keypoints.points[1].tolist() == [1.5, 2.5]


def test_images_without_annotations_are_passed_over(tmp_path, caplog):
    content = coco([CAR])
    content['images'].append({'id': 8, 'file_name': 'seed0000004.png', 'height': 5, 'width': 6})
    assert one(write(tmp_path / 'a.json', content)).name == 'seed0000003'
    assert 'nothing is drawn on 1 images; passed over: seed0000004.png' in caplog.text


def several(**changes) -> dict:
    return {**coco([CAR]), **changes}


@pytest.mark.parametrize(
    'content, message',
    [
        ('{"images": ', 'cannot be read as JSON'),
        ('{"images": 3}', 'is not as COCO'),
        (several(annotations=[3]), 'annotation 1 is not as COCO writes it'),
        (several(annotations=[{'image_id': [], 'category_id': 1}]), r'annotation 1 is of image \[\], which is not'),
        (several(images=[]), 'is of image 7, which is not among "images"'),
        (several(categories=[]), 'is of category 1, which is not among "categories"'),
        (
            several(categories=[{'id': 1, 'name': 'cars'}]),
            r"'cars' \(did you mean 'car'\?\), at \S+ image images/seed0000003.png annotation 10\.",
        ),
        (several(images=coco()['images'] * 2), 'two images with the id 7'),
        (
            several(images=[{'id': 7, 'file_name': 'seed0000003.png'}]),
            'height and width of image seed0000003.png are missing',
        ),
        (
            several(images=[{'id': 7, 'file_name': 'seed0000003.png', 'height': 0, 'width': 6}]),
            'are no size of an image',
        ),
        (several(images=[{'id': 7, 'file_name': None}]), 'names no image file'),
        (coco([[0, 0, 4, 4, 4, 0, 0, 4]]), r'annotation 10 \(car\): .* crosses itself'),
        (coco([[8, 0, 9, 4, 9, 0]]), r'annotation 10 \(car\): it is outside the image of 6 x 5 pixels'),
        (coco([[0, 0, 4]]), r'annotation 10 \(car\): a part of its polygon has 3 numbers'),
        (coco([[0, 0, 4, 4]]), 'three'),
        (coco([]), 'neither "segmentation" nor "keypoints"'),
        (coco([['x', 0, 4, 4]]), 'not all numbers'),
        (coco({'size': [6, 5], 'counts': [30]}), r'its mask is 6 x 5, its image \(5, 6\)'),
        (coco({'size': [5, 6], 'counts': [29]}), 'run lengths add up to 29 pixels, its box has 30'),
        (coco({'size': [5, 6], 'counts': [10**12]}), 'run lengths add up to'),
        (coco({'size': [5, 6], 'counts': [31, -1]}), 'run lengths add up to'),
        (coco({'size': [5, 6], 'counts': '=1407~'}), 'compressed runs'),
        (coco({'size': [5, 6], 'counts': '=140W'}), 'compressed runs end within a number'),
        (coco({'size': [5, 6], 'counts': ' '}), 'compressed runs are damaged'),
        (coco({'counts': [30]}), "KeyError: 'size'"),
        (several(annotations=[]), 'holds no labelled image'),
    ],
)
def test_bad_files(tmp_path, content, message):
    refused(write(tmp_path / 'a.json', content), message)


def test_two_images_of_one_name(tmp_path):
    content = coco([CAR], [CAR])
    content['images'].append({'id': 8, 'file_name': 'more/seed0000003.png', 'height': 5, 'width': 6})
    content['annotations'][1]['image_id'] = 8
    refused(write(tmp_path / 'a.json', json.dumps(content)), 'two images named seed0000003')


def test_a_category_without_a_name_is_told(tmp_path):
    content = coco([CAR])
    del content['categories'][0]['name']
    refused(write(tmp_path / 'a.json', content), "of categories has no 'name'")


def test_a_small_file_of_huge_images_is_refused(tmp_path):
    content = coco([CAR])
    content['images'] = [
        {'id': number, 'file_name': f'{number}.png', 'height': 16384, 'width': 16384} for number in (7, 8, 9, 10, 11)
    ]
    refused(write(tmp_path / 'a.json', content), '1342177280 pixels in all')
