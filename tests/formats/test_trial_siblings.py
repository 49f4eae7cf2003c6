"""More of each kind: where label files lie, ids that do not fit, and what other programs leave in them."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest

from tests.helpers.trial_pngs import GRAY, PALETTE, RGB, write_png
from tests.helpers.trials import (
    COLORS,
    KEYPOINTS,
    SEED0,
    SHAPES,
    SIDE,
    cases,
    coco,
    coco_keypoints,
    cvat,
    flat,
    json_classes,
    label_studio,
    labelme,
    names_all,
    read,
    refusal,
    runs,
    sample_set,
    text_classes,
    told,
    true_mask,
    write,
)


def is_true(labels, classes, samples=None) -> None:
    np.testing.assert_array_equal(read(labels, classes, samples).masks[SEED0], true_mask())


# ------------------------------------------------------------------------------------------- where a label file lies

PLACES = {
    'roboflow': ('_annotations.coco.json', coco()),
    'coco of CVAT': ('annotations/instances_default.json', coco()),
    'coco': ('result.json', coco()),
    'label studio': ('project-1-at-2024-01-01-00-00-3f2a1b4c.json', label_studio()),
    'cvat': ('cars.xml', cvat()),
    'labelme in a subfolder': (f'monday/{SEED0}.json', labelme()),
}


@pytest.mark.parametrize('place', cases(PLACES))
def test_the_folder_of_an_export(tmp_path, place):
    """The one file of labels in it is meant."""
    name, content = PLACES[place]
    write(tmp_path / 'labels' / name, content)
    is_true(tmp_path / 'labels', text_classes(tmp_path))


def test_labelme_files_in_a_subfolder_are_not_lost(tmp_path):
    write(tmp_path / 'labels' / f'{SEED0}.json', labelme())
    write(tmp_path / 'labels' / 'more' / 'seed0000001.json', labelme(image='seed0000001.png'))
    samples = sample_set(tmp_path / 'samples', 2)
    assert set(read(tmp_path / 'labels', text_classes(tmp_path), samples).masks) == {SEED0, 'seed0000001'}


@pytest.mark.parametrize('other', cases(('coco', 'settings')))
def test_json_of_another_kind_beside_labelme_files(tmp_path, other):
    """Labels of two formats are two readings; a file that holds no labels is passed over, and told."""
    write(tmp_path / 'labels' / f'{SEED0}.json', labelme())
    write(tmp_path / 'labels' / 'other.json', coco() if other == 'coco' else {'theme': 'dark'})
    if other == 'coco':
        names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), 'labelme', 'coco', 'other.json')
    else:
        names_all(told(tmp_path / 'labels', text_classes(tmp_path)), 'other.json')
        is_true(tmp_path / 'labels', text_classes(tmp_path))


@pytest.mark.parametrize('inside', ['SegmentationObject', 'SegmentationObject/train'])
def test_masks_of_objects_are_no_masks_of_classes(tmp_path, inside):
    """SegmentationObject counts the objects of an image: 1, 2, 3 are ids of any class file."""
    write_png(tmp_path / 'voc' / inside / f'{SEED0}.png', true_mask(), 8, PALETTE, COLORS)
    write_png(tmp_path / 'voc' / 'SegmentationClass' / f'{SEED0}.png', true_mask(), 8, PALETTE, COLORS)
    message = refusal(tmp_path / 'voc' / 'SegmentationObject', text_classes(tmp_path))
    names_all(message.replace('=/voc/SegmentationObject', ''), 'SegmentationClass', 'object')


def test_label_colors_of_camvid_are_a_name_table(tmp_path):
    write_png(tmp_path / 'labels' / f'{SEED0}.png', np.asarray(COLORS)[true_mask()], 8, RGB)
    rows = [
        f'{" ".join(map(str, color))} {name}' for color, name in zip(COLORS, ('background', 'wheel', 'car', 'window'))
    ]
    write(tmp_path / 'labels' / 'label_colors.txt', '\n'.join(rows) + '\n')
    mask = read(tmp_path / 'labels', text_classes(tmp_path)).masks[SEED0]
    np.testing.assert_array_equal(mask, np.array([0, 2, 1, 3], np.uint8)[true_mask()])


@pytest.mark.parametrize('encoding', cases(('utf-8', 'utf-8-sig', 'cp1252', 'utf-16')))
def test_a_labelmap_in_another_encoding(tmp_path, encoding):
    names = ('background', 'Tür', 'wheel', 'window')
    rows = [f'{name}:{",".join(map(str, color))}::' for name, color in zip(names, COLORS)]
    write(tmp_path / 'voc' / 'labelmap.txt', '\n'.join(rows).encode(encoding))
    write_png(tmp_path / 'voc' / 'SegmentationClass' / f'{SEED0}.png', true_mask(), 8, PALETTE, COLORS)
    is_true(tmp_path / 'voc', text_classes(tmp_path, names))


# ------------------------------------------------------------------------------------------------------ ids in COCO


def test_a_category_id_of_two_names_is_refused(tmp_path):
    content = coco()
    content['categories'].append({'id': 17, 'name': 'wheel'})
    names_all(refusal(write(tmp_path / 'l.json', content), text_classes(tmp_path)), '17', 'car', 'wheel')


@pytest.mark.parametrize('key', cases(('image_id', 'category_id')))
def test_ids_as_text_and_as_numbers_are_one(tmp_path, key):
    content = coco()
    for annotation in content['annotations']:
        annotation[key] = str(annotation[key])
    is_true(write(tmp_path / 'l.json', content), text_classes(tmp_path))


def test_an_empty_part_of_a_polygon_is_nothing(tmp_path):
    parts = [[flat(corners), []] for _, corners in SHAPES]
    is_true(write(tmp_path / 'l.json', coco(parts)), text_classes(tmp_path))


def test_an_odd_number_of_coordinates_is_explained(tmp_path):
    message = refusal(write(tmp_path / 'l.json', coco([[[1, 1, 9, 1, 9, 9, 3]]])), text_classes(tmp_path))
    names_all(message, SEED0, 'annotation 1', 'car', '7')
    assert 'ValueError' not in message


def test_runs_that_are_no_whole_numbers_are_refused(tmp_path):
    labels = write(tmp_path / 'l.json', coco([{'size': [SIDE, SIDE], 'counts': [100.5, SIDE * SIDE - 100.5 + 1]}]))
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'annotation 1', 'whole')


def test_keypoints_as_shares_of_the_sides_are_told(tmp_path):
    """As YOLO and FiftyOne have them inside; in pixels all would lie in the image's first pixel."""
    labels = write(tmp_path / 'l.json', coco_keypoints(points=((0.3, 0.5, 2), (0.7, 0.2, 2)), segmentation=False))
    names_all(told(labels, json_classes(tmp_path, keypoints=KEYPOINTS)), SEED0, 'pixel')


