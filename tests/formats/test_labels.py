"""Which format `labels` is taken for, and what holds in all of them."""

import contextlib
import json
import logging
import zipfile

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.annotation import Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import png
from datasetgan_ext.formats.labels import DRAWN, FORMATS, labeled_part, read_annotations
from tests.helpers.coco_labels import CAR, coco
from tests.helpers.cvat_labels import cvat, image
from tests.helpers.known_tools import datumaro_file, supervisely_file, via_file
from tests.helpers.label_studio_labels import CAR as STUDIO_CAR
from tests.helpers.label_studio_labels import task as studio_task
from tests.helpers.labelme_labels import CAR as LABELME_CAR
from tests.helpers.labelme_labels import labelme, shape
from tests.helpers.labels import CAR_AND_WHEEL, TASK, ids, one, refused, rows, write


def make_png(folder):
    png.write_mask(folder / 'seed0000003.png', ids(CAR_AND_WHEEL), [0, 0, 0, 255, 0, 0, 0, 0, 255])
    return folder


SIZES = {'seed0000003': (5, 6)}
"""What samples.json knows, and files of VIA and YOLO do not tell."""


def make_yolo(folder):
    write(folder / 'data.yaml', 'names:\n  0: wheel\n  1: car\n')
    corners = [(1, 2), (4, 2), (4, 4), (1, 4)]
    write(folder / 'seed0000003.txt', ' '.join(['1', *(f'{x / 6:.6f} {y / 5:.6f}' for x, y in corners)]))
    return folder


def make_voc(folder):
    (folder / 'SegmentationClass').mkdir()
    make_png(folder / 'SegmentationClass')
    return folder


MAKE = {
    'png': make_png,
    'voc': make_voc,
    'labelme': lambda folder: write(folder / 'seed0000003.json', labelme(LABELME_CAR)).parent,
    'coco': lambda folder: write(folder / 'export.json', coco([CAR])),
    'cvat': lambda folder: write(
        folder / 'annotations.xml', cvat(image('<box label="car" xtl="1" ytl="2" xbr="4" ybr="4"></box>'))
    ),
    'label-studio': lambda folder: write(folder / 'export.json', [studio_task(STUDIO_CAR)]),
    'via': lambda folder: write(folder / 'via.json', via_file()),
    'supervisely': lambda folder: write(folder / 'seed0000003.png.json', supervisely_file()).parent,
    'datumaro': lambda folder: write(folder / 'default.json', datumaro_file()),
    'yolo': make_yolo,
}


def test_order_of_the_formats_in_the_help():
    drawn = ['labelme', 'coco', 'cvat', 'label-studio', 'via', 'supervisely', 'datumaro', 'yolo']
    assert list(FORMATS) == ['png', *drawn, 'voc'] and set(MAKE) == set(FORMATS)


@pytest.mark.parametrize('name', MAKE)
def test_recognized_and_said_in_the_log(tmp_path, caplog, name):
    caplog.set_level(logging.INFO)
    path = MAKE[name](tmp_path)
    annotation = one(path, image_hw=SIZES)
    assert f'taken as {name} (`label_format`)' in caplog.text
    assert annotation.name == 'seed0000003' and annotation.mask[3, 1] == 1 and annotation.mask.sum() in (6, 8)
    assert rows(one(path, label_format=name, image_hw=SIZES).mask) == rows(annotation.mask)


@pytest.mark.parametrize('name', DRAWN)
def test_pixels_that_no_shape_covers(tmp_path, name):
    mask = one(MAKE[name](tmp_path), unlabeled='ignore', image_hw=SIZES).mask
    assert rows(mask) == ['??????', '??????', '?ccc??', '?ccc??', '??????']


@pytest.mark.parametrize('name', ['png', 'voc'])
def test_masks_have_no_such_pixels(tmp_path, name):
    refused(MAKE[name](tmp_path), '`unlabeled`=ignore is of no use with .* masks', unlabeled='ignore')


