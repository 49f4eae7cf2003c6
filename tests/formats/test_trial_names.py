"""What tools write and nobody can misunderstand is read: names of images, and what people can draw.

names        The stem of an image's path decides, whatever folders stand before it, as does the name under which a tool
             took the image up (Roboflow's extra.name, Label Studio's prefix of eight letters, NFC and NFD). Two images
             whose names come out alike are an error, which names both as the tool does.
geometry     Four-cornered and rotated boxes, shapes over the border (cut off), outlines that cross by less than a
             pixel.
"""

from __future__ import annotations

import unicodedata
from urllib.parse import quote, unquote

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.formats.shapes import Polygon
from tests.helpers.known_tools import datumaro_annotation, datumaro_file
from tests.helpers.trial_pngs import GRAY, write_png
from tests.helpers.trials import (
    NAMES,
    SEED0,
    SHAPES,
    SIDE,
    cases,
    coco,
    cvat,
    flat,
    image_data,
    label_studio,
    label_studio_polygon,
    labelme,
    labelme_shape,
    names_all,
    old_labelme,
    png_bits,
    read,
    refusal,
    runs,
    sample_set,
    text_classes,
    true_mask,
    write,
    xanylabeling,
)

SEED1, SEED2 = 'seed0000001', 'seed0000002'


def is_true(labels, classes, samples=None, name: str = SEED0, **options) -> None:
    """The mask of the image is the true one to the last pixel."""
    masks = read(labels, classes, samples, **options).masks
    assert name in masks
    np.testing.assert_array_equal(masks[name], true_mask())


def mask_file(path):
    return write_png(path, true_mask(), 8, GRAY)


# --------------------------------------------------------------------------------------------------------- image names

PATHS = {
    'windows': f'D:\\work\\samples\\images\\{SEED0}.png',
    'windows share': f'\\\\server\\share\\{SEED0}.png',
    'linux': f'/home/anna/samples/images/{SEED0}.png',
    'parent': f'../samples/images/{SEED0}.png',
    'parents': f'../../../samples/images/{SEED0}.png',
    'windows parents': f'..\\..\\samples\\images\\{SEED0}.png',
    'jpg': f'{SEED0}.jpg',
}


ABSOLUTE = [
    f'{kind}: {path}'
    for kind in ('labelme', 'coco', 'cvat')
    for path in PATHS
    if path != 'jpg' and not (kind == 'labelme' and 'parent' in path)
]
"""Those that leave the folder of the images; LabelMe's reader takes ../ away."""


@pytest.mark.parametrize(
    'case',
    cases([f'{kind}: {path}' for kind in ('labelme', 'coco', 'cvat') for path in PATHS]),
)
def test_the_stem_of_an_images_path_decides(tmp_path, case):
    kind, _, path = case.partition(': ')
    labels = {
        'labelme': lambda: write(tmp_path / f'{SEED0}.json', labelme(image=PATHS[path])),
        'coco': lambda: write(tmp_path / 'l.json', coco(image=PATHS[path])),
        'cvat': lambda: write(tmp_path / 'l.xml', cvat(image=PATHS[path])),
    }[kind]()
    is_true(labels, text_classes(tmp_path))


@pytest.mark.parametrize('kind', cases(('coco', 'cvat')))
def test_two_images_whose_stems_are_alike_are_refused(tmp_path, kind):
    names = [f'monday/{SEED0}.png', f'tuesday/{SEED0}.png']
    if kind == 'coco':
        content = coco()
        content['images'] = [{'id': 5 + i, 'file_name': n, 'height': SIDE, 'width': SIDE} for i, n in enumerate(names)]
        content['annotations'].append(content['annotations'][0] | {'id': 99, 'image_id': 6})
        labels = write(tmp_path / 'l.json', content)
    else:
        box = ['<box label="car" xtl="1" ytl="1" xbr="9" ybr="9" z_order="0"/>']
        labels = write(tmp_path / 'l.xml', cvat(images=[(name, box) for name in names]))
    names_all(refusal(labels, text_classes(tmp_path)), *names)


