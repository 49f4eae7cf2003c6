"""Folders as people have them: masks and other labels of one image side by side, masks of objects, archives."""

from __future__ import annotations

import zipfile

import numpy as np
import PIL.Image
import pytest

from tests.helpers.trial_pngs import GRAY, PALETTE, RGB, voc_color, write_png
from tests.helpers.trials import (
    COLORS,
    KEYPOINTS,
    POINTS,
    SEED0,
    cases,
    coco,
    cvat,
    json_classes,
    label_studio,
    labelme,
    names_all,
    read,
    refusal,
    sample_set,
    text_classes,
    true_mask,
    write,
)

VOC = [voc_color(index) for index in range(4)]

MASKS = {
    'gray': lambda path: write_png(path, true_mask(), 8, GRAY),
    'palette': lambda path: write_png(path, true_mask(), 8, PALETTE, COLORS),
    'rgb': lambda path: write_png(path, np.asarray(COLORS)[true_mask()], 8, RGB),
}


@pytest.mark.parametrize('encoding', cases(MASKS))
def test_masks_beside_files_of_labelme_are_not_taken_for_pictures(tmp_path, encoding):
    """Both have the image's name, and LabelMe's pictures lie just there: masks would be passed over."""
    labels = tmp_path / 'labels'
    MASKS[encoding](labels / f'{SEED0}.png')
    write(labels / f'{SEED0}.json', labelme([], points=[(name, point[:2]) for name, point in zip(KEYPOINTS, POINTS)]))
    classes = json_classes(tmp_path, palette=COLORS, keypoints=KEYPOINTS)
    names_all(refusal(labels, classes), 'png', 'labelme', 'label_format')
    found = read(labels, classes, label_format='png', keypoints=labels)
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())
    assert [point[:2] for point in found.keypoints[SEED0]] == [point[:2] for point in POINTS]


def test_pictures_beside_files_of_labelme_are_pictures(tmp_path):
    labels = tmp_path / 'labels'
    write(labels / f'{SEED0}.json', labelme())
    noise = np.random.RandomState(0).randint(0, 255, (128, 128, 3)).astype(np.uint8)
    PIL.Image.fromarray(noise).save(labels / f'{SEED0}.png')
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], true_mask())
    for other in ('seed0000001', 'seed0000002'):  # pictures that nobody has labelled yet
        PIL.Image.fromarray(noise).save(labels / f'{other}.png')
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], true_mask())
    (labels / f'{SEED0}.png').write_bytes(b'\x89PNG\r\n')  # is not needed
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], true_mask())


BESIDE = {
    'coco': ('_annotations.coco.json', coco()),
    'cvat': ('annotations.xml', cvat()),
    'label studio': ('export.json', label_studio()),
}


@pytest.mark.parametrize('tool', cases(BESIDE))
def test_the_pictures_of_an_export_are_no_masks(tmp_path, tool):
    """Exports with images have both in one folder; pictures have many colours. What may be a mask is not dropped."""
    name, content = BESIDE[tool]
    write(tmp_path / 'labels' / name, content)
    write_png(tmp_path / 'labels' / f'{SEED0}.png', np.random.RandomState(0).randint(0, 255, (128, 128, 3)), 8, RGB)
    np.testing.assert_array_equal(read(tmp_path / 'labels', text_classes(tmp_path)).masks[SEED0], true_mask())
    for depth in (8, 16):
        write_png(tmp_path / 'labels' / f'{SEED0}.png', true_mask(), depth, GRAY)
        names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), 'png', name, 'label_format')


def test_masks_of_other_images_beside_files_of_labelme_are_masks(tmp_path):
    labels = tmp_path / 'labels'
    write(labels / f'{SEED0}.json', labelme())
    write_png(labels / f'{SEED0}.png', np.random.RandomState(0).randint(0, 255, (128, 128, 3)), 8, RGB)
    write_png(labels / 'seed0000001.png', true_mask(), 8, GRAY)
    names_all(refusal(labels, text_classes(tmp_path)), 'png', 'labelme', 'label_format')


@pytest.mark.parametrize('name', ['SegmentationObject', 'SegmentationObjectPNG'])
@pytest.mark.parametrize('given', ['it', 'the folder above'])
def test_folders_of_objects(tmp_path, name, given):
    """labelme2voc had the second name; objects are counted in it: 1, 2, 3."""
    write_png(tmp_path / 'voc' / name / f'{SEED0}.png', true_mask(), 8, PALETTE, VOC)
    labels = tmp_path / 'voc' / name if given == 'it' else tmp_path / 'voc'
    names_all(refusal(labels, text_classes(tmp_path)).replace(f'=/voc/{name}', ''), 'SegmentationClass', 'object')


