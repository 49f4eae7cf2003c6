"""Kinds of label files as people bring them: nothing is dropped without a word.

What the readers have to do, kind by kind:
    suffixes     .PNG, .JSON and .XML are what they are in small letters, in every folder that is read.
    passed over  Files in a folder of labels that are not read, images without labels, and labels of images that are no
                 samples are counted and named: in what is said, or in a refusal.
    keypoints    Found but not asked for: said. Asked for, and there in a form that cannot be used: refused. Asked for,
                 and nowhere: said. A folder of our page brings its keypoints.json along.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from tests.helpers.trial_pngs import GRAY, write_png
from tests.helpers.trials import (
    COLORS,
    KEYPOINTS,
    NAMES,
    POINTS,
    SEED0,
    SHAPES,
    cases,
    coco,
    coco_keypoints,
    cvat,
    flat,
    json_classes,
    label_studio,
    label_studio_polygon,
    labelme,
    labelme_shape,
    names_all,
    read,
    refusal,
    sample_set,
    text_classes,
    told,
    true_mask,
    write,
)

SEED1, SEED2 = 'seed0000001', 'seed0000002'


def is_true(labels, classes, samples=None, name: str = SEED0, **options) -> None:
    """The mask of the image is the true one to the last pixel."""
    masks = read(labels, classes, samples, **options).masks
    assert name in masks
    np.testing.assert_array_equal(masks[name], true_mask())


def mask_file(path):
    return write_png(path, true_mask(), 8, GRAY)


# ------------------------------------------------------------------------------------------------- suffixes in capitals

IN_CAPITALS = {
    'png': lambda folder: mask_file(folder / f'{SEED0}.PNG').parent,
    'png mixed': lambda folder: mask_file(folder / f'{SEED0}.Png').parent,
    'voc': lambda folder: mask_file(folder / 'SegmentationClass' / f'{SEED0}.PNG').parents[1],
    'labelme folder': lambda folder: write(folder / f'{SEED0}.JSON', labelme()).parent,
    'labelme file': lambda folder: write(folder / f'{SEED0}.JSON', labelme()),
    'labelme image': lambda folder: write(folder / f'{SEED0}.json', labelme(image=f'{SEED0}.PNG')),
    'coco file': lambda folder: write(folder / 'COCO.JSON', coco()),
    'coco image': lambda folder: write(folder / 'coco.json', coco(image=f'{SEED0}.PNG')),
    'cvat file': lambda folder: write(folder / 'ANNOTATIONS.XML', cvat()),
    'cvat folder': lambda folder: write(folder / 'annotations.XML', cvat()).parent,
    'cvat image': lambda folder: write(folder / 'annotations.xml', cvat(image=f'{SEED0}.PNG')),
    'label studio file': lambda folder: write(folder / 'EXPORT.JSON', label_studio()),
    'label studio image': lambda folder: write(
        folder / 'export.json', label_studio(image=f'/data/upload/1/3f2a1b4c-{SEED0}.PNG')
    ),
}


@pytest.mark.parametrize(
    'kind',
    cases(IN_CAPITALS),
)
def test_suffixes_in_capitals(tmp_path, kind):
    is_true(IN_CAPITALS[kind](tmp_path / 'labels'), text_classes(tmp_path))


@pytest.mark.parametrize('kind', cases(('png', 'voc', 'labelme')))
def test_suffixes_in_capitals_beside_small_ones(tmp_path, kind):
    """Three of four labels were lost."""
    for name in (f'{SEED0}.png', f'{SEED1}.PNG', f'{SEED2}.Png'):
        if kind == 'labelme':
            suffix = {'.png': '.json', '.PNG': '.JSON', '.Png': '.Json'}[name[-4:]]
            write((tmp_path / 'labels' / name).with_suffix(suffix), labelme(image=name))
        else:
            mask_file(tmp_path / 'labels' / ('SegmentationClass' if kind == 'voc' else '') / name)
    found = read(tmp_path / 'labels', text_classes(tmp_path), sample_set(tmp_path / 'samples', 3)).masks
    assert set(found) == {SEED0, SEED1, SEED2}


def test_samples_in_capitals(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    is_true(tmp_path / 'labels', text_classes(tmp_path), sample_set(tmp_path / 's', names=[f'{SEED0}.PNG']))


def test_a_class_file_in_capitals(tmp_path):
    path = json_classes(tmp_path, palette=COLORS).rename(tmp_path / 'CLASSES.JSON')
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    is_true(tmp_path / 'labels', path)


def test_one_image_twice_by_its_suffix_is_refused(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    mask_file(tmp_path / 'labels' / f'{SEED0}.PNG')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), f'{SEED0}.png', f'{SEED0}.PNG')


# --------------------------------------------------------------------------------------------------------- passed over


OTHER_MASKS = [f'{SEED1}.{suffix}' for suffix in ('jpg', 'bmp', 'tif', 'webp', 'npy')]


@pytest.mark.parametrize('name', cases(OTHER_MASKS))
@pytest.mark.parametrize('inside', ['', 'SegmentationClass'])
def test_masks_in_another_file_format_are_named(tmp_path, name, inside):
    mask_file(tmp_path / 'labels' / inside / f'{SEED0}.png')
    other = tmp_path / 'labels' / inside / name
    if name.endswith('.npy'):
        np.save(other, true_mask())
    else:
        PIL.Image.fromarray(true_mask()).save(other)
    names_all(told(tmp_path / 'labels', text_classes(tmp_path), sample_set(tmp_path / 's', 2)), name)


def test_files_that_are_passed_over_are_counted(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    for number in range(12):
        write(tmp_path / 'labels' / f'notes{number}.md', 'notes')
    names_all(told(tmp_path / 'labels', text_classes(tmp_path)), '12')


def test_images_without_labels_are_counted(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    said = read(tmp_path / 'labels', text_classes(tmp_path), sample_set(tmp_path / 'samples', 7)).said
    names_all(said, '6')


@pytest.mark.parametrize(
    'kind',
    cases(('png', 'labelme', 'coco', 'cvat', 'label studio')),
)
def test_labels_of_images_that_are_no_samples_are_named_as_the_tool_names_them(tmp_path, kind):
    stranger = 'frame_000007'
    labels = tmp_path / 'labels'
    if kind == 'png':
        mask_file(labels / f'{stranger}.png')
    elif kind == 'labelme':
        write(labels / f'{stranger}.json', labelme(image=f'{stranger}.png'))
    else:
        content = {
            'coco': coco(image=f'train/{stranger}.png'),
            'cvat': cvat(image=f'batch/{stranger}.PNG'),
            'label studio': label_studio(image=f'/data/upload/1/3f2a1b4c-{stranger}.png'),
        }
        labels = write(tmp_path / ('l.xml' if kind == 'cvat' else 'l.json'), content[kind])
    names_all(refusal(labels, text_classes(tmp_path)), stranger, SEED0)


# ----------------------------------------------------------------------------------------------------------- keypoints


@pytest.mark.parametrize('names', cases(('none', 'empty')))
@pytest.mark.parametrize('segmentation', [True, False])
def test_keypoints_without_names_are_not_dropped(tmp_path, names, segmentation):
    """FiftyOne's exporter writes categories without "keypoints": which value is which point, nobody knows."""
    labels = write(tmp_path / 'coco.json', coco_keypoints(None if names == 'none' else (), segmentation=segmentation))
    names_all(refusal(labels, json_classes(tmp_path, keypoints=KEYPOINTS)), SEED0, 'keypoints', *KEYPOINTS)


