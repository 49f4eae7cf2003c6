"""datasetgan evaluate: of an interpreter, on samples that it was not trained on."""

from __future__ import annotations

import json
import shutil

import numpy as np
import PIL.Image

from datasetgan_ext import evaluate, gen_samples, train_interpreter
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.formats.conversions import convert, make_conversion
from datasetgan_ext.formats.folder import FolderDataset
from datasetgan_ext.generation.photo_run import PhotoRun
from tests.helpers.commands import MASKS, SIDE, invoke, train_arguments
from tests.helpers.photos import write_good_photos, write_model


def test_evaluate_never_scores_what_it_was_trained_on(tmp_path):
    assert invoke(train_interpreter.main, *train_arguments(tmp_path, seeds='0-3')).exit_code == 0
    (tmp_path / 'labels').mkdir()
    for seed in range(6):
        shutil.copy(MASKS / f'seed{seed:07d}.png', tmp_path / 'labels')
    arguments = [
        '--network=demo',
        f'--interpreter={tmp_path}/interpreter.safetensors',
        f'--labels={tmp_path}/labels',
    ]
    result = invoke(evaluate.main, *arguments, '--seeds=3-5')
    assert result.exit_code == 1 and 'was trained on 3' in result.output
    result = invoke(evaluate.main, *arguments, f'--json={tmp_path}/scores.json')
    assert result.exit_code == 0 and 'scored on 2 others' in result.output, result.output
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert scores['scored_on'] == [4, 5] and 0 < scores['mean_iou'] < 1


def test_evaluate_refuses_samples_of_another_crop(tmp_path):
    invoke(
        gen_samples.main,
        '--network=demo',
        f'--outdir={tmp_path}/samples',
        '--seeds=50',
        '--trunc=0.7',
        f'--crop={SIDE // 2}x{SIDE}',
    )
    (tmp_path / 'labels').mkdir()
    PIL.Image.fromarray(np.zeros((SIDE // 2, SIDE), dtype=np.uint8)).save(tmp_path / 'labels' / 'seed0000050.png')
    result = invoke(
        evaluate.main,
        '--network=demo',
        f'--samples={tmp_path}/samples',
        f'--labels={tmp_path}/labels',
    )
    assert result.exit_code == 1 and f'has images of {SIDE // 2}x{SIDE}' in result.output


def test_the_demos_interpreter_reaches_its_score(tmp_path):
    assert invoke(evaluate.main, '--network=demo', f'--json={tmp_path}/scores.json').exit_code == 0
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert scores['trained_on'] == list(range(16)) and scores['scored_on'] == list(range(16, 40))
    assert scores['mean_iou'] >= 0.81 and scores['keypoints']['pck_at_2_of_64'] >= 0.97


def test_evaluate_names_what_is_missing():
    result = invoke(evaluate.main, '--network=car.pkl', '--labels=masks')
    assert result.exit_code == 1 and '--interpreter, --samples is missing' in result.output


def test_evaluate_takes_an_interpreter_or_networks():
    for arguments in ((), ('--network=demo', '--model=m.safetensors')):
        assert 'one of the two' in invoke(evaluate.main, *arguments).output
    assert '--data is missing' in invoke(evaluate.main, '--model=m.safetensors').output


def test_a_networks_own_predictions_say_nothing_of_it(tmp_path):
    model = write_model(tmp_path / 'm.safetensors')
    write_good_photos(tmp_path / 'photos')
    PhotoRun(PhotoLabeler(model), find_photos([tmp_path / 'photos']), tmp_path / 'out')()
    convert(FolderDataset(tmp_path / 'out'), make_conversion('voc'), tmp_path / 'voc')
    for data in ('out', 'voc'):
        result = invoke(evaluate.main, f'--model={tmp_path}/m.safetensors', f'--data={tmp_path / data}')
        assert result.exit_code == 1 and 'has the labels that this network predicted' in result.output, result.output
