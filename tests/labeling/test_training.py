"""The training that the page starts: a process that can be watched and ended, and of which there is one at most."""

from __future__ import annotations

import subprocess
import time

import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.labeling import training as training_module
from datasetgan_ext.labeling.session import training_of
from datasetgan_ext.labeling.store import open_store
from datasetgan_ext.labeling.training import Training
from tests.helpers.page import DEMO_TASK
from tests.helpers.serving import Client, serving

ENDLESS = [
    '--network=demo',
    f'--samples={DEMO_FOLDER / "samples"}',
    f'--labels={DEMO_FOLDER / "samples" / "masks"}',
    f'--keypoints={DEMO_FOLDER / "samples" / "keypoints.json"}',
    f'--classes={DEMO_FOLDER / "task.json"}',
    '--models=1000',
]
"""Arguments of a training that ends no test."""


def ended(training: Training) -> dict:
    while (state := training.state())['phase'] == 'running':
        time.sleep(0.05)
    return state


def test_the_command_is_that_of_the_page_s_labels(demo_samples, demo_task, tmp_path):
    with open_store(demo_samples, demo_task, tmp_path / 'my labels') as store:
        training = training_of(store, 'demo', 'task.json', upstream='up', allow_pickle_code=True)
    assert training.command == (
        f"datasetgan train --network=demo --samples={demo_samples.folder} '--labels={tmp_path}/my labels' "
        f"'--keypoints={tmp_path}/my labels/keypoints.json' --classes=task.json --upstream=up --allow-pickle-code "
        '--out=interpreter.safetensors'
    )


def test_what_it_prints_is_kept(tmp_path):
    with Training(['--help'], tmp_path) as training:
        assert training.state() == {'phase': 'none', 'seconds': 0, 'output': '', 'log': str(tmp_path / '.train.log')}
        training.start()
        state = ended(training)
    assert state['phase'] == 'done'
    assert 'Train a Style Interpreter on hand-labelled images.' in state['output']
    assert (tmp_path / '.train.log').read_text() == state['output']


def test_a_mistake_is_told_as_the_command_tells_it(tmp_path):
    with Training(['--surprise'], tmp_path) as training:
        training.start()
        state = ended(training)
    assert state['phase'] == 'failed'
    assert 'No such option' in state['output'] and 'Traceback' not in state['output']


def test_one_at_a_time_and_the_end_of_the_server_ends_it(tmp_path):
    with Training([*ENDLESS, f'--out={tmp_path}/i.safetensors'], tmp_path) as training:
        training.start()
        with pytest.raises(UserError, match='running already; cancel it first'):
            training.start()
        training.cancel()
        assert training.state()['phase'] == 'cancelled'
        training.cancel()  # of nothing
        training.start()
        process = training._process
        assert training.state()['phase'] == 'running'
    assert process.returncode != 0
    assert not (tmp_path / 'i.safetensors').exists()


def test_only_what_it_wrote_itself_is_replaced(tmp_path, monkeypatch):
    started = []

    class Ended:
        returncode = 0

        def __init__(self, command, **settings):
            started.append(command[2:])
            assert not settings.get('shell') and settings['stdin'] is subprocess.DEVNULL

        def poll(self):
            return self.returncode

    monkeypatch.setattr(training_module.subprocess, 'Popen', Ended)
    training = Training(['--a b'], tmp_path)
    training.start(cross_validate=True)
    training.state()
    training.start()
    assert started == [['--a b', '--cross-validate'], ['--a b', '--overwrite']]


def test_by_requests(demo_samples, tmp_path):
    arguments = [*ENDLESS, f'--out={tmp_path}/i.safetensors']
    with serving(demo_samples, DEMO_TASK, tmp_path / 'labels', arguments=arguments) as server:
        ask = Client(server.port, server.token)
        assert b'"phase": "none"' in ask('GET', '/api/train')[1]
        for wish in (b'{}', b'[]', b'{"cancel": false}', b'{"cross_validate": 1, "x": 2}'):
            assert ask('POST', '/api/train', wish)[0] == 400
        status, body, _ = ask('POST', '/api/train', b'{"cross_validate": false}')
        assert status == 202 and b'"phase": "running"' in body
        status, body, _ = ask('POST', '/api/train', b'{"cross_validate": false}')
        assert status == 409 and b'running already' in body
        status, body, _ = ask('POST', '/api/train', b'{"cancel": true}')
        assert status == 202 and b'"phase": "cancelled"' in body
        assert Client(server.port, None)('POST', '/api/train', b'{"cross_validate": false}')[0] == 403
    with serving(demo_samples, DEMO_TASK, tmp_path / 'others') as server:
        assert Client(server.port, server.token)('GET', '/api/train')[0] == 404