def test_masks_of_objects_beside_those_of_classes(tmp_path):
    for name in ('SegmentationClassPNG', 'SegmentationObjectPNG'):
        write_png(tmp_path / 'voc' / name / f'{SEED0}.png', true_mask(), 8, PALETTE, VOC)
    found = read(tmp_path / 'voc', text_classes(tmp_path))
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())
    names_all(found.warned, 'SegmentationObjectPNG', 'passed over')


@pytest.mark.parametrize('encoding', ['palette', 'reordered', 'rgb'])
@pytest.mark.parametrize('above', ['.', 'VOC2012', 'VOCdevkit/VOC2012'])
def test_a_folder_above_that_of_voc_is_one_of_voc(tmp_path, above, encoding):
    """VOC's colours mean the same from wherever its masks are found."""
    path = tmp_path / 'labels' / above / 'SegmentationClass' / f'{SEED0}.png'
    if encoding == 'rgb':
        write_png(path, np.asarray(VOC)[true_mask()], 8, RGB)
    else:
        order = [0, 2, 3, 1] if encoding == 'reordered' else [0, 1, 2, 3]
        write_png(path, np.argsort(order)[true_mask()], 8, PALETTE, [VOC[index] for index in order])
    found = read(tmp_path / 'labels', text_classes(tmp_path)).masks[SEED0]
    np.testing.assert_array_equal(found, true_mask())


def test_what_labelme_exports_to_be_looked_at_is_named(tmp_path):
    """`labelme_export_json` makes a folder of each file."""
    folder = tmp_path / 'labels' / f'{SEED0}_json'
    for name in ('img.png', 'label.png', 'label_viz.png'):
        write_png(folder / name, true_mask(), 8, PALETTE, VOC)
    write(folder / 'label_names.txt', '_background_\ncar\nwheel\nwindow\n')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), 'label.png', 'LabelMe', 'JSON files')


@pytest.mark.parametrize('beside', [(), ('readme.txt',), ('list.txt', 'x.csv')])
def test_an_archive_in_the_folder_is_named(tmp_path, beside):
    for name in beside:
        write(tmp_path / 'labels' / name, 'about\n')
    (tmp_path / 'labels').mkdir(exist_ok=True)
    with zipfile.ZipFile(tmp_path / 'labels' / 'job_7.zip', 'w') as archive:
        archive.writestr('annotations.xml', cvat())
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), 'job_7.zip', 'unpack')


@pytest.mark.parametrize('white', [1, 255])
@pytest.mark.parametrize('names', [('wheel',), ('car', 'wheel', 'window')])
def test_masks_of_one_class_in_folders_by_class(tmp_path, names, white):
    """Number 1 in a folder "wheel" is a wheel, and by the class file it would be a car."""
    for name in names:
        bits = true_mask() == ('car', 'wheel', 'window').index(name) + 1
        write_png(tmp_path / 'labels' / name / f'{SEED0}.png', white * bits, 8, GRAY)
    message = refusal(tmp_path / 'labels', text_classes(tmp_path))
    if white == 1 or len(names) > 1:
        names_all(message, names[0], 'class', 'join')
    else:
        names_all(message, 'black and white')


@pytest.mark.parametrize('name', ['wheel', 'window'])
def test_masks_of_all_classes_in_a_folder_with_the_name_of_one(tmp_path, name):
    """As pictures are sorted by what they show."""
    write_png(tmp_path / 'labels' / name / f'{SEED0}.png', true_mask(), 8, GRAY)
    np.testing.assert_array_equal(read(tmp_path / 'labels', text_classes(tmp_path)).masks[SEED0], true_mask())
    car = np.minimum(true_mask(), 1)
    write_png(tmp_path / 'labels' / name / f'{SEED0}.png', car, 8, GRAY)
    found = read(tmp_path / 'labels', text_classes(tmp_path), mask_values='index').masks[SEED0]
    np.testing.assert_array_equal(found, car)
    write_png(tmp_path / 'labels' / name / f'{SEED0}.png', true_mask(), 8, GRAY)
    write_png(tmp_path / 'labels' / 'car' / 'seed0000001.png', true_mask(), 8, GRAY)
    found = read(tmp_path / 'labels', text_classes(tmp_path), sample_set(tmp_path / 'samples', 2)).masks
    assert len(found) == 2 and all(np.array_equal(mask, true_mask()) for mask in found.values())
