"""datasetgan generate: what it refuses, projected photos, and a run that is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasetgan_ext import gen_dataset, train_interpreter
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER, load_generator
from datasetgan_ext.generator.sampling import mixing_of
from datasetgan_ext.interpreter.interpreter import Interpreter
from tests.helpers.commands import ROOT, invoke, train_arguments
from tests.helpers.trees import manifest, tree

SEEDS = '10-25'
"""Of a run that is stopped after the first few."""


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--seeds=3-1'], '--seeds=3-1: the range 3-1 runs backwards'),
        (['--seeds=cat'], "'cat' is neither a number nor a range"),
        (['--seeds=0', '--keep=0'], '--keep=0.0 is not a share'),
        (['--seeds=0', '--min-pixels=hub'], '--min-pixels=hub is not CLASS=N'),
        (['--seeds=0', '--min-pixels=no such=1'], "--min-pixels: no class of that name: 'no such'"),
        (['--seeds=0', '--reuse=nowhere'], '--reuse=nowhere is not the folder of a run'),
        (['--seeds=0', '--balance-classes=2'], '--balance-classes=2.0 is not a share'),
        (['--seeds=0', '--keep=1.5'], '--keep=1.5 is not a share'),
        (['--seeds=0', '--keep=nan'], '--keep=nan is not a share'),
        (['--seeds=0', '--device=quantum'], '--device=quantum cannot be used'),
        (['--seeds=0', '--device=meta'], '--device=meta cannot be used'),
        (['--seeds=0', '--trunc=nan'], '--trunc=nan is not a number'),
        (['--seeds=0', '--trunc-cutoff=99'], '--trunc-cutoff=99'),
        (['--seeds=0', '--interpreter=nowhere'], '--interpreter=nowhere: no such file'),
        (['--seeds=0', '--network=nowhere.pkl'], '--interpreter is missing'),
        (['--seeds=0', '--network=nowhere.pkl', '--interpreter=demo'], '--network=nowhere.pkl: no such file'),
        (
            ['--seeds=0', f'--interpreter={DEMO_FOLDER}/generator.safetensors'],
            'not one that datasetgan train wrote',
        ),
        (['--seeds=0', '--mix-styles=2'], '--mix-styles=2.0 is not a share'),
        (['--seeds=0', '--more-of=roof'], '--more-of=roof is not CLASS=SHARE'),
        (['--seeds=0', '--more-of=roof=0'], '--more-of=roof=0 is not CLASS=SHARE'),
        (['--seeds=0', '--more-of=roof=nan'], '--more-of=roof=nan is not CLASS=SHARE'),
        (['--seeds=0', '--more-of=roofs=0.1'], "--more-of: no class of that name: 'roofs' (did you mean 'roof'?)"),
        (['--seeds=0', '--more-of=background=0.1'], '--more-of=background: that is the background'),
        (['--seeds=0', '--more-of=roof=0.1', '--more-of=roof=0.2'], '--more-of is given twice for one class'),
        (['--seeds=0', '--more-of=roof=0.6', '--more-of=door=0.5'], '--more-of: the shares make 1.1'),
        (['--projected-w=w.npz', '--more-of=roof=0.1'], '--more-of has no meaning with --projected-w'),
        ([], 'one of the two'),
        (['--seeds=0', '--projected-w=w.npz'], 'one of the two'),
        (['--projected-w=w.npz', '--trunc=0.5'], '--trunc has no meaning with --projected-w'),
        (['--projected-w=w.npz', '--mix-styles=0.5'], '--mix-styles has no meaning with --projected-w'),
        (['--projected-w=nowhere.npz'], '--projected-w=nowhere.npz cannot be read'),
    ],
)
def test_gen_dataset_refuses(arguments, message, tmp_path):
    result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/out', *arguments)
    assert result.exit_code != 0 and message in result.output, result.output
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'save, message',
    [
        (
            lambda path, shape: np.savez(path, w=np.zeros((1, shape[0] + 1, shape[1]), np.float32)),
            'Was it projected with',
        ),
        (lambda path, shape: np.savez(path, w=np.zeros(shape, np.float32)), 'Was it projected with'),
        (lambda path, shape: np.savez(path, w=np.zeros((0, *shape), np.float32)), 'Was it projected with'),
        (lambda path, shape: np.savez(path, w=np.full((1, *shape), np.nan, np.float32)), 'not finite'),
        (lambda path, shape: np.savez(path, w=np.zeros((1, *shape), object)), 'cannot be read'),
        (lambda path, shape: np.savez(path, v=np.zeros((1, *shape), np.float32)), 'cannot be read'),
        (lambda path, shape: path.write_bytes(b'PK nonsense'), 'cannot be read'),
        (lambda path, shape: np.save(path.open('wb'), np.zeros((1, *shape), np.float32)), 'cannot be read'),
    ],
)
def test_projected_w_of_another_shape_or_kind(save, message, tmp_path):
    generator = load_generator('demo')
    save(tmp_path / 'w.npz', (generator.num_ws, generator.w_dim))
    result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/out', f'--projected-w={tmp_path}/w.npz')
    assert result.exit_code == 1 and f'--projected-w={tmp_path}/w.npz' in result.output, result.output
    assert message in result.output
    assert not (tmp_path / 'out').exists()


def test_projected_w_is_labeled_as_its_seed_would_be(tmp_path):
    generator, options = load_generator('demo'), Interpreter.load('demo').options
    np.savez(tmp_path / 'w.npz', w=np.concatenate([generator.ws([seed], options).cpu().numpy() for seed in (105, 103)]))
    for name, source in (('seeds', '--seeds=105,103'), ('projected', f'--projected-w={tmp_path}/w.npz')):
        result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/{name}', source)
        assert result.exit_code == 0, result.output
    for seed, row in ((105, 0), (103, 1)):
        for kind in ('images', 'masks'):
            projected = (tmp_path / 'projected' / kind / f'proj{row:07d}.png').read_bytes()
            assert projected == (tmp_path / 'seeds' / kind / f'seed{seed:07d}.png').read_bytes()
    assert json.loads((tmp_path / 'projected' / 'dataset.json').read_text())['options']['trunc'] is None
    np.savez(tmp_path / 'w.npz', w=generator.ws([5, 4], options).cpu().numpy())
    result = invoke(
        gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/projected', f'--projected-w={tmp_path}/w.npz'
    )
    assert result.exit_code == 1 and '--projected-w was' in result.output


def test_mixed_styles_are_recorded(tmp_path):
    result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/out', '--seeds=0-7', '--mix-styles=0.5')
    assert result.exit_code == 0, result.output
    generator = load_generator('demo')
    records = manifest(tmp_path / 'out')
    mixings = [mixing_of(record['seed'], 0.5, generator.num_ws) for record in records]
    assert [(record.get('mixed_with'), record.get('mixed_from_w')) for record in records] == [
        tuple(mixing) if mixing else (None, None) for mixing in mixings
    ]
    assert 0 < sum(mixing is not None for mixing in mixings) < 8


def test_a_single_member_is_told_never_to_disagree(tmp_path, caplog):
    assert invoke(train_interpreter.main, *train_arguments(tmp_path)).exit_code == 0
    arguments = ('--network=demo', f'--interpreter={tmp_path}/interpreter.safetensors', '--seeds=100-101')
    invoke(gen_dataset.main, *arguments, f'--outdir={tmp_path}/out')
    assert 'never disagrees' not in caplog.text
    assert all(record['uncertainty'] > 0 for record in manifest(tmp_path / 'out'))
    invoke(gen_dataset.main, *arguments, f'--outdir={tmp_path}/paper', '--score=paper')
    assert 'never disagrees' in caplog.text
    assert [record['uncertainty'] for record in manifest(tmp_path / 'paper')] == [0, 0]


@pytest.fixture(scope='module')
def whole_run(tmp_path_factory) -> Path:
    """The folder of a run of SEEDS that nothing stopped."""
    outdir = tmp_path_factory.mktemp('whole') / 'whole'
    assert invoke(gen_dataset.main, '--network=demo', f'--seeds={SEEDS}', f'--outdir={outdir}').exit_code == 0
    return outdir


@pytest.mark.parametrize('stop', [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_completed_by_the_same_command(stop, whole_run, tmp_path):
    arguments = ['--network=demo', f'--seeds={SEEDS}', f'--outdir={tmp_path}/stopped']
    partial = tmp_path / 'stopped' / 'manifest.partial.jsonl'
    # a shell that runs the tests in the background has them ignore Ctrl-C
    with subprocess.Popen(
        [sys.executable, ROOT / 'datasetgan_ext' / 'gen_dataset.py', *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        while process.poll() is None and not (partial.exists() and partial.read_bytes().count(b'\n') >= 3):
            time.sleep(0.01)
        process.send_signal(stop)
        _, errors = process.communicate()
    assert process.returncode != 0, 'the run ended before it could be stopped'
    if stop == signal.SIGINT:
        assert 'the same command continues' in errors and 'Traceback' not in errors
    assert invoke(gen_dataset.main, *arguments).exit_code == 0
    found, wanted = tree(tmp_path / 'stopped'), tree(whole_run)
    if not torch.cuda.is_available():
        assert found == wanted
        return
    assert found.keys() == wanted.keys()
    for path in whole_run.glob('images/*'):  # a GPU may round otherwise in another process: docs/limits.md
        one, other = (
            np.asarray(Image.open(run / 'images' / path.name), int) for run in (whole_run, tmp_path / 'stopped')
        )
        assert abs(one - other).max() <= 1
