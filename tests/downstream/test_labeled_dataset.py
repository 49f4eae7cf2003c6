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
        f'{folder}/masks: 1 files or folders are passed over, for example square001.tif; read are .png in this folder '
        'itself',
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
