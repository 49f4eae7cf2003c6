"""Classes of labelled images, joined into coarser ones."""

import json

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.class_map import ClassMap
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from datasetgan_ext.formats.png import write_mask
from tests.helpers.squares import TASK, draw_square, write_world

WHOLE = {'background': ['background'], 'square': ['left', 'right']}


def class_map(tmp_path, content) -> ClassMap:
    path = tmp_path / 'map.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return ClassMap.read(path)


def test_joins_classes(tmp_path):
    folder = write_world(tmp_path / 'world', range(3))
    images = read_labeled(folder, class_map=class_map(tmp_path, WHOLE))
    mask = draw_square(1)[1]
    assert images.task.classes == ('background', 'square') and images.task.keypoints == TASK.keypoints
    assert images.task.palette == (TASK.palette[0], TASK.palette[1])
    assert (images[1].mask == (mask > 0)).all() and images[1].mask.dtype == np.uint8
    assert images[1].keypoints.visibility.tolist() == [2, 2]
    for part in (images.take([1]), images.first(2, 'num').take([1]), images.only(True, False).take([1])):
        assert part.task.classes == images.task.classes and (part[0].mask == (mask > 0)).all()
    assert images.only(False, True)[1].mask is None


def test_new_ids_follow_the_file_and_a_class_may_lose_its_label(tmp_path):
    folder = write_world(tmp_path / 'world', range(1))
    mask = draw_square(0)[1]
    joined = class_map(tmp_path, {'rest': ['background', 'right'], 'west': ['left']})
    assert (read_labeled(folder, class_map=joined)[0].mask == (mask == 1)).all()
    ignoring = class_map(tmp_path, {'background': ['background'], '__ignore__': ['left'], 'east': ['right']})
    found = read_labeled(folder, class_map=ignoring)[0].mask
    assert (found == np.choose(mask, [0, IGNORE, 1])).all()


def test_the_fingerprint_follows_the_map(tmp_path):
    folder = write_world(tmp_path / 'world', range(2))
    maps = [
        None,
        *(
            class_map(tmp_path, {'a': ['background', one], 'b': [two]})
            for one, two in (('left', 'right'), ('right', 'left'))
        ),
    ]
    assert len({read_labeled(folder, class_map=one).fingerprint() for one in maps}) == 3


def test_a_folder_that_says_that_it_has_the_new_classes_stays(tmp_path):
    folder = write_world(tmp_path / 'world', range(2))
    joined = class_map(tmp_path, WHOLE)
    task = Task.from_names(list(joined.classes))
    (folder / 'task.json').write_text(json.dumps(task.to_json()))
    for seed in range(2):
        mask = (draw_square(seed)[1] > 0).astype(np.uint8)
        write_mask(folder / 'masks' / f'square{seed:03d}.png', mask, task.flat_palette)
    (folder / 'keypoints.json').unlink()
    images = read_labeled(folder, TASK, class_map=joined)
    assert images.task.classes == joined.classes and (images[1].mask == (draw_square(1)[1] > 0)).all()


def test_a_folder_that_says_nothing_has_the_old_classes(tmp_path):
    """Read as the new ones, its numbers would mean other things."""
    folder = write_world(tmp_path / 'world', range(2), keypoints=False)
    (folder / 'task.json').unlink()
    images = read_labeled(folder, TASK.only(True, False), class_map=class_map(tmp_path, WHOLE))
    assert (images[0].mask == (draw_square(0)[1] > 0)).all()
    with pytest.raises(UserError, match='does not say what its labels mean'):
        read_labeled(folder, class_map=class_map(tmp_path, WHOLE))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'cannot be read'),
        ('[1]', 'is no object of lists of class names'),
        ({'background': 'background'}, 'is no object of lists of class names'),
        ({'background': [], 'square': ['left']}, 'is no object of lists of class names'),
        ({'background': ['background'], 'a': ['left'], 'b': ['left', 'right']}, 'left stands there more than once'),
        ({'background': ['background', 'left', 'right']}, 'has one class'),
        ({'background': ['background'], 'square': ['left']}, 'lacks right; the labels have background, left, right'),
        ({'background': ['background'], 'a': ['left', 'right', 'top']}, 'names top, which the labels lack'),
        ({'a': ['left', 'right'], 'b': ['background']}, 'the first class is a, and lacks background'),
    ],
)
def test_refuses(content, message, tmp_path):
    folder = write_world(tmp_path / 'world', range(1))
    with pytest.raises(UserError, match=f'`merge_classes`=.*{message}'):
        read_labeled(folder, class_map=class_map(tmp_path, content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match='`merge_classes`=.*nowhere.json cannot be read'):
        ClassMap.read(tmp_path / 'nowhere.json')