def test_keypoints_are_taken_by_name(tmp_path):
    labels = write(tmp_path / 'coco.json', coco_keypoints(KEYPOINTS[::-1], POINTS[::-1]))
    found = read(labels, json_classes(tmp_path, keypoints=KEYPOINTS)).keypoints
    assert found == {SEED0: list(POINTS)}


@pytest.mark.parametrize('kind', cases(('coco', 'labelme', 'cvat')))
def test_keypoints_that_nobody_asks_for_are_counted(tmp_path, kind):
    points = [(name, (x, y)) for name, (x, y, _) in zip(KEYPOINTS, POINTS)]
    elements = [f'<points label="{name}" points="{x},{y}" occluded="0"/>' for name, (x, y) in points]
    labels = {
        'coco': lambda: write(tmp_path / 'l.json', coco_keypoints()),
        'labelme': lambda: write(tmp_path / f'{SEED0}.json', labelme(points=points)),
        'cvat': lambda: write(
            tmp_path / 'l.xml', cvat(['<box label="car" xtl="1" ytl="1" xbr="9" ybr="9" z_order="0"/>', *elements])
        ),
    }[kind]()
    names_all(told(labels, text_classes(tmp_path)), 'keypoints', '2')


def test_keypoints_that_are_asked_for_and_nowhere_are_missed(tmp_path):
    labels = write(tmp_path / 'coco.json', coco())
    names_all(told(labels, json_classes(tmp_path, keypoints=KEYPOINTS)), 'keypoints')


