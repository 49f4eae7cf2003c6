"""CVAT's "CVAT for images 1.1", by its documentation (docs.cvat.ai, "XML annotation format"); a mask that CVAT wrote,
from its issue 4723."""

import pytest

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.formats.labels import read_annotations
from tests.helpers.cvat_labels import CAR, cvat, image
from tests.helpers.labels import CAR_AND_WHEEL, TASK, one, refused, rows, write

WHEEL = '<box label="wheel" source="manual" occluded="0" xtl="2.00" ytl="3.00" xbr="4.00" ybr="4.00" z_order="0"></box>'
WRITTEN_BY_CVAT = (
    '<mask label="car" occluded="0" source="manual" rle="17, 10, 27, 15, 23, 18, 20, 21, 18, 23, 16, 24, 15, 26, 13, '
    '27, 13, 27, 12, 29, 10, 30, 9, 32, 7, 34, 5, 36, 3, 38, 2, 38, 2, 39, 1, 39, 1, 120, 1, 39, 1, 39, 1, 39, 2, 38, '
    '2, 38, 3, 37, 3, 37, 3, 37, 4, 36, 4, 35, 6, 34, 7, 33, 7, 32, 9, 30, 10, 29, 13, 26, 15, 23, 18, 20, 22, 15, 12" '
    'left="79" top="304" width="40" height="40" z_order="0"> </mask>'
)


def read(tmp_path, *shapes):
    return one(write(tmp_path / 'annotations.xml', cvat(image(*shapes))))


def test_order_of_the_layers_then_of_the_file(tmp_path):
    assert rows(read(tmp_path, CAR, WHEEL, '<tag label="good"></tag>').mask) == CAR_AND_WHEEL
    assert rows(read(tmp_path, WHEEL.replace('z_order="0"', 'z_order="1"'), CAR).mask) == CAR_AND_WHEEL
    assert 'w' not in ''.join(rows(read(tmp_path, WHEEL, CAR).mask))
    assert one(tmp_path).name == 'seed0000003', 'the folder of the export is as good'


def test_every_kind_of_region(tmp_path):
    mask = read(
        tmp_path,
        '<ellipse label="car" cx="1.5" cy="1.5" rx="1.10" ry="0.60" rotation="90.0"></ellipse>',
        '<mask label="wheel" rle="0, 1, 1, 2" left="4" top="0" width="2" height="2" z_order="0"></mask>',
        '<box label="car" xtl="3.6" ytl="1.9" xbr="4.4" ybr="5.1" rotation="90.0" z_order="0"></box>',
    ).mask
    assert rows(mask) == ['.c..w.', '.c..ww', '.c....', '..cccc', '......']


def test_mask_that_cvat_wrote(tmp_path):
    path = write(tmp_path / 'a.xml', cvat(image(WRITTEN_BY_CVAT, width='200', height='400')))
    mask = one(path).mask
    box = mask[304:344, 79:119]
    assert mask.sum() == box.sum() == sum(map(int, WRITTEN_BY_CVAT.split('"')[7].split(',')[1::2]))
    assert box[0].tolist() == [0] * 17 + [1] * 10 + [0] * 13 and box.any(axis=0).all() and box.any(axis=1).all()
    assert ((abs(box.astype(int)[:, 1:] - box.astype(int)[:, :-1])).sum(axis=1) <= 2).all(), 'a blob, not stripes'


def test_keypoints(tmp_path):
    head = '<points label="head" source="manual" occluded="1" points="0.50,1.25" z_order="0"></points>'
    annotation = read(tmp_path, CAR, WHEEL, head)
    assert rows(annotation.mask) == CAR_AND_WHEEL
    assert annotation.keypoints.visibility.tolist() == [OCCLUDED, ABSENT]
    assert annotation.keypoints.points[0].tolist() == [0.5, 1.25]
    annotation = read(
        tmp_path,
        f'<skeleton label="bird" source="manual" z_order="0">{head.replace("1.25", "2")}'
        '<points label="tail" occluded="0" outside="1" points="3,3"></points></skeleton>',
    )
    assert annotation.mask is None and annotation.keypoints.visibility.tolist() == [OCCLUDED, ABSENT]
    (alone,) = read_annotations(TASK, None, write(tmp_path / 'annotations.xml', cvat(image(CAR, head))))
    assert alone.mask is None and alone.keypoints.visibility.tolist() == [OCCLUDED, ABSENT]
    visible = read(tmp_path, head.replace('"1"', '"0"'))
    assert visible.keypoints.visibility[0] == VISIBLE


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "ha">'
    + ''.join(f'<!ENTITY {after} "{f"&{before};" * 10}">' for before, after in zip('abcdefghi', 'bcdefghij'))
    + ']>'
)


