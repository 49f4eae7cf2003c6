"""datasetgan train-downstream, and evaluate of what it trained."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from datasetgan_ext import train_downstream
from datasetgan_ext.cli import main as cli
from datasetgan_ext.downstream.model import DownstreamModel
from tests.helpers.commands import ROOT, downstream_arguments, invoke
from tests.helpers.squares import write_world


def test_train_downstream_and_evaluate_on_real_images(tmp_path):
    write_world(tmp_path / 'world', range(10))
    write_world(tmp_path / 'real', range(100, 106))
    result = invoke(cli, 'train-downstream', *downstream_arguments(tmp_path), '--keep-checkpoints')
    assert result.exit_code == 0 and 'on the images that chose it' in result.output, result.output
    result = invoke(
        cli, 'evaluate', f'--model={tmp_path}/m.safetensors', f'--data={tmp_path}/real', f'--json={tmp_path}/folds.json'
    )
    assert result.exit_code == 0 and '2 networks, 5 folds of 6 images' in result.output, result.output
    assert len(json.loads((tmp_path / 'folds.json').read_text())['folds']) == 5
    result = invoke(
        cli,
        'evaluate',
        f'--model={tmp_path}/m-step000002.safetensors',
        f'--data={tmp_path}/real',
        f'--json={tmp_path}/score.json',
    )
    assert result.exit_code == 0 and 'boundary F' in result.output and 'PCK' in result.output, result.output
    score = json.loads((tmp_path / 'score.json').read_text())
    assert 0 < score['mean_iou'] < 1 and score['keypoints']['keypoints'] == 12
    result = invoke(cli, 'evaluate', f'--model={tmp_path}/m.safetensors', f'--data={tmp_path}/world')
    assert result.exit_code == 1 and 'a score on them says nothing' in result.output


def test_classes_are_merged_for_training_and_for_scores(tmp_path):
    write_world(tmp_path / 'world', range(10))
    write_world(tmp_path / 'real', range(100, 103))
    write_world(tmp_path / 'chooses', range(200, 202))
    (tmp_path / 'whole.json').write_text(json.dumps({'background': ['background'], 'square': ['left', 'right']}))
    merging = f'--merge-classes={tmp_path}/whole.json'
    result = invoke(cli, 'train-downstream', *downstream_arguments(tmp_path), merging, f'--select={tmp_path}/chooses')
    assert result.exit_code == 0, result.output
    assert DownstreamModel.load(tmp_path / 'm.safetensors').task.classes == ('background', 'square')
    evaluate = ['evaluate', f'--model={tmp_path}/m.safetensors', f'--data={tmp_path}/real']
    result = invoke(cli, *evaluate)
    assert result.exit_code == 1 and 'has the classes background, left, right' in result.output, result.output
    result = invoke(cli, *evaluate, merging, f'--json={tmp_path}/score.json')
    assert result.exit_code == 0, result.output
    assert list(json.loads((tmp_path / 'score.json').read_text())['iou']) == ['background', 'square']
    (tmp_path / 'names.json').write_text(json.dumps({'background': ['background'], 'box': ['left', 'right']}))
    result = invoke(cli, *evaluate, f'--merge-classes={tmp_path}/names.json')
    assert result.exit_code == 1 and 'makes the classes background, box' in result.output, result.output
    result = invoke(cli, 'evaluate', '--network=demo', merging)
    assert result.exit_code == 1 and '--merge-classes is for --model and --data' in result.output, result.output


def test_a_killed_training_goes_on(tmp_path, caplog):
    write_world(tmp_path / 'world', range(10))
    arguments = downstream_arguments(tmp_path, steps=60, every=10)
    command = [sys.executable, ROOT / 'datasetgan_ext' / 'train_downstream.py', *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (tmp_path / 'm.safetensors.partial').exists():
            time.sleep(0.01)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, 'the run ended before it could be stopped'
    caplog.set_level('INFO')
    assert invoke(train_downstream.main, *arguments).exit_code == 0
    assert 'going on from step' in caplog.text and not (tmp_path / 'm.safetensors.partial').exists()


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'data': 'nowhere'}, '--data=nowhere is no folder'),
        ({'num': 11}, '--num=11'),
        ({'val': 1}, '--val=1.0 is not a share'),
        ({'size': '16'}, '--size=16 is not HEIGHTxWIDTH'),
        ({'architecture': 'resnet'}, '--architecture=resnet: no such network; there are small-unet, deeplabv3'),
        ({'classes': 'car-20'}, 'has the classes background, left, right; asked for are'),
        ({'select': 'nowhere'}, '--select=nowhere is no folder'),
        ({'pretrained': 'nowhere'}, '--pretrained=nowhere'),
    ],
)
def test_train_downstream_refuses(changes, message, tmp_path):
    write_world(tmp_path / 'world', range(10))
    result = invoke(train_downstream.main, *downstream_arguments(tmp_path, **changes))
    assert result.exit_code != 0 and message in result.output, result.output
    assert not (tmp_path / 'm.safetensors').exists()


def test_real_and_generated_images_together(tmp_path):
    write_world(tmp_path / 'world', range(10))
    write_world(tmp_path / 'real', range(100, 106), keypoints=False)
    arguments = [*downstream_arguments(tmp_path), f'--data={tmp_path}/real:0.25']
    result = invoke(train_downstream.main, *arguments)
    assert result.exit_code == 0 and '16 labelled images, step' in result.output, result.output
    model = DownstreamModel.load(tmp_path / 'm.safetensors', 'cpu')
    assert [other['share'] for other in model.training['others']] == [0.25] and model.training['images'] == 9
    result = invoke(cli, 'evaluate', f'--model={tmp_path}/m.safetensors', f'--data={tmp_path}/real')
    assert result.exit_code == 1 and 'a score on them says nothing' in result.output


@pytest.mark.parametrize(
    'more, message',
    [
        (['real'], 'real: its share of each batch is missing; write for example'),
        (['real:1.5'], '1.5 is not a share'),
        (['real:0.6', 'real:0.5'], 'the shares add up to 1.1'),
        (['other:0.5'], 'has the classes background, right, left; asked for are background, left, right'),
    ],
)
def test_shares_and_classes_of_sources_are_checked(more, message, tmp_path):
    for name in ('world', 'real', 'other'):
        write_world(tmp_path / name, range(10))
    task = json.loads((tmp_path / 'other' / 'task.json').read_text())
    task['classes'] = ['background', 'right', 'left']
    (tmp_path / 'other' / 'task.json').write_text(json.dumps(task))
    arguments = [*downstream_arguments(tmp_path), *(f'--data={tmp_path}/{source}' for source in more)]
    result = invoke(train_downstream.main, *arguments)
    assert result.exit_code == 1 and message in result.output, result.output