NAMED_BY_TOOLS = {
    'roboflow extra': coco(
        image=f'{SEED0}_png.rf.0123456789abcdef0123456789abcdef.jpg', image_changes={'extra': {'name': f'{SEED0}.png'}}
    ),
    'roboflow': coco(image=f'{SEED0}_png.rf.0123456789abcdef0123456789abcdef.jpg'),
    'roboflow dot': coco(image=f'{SEED0}.png.rf.0123456789abcdef0123456789abcdef.jpg'),
    'label studio upload': coco(image=f'../../../../label-studio/data/media/upload/1/3f2a1b4c-{SEED0}.png'),
    'label studio': coco(image=f'images/3f2a1b4c-{SEED0}.png'),
    'label studio windows': coco(image=f'images\\3f2a1b4c-{SEED0}.png'),
}


@pytest.mark.parametrize('kind', cases(NAMED_BY_TOOLS))
def test_names_that_tools_give_to_images(tmp_path, kind):
    is_true(write(tmp_path / 'l.json', NAMED_BY_TOOLS[kind]), text_classes(tmp_path))


def test_a_sample_that_has_such_a_name_itself_keeps_it(tmp_path):
    name = f'3f2a1b4c-{SEED0}'
    samples = sample_set(tmp_path / 's', names=[f'{name}.png', f'{SEED0}.png'])
    is_true(write(tmp_path / 'l.json', coco(image=f'images/{name}.png')), text_classes(tmp_path), samples, name)


def test_two_uploads_of_one_image_are_refused(tmp_path):
    """Label Studio tells them apart by their prefixes alone."""
    tasks = label_studio() + label_studio(image=f'/data/upload/1/aaaaaaaa-{SEED0}.png')
    labels = write(tmp_path / 'l.json', tasks)
    names_all(refusal(labels, text_classes(tmp_path)), '3f2a1b4c', 'aaaaaaaa')


WITH_POINTS = {
    'datumaro': ('default.json', lambda: datumaro_of('shot.2', 'shot.2.png')),
    'datumaro, no path': ('default.json', lambda: datumaro_of('shot.2', None)),
    'supervisely': ('shot.2.png.json', lambda: supervisely_of()),
    'supervisely, no suffix': ('shot.2.json', lambda: supervisely_of()),
    'coco': ('l.json', lambda: coco(image='shot.2.png')),
    'coco, no suffix': ('l.json', lambda: coco(image='shot.2')),
    'roboflow extra': (
        'l.json',
        lambda: (
            coco(image='shot-2_png.rf.0123456789abcdef0123456789abcdef.jpg')
            | {'images': [{'id': 5, 'file_name': 'x.jpg', 'height': SIDE, 'width': SIDE, 'extra': {'name': 'shot.2'}}]}
        ),
    ),
    'labelme': ('shot.2.json', lambda: labelme(image='shot.2.png')),
    'cvat': ('l.xml', lambda: cvat(image='shot.2.png')),
    'label studio': ('l.json', lambda: label_studio(image='/data/local-files/?d=a/shot.2.png')),
}


def datumaro_of(name: str, path: str | None) -> dict:
    found = [
        datumaro_annotation(points=flat(corners), label_id=NAMES.index(label), z_order=place)
        for place, (label, corners) in enumerate(SHAPES)
    ]
    image = {'size': [SIDE, SIDE]} | ({'path': path} if path else {})
    content = datumaro_file(*found, id=name, image=image)
    content['categories']['label']['labels'] = [{'name': name, 'parent': '', 'attributes': []} for name in NAMES]
    return content


def supervisely_of() -> dict:
    objects = [
        {'classTitle': label, 'geometryType': 'polygon', 'points': {'exterior': corners, 'interior': []}}
        for label, corners in SHAPES
    ]
    return {'size': {'height': SIDE, 'width': SIDE}, 'objects': objects}


@pytest.mark.parametrize('kind', cases(WITH_POINTS))
def test_what_stands_behind_a_point_belongs_to_the_name(tmp_path, kind):
    """Labels of shot.2 do not land on shot, whether that is there or alone."""
    name, content = WITH_POINTS[kind]
    labels = write(tmp_path / 'labels' / name, content()).parent
    samples = sample_set(tmp_path / 's', names=['shot.png', 'shot.2.png'])
    assert set(read(labels, text_classes(tmp_path), samples).masks) == {'shot.2'}
    is_true(labels, text_classes(tmp_path), samples, 'shot.2')
    names_all(refusal(labels, text_classes(tmp_path), sample_set(tmp_path / 't', names=['shot.png'])), 'shot.2')


