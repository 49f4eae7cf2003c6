"""The command lines: the examples of their help, and every mistake that a user can make, without a traceback."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

import datasetgan_ext
from datasetgan_ext import (
    convert,
    evaluate,
    gen_dataset,
    gen_samples,
    label,
    patch_upstream,
    train_downstream,
    train_interpreter,
    train_semi_supervised,
    verify,
)
from datasetgan_ext.cli import main as cli
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER, load_generator
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import mixing_of
from datasetgan_ext.interpreter.interpreter import Interpreter
from tests.generation.test_run import manifest, tree
from tests.helpers.squares import write_world

ROOT = Path(datasetgan_ext.__file__).parents[1]
SCRIPTS = {
    'gen_samples': gen_samples,
    'train_interpreter': train_interpreter,
    'gen_dataset': gen_dataset,
    'evaluate': evaluate,
    'train_downstream': train_downstream,
    'train_semi_supervised': train_semi_supervised,
}
MASKS = DEMO_FOLDER / 'samples' / 'masks'
SIDE = SampleSet.read(DEMO_FOLDER / 'samples').image_hw[0]


def invoke(command, *arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def train_arguments(tmp_path, **changes) -> list[str]:
    """Arguments that train a small interpreter of the demo on seeds 0-3 in seconds."""
    arguments = {
        'network': 'demo',
        'samples': DEMO_FOLDER / 'samples',
        'labels': MASKS,
        'classes': DEMO_FOLDER / 'task.json',
        'seeds': '0-3',
        'models': 1,
        'pixels-per-image': 100,
        'out': tmp_path / 'interpreter.safetensors',
        **changes,
    }
    return [f'--{name}={value}' for name, value in arguments.items() if value is not None]


def demo_examples():
    for name, script in SCRIPTS.items():
        for example in re.findall(r'^ *python \S+ ((?:[^\\\n]|\\\n)*)', script.main.help, flags=re.MULTILINE):
            if '--network=demo' in example or 'datasetgan_ext/demo/' in example:
                yield pytest.param(name, shlex.split(example.replace('\\\n', ' ')), id=name)


@pytest.mark.parametrize('name, arguments', list(demo_examples()))
def test_examples_of_the_help(name, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = [argument.replace('=out/', f'={tmp_path}/') for argument in arguments]
    if name == 'train_interpreter':
        arguments += ['--models=1', '--pixels-per-image=200']
    if name in ('train_downstream', 'train_semi_supervised'):
        arguments += ['--steps=2', '--every=1']
    result = invoke(SCRIPTS[name].main, *arguments)
    assert result.exit_code == 0, result.output


def test_every_script_has_an_example_with_the_demo():
    assert {example.id for example in demo_examples()} == set(SCRIPTS)


@pytest.mark.parametrize('name', [*SCRIPTS, 'label', 'convert', 'verify'])
def test_scripts_run_from_a_checkout(name, tmp_path):
    result = subprocess.run(
        [sys.executable, ROOT / 'datasetgan_ext' / f'{name}.py', '--help'], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0 and 'Example' in result.stdout, result.stderr


def test_console_command_has_the_same_verbs():
    assert cli.commands == {
        'samples': gen_samples.main,
        'label': label.main,
        'train': train_interpreter.main,
        'generate': gen_dataset.main,
        'convert': convert.main,
        'verify': verify.main,
        'train-downstream': train_downstream.main,
        'train-semi-supervised': train_semi_supervised.main,
        'evaluate': evaluate.main,
        'patch-upstream': patch_upstream.main,
    }
    assert datasetgan_ext.__version__ in invoke(cli, '--version').output


def test_from_samples_to_a_dataset(tmp_path):
    """All verbs in a row, with masks that a person could have drawn for new seeds."""
    assert (
        invoke(
            cli,
            'samples',
            '--network=demo',
            f'--outdir={tmp_path}/samples',
            '--seeds=100-107',
            '--trunc=0.6',
            f'--crop={SIDE // 2}x{SIDE}',
        ).exit_code
        == 0
    )
    labels = tmp_path / 'labels'
    labels.mkdir()
    for seed in range(100, 108):
        image = np.asarray(PIL.Image.open(tmp_path / 'samples' / 'images' / f'seed{seed:07d}.png'))
        assert image.shape == (SIDE // 2, SIDE, 3)
        PIL.Image.fromarray((image.mean(axis=2) > 128).astype(np.uint8)).save(labels / f'seed{seed:07d}.png')
    (tmp_path / 'classes.txt').write_text('dark\nbright\n')
    result = invoke(
        cli,
        'train',
        '--network=demo',
        f'--samples={tmp_path}/samples',
        f'--labels={labels}',
        f'--classes={tmp_path}/classes.txt',
        f'--out={tmp_path}/i.safetensors',
        '--models=2',
        '--pixels-per-image=200',
        '--cross-validate',
    )
    assert result.exit_code == 0 and 'held-out pixels' in result.output and 'mIoU' in result.output, result.output
    result = invoke(
        cli,
        'generate',
        '--network=demo',
        f'--interpreter={tmp_path}/i.safetensors',
        f'--outdir={tmp_path}/dataset',
        '--seeds=0-3,7',
        '--keep=0.8',
    )
    assert result.exit_code == 0 and 'Preview:' in result.output, result.output
    records = manifest(tmp_path / 'dataset')
    assert [record['seed'] for record in records] == [0, 1, 2, 3, 7]
    assert [record['kept'] for record in records].count(False) == 1
    mask = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'masks' / 'seed0000007.png'))
    image = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'images' / 'seed0000007.png'))
    assert mask.shape == (SIDE // 2, SIDE)
    assert ((image.mean(axis=2) > 128) == mask).mean() > 0.9
    info = json.loads((tmp_path / 'dataset' / 'dataset.json').read_text())
    assert info['options']['trunc'] == 0.6 and info['options']['crop'] == f'{SIDE // 2}x{SIDE}'


@pytest.mark.parametrize('stop', [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_completed_by_the_same_command(stop, tmp_path):
    def command(folder):
        return [
            sys.executable,
            ROOT / 'datasetgan_ext' / 'gen_dataset.py',
            '--network=demo',
            '--seeds=0-39',
            f'--outdir={tmp_path / folder}',
        ]

    subprocess.run(command('whole'), check=True, capture_output=True)
    partial = tmp_path / 'stopped' / 'manifest.partial.jsonl'
    # a shell that runs the tests in the background has them ignore Ctrl-C
    with subprocess.Popen(
        command('stopped'),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        while process.poll() is None and not (partial.exists() and partial.read_bytes().count(b'\n') >= 5):
            time.sleep(0.01)
        process.send_signal(stop)
        _, errors = process.communicate()
    assert process.returncode != 0, 'the run ended before it could be stopped'
    if stop == signal.SIGINT:
        assert 'the same command continues' in errors and 'Traceback' not in errors
    subprocess.run(command('stopped'), check=True, capture_output=True)
    assert tree(tmp_path / 'stopped') == tree(tmp_path / 'whole')


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
            'not one that train_interpreter.py wrote',
        ),
        (['--seeds=0', '--mix-styles=2'], '--mix-styles=2.0 is not a share'),
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
    np.savez(tmp_path / 'w.npz', w=np.concatenate([generator.ws([seed], options).numpy() for seed in (5, 3)]))
    for name, source in (('seeds', '--seeds=5,3'), ('projected', f'--projected-w={tmp_path}/w.npz')):
        result = invoke(gen_dataset.main, '--network=demo', f'--outdir={tmp_path}/{name}', source)
        assert result.exit_code == 0, result.output
    for seed, row in ((5, 0), (3, 1)):
        for kind in ('images', 'masks'):
            projected = (tmp_path / 'projected' / kind / f'proj{row:07d}.png').read_bytes()
            assert projected == (tmp_path / 'seeds' / kind / f'seed{seed:07d}.png').read_bytes()
    assert json.loads((tmp_path / 'projected' / 'dataset.json').read_text())['options']['trunc'] is None
    np.savez(tmp_path / 'w.npz', w=generator.ws([5, 4], options).numpy())
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


@pytest.mark.parametrize(
    'crop, message',
    [('384', 'is not HEIGHTxWIDTH'), ('0x32', 'is not HEIGHTxWIDTH'), (f'{SIDE + 1}x{SIDE}', 'is larger than')],
)
def test_gen_samples_refuses_crops(crop, message, tmp_path):
    result = invoke(gen_samples.main, '--network=demo', f'--outdir={tmp_path}/out', f'--crop={crop}')
    assert result.exit_code != 0 and message in result.output
    assert not (tmp_path / 'out').exists()


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
        (stranger, 'cat.png: no sample of that name'),
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
    invoke(gen_samples.main, '--network=demo', f'--outdir={tmp_path}/samples', '--seeds=0-39', '--trunc=0.7')
    images = tmp_path / 'samples' / 'images'
    (images / 'seed0000001.png').replace(images / 'seed0000000.png')
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, samples=tmp_path / 'samples'))
    assert result.exit_code == 1 and 'seed0000000.png is not the image of seed 0: the mean colours' in result.output


def test_evaluate_never_scores_what_it_was_trained_on(tmp_path):
    assert invoke(train_interpreter.main, *train_arguments(tmp_path, seeds='0-3')).exit_code == 0
    arguments = ['--network=demo', f'--interpreter={tmp_path}/interpreter.safetensors']
    result = invoke(evaluate.main, *arguments, '--seeds=3-5')
    assert result.exit_code == 1 and 'was trained on 3' in result.output
    result = invoke(evaluate.main, *arguments, f'--json={tmp_path}/scores.json')
    assert result.exit_code == 0 and 'scored on 36 others' in result.output
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert scores['scored_on'] == list(range(4, 40)) and 0 < scores['mean_iou'] < 1


def test_evaluate_refuses_samples_of_another_crop(tmp_path):
    assert invoke(train_interpreter.main, *train_arguments(tmp_path)).exit_code == 0
    invoke(
        gen_samples.main,
        '--network=demo',
        f'--outdir={tmp_path}/samples',
        '--seeds=9',
        '--trunc=0.7',
        f'--crop={SIDE // 2}x{SIDE}',
    )
    (tmp_path / 'labels').mkdir()
    PIL.Image.fromarray(np.zeros((SIDE // 2, SIDE), dtype=np.uint8)).save(tmp_path / 'labels' / 'seed0000009.png')
    result = invoke(
        evaluate.main,
        '--network=demo',
        f'--interpreter={tmp_path}/interpreter.safetensors',
        f'--samples={tmp_path}/samples',
        f'--labels={tmp_path}/labels',
    )
    assert result.exit_code == 1 and f'has images of {SIDE // 2}x{SIDE}' in result.output


def test_the_demos_interpreter_reaches_its_score(tmp_path):
    assert invoke(evaluate.main, '--network=demo', f'--json={tmp_path}/scores.json').exit_code == 0
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert scores['trained_on'] == list(range(16)) and scores['scored_on'] == list(range(16, 40))
    assert scores['mean_iou'] >= 0.81 and scores['keypoints']['pck_at_2_of_64'] >= 0.97


def test_a_single_member_is_told_to_be_never_unsure(tmp_path, caplog):
    assert invoke(train_interpreter.main, *train_arguments(tmp_path)).exit_code == 0
    invoke(
        gen_dataset.main,
        '--network=demo',
        f'--interpreter={tmp_path}/interpreter.safetensors',
        f'--outdir={tmp_path}/out',
        '--seeds=0-1',
    )
    assert 'never unsure' in caplog.text


def test_evaluate_names_what_is_missing():
    result = invoke(evaluate.main, '--network=car.pkl', '--labels=masks')
    assert result.exit_code == 1 and '--interpreter, --samples is missing' in result.output


def test_train_and_evaluate_keypoints(tmp_path):
    keypoints = DEMO_FOLDER / 'samples' / 'keypoints.json'
    arguments = train_arguments(tmp_path, labels=None, keypoints=keypoints, **{'pixels-per-image': 300})
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
    result = invoke(train_interpreter.main, *train_arguments(tmp_path, keypoints=tmp_path / 'k.json'))
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
    assert result.exit_code == 0, result.output
    task = Interpreter.load(tmp_path / 'interpreter.safetensors').task
    assert task.classes == ('background', 'car') and task.keypoints == ('hub',)


def downstream_arguments(tmp_path, **changes) -> list[str]:
    """Arguments that train a small network on squares in a second."""
    arguments = {
        'data': tmp_path / 'world',
        'architecture': 'small-unet',
        'steps': 4,
        'every': 2,
        'out': tmp_path / 'm.safetensors',
        **changes,
    }
    return [f'--{name}={value}' for name, value in arguments.items() if value is not None]


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


def test_a_killed_training_goes_on(tmp_path):
    write_world(tmp_path / 'world', range(10))
    command = [
        sys.executable,
        ROOT / 'datasetgan_ext' / 'train_downstream.py',
        *downstream_arguments(tmp_path, steps=60, every=10),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (tmp_path / 'm.safetensors.partial').exists():
            time.sleep(0.01)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, 'the run ended before it could be stopped'
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert 'going on from step' in result.stderr and not (tmp_path / 'm.safetensors.partial').exists()


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


def test_train_semi_supervised_refuses(tmp_path):
    write_world(tmp_path / 'world', range(4), masks=False)
    arguments = downstream_arguments(tmp_path)
    result = invoke(train_semi_supervised.main, *arguments, f'--unlabeled={tmp_path}/world')
    assert result.exit_code == 1 and 'has no classes' in result.output
    result = invoke(train_semi_supervised.main, *arguments, f'--unlabeled={tmp_path}/world', '--num-unlabeled=9')
    assert result.exit_code == 1 and '--num-unlabeled=9' in result.output


def test_evaluate_takes_an_interpreter_or_networks():
    for arguments in ((), ('--network=demo', '--model=m.safetensors')):
        assert 'one of the two' in invoke(evaluate.main, *arguments).output
    assert '--data is missing' in invoke(evaluate.main, '--model=m.safetensors').output