def make_images_with_labelme(folder):
    MAKE['labelme'](make_png(folder))
    return folder


def make_zip(folder):
    with zipfile.ZipFile(folder / 'export.zip', 'w') as archive:
        archive.writestr('annotations.xml', cvat())
    return folder / 'export.zip'


@pytest.mark.parametrize(
    'make, message',
    [
        (make_images_with_labelme, 'could be png or labelme; name it with `label_format`'),
        (make_zip, 'is a zip archive; unpack it'),
        (lambda folder: folder, 'is empty: nothing is labelled yet'),
        (lambda folder: write(folder / 'notes.txt', 'hello'), 'is in no known format.* `label_format`'),
        (lambda folder: write(folder / 'task.json', {'classes': []}), 'is in no known format.* `label_format`'),
        (lambda folder: write(folder / 'a.json', '3'), 'is in no known format'),
        (lambda folder: write(folder / 'a.json', {'shapes': [], 'annotations': []}), 'is in no known format'),
        (lambda folder: folder / 'nowhere', 'no such file or folder'),
    ],
)
def test_not_recognized(tmp_path, make, message):
    refused(make(tmp_path), message)


@pytest.mark.parametrize('name', FORMATS)
def test_no_such_file(tmp_path, name):
    refused(tmp_path / 'nowhere', f'no such file or folder; {name} takes', label_format=name)


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('other', MAKE)
def test_a_format_that_it_is_not(tmp_path, name, other):
    if name == other or {name, other} == {'png', 'voc'}:
        return
    with pytest.raises(UserError):
        read_annotations(TASK, MAKE[other](tmp_path), None, label_format=name)


def test_a_folder_of_images_and_labelme_files_when_named(tmp_path):
    assert one(make_images_with_labelme(tmp_path), label_format='labelme').mask.max() == 1


def test_separate_keypoints_go_first(tmp_path):
    (tmp_path / 'labels').mkdir()
    labels = write(tmp_path / 'labels' / 'seed0000003.json', labelme(LABELME_CAR, shape('head', 'point', [[1, 1]])))
    keypoints = coco(categories=[{'id': 1, 'name': 'bird', 'keypoints': ['tail']}])
    keypoints['annotations'] = [{'id': 1, 'image_id': 7, 'category_id': 1, 'keypoints': [3, 4, 2]}]
    (annotation,) = read_annotations(TASK, labels, write(tmp_path / 'keypoints.json', keypoints))
    assert annotation.keypoints.visibility.tolist() == [0, 2] and annotation.mask.max() == 1


def test_size_that_the_file_states_is_compared(tmp_path):
    points = write(tmp_path / 'seed0000003.json', labelme(shape('head', 'point', [[1, 1]])))
    annotation = one(points)
    annotation.check(TASK, (5, 6))
    with pytest.raises(
        UserError,
        match=r'seed0000003.json is 5x6, its image is 10x12 \(height x width; image seed.*'
        r'resized by 0.5. Labels are not resized here',
    ):
        annotation.check(TASK, (10, 12))


@pytest.mark.parametrize('name', sorted(set(MAKE) - {'via', 'yolo'}))
def test_labels_of_another_size_than_the_image(tmp_path, name):
    with pytest.raises(UserError, match=r'is 5x6, its image is 10x12 \(height x width; image seed0000003\), a copy'):
        one(MAKE[name](tmp_path)).check(TASK, (10, 12))


@pytest.mark.parametrize('name', ['png', 'labelme', 'voc'])
def test_folders_without_labels(tmp_path, name):
    (tmp_path / 'SegmentationClass').mkdir()
    refused(tmp_path, 'holds no|no labelled image', label_format=name)