@pytest.mark.parametrize('name', ['a b', 'a%20b', 'd%2520e'])
def test_addresses_are_decoded_once(tmp_path, name):
    samples = sample_set(tmp_path / 's', names=[f'{name}.png', f'{unquote(name)}.png'][: 1 + ('%' in name)])
    for address in ('/data/local-files/?d=x/', '/data/media/x/', 'https://host.example/x/'):
        labels = write(tmp_path / 'l.json', label_studio(image=f'{address}{quote(name)}.png'))
        is_true(labels, text_classes(tmp_path), samples, name)


@pytest.mark.parametrize('form', cases(('NFC', 'NFD')))
@pytest.mark.parametrize('kind', ['label', 'image', 'mask file'])
def test_unicode_forms_are_one_name(tmp_path, form, kind):
    """A Mac writes decomposed letters into file names, and tools copy them."""
    other = {'NFC': 'NFD', 'NFD': 'NFC'}[form]
    name, there = (unicodedata.normalize(one, 'Tür') for one in (form, other))
    samples = sample_set(tmp_path / 's', names=[f'{there}.png'] if kind != 'label' else None)
    classes = text_classes(tmp_path, ('background', there, *NAMES[2:]) if kind == 'label' else NAMES)
    if kind == 'mask file':
        labels = mask_file(tmp_path / 'labels' / f'{name}.png').parent
    elif kind == 'image':
        labels = write(tmp_path / 'l.json', coco(image=f'{name}.png'))
    else:
        shapes = [(name if label == 'car' else label, corners) for label, corners in SHAPES]
        labels = write(tmp_path / f'{SEED0}.json', labelme(shapes))
    (mask,) = read(labels, classes, samples).masks.values()
    np.testing.assert_array_equal(mask, true_mask())


# ---------------------------------------------------------------------------------------- no stricter than the tool


@pytest.mark.parametrize(
    'kind',
    cases(('polygon', 'rectangle', 'rotation', 'quadrilateral')),
)
def test_shapes_of_xanylabeling(tmp_path, kind):
    is_true(write(tmp_path / f'{SEED0}.json', xanylabeling(kind=kind)), text_classes(tmp_path))


def test_a_slanted_box_of_xanylabeling(tmp_path):
    corners = [[40.3, 20.0], [80.7, 60.4], [60.5, 80.6], [20.1, 40.2]]
    labels = write(tmp_path / f'{SEED0}.json', xanylabeling([('car', corners)], 'rotation'))
    expected = np.zeros((SIDE, SIDE), np.uint8)
    Polygon(corners).paint(expected, 1)
    np.testing.assert_array_equal(read(labels, text_classes(tmp_path)).masks[SEED0], expected)


def test_four_corners_that_are_no_rectangle_are_refused(tmp_path):
    labels = write(
        tmp_path / f'{SEED0}.json', xanylabeling([('car', [[1, 1], [9, 2], [9, 9], [1, 9]])], kind='rectangle')
    )
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'car', 'rectangle')


OLD_LABELME = {
    'version 3': old_labelme(),
    'shape_type null': labelme() | {'shapes': [labelme_shape(label, c) | {'shape_type': None} for label, c in SHAPES]},
    'no size': {key: value for key, value in labelme().items() if key not in ('imageHeight', 'imageWidth')},
    'size null': labelme(imageHeight=None, imageWidth=None),
    'size in the picture': labelme(imageHeight=None, imageWidth=None, imageData=image_data()),
}


@pytest.mark.parametrize('kind', cases(OLD_LABELME))
def test_labelme_files_that_leave_things_out(tmp_path, kind):
    is_true(write(tmp_path / f'{SEED0}.json', OLD_LABELME[kind]), text_classes(tmp_path))


@pytest.mark.parametrize('kind', cases(('polygons', 'runs')))
def test_a_size_that_samples_knows(tmp_path, kind):
    content = coco(image_changes={'height': None, 'width': None})
    if kind == 'runs':
        boxes = [true_mask() * 0 == 1 for _ in SHAPES]
        for bits, (_, corners) in zip(boxes, SHAPES):
            bits[corners[0][1] : corners[2][1], corners[0][0] : corners[2][0]] = True
        for annotation, bits in zip(content['annotations'], boxes):
            annotation['segmentation'] = runs(bits)
    is_true(write(tmp_path / 'l.json', content), text_classes(tmp_path))


