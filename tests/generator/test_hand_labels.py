"""What is said of labels that were read."""

import logging

import numpy as np
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.hand_labels import read_hand_labels, read_labeled_samples
from tests.helpers.trial_pngs import GRAY, write_png
from tests.helpers.trials import KEYPOINTS, NAMES, SEED0, SIDE, coco_keypoints, sample_set, write

TASK = Task.from_json({'classes': list(NAMES), 'keypoints': list(KEYPOINTS)}, 'classes')
HALF = np.where(np.indices((SIDE, SIDE))[1] < SIDE // 2, 0, 2)


@pytest.fixture
def labels(tmp_path):
    """A mask, half background and half wheel, with keypoints; another image's keypoints alone; a file that is none."""
    folder = tmp_path / 'labels'
    write_png(folder / f'{SEED0}.png', HALF, 8, GRAY)
    content = coco_keypoints(segmentation=False)
    content['images'].append(content['images'][0] | {'id': 6, 'file_name': 'seed0000001.png'})
    content['annotations'].append(content['annotations'][0] | {'id': 2, 'image_id': 6})
    write(folder / 'keypoints.json', content)
    write(folder / 'notes.md', '')
    return folder


def test_three_lines(tmp_path, labels):
    found = read_hand_labels(sample_set(tmp_path / 'samples', 3), TASK, labels, None, complete=True)
    assert found.summary() == [
        'Labels: 2 of 3 samples, 1 masks, 2 with keypoints (png)',
        'In them: background 50 %, wheel 50 %; nowhere: car, window; 4 keypoints',
        f'Passed over or missing: {labels}: 1 file is no PNG mask and passed over: notes.md; 1 of 3 samples have no '
        'label: seed0000002; 1 images have no mask: seed0000001; datasetgan check-labels shows it whole',
    ]


def test_notes_are_logged_where_nobody_takes_them(tmp_path, labels, caplog):
    caplog.set_level(logging.WARNING)
    task, pairs = read_labeled_samples(sample_set(tmp_path / 'samples', 2), TASK, labels, None)
    assert task == TASK and len(pairs) == 2
    assert [message.rsplit(':', 1)[1] for message in caplog.messages] == [' notes.md', ' seed0000001']


def test_kinds_that_the_class_file_asks_for(tmp_path, labels):
    samples = sample_set(tmp_path / 'samples', 2)
    (labels / 'keypoints.json').unlink()
    found = read_hand_labels(samples, TASK, labels, None)
    assert found.task == TASK.only(classes=True, keypoints=False)
    assert '`classes` lists keypoints, and no image has any' in found.notes
    with pytest.raises(UserError, match='`classes` lists keypoints, and there are none of them in `labels` or'):
        read_hand_labels(samples, TASK, labels, None, complete=True)