OTHER_JSON = {
    'coco results': [{'image_id': 5, 'category_id': 17, 'segmentation': runs(true_mask() > 0), 'score': 0.9}],
    'coco panoptic': {
        'images': [{'id': 5, 'file_name': f'{SEED0}.png', 'height': SIDE, 'width': SIDE}],
        'categories': [{'id': 1, 'name': 'car', 'isthing': 1, 'supercategory': ''}],
        'annotations': [{'image_id': 5, 'file_name': f'{SEED0}.png', 'segments_info': [{'id': 1, 'category_id': 1}]}],
    },
    'predictions': [one | {'annotations': [], 'predictions': one['annotations']} for one in label_studio()],
    'json lines': '\n'.join(json.dumps(one) for one in label_studio() * 2),
}
SAID = {
    'coco results': 'results',
    'coco panoptic': 'panoptic',
    'predictions': 'predictions',
    'json lines': 'JSON lines|a line',
}


@pytest.mark.parametrize('kind', cases(OTHER_JSON))
def test_other_files_of_known_tools_are_named(tmp_path, kind):
    labels = write(tmp_path / 'l.json', OTHER_JSON[kind])
    message = refusal(labels, text_classes(tmp_path))
    names_all(message, SAID[kind])
    assert 'KeyError' not in message


# ------------------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize('kind', cases(('JPEG', 'CMYK')))
def test_a_jpeg_named_png_is_named(tmp_path, kind):
    (tmp_path / 'labels').mkdir()
    image = PIL.Image.fromarray(true_mask()).convert('CMYK' if kind == 'CMYK' else 'L')
    image.save(tmp_path / 'labels' / f'{SEED0}.png', 'JPEG')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), SEED0, 'JPEG')


def test_ids_in_a_gray_png_of_two_bits_are_not_scaled_into_no_label(tmp_path):
    """Ids 0 and 3, stored in 2 bits: a viewer shows black and white."""
    write_png(tmp_path / 'labels' / f'{SEED0}.png', np.where(true_mask(), 3, 0), 2, GRAY)
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), SEED0, 'mask_values')


# ------------------------------------------------------------------------------------------- XML about one image

BOX_OF_A_CAR = '<bndbox><xmin>20</xmin><ymin>40</ymin><xmax>108</xmax><ymax>90</ymax></bndbox>'
OUTLINE_OF_A_CAR = (
    '<polygon><pt><x>20</x><y>40</y></pt><pt><x>108</x><y>40</y></pt><pt><x>108</x><y>90</y></pt></polygon>'
)


def xml_of_one_image(inside: str) -> str:
    return (
        f'<?xml version="1.0"?>\n<!-- made by a tool -->\n<annotation verified="yes"><filename>{SEED0}.png</filename>'
        f'<object><name>car</name>{inside}</object></annotation>'
    )


@pytest.mark.parametrize('images', [1, 3])
@pytest.mark.parametrize(
    'inside, parts',
    [(BOX_OF_A_CAR, ('Pascal VOC', 'boxes', 'SegmentationClass')), (OUTLINE_OF_A_CAR, ('LabelMe', 'JSON', 'CVAT'))],
    ids=['voc', 'labelme'],
)
def test_xml_of_one_image_is_named(tmp_path, images, inside, parts):
    for number in range(images):
        write(tmp_path / 'labels' / 'Annotations' / f'seed{number:07d}.xml', xml_of_one_image(inside))
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), f'{SEED0}.xml', *parts)


@pytest.mark.parametrize('folder', ['.', 'SegmentationClass'])
def test_masks_beside_the_xml_of_boxes_are_read(tmp_path, folder):
    """As VOC's own datasets are, and exports of CVAT, Datumaro and LabelImg."""
    write(tmp_path / 'labels' / 'Annotations' / f'{SEED0}.xml', xml_of_one_image(BOX_OF_A_CAR))
    (tmp_path / 'labels' / folder).mkdir(exist_ok=True)
    write_png(tmp_path / 'labels' / folder / f'{SEED0}.png', true_mask(), 8, GRAY)
    is_true(tmp_path / 'labels', text_classes(tmp_path))