OVER = [[-12.5, 100], [140, 100], [140, 137], [-12.5, 137]]
"""A box over three borders."""
OVER_THE_BORDER = {
    'labelme polygon': lambda: labelme([('car', OVER)]),
    'labelme rectangle': lambda: labelme([]) | {'shapes': [labelme_shape('car', [OVER[0], OVER[2]], 'rectangle')]},
    'labelme mask': lambda: (
        labelme([])
        | {'shapes': [labelme_shape('car', [[-5, 100], [139, 139]], 'mask', mask=png_bits(np.ones((40, 145), bool)))]}
    ),
    'coco': lambda: coco([[flat(OVER)]]),
    'cvat polygon': lambda: cvat(
        ['<polygon label="car" points="' + ';'.join(f'{x},{y}' for x, y in OVER) + '" z_order="0"/>']
    ),
    'cvat box': lambda: cvat(['<box label="car" xtl="-12.5" ytl="100" xbr="140" ybr="137" z_order="0"/>']),
    'cvat rotated box': lambda: cvat(
        ['<box label="car" xtl="-10" ytl="0" xbr="178" ybr="28" rotation="90" z_order="0"/>']
    ),
    'label studio': lambda: label_studio([label_studio_polygon('car', OVER)]),
}


@pytest.mark.parametrize('kind', cases(OVER_THE_BORDER))
def test_what_is_over_the_border_is_cut_off(tmp_path, kind):
    content = OVER_THE_BORDER[kind]()
    labels = write(tmp_path / (f'{SEED0}.xml' if isinstance(content, str) else f'{SEED0}.json'), content)
    mask = read(labels, text_classes(tmp_path)).masks[SEED0]
    expected = np.zeros((SIDE, SIDE), np.uint8)
    if kind == 'cvat rotated box':  # 188 x 28 turned by 90 degrees about (84, 14)
        expected[0:108, 70:98] = 1
    else:
        expected[100:] = 1
    np.testing.assert_array_equal(mask, expected)


def test_a_shape_that_misses_the_image_is_refused(tmp_path):
    """Nothing of it is left: most probably it was drawn on a larger copy."""
    labels = write(tmp_path / f'{SEED0}.json', labelme([('car', [[300, 300], [400, 300], [400, 400]])]))
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'shape 1', 'car', '128')


def test_a_crossing_smaller_than_a_pixel_is_none(tmp_path):
    """A click too many beside the first corner."""
    corners = [[20, 40], [108, 40], [108, 90], [20, 90], [20.3, 39.8], [20.4, 40.3]]
    labels = write(tmp_path / f'{SEED0}.json', labelme([('car', corners)]))
    mask = read(labels, text_classes(tmp_path)).masks[SEED0]
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[40:90, 20:108] = 1
    assert (mask != expected).sum() <= 1


def test_a_crossing_of_many_pixels_is_refused(tmp_path):
    corners = [[20, 40], [108, 90], [108, 40], [20, 90]]
    labels = write(tmp_path / f'{SEED0}.json', labelme([('car', corners)]))
    names_all(refusal(labels, text_classes(tmp_path)), SEED0, 'shape 1', 'car', '64, 65')


@pytest.mark.parametrize(
    'inside',
    cases(('images', 'train', 'data/obj', 'my task/job 7')),
)
@pytest.mark.parametrize('kind', ['voc', 'png'])
def test_masks_in_a_subfolder(tmp_path, inside, kind):
    """CVAT keeps the folders of a task's images."""
    folder = tmp_path / 'labels'
    mask_file(folder / ('SegmentationClass' if kind == 'voc' else '') / inside / f'{SEED0}.png')
    is_true(folder, text_classes(tmp_path))


@pytest.mark.parametrize('kind', cases(('voc', 'png', 'labelme')))
def test_one_image_in_two_subfolders_is_refused(tmp_path, kind):
    folder = tmp_path / 'labels' / ('SegmentationClass' if kind == 'voc' else '')
    for day in ('monday', 'tuesday'):
        if kind == 'labelme':
            write(folder / day / f'{SEED0}.json', labelme())
        else:
            mask_file(folder / day / f'{SEED0}.png')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), SEED0, 'monday', 'tuesday')


def test_masks_and_pictures_side_by_side_are_not_mixed_up(tmp_path):
    """A folder with images/ and masks/ in it: the pictures are no masks."""
    mask_file(tmp_path / 'labels' / 'masks' / f'{SEED0}.png')
    (tmp_path / 'labels' / 'images').mkdir()
    PIL.Image.new('L', (SIDE, SIDE), 1).save(tmp_path / 'labels' / 'images' / f'{SEED0}.png')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), 'images', 'masks', 'give the folder')
