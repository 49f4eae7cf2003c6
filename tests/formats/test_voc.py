"""Pascal VOC's folders, by its development kit (SegmentationClass, palette PNGs, 255 = void) and by CVAT's
documentation of "Segmentation Mask" (labelmap.txt: label : color (RGB) : parts : actions)."""

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.formats.name_tables import voc_color
from tests.helpers.labels import CAR_AND_WHEEL, ids, one, refused, rows

MASK = ids(CAR_AND_WHEEL)
MASK[0, 0] = 255
ROWS = ['?.....', *CAR_AND_WHEEL[1:]]
LABEL_MAP = '# label:color_rgb:parts:actions\nbackground:0,0,0::\nwheel:10,20,30::\ncar:250,50,0::\n'
COLORS = {0: (0, 0, 0), 1: (250, 50, 0), 2: (10, 20, 30), 255: (224, 224, 192)}


def folder(tmp_path, image, label_map=None):
    (tmp_path / 'SegmentationClass').mkdir()
    image.save(tmp_path / 'SegmentationClass' / 'seed0000003.png')
    (tmp_path / 'SegmentationObject').mkdir()
    if label_map is not None:
        (tmp_path / 'labelmap.txt').write_text(label_map)
    return tmp_path


def in_colors(mask=MASK, colors=COLORS):
    return PIL.Image.fromarray(np.array([[colors[value] for value in row] for row in mask.tolist()], np.uint8))


def in_a_palette(mask, colors):
    image = PIL.Image.fromarray(mask)
    image.putpalette([value for index in range(256) for value in colors.get(index, (1, 1, 1))])
    return image


def test_colors_of_voc():
    # from the development kit: aeroplane, bicycle, bird, chair, tv monitor, void
    assert [voc_color(index) for index in (0, 1, 2, 3, 9, 20, 255)] == [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
        (192, 0, 0),
        (0, 64, 128),
        (224, 224, 192),
    ]


@pytest.mark.parametrize(
    'image',
    [
        in_a_palette(MASK, {index: voc_color(index) for index in range(256)}),
        in_a_palette(MASK, {index: (index, 9, 9) for index in range(256)}),
        in_colors(colors={index: voc_color(index) for index in range(256)}),
    ],
)
def test_indices(tmp_path, image):
    annotation = one(folder(tmp_path, image))
    assert annotation.name == 'seed0000003' and rows(annotation.mask) == ROWS


@pytest.mark.parametrize(
    'image',
    [
        in_colors(),
        in_a_palette(MASK, COLORS),
        in_a_palette(
            np.choose(np.minimum(MASK, 3), [7, 3, 5, 9]).astype(np.uint8),
            {7: COLORS[0], 3: COLORS[1], 5: COLORS[2], 9: COLORS[255]},
        ),
    ],
)
def test_label_map(tmp_path, image):
    assert rows(one(folder(tmp_path, image, LABEL_MAP)).mask) == ROWS


def test_a_class_may_have_the_color_of_void(tmp_path):
    image = in_colors(ids(CAR_AND_WHEEL), {**COLORS, 1: voc_color(255)})
    assert rows(one(folder(tmp_path, image, LABEL_MAP.replace('250,50,0', '224,224,192'))).mask) == CAR_AND_WHEEL


def test_names_that_occur_nowhere_need_not_be_known(tmp_path):
    assert rows(one(folder(tmp_path, in_colors(), LABEL_MAP + 'ship:1,1,1::\n')).mask) == ROWS


@pytest.mark.parametrize(
    'image, label_map, message',
    [
        (
            in_colors(),
            LABEL_MAP.replace('car', 'Car').replace('wheel', 'ship'),
            r"'ship', at \S+seed0000003.png; 'Car' \(did you mean 'car'\?\), at \S+seed0000003.png\. ",
        ),
        (in_colors(), 'car:250,50,0::\nbackground:0,0,0::\n', r'\(10, 20, 30\): 2 pixels'),
        (
            in_colors(),
            None,
            r"VOC's palette lack, in \S+ \(\(250, 50, 0\): 4 pixels, \(10, 20, 30\): 2",
        ),
        (in_colors(), 'car:250,50\n', r'labelmap.txt cannot be read'),
        (in_colors(), 'car\n', 'cannot be read'),
        (in_colors(), LABEL_MAP + 'boat:0,0,0::', "'boat' and 'background' have the same colour"),
        (
            PIL.Image.fromarray(MASK.astype(np.uint16)),
            LABEL_MAP,
            r'lacks, in .*\(1, 1, 1\) of 16 bits: 4 pixels',
        ),
    ],
)
def test_bad_files(tmp_path, image, label_map, message):
    refused(folder(tmp_path, image, label_map), message)


def test_bad_folders(tmp_path):
    refused(tmp_path, 'holds no folder SegmentationClass', label_format='voc')
    folder(tmp_path, in_colors())
    (tmp_path / 'SegmentationClass' / 'seed0000003.png').write_bytes(b'hello')
    refused(tmp_path, 'cannot be read as an image')
    refused(tmp_path, '`unlabeled`=ignore is of no use with .* masks', unlabeled='ignore')
