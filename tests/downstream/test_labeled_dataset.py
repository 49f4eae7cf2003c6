"""Labelled images from folders of every layout."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.labeled_dataset import read_labeled, read_unlabeled
from tests.helpers import datasets
from tests.helpers.datasets import converted, make_dataset
from tests.helpers.squares import SIDE, TASK, draw_square, write_world


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path / 'dataset', datasets.TASK.only(classes=True, keypoints=False))


def test_a_plain_folder(tmp_path):
    images = read_labeled(write_world(tmp_path / 'world', range(3)))
    image, mask, points = draw_square(1)
    found = images[1]
    assert len(images) == 3 and images.task == TASK and found.name == 'square001'
    assert (found.image == image).all() and (found.mask == mask).all()
    assert found.keypoints.points.tolist() == points[:, :2].tolist() and (found.keypoints.visibility == 2).all()


def test_the_kept_images_of_a_dataset(dataset):
    images = read_labeled(dataset.folder)
    kept = [record for record in dataset.records() if record['kept']]
    assert len(images) == len(kept) == 18 and images.task.classes == dataset.task.classes
    assert (images[2].mask == dataset.mask(kept[2])).all()


@pytest.mark.parametrize('layout', ['voc', 'coco'])
def test_conversions(layout, dataset, tmp_path):
    images, originals = read_labeled(converted(dataset, layout)), read_labeled(dataset.folder)
    assert [image.name for image in images] == [image.name for image in originals]
    for image, original in zip(images, originals):
        assert (image.mask == original.mask).all()
        assert np.abs(image.image.astype(int) - original.image).mean() <= (5 if layout == 'voc' else 0)


def test_one_kind_of_label_alone(tmp_path):
    images = read_labeled(write_world(tmp_path / 'world', range(3), keypoints=False))
    assert images.task.classes and not images.task.keypoints and images[0].keypoints is None
    both = read_labeled(write_world(tmp_path / 'both', range(3)))
    assert both.only(classes=False, keypoints=True)[0].mask is None
    (tmp_path / 'both' / 'masks' / 'square000.png').unlink()
    part = read_labeled(tmp_path / 'both')
    assert part[0].mask is None and part[1].mask is not None and len(part.only(classes=True, keypoints=False)) == 2


def test_contents_know_the_picture_under_any_name(tmp_path):
    folder = write_world(tmp_path / 'world', range(3))
    shutil.copy(folder / 'images' / 'square001.png', folder / 'images' / 'zebra.png')
    shutil.copy(folder / 'masks' / 'square001.png', folder / 'masks' / 'zebra.png')
    numbers = read_labeled(folder).pictures().numbers
    assert numbers[3] == numbers[1] and len(set(numbers.tolist())) == 3


def test_fingerprint_follows_the_labels(tmp_path):
    folder = write_world(tmp_path / 'world', range(2))
    before = read_labeled(folder).fingerprint()
    assert read_labeled(folder).fingerprint() == before
    shutil.copy(folder / 'masks' / 'square001.png', folder / 'masks' / 'square000.png')
    assert read_labeled(folder).fingerprint() != before


def test_images_without_labels(tmp_path, caplog):
    folder = write_world(tmp_path / 'world', range(3))
    for source in (folder, folder / 'images'):
        images = read_unlabeled(source, 'unlabeled')
        assert len(images) == 3 and images[0].mask is None and images[0].keypoints is None
    (folder / 'images' / 'trip').mkdir()
    (folder / 'images' / 'square002.png').rename(folder / 'images' / 'trip' / 'square002.png')
    assert len(read_unlabeled(folder, 'unlabeled')) == 2
    assert '1 files or folders are passed over, for example trip/; read are .png, .jpg' in caplog.text


def test_what_is_passed_over_is_told(tmp_path, caplog):
    folder = write_world(tmp_path / 'world', range(4))
    assert len(read_labeled(folder)) == 4 and not caplog.messages
    (folder / 'keypoints.json').unlink()
    (folder / 'masks' / 'square001.png').rename(folder / 'masks' / 'square001.tif')
    (folder / 'images' / 'more').mkdir()
    images = read_labeled(folder)
    assert [image.name for image in images] == ['square000', 'square002', 'square003']
    assert caplog.messages == [
        f'{folder}/images: 1 files or folders are passed over, for example more/; read are .png, .jpg, .jpeg, .webp, '
        '.bmp, .tif, .tiff in this folder itself',
        f'{folder}/masks: 1 file is no PNG mask and passed over: square001.tif',
        f'`data`={folder}: 1 of 4 images have no label and are passed over, for example square001.png',
    ]


def test_a_label_of_the_picture_as_it_lies_in_the_file_is_told(tmp_path):
    folder = write_world(tmp_path / 'world', range(2))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (20, 10)).save(folder / 'images' / 'square001.png', exif=exif)
    Image.new('L', (20, 10)).save(folder / 'masks' / 'square001.png')
    with pytest.raises(UserError, match='is 10x20, its image is 20x10 .* as if the tool had not turned it as its EXIF'):
        list(read_labeled(folder))


def test_the_first_images(tmp_path):
    images = read_labeled(write_world(tmp_path / 'world', range(3)))
    assert [image.name for image in images.first(2, 'num')] == ['square000', 'square001']
    with pytest.raises(UserError, match='`num`=4: .*world holds 3 images'):
        images.first(4, 'num')


def no_task(folder):
    (folder / 'task.json').unlink()


def stranger(folder):
    (folder / 'images' / 'square001.png').unlink()


def unknown_id(folder):
    Image.fromarray(np.full((SIDE, SIDE), 9, np.uint8)).save(folder / 'masks' / 'square001.png')


def wrong_size(folder):
    Image.fromarray(np.zeros((SIDE, SIDE // 2), np.uint8)).save(folder / 'masks' / 'square001.png')


def broken_image(folder):
    (folder / 'images' / 'square001.png').write_bytes(b'no image')


def other_classes(folder):
    (folder / 'task.json').write_text(json.dumps({'classes': ['background', 'cat', 'dog']}))


def no_labels(folder):
    shutil.rmtree(folder / 'masks')
    (folder / 'keypoints.json').unlink()


def no_layout(folder):
    (folder / 'images').rename(folder / 'pictures')


@pytest.mark.parametrize(
    'spoil, task, message',
    [
        (no_task, None, 'give `classes`=FILE'),
        (stranger, None, 'lacks the image of 1 labels, for example square001'),
        (unknown_id, None, 'class id 9 is outside'),
        (wrong_size, None, 'square001.png is 16x8, its image is 16x16'),
        (broken_image, None, 'cannot be read as an image'),
        (other_classes, TASK, 'has the classes background, cat, dog'),
        (no_labels, None, 'holds no labelled image'),
        (no_layout, None, 'is in no known layout'),
    ],
)
def test_refuses(spoil, task, message, tmp_path):
    folder = write_world(tmp_path / 'world', range(3))
    spoil(folder)
    with pytest.raises(UserError) as error:
        list(read_labeled(folder, task))
    assert message in error.value.message


def test_refuses_what_is_no_folder(tmp_path):
    with pytest.raises(UserError, match='`select`=nowhere is no folder'):
        read_labeled(Path('nowhere'), Task((), ()), 'select')
    with pytest.raises(UserError, match='holds no image'):
        read_unlabeled(tmp_path, 'unlabeled')


def save_masks(folder, *pictures):
    for number, picture in enumerate(pictures):
        picture.save(folder / 'masks' / f'square{number:03d}.png')


def true_masks(count=2):
    return [draw_square(seed)[1] for seed in range(count)]


@pytest.fixture
def plain(tmp_path):
    """Two images whose masks are grey PNGs of class ids, and a class file without colours."""
    folder = write_world(tmp_path / 'world', range(2), keypoints=False)
    save_masks(folder, *map(Image.fromarray, true_masks()))
    (folder / 'task.json').write_text(json.dumps({'classes': list(TASK.classes)}))
    return folder


SWAPPED = {
    'class_names.txt': '_background_\nright\nleft\n',
    '_classes.csv': 'Pixel Value, Class\n0, background\n1, right\n2, left\n',
    'labelmap.txt': 'background:0,0,0::\nright:1,1,1::\nleft:2,2,2::\n',
}


@pytest.mark.parametrize('name', SWAPPED)
@pytest.mark.parametrize('layout', ['plain', 'voc'])
def test_a_table_of_names_beside_the_masks_is_read(name, layout, plain):
    (plain / 'masks' / name).write_text(SWAPPED[name])
    if layout == 'voc':
        (plain / 'images').rename(plain / 'JPEGImages')
        (plain / 'masks').rename(plain / 'SegmentationClass')
        (plain / 'SegmentationClass' / name).rename(plain / name)
    for found, mask in zip(read_labeled(plain), true_masks(), strict=True):
        assert (found.mask == np.array([0, 2, 1])[mask]).all()


def test_another_table_that_contradicts_is_refused(plain):
    (plain / 'masks' / 'classes.txt').write_text('background\nright\nleft\n')
    with pytest.raises(UserError, match='`data`: .*classes.txt .* in the order right, left') as error:
        read_labeled(plain)
    assert error.value.message.endswith('`data` as 8-bit grey PNG files of class ids')


def test_palettes_made_for_each_picture_are_refused(plain):
    colors = np.array([[0, 0, 0], [200, 10, 10], [10, 200, 10]], np.uint8)
    pictures = []
    for order, mask in zip(([0, 1, 2], [0, 2, 1]), true_masks()):
        pictures.append(Image.fromarray(np.argsort(order)[mask].astype(np.uint8)))
        pictures[-1].putpalette(colors[order].ravel().tolist())
    save_masks(plain, *pictures)
    with pytest.raises(UserError, match='make a palette for each picture'):
        read_labeled(plain)


def test_masks_in_black_and_white_alone_are_refused(plain):
    save_masks(plain, *(Image.fromarray((mask > 0).astype(np.uint8) * 255) for mask in true_masks()))
    with pytest.raises(UserError, match='square000.png is black and white alone'):
        read_labeled(plain)


@pytest.mark.parametrize('layout', ['keypoints.json', 'labels', 'annotations'])
def test_keypoints_of_a_resized_copy_are_refused(layout, tmp_path):
    folder = write_world(tmp_path / 'world', range(2), masks=False)
    path = folder / 'keypoints.json'
    content = json.loads(path.read_text())
    for image in content['images']:
        image |= {'height': 2 * SIDE, 'width': 2 * SIDE}
    path.write_text(json.dumps(content))
    if layout == 'labels':
        (folder / 'labels').mkdir()
        path.rename(folder / 'labels' / path.name)
    elif layout == 'annotations':
        (folder / 'images').rename(folder / 'train')
        (folder / 'images').mkdir()
        (folder / 'train').rename(folder / 'images' / 'train')
        (folder / 'annotations').mkdir()
        path.rename(folder / 'annotations' / 'person_keypoints_train.json')
    with pytest.raises(UserError, match='.json is 32x32, its image is 16x16 .*square000.*a copy resized by 2'):
        list(read_labeled(folder))
    assert (
        read_labeled(write_world(tmp_path / 'right', range(2))).only(classes=True, keypoints=False)[0].mask is not None
    )


@pytest.mark.parametrize('beside', ['masks', 'keypoints.json'])
def test_labels_in_two_places_are_refused(beside, tmp_path):
    folder = write_world(tmp_path / 'world', range(2), masks=beside == 'masks', keypoints=beside != 'masks')
    (folder / 'labels').mkdir()
    with pytest.raises(UserError, match=f'`data`=.* has labels in labels and in {beside}'):
        read_labeled(folder)


def test_keypoints_under_a_name_with_a_point(tmp_path):
    """Whether the file of keypoints has the image's suffix or not."""
    folder = write_world(tmp_path / 'world', range(2), masks=False)
    for number, name in enumerate(('shot', 'shot.2')):
        (folder / 'images' / f'square{number:03d}.png').rename(folder / 'images' / f'{name}.png')
    path = folder / 'keypoints.json'
    for name in ('shot.2', 'shot.2.png'):
        content = json.loads(path.read_text())
        content['images'] = [content['images'][1] | {'file_name': name}]
        content['annotations'] = content['annotations'][1:]
        (tmp_path / 'k.json').write_text(json.dumps(content))
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / 'k.json').rename(tmp_path / name / path.name)
        assert [image.name for image in read_labeled(tmp_path / name)] == ['shot.2']
