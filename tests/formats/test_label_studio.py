"""Label Studio's "JSON" export, by its documentation (labelstud.io: guide/export, "Label Studio JSON format of
annotated tasks"; tags/polygonlabels, rectanglelabels, ellipselabels, brushlabels, keypointlabels)."""

import numpy as np
import pytest

from datasetgan_ext.core.annotation import ABSENT, VISIBLE
from datasetgan_ext.formats.label_studio import brush_bits
from datasetgan_ext.formats.shapes import ShapeError
from tests.helpers.label_studio_labels import CAR, brush, per_cent, result, task
from tests.helpers.labels import CAR_AND_WHEEL, one, refused, rows, write

WHEEL = result('rectanglelabels', 'wheel', x=100 * 2 / 6, y=60, width=100 * 2 / 6, height=20, rotation=0)


def read(tmp_path, *results, **changes):
    return one(write(tmp_path / 'export.json', [task(*results, **changes)]))


def test_polygon_and_rectangle(tmp_path):
    annotation = read(tmp_path, CAR, WHEEL, {'type': 'choices', 'value': {'choices': ['good']}})
    assert annotation.name == 'seed0000003' and rows(annotation.mask) == CAR_AND_WHEEL and annotation.keypoints is None


def test_brush_ellipse_and_rotated_rectangle(tmp_path):
    mask = read(
        tmp_path,
        result('brushlabels', 'wheel', format='rle', rle=brush(['#.....', '.#....', '......', '......', '......'])),
        result('ellipselabels', 'car', x=100 * 4 / 6, y=20, radiusX=100 * 2.1 / 6, radiusY=12, rotation=0),
        result('rectanglelabels', 'wheel', x=100 * 4 / 6, y=40, width=100 * 2 / 6, height=60, rotation=90),
    ).mask
    # the last: 2 wide and 3 high, turned clockwise about its corner (4, 2): from (1, 2) to (4, 4)
    assert rows(mask) == ['w..cc.', '.w.cc.', '.www..', '.www..', '......']


def test_brush_that_the_tools_own_encoder_wrote():
    written = bytes.fromhex('00 00 00 78 39 1b fe 1b 00 bf ff 38 04 7f f3 80 47 ff 38 05 ff f8 c0 23 ff c2 60 00')
    assert brush_bits(list(written), (5, 6)).tolist() == [
        [letter == '#' for letter in row] for row in ('......', '.####.', '.#..#.', '.####.', '#.....')
    ]


def test_brush_by_the_tools_own_encoder():
    oracle = pytest.importorskip('label_studio_brush_rle_rs')
    random = np.random.RandomState(0)
    for hw in ((1, 1), (5, 7), (300, 400)):
        for bits in (random.rand(*hw) < 0.5, np.zeros(hw, bool), np.ones(hw, bool), np.tri(*hw, dtype=bool)):
            values = np.repeat(bits.ravel().astype(np.uint8) * 255, 4)
            assert np.array_equal(brush_bits(list(oracle.encode_rle(values, 8, [3, 4, 8, 16])), hw), bits)


def test_keypoints_beside_regions(tmp_path):
    annotation = read(tmp_path, CAR, WHEEL, result('keypointlabels', 'tail', x=25, y=30, width=0.5))
    assert rows(annotation.mask) == CAR_AND_WHEEL and annotation.keypoints.visibility.tolist() == [ABSENT, VISIBLE]
    assert annotation.keypoints.points[1].tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    'address',
    [
        'seed0000003.png',
        's3://bucket/samples/seed0000003.png',
        'https://example.com/a/seed0000003.png?v=1',
        '/data/local-files/?d=samples/images/seed0000003.png',
        '/data/upload/1/0123abcd-seed0000003.png',
    ],
)
def test_addresses_of_images(tmp_path, address):
    assert read(tmp_path, CAR, image=address).name == 'seed0000003'