def test_points_without_a_use_are_passed_over_and_said(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = write(tmp_path / 'seed0000003.json', labelme(LABELME_CAR, shape('nose', 'point', [[1, 1]])))
    (annotation,) = read_annotations(TASK.only(True, False), path, None)
    assert annotation.keypoints is None and '1 points are passed over' in caplog.text


def test_part_of_the_task_that_is_labeled(tmp_path):
    keypoints = Keypoints(np.zeros((2, 2), np.float32), np.zeros(2, np.uint8))
    masks, points = Annotation('a', ids(CAR_AND_WHEEL), tmp_path), Annotation('b', None, tmp_path, keypoints)
    assert labeled_part(TASK, [masks]) == TASK.only(True, False)
    assert labeled_part(TASK, [points]) == TASK.only(False, True)
    assert labeled_part(TASK, [masks, points]) == TASK


def colored(path, rgba, colors=TASK.palette):
    pixels = np.array(colors, np.uint8)[ids(CAR_AND_WHEEL)]
    if rgba:
        pixels = np.concatenate([pixels, np.full((5, 6, 1), 255, np.uint8)], axis=2)
        pixels[0, 0, 3] = 0
    PIL.Image.fromarray(pixels).save(path)


def test_png_in_the_colors_of_the_class_file(tmp_path):
    colored(tmp_path / 'seed0000003.png', False)
    assert rows(one(tmp_path).mask) == CAR_AND_WHEEL
    colored(tmp_path / 'seed0000003.png', True)
    assert rows(one(tmp_path).mask) == ['?.....', *CAR_AND_WHEEL[1:]], 'transparent: no label'


def test_unknown_colors_of_all_files_at_once(tmp_path):
    colored(tmp_path / 'a.png', False, [(0, 0, 0), (9, 9, 9), (0, 0, 255)])
    colored(tmp_path / 'b.png', False)
    colored(tmp_path / 'c.png', True, [(0, 0, 0), (255, 0, 1), (0, 1, 255)])
    with pytest.raises(UserError, match=r'a\.png \(\(9, 9, 9\): 4 pixels\); \S+c\.png \(.*\(255, 0, 1, 255\): 4'):
        read_annotations(TASK, tmp_path, None)


def test_any_damage_ends_in_an_error_for_the_user(tmp_path):
    """Files with a part of them replaced: read, or refused with a UserError; nothing else."""
    random = np.random.RandomState(0)
    pieces = ['', 'null', '[]', '{}', '-1', '1e999', '"x"', 'NaN', '0', '<a/>', '99999999999999999999']
    for name in ('labelme', 'coco', 'cvat', 'label-studio'):
        path = MAKE[name](tmp_path)
        path = path / 'seed0000003.json' if path.is_dir() else path
        text = path.read_text()
        for _ in range(80):
            start = random.randint(len(text))
            end = min(len(text), start + random.randint(1, 12))
            path.write_text(text[:start] + pieces[random.randint(len(pieces))] + text[end:])
            try:
                read_annotations(TASK, path, None, label_format=name)
            except UserError as error:
                assert '\n' not in error.message
        path.unlink()


def replaced(content, value):
    """Copies of JSON content, in each of which one thing, at any depth, is replaced by the value."""
    yield value
    for key in content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ():
        for inner in replaced(content[key], value):
            copy = content.copy()
            copy[key] = inner
            yield copy


@pytest.mark.parametrize(
    'name, content',
    [
        ('labelme', labelme(LABELME_CAR, shape('head', 'point', [[1, 1]]))),
        ('label-studio', [studio_task(STUDIO_CAR)]),
        ('coco', coco([CAR], {'size': [5, 6], 'counts': [13, 1, 4, 1, 11]})),
    ],
)
def test_anything_of_another_type_ends_in_an_error_for_the_user(tmp_path, name, content):
    for value in (None, 3, -1.5, 'x', [], {}, [None]):
        for changed in replaced(content, value):
            path = write(tmp_path / 'seed0000003.json', json.dumps(changed))
            with contextlib.suppress(UserError):
                read_annotations(TASK, path, None, label_format=name)