@pytest.mark.parametrize(
    'content, message',
    [
        (cvat(image(CAR))[:-20], 'cannot be read as XML'),
        ('<', 'cannot be read as XML'),
        ('<a>' * 9999, 'cannot be read'),
        (cvat().replace('?>\n', '?>\n' + LAUGHS).replace('cars', '&j;'), 'has a DOCTYPE'),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', 'has a DOCTYPE'),
        (cvat().replace('cars', '&undeclared;'), 'cannot be read as XML'),
        ('<annotation><object/></annotation>', 'is an XML file of Pascal VOC, which holds boxes alone'),
        ('<image name="a.png"/>', 'holds <image>, not annotations of images'),
        (cvat('<track id="0" label="car"></track>'), 'holds tracks of a video'),
        (
            cvat(
                image(CAR.replace('"car"', '"Car"')),
                image(WHEEL, CAR.replace('car', 'scooter'), name='seed0000004.png'),
            ),
            r"'Car' \(did you mean 'car'\?\), at \S+ image seed0000003.png shape 1; "
            r"'scooter', at \S+ image seed0000004.png shape 2\. ",
        ),
        (cvat(image(CAR.replace('4.00,2.00;4.00,4.00', '4.00,4.00;4.00,2.00'))), r'shape 1 \(car\): .* crosses itself'),
        (
            cvat(image(WHEEL, CAR.replace('.00,2.00', '.00,7.50').replace('.00,4.00', '.00,9.00'))),
            r'shape 2 \(car\): it is outside the image of 6 x 5',
        ),
        (cvat(image(CAR.replace('1.00,2.00', '1.00'))), 'shape 1 is not as CVAT writes it|shape 1: its coord'),
        (cvat(image(CAR.replace('1.00,2.00', 'nan,2.00'))), 'no finite number'),
        (cvat(image(WHEEL.replace('xtl', 'left'))), "shape 1 is not as CVAT writes it .KeyError: 'xtl'"),
        (cvat(image(WHEEL.replace('z_order="0"', 'z_order="x"'))), 'shape 1 is not as CVAT writes it'),
        (cvat(image('<polyline label="car" points="0,0;3,3"></polyline>')), 'a polyline has no area'),
        (cvat(image('<box xtl="0" ytl="0" xbr="1" ybr="1"></box>')), 'it has no label'),
        (
            cvat(image('<mask label="car" rle="5" left="0" top="0" width="2" height="2"/>')),
            'add up to 5 pixels, .* has 4',
        ),
        (
            cvat(
                image('<mask label="car" rle="4" left="8" top="4" width="2" height="3"/>'.replace('"4" l', '"0,6" l'))
            ),
            'outside the image of 6 x 5',
        ),
        (
            cvat(image('<mask label="car" rle="4" left="0" top="0" width="99999999999" height="2"/>')),
            'no image can hold',
        ),
        (cvat(image('<points label="head" points="1,1;2,2"></points>')), "'head' is there twice"),
        (cvat(image(CAR, width='x')), 'are no size of an image'),
        (cvat(image(CAR, height='99999999')), 'are no size'),
        (cvat(image(CAR).replace(' name=', ' file=')), 'names no image file'),
        (cvat(image(CAR), image(CAR, name='more/seed0000003.png')), 'two images named seed0000003'),
        (cvat(image()), 'holds no labelled image'),
        (cvat(), 'holds no labelled image'),
    ],
)
def test_bad_files(tmp_path, content, message):
    refused(write(tmp_path / 'annotations.xml', content), message)
