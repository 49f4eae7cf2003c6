"""Batches: what is resized, mirrored, moved, and in which order."""

import numpy as np
import pytest
import torch

from datasetgan_ext.core.annotation import ABSENT, IGNORE, VISIBLE, Keypoints
from datasetgan_ext.downstream.batches import Augmentation, BatchSource, SharedBatches, augment, normalize, stack
from datasetgan_ext.downstream.labeled_dataset import LabeledImage, read_labeled
from tests.helpers.squares import SIDE, TASK, write_world

STILL = {'mirror': 0, 'scale': 0, 'shift': 0, 'gain': 0, 'offset': 0, 'blur': 0, 'noise': 0}


@pytest.fixture
def images(tmp_path):
    return read_labeled(write_world(tmp_path / 'world', range(6)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_image_once_in_a_round(images):
    batches = BatchSource(images, (SIDE, SIDE), 2, seed=3)
    for turn in range(2):
        shown = torch.cat([batches[turn * 3 + number].images for number in range(3)])
        expected = normalize(stack(list(images), (SIDE, SIDE), TASK.keypoints).images)
        assert sorted(shown.sum(dim=(1, 2, 3)).tolist()) == pytest.approx(sorted(expected.sum(dim=(1, 2, 3)).tolist()))


def test_a_batch_follows_from_its_number(images):
    batches, again = (BatchSource(images, (SIDE, SIDE), 2, 3, Augmentation()) for _ in range(2))
    _ = batches[0]
    for one, other in zip(batches[4], again[4]):
        assert torch.equal(one, other)
    assert not torch.equal(batches[4].images, BatchSource(images, (SIDE, SIDE), 2, 4, Augmentation())[4].images)


def test_resized_with_its_labels():
    image, mask = np.zeros((4, 8, 3), np.uint8), np.zeros((4, 8), np.uint8)
    image[:, 4:], mask[:, 4:] = 255, 2
    keypoints = Keypoints(np.array([[6, 3], [0, 0]], np.float32), np.array([VISIBLE, ABSENT], np.uint8))
    batch = stack([LabeledImage('a', image, mask, keypoints), LabeledImage('b', image)], (8, 8), ('one', 'two'))
    assert batch.images.shape == (2, 3, 8, 8) and batch.images.max() <= 1
    assert batch.masks[0].unique().tolist() == [0, 2] and (batch.masks[1] == IGNORE).all()
    assert batch.points[0].tolist() == [[6, 6], [0, 0]] and batch.present[0].tolist() == [1, 0]
    assert batch.present[1].isnan().all()


def test_nothing_changes_without_changes(images):
    batch = stack(list(images), (SIDE, SIDE), TASK.keypoints)
    same = augment(batch, Augmentation(**STILL), TASK.left_right_pairs, generator())
    assert torch.equal(same.masks, batch.masks)
    assert torch.allclose(same.images, batch.images, atol=1e-5) and torch.allclose(same.points, batch.points, atol=1e-4)


def test_the_mirror_image(images):
    batch = stack(list(images), (SIDE, SIDE), TASK.keypoints)
    mirrored = augment(batch, Augmentation(**STILL | {'mirror': 1}), TASK.left_right_pairs, generator())
    assert torch.equal(mirrored.masks, batch.masks.flip(2))
    assert torch.allclose(mirrored.images, batch.images.flip(3), atol=1e-5)
    # west stays on the left
    assert torch.allclose(mirrored.points[:, 0, 0], SIDE - batch.points[:, 1, 0], atol=1e-4)
    assert (mirrored.points[:, 0, 0] < mirrored.points[:, 1, 0]).all()


def test_labels_move_with_the_image(images):
    """Wherever the square goes, its mask's centre is in the middle of the two keypoints."""
    batch = stack(list(images), (SIDE, SIDE), TASK.keypoints)
    moved = augment(
        batch, Augmentation(**STILL | {'mirror': 0.5, 'scale': 0.3, 'shift': 0.15}), TASK.left_right_pairs, generator(1)
    )
    assert not torch.allclose(moved.points, batch.points, atol=0.3)
    for mask, image, points, present in zip(moved.masks, moved.images, moved.points, moved.present):
        square = (mask == 1) | (mask == 2)
        assert (mask == IGNORE).any() or mask.min() == 0
        assert image.amax(dim=0)[square].mean() > 0.7 and image.amax(dim=0)[mask == 0].mean() < 0.35
        if present.bool().all() and not (mask == IGNORE)[square.any(dim=1)].any():
            rows, columns = square.nonzero().T
            center = torch.stack([columns.float().mean(), rows.float().mean()]) + 0.5
            assert (center - points.mean(dim=0)).abs().max() < 0.6


def test_keypoints_that_leave_the_image_are_absent(images):
    batch = stack(list(images), (SIDE, SIDE), TASK.keypoints)
    batch = batch._replace(present=torch.where(torch.arange(6)[:, None] == 0, torch.nan, batch.present))
    moved = augment(batch, Augmentation(**STILL | {'shift': 0.9}), (), generator())
    outside = (moved.points < 0).any(dim=2) | (moved.points > SIDE).any(dim=2)
    assert outside.any() and not outside.all()
    assert torch.equal(moved.present[1:] == 0, outside[1:]) and moved.present[0].isnan().all()


def test_sources_have_their_shares_of_each_batch_and_every_image_its_turn(tmp_path):
    first = read_labeled(write_world(tmp_path / 'first', range(7)))
    second = read_labeled(write_world(tmp_path / 'second', range(100, 105)))
    third = read_labeled(write_world(tmp_path / 'third', range(200, 203)))
    batches = SharedBatches(first, [(second, 0.3), (third, 0.25)], (16, 16), size=4, seed=3)
    names = [[image.name for image in batches.chosen(number)] for number in range(20)]
    assert all(len(found) == 4 for found in names)
    counts = np.array([[sum(name[6] == kind for name in found) for kind in '012'] for found in names])
    assert counts.sum(axis=0).tolist() == [36, 24, 20]  # of 80
    assert (np.abs(counts - [1.8, 1.2, 1]) < 1.3).all()
    for kind, size in zip('012', (7, 5, 3)):
        row = [name for found in names for name in found if name[6] == kind]
        assert all(len(set(row[start : start + size])) == size for start in range(0, len(row) - size, size))
    assert names[5] == [image.name for image in batches.chosen(5)]


def test_one_source_alone_is_as_without_shares(tmp_path):
    images = read_labeled(write_world(tmp_path / 'world', range(5)))
    plain, shared = BatchSource(images, (16, 16), 3, 1), SharedBatches(images, [], (16, 16), 3, 1)
    for number in (0, 1, 7):
        assert torch.equal(plain[number].images, shared[number].images)
