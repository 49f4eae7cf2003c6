"""datasetgan train: what it refuses before it trains, and labels of each kind."""

from __future__ import annotations

import json
import shutil

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext import evaluate, train_interpreter
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.interpreter.interpreter import Interpreter
from tests.helpers.commands import MASKS, SAMPLES, SIDE, invoke, train_arguments

DEMO_TASK = DEMO_FOLDER / 'task.json'


def test_train_refuses_to_replace_an_interpreter(tmp_path):
    (tmp_path / 'interpreter.safetensors').write_text('mine')
    result = invoke(train_interpreter.main, *train_arguments(tmp_path))
    assert result.exit_code == 1 and 'exists; give another file, or --overwrite' in result.output
    assert (tmp_path / 'interpreter.safetensors').read_text() == 'mine'


def test_train_refuses_before_it_trains(tmp_path):
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, seeds='0'), '--cross-validate')
    assert result.exit_code == 1 and '--cross-validate needs at least two' in result.output
    (tmp_path / 'file').write_text('')
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, out=tmp_path / 'file' / 'i.safetensors'))
    assert result.exit_code == 1 and 'cannot be written' in result.output


def wrong_size(folder):
    PIL.Image.fromarray(np.zeros((SIDE // 2, SIDE), dtype=np.uint8)).save(folder / 'seed0000001.png')


def unknown_id(folder):
    PIL.Image.fromarray(np.full((SIDE, SIDE), 77, dtype=np.uint8)).save(folder / 'seed0000001.png')


def stranger(folder):
    (folder / 'cat.png').write_bytes((MASKS / 'seed0000001.png').read_bytes())


def nothing(folder):
    (folder / 'notes.txt').write_text('later')


@pytest.mark.parametrize(
    'make, message',
    [
        (wrong_size, f'seed0000001.png is {SIDE // 2}x{SIDE}, its image is {SIDE}x{SIDE}'),
        (unknown_id, 'seed0000001.png: class id 77 is outside the class list'),
        (stranger, 'cat.png'),
        (nothing, 'labels is in no known format'),
    ],
)
def test_train_refuses_labels(make, message, tmp_path):
    folder = tmp_path / 'labels'
    folder.mkdir()
    make(folder)
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, labels=folder, seeds=None))
    assert result.exit_code == 1 and message in result.output, result.output
    assert not (tmp_path / 'interpreter.safetensors').exists()


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'samples': 'nowhere'}, '--samples=nowhere holds no samples.json'),
        ({'labels': 'nowhere'}, '--labels=nowhere: no such file or folder'),
        ({'classes': 'nowhere.txt'}, '--classes=nowhere.txt cannot be read'),
        ({'seeds': '0,50'}, 'no label for seed 50'),
        ({'pixels-per-image': 'some'}, '--pixels-per-image=some is neither'),
        ({'pixels-per-image': '0'}, '--pixels-per-image=0 is neither'),
        ({'seed': '-1'}, '-1 is not in the range'),
    ],
)
def test_train_refuses(changes, message, tmp_path):
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, **changes))
    assert result.exit_code != 0 and message in result.output, result.output


def test_train_refuses_an_image_that_is_not_of_its_seed(tmp_path):
    shutil.copytree(SAMPLES, tmp_path / 'samples')
    images = tmp_path / 'samples' / 'images'
    (images / 'seed0000001.png').replace(images / 'seed0000000.png')
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, samples=tmp_path / 'samples'))
    assert result.exit_code == 1 and 'seed0000000.png is not the image of seed 0: the mean colours' in result.output


def test_train_and_evaluate_keypoints(tmp_path):
    keypoints = SAMPLES / 'keypoints.json'
    arguments = train_arguments(
        tmp_path, labels=None, keypoints=keypoints, classes=DEMO_TASK, **{'pixels-per-image': 300}
    )
    result = invoke(train_interpreter.main, *arguments)
    assert result.exit_code == 0, result.output
    result = invoke(
        evaluate.main,
        '--network=demo',
        f'--interpreter={tmp_path}/interpreter.safetensors',
        '--seeds=20-23',
        f'--json={tmp_path}/score.json',
    )
    assert result.exit_code == 0, result.output
    assert 'PCK within 2 of 64 pixels' in result.output and 'mIoU' not in result.output
    score = json.loads((tmp_path / 'score.json').read_text())['keypoints']
    assert score['pck_at_a_tenth_of_the_object'] > 0.5


def test_bad_keypoint_files_are_named(tmp_path):
    (tmp_path / 'k.json').write_text('{}')
    result = invoke(
        train_interpreter.main, *train_arguments(tmp_path, keypoints=tmp_path / 'k.json', classes=DEMO_TASK)
    )
    assert result.exit_code == 1 and f'--keypoints={tmp_path}/k.json is in no known format' in result.output


def test_train_on_shapes_and_points_of_one_file(tmp_path):
    (tmp_path / 'task.json').write_text(json.dumps({'classes': ['background', 'car'], 'keypoints': ['hub']}))
    images = ''.join(
        f'<image name="images/seed000000{seed}.png" width="{SIDE}" height="{SIDE}">'
        f'<box label="car" xtl="9" ytl="20" xbr="50" ybr="44"/>'
        f'<points label="hub" points="{20 + seed},40.5"/></image>'
        for seed in range(2)
    )
    (tmp_path / 'annotations.xml').write_text(f'<annotations><version>1.1</version>{images}</annotations>')
    result = invoke(
        train_interpreter.main,
        *train_arguments(tmp_path, labels=tmp_path / 'annotations.xml', classes=tmp_path / 'task.json', seeds='0-1'),
    )
    assert result.exit_code == 0 and 'held-out pixels' in result.output, result.output
    task = Interpreter.load(tmp_path / 'interpreter.safetensors').task
    assert task.classes == ('background', 'car') and task.keypoints == ('hub',)