def test_tasks_that_nobody_has_done_are_passed_over(tmp_path, caplog):
    cancelled = {'result': [], 'was_cancelled': True}
    content = [
        task(CAR),
        task(image='b/seed0000004.png', annotations=[]),
        task(image='b/seed0000005.png', annotations=[cancelled]),
    ]
    assert one(write(tmp_path / 'export.json', content)).name == 'seed0000003'
    assert 'nothing is drawn on 2 images; passed over: b/seed0000004.png, b/seed0000005.png' in caplog.text


def changed(shape, **changes) -> dict:
    return {**shape, **changes}


@pytest.mark.parametrize(
    'content, message',
    [
        ('[{', 'cannot be read as JSON'),
        ('[3]', 'is not as Label Studio'),
        ([{'image': 'a.png', 'label': []}], 'JSON-MIN'),
        ([{'annotations': [{'result': []}]}], 'is not as Label Studio'),
        ([task(annotations=3)], 'task 12 is not as Label Studio'),
        (
            [
                task(
                    result('polygonlabels', 'Car', points=CAR['value']['points']),
                    WHEEL,
                    result('brushlabels', 'weel', format='rle', rle=brush(['......'] * 5)),
                )
            ],
            r"'Car' \(did you mean 'car'\?\), at \S+ image /data/upload/3/0f3a9c1e-seed0000003.png result 1; "
            r"'weel' \(did you mean 'wheel'\?\), at \S+ "
            r'image /data/upload/3/0f3a9c1e-seed0000003.png result 3\.',
        ),
        (
            [task(result('polygonlabels', 'car', points=per_cent((0, 0), (4, 4), (4, 0), (0, 4))))],
            r'result 1 \(car\): .* crosses itself',
        ),
        (
            [task(result('polygonlabels', 'car', points=[[150, 0], [170, 0], [150, 50]]))],
            'it is outside the image of 6 x 5',
        ),
        ([task(result('polygonlabels', 'car', points=[[0, 0], ['x', 0]]))], 'result 1'),
        ([task(result('rectanglelabels', 'car', x=1, y=1))], "result 1 is not as Label Studio writes it .*'width'"),
        ([task(result('ellipselabels', 'car', x=1, y=1, radiusX=0, radiusY=1))], 'radius'),
        ([task(result('vectorlabels', 'car', vertices=[]))], "results of type 'vectorlabels' cannot be read"),
        ([task(changed(CAR, value={'points': []}))], 'it has 0 labels'),
        ([task(changed(CAR, value={**CAR['value'], 'polygonlabels': ['car', 'wheel']}))], 'it has 2 labels'),
        ([task(changed(CAR, original_width=None))], 'are no size of an image'),
        ([task(CAR, changed(WHEEL, original_width=7))], 'another size'),
        ([task(changed(CAR, image_rotation=90))], 'rotated by 90 degrees'),
        ([task(result('brushlabels', 'car', format='png', rle=[]))], "its format is 'png'"),
        ([task(result('brushlabels', 'car', format='rle', rle=[0, 1, 300]))], 'no byte'),
        ([task(result('brushlabels', 'car', format='rle', rle=[]))], 'ends too early'),
        ([task(result('brushlabels', 'car', format='rle', rle=brush(['......'] * 4)))], 'has 96 values of 8 bits'),
        ([task(result('brushlabels', 'car', format='rle', rle=brush(['#.....'] * 5)[:-4]))], 'ends too early'),
        ([task(CAR, data={'text': 'hello'})], 'has 0 images under "data"'),
        (
            [task(CAR, annotations=[{'result': [CAR]}, {'result': [CAR]}])],
            '0f3a9c1e-seed0000003.png has 2 annotations; keep one',
        ),
        ([task(CAR), task(CAR)], 'two images named seed0000003'),
        ([task()], 'holds no labelled image'),
        ([task(*[result('keypointlabels', 'head', x=1, y=1)] * 2)], "'head' is there twice"),
    ],
)
def test_bad_files(tmp_path, content, message):
    refused(write(tmp_path / 'export.json', content), message)


def test_a_block_that_is_too_long():
    data = brush(['#'])
    data[3] = 8  # two pixels where the blocks hold one
    with pytest.raises(ShapeError, match='ends too early'):
        brush_bits(data, (1, 2))