def test_keypoints_on_some_images_alone_are_missed_on_the_others(tmp_path):
    write(tmp_path / 'l' / f'{SEED0}.json', labelme(points=[(name, xy[:2]) for name, xy in zip(KEYPOINTS, POINTS)]))
    write(tmp_path / 'l' / f'{SEED1}.json', labelme(image=f'{SEED1}.png'))
    said = told(tmp_path / 'l', json_classes(tmp_path, keypoints=KEYPOINTS), sample_set(tmp_path / 's', 2))
    names_all(said, 'keypoints', SEED1)


def test_a_folder_of_our_page_brings_its_keypoints(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    write(tmp_path / 'labels' / 'keypoints.json', coco_keypoints(segmentation=False))
    found = read(tmp_path / 'labels', json_classes(tmp_path, keypoints=KEYPOINTS))
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())
    assert found.keypoints == {SEED0: list(POINTS)}


def test_keypoints_of_our_page_that_nobody_asks_for_are_told(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    write(tmp_path / 'labels' / 'keypoints.json', coco_keypoints(segmentation=False))
    names_all(told(tmp_path / 'labels', text_classes(tmp_path)), 'keypoints.json')


def test_a_keypoint_file_of_the_users_own_goes_before_that_of_the_page(tmp_path):
    mask_file(tmp_path / 'labels' / f'{SEED0}.png')
    write(tmp_path / 'labels' / 'keypoints.json', coco_keypoints(segmentation=False))
    other = write(tmp_path / 'other.json', coco_keypoints(points=((1, 1, 2), (2, 2, 2)), segmentation=False))
    found = read(tmp_path / 'labels', json_classes(tmp_path, keypoints=KEYPOINTS), keypoints=other)
    assert found.keypoints == {SEED0: [(1, 1, 2), (2, 2, 2)]}


@pytest.mark.parametrize('first', [True, False])
def test_an_object_without_keypoints_beside_one_that_has_some(tmp_path, first):
    """Where a category has keypoints, COCO's tools write three zeros for each, also of objects without any."""
    content = coco_keypoints(segmentation=False)
    bare = content['annotations'][0] | {'id': 2, 'keypoints': [0] * 6, 'num_keypoints': 0}
    content['annotations'].insert(0 if first else 1, bare)
    classes = write(tmp_path / 'classes.json', {'keypoints': list(KEYPOINTS), 'classes': []})
    found = read(write(tmp_path / 'person_keypoints.json', content), classes)
    assert found.keypoints[SEED0] == [pytest.approx(point) for point in POINTS]


HIDDEN = {
    'labelme': lambda shapes: labelme(shapes),
    'coco': lambda shapes: coco(
        [[flat(corners)] for _, corners in shapes],
        annotations=[
            {'id': number, 'image_id': 5, 'category_id': CATEGORIES[label], 'segmentation': [flat(corners)]}
            for number, (label, corners) in enumerate(shapes, 1)
        ],
    ),
    'label-studio': lambda shapes: label_studio(
        [label_studio_polygon(label, corners, id=f'r{number}') for number, (label, corners) in enumerate(shapes)]
    ),
}
CATEGORIES = {'car': 17, 'wheel': 3, 'window': 90}


@pytest.mark.parametrize('tool', cases(HIDDEN))
def test_shapes_of_which_nothing_shows_are_told(tmp_path, tool):
    """A window that was drawn before its car, and a click that made a triangle smaller than a pixel."""
    window, car = SHAPES[3], SHAPES[0]
    crumb = ('wheel', [[30.1, 84.1], [30.3, 84.1], [30.3, 84.3]])
    path = write(tmp_path / f'{SEED0}.json', HIDDEN[tool]([window, car, crumb, car]))
    found = read(path, text_classes(tmp_path))
    np.testing.assert_array_equal(found.masks[SEED0], _boxed(car))
    names_all(found.warned, 'covered by what is drawn after', '(window)', 'cover no pixel', '(wheel)')
    assert '(car)' not in found.warned
    found = read(write(path, HIDDEN[tool]([car, window])), text_classes(tmp_path))
    assert 'nowhere to be seen' not in found.warned


def _boxed(shape) -> np.ndarray:
    """The mask of a rectangle alone."""
    label, ((left, top), _, (right, bottom), _) = shape
    mask = np.zeros((128, 128), np.uint8)
    mask[top:bottom, left:right] = NAMES.index(label)
    return mask


@pytest.mark.parametrize('difficult, visibility', [(True, 1), (False, 2), (None, 2)])
def test_difficult_points_of_xanylabeling_are_occluded(tmp_path, difficult, visibility):
    """As its own exports of poses have it."""
    shape = labelme_shape(KEYPOINTS[0], [[37.5, 92.5]], 'point', difficult=difficult)
    content = labelme()
    content['shapes'].append(shape)
    found = read(write(tmp_path / f'{SEED0}.json', content), json_classes(tmp_path, keypoints=KEYPOINTS))
    assert found.keypoints[SEED0] == [(37.5, 92.5, visibility), (0, 0, 0)]


def test_results_of_label_studio_that_are_no_shapes_are_counted(tmp_path):
    """An answer beside a shape, that may say it is occluded; and what was drawn and not submitted."""
    content = label_studio()
    results = content[0]['annotations'][0]['result']
    answer = results[0] | {'type': 'choices', 'from_name': 'seen', 'value': {'choices': ['occluded']}}
    content[0]['drafts'] = [{'id': 7, 'result': [label_studio_polygon('wheel', SHAPES[1][1])]}]
    results += [answer, answer | {'type': 'textarea'}, answer]
    found = read(write(tmp_path / 'export.json', content), text_classes(tmp_path))
    np.testing.assert_array_equal(found.masks[SEED0], true_mask())
    names_all(found.warned, '2 choices, 1 textarea', 'drafts', SEED0)
    content[0]['drafts'] = []
    content[0]['annotations'][0]['result'] = results[:-3]
    assert 'passed over' not in read(write(tmp_path / 'export.json', content), text_classes(tmp_path)).warned


@pytest.mark.parametrize('suffix', ['tif', 'bmp'])
def test_a_folder_of_masks_in_another_file_format_alone(tmp_path, suffix):
    (tmp_path / 'labels').mkdir()
    PIL.Image.fromarray(true_mask()).save(tmp_path / 'labels' / f'{SEED0}.{suffix}')
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), f'{SEED0}.{suffix}', 'save them as PNG')
