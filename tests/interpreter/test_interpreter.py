import hashlib
import json
import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.identity import state_fingerprint
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.interpreter import METADATA_KEY, Interpreter
from tests.helpers.networks import CLASSES, make_network


def test_round_trip(interpreter, generator, tmp_path):
    path = tmp_path / 'new' / 'interpreter.safetensors'
    interpreter.save(path)
    loaded = Interpreter.load(path)
    assert loaded.fingerprint == interpreter.fingerprint
    assert loaded.task.classes == CLASSES
    assert (loaded.task, loaded.layers, loaded.options, loaded.image_hw, loaded.training) == (
        interpreter.task,
        interpreter.layers,
        interpreter.options,
        interpreter.image_hw,
        interpreter.training,
    )
    features = generator.synthesize([9], loaded.options).features
    ours, theirs = loaded.fused_for(generator)(features), interpreter.fused_for(generator)(features)
    assert torch.equal(ours.masks, theirs.masks)


def test_knows_what_it_was_trained_on(interpreter, generator):
    assert interpreter.training['seeds'] == [0, 1, 2, 3] and interpreter.training['images'] == 4
    assert interpreter.options == SamplingOptions(trunc=0.7)
    assert interpreter.network_fingerprint == generator.fingerprint


def test_fingerprint_is_over_a_text_that_stays(interpreter):
    """Datasets hold the fingerprint, and a run that goes on compares it: a name that changes must not change it."""
    weights = state_fingerprint(interpreter.ensemble)
    heads = 'Heads(classes=3, keypoints=0, sigma=1.5, threshold=0.33)'
    text = f'{weights} {interpreter.task} {heads} {interpreter.difference_layers}'
    assert interpreter.fingerprint == hashlib.sha256(text.encode()).hexdigest()


def test_another_network_is_refused(interpreter):
    with pytest.raises(UserError, match='another network'):
        interpreter.fused_for(Generator(make_network(seed=1), 'other'))


def truncated(path):
    path.write_bytes(path.read_bytes()[:1000])


def without_metadata(path):
    save_file({'a': torch.zeros(1)}, path)


def not_safetensors(path):
    path.write_bytes(b'hello')


def wrong_shapes(path):
    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
    save_file({'input_mean': torch.zeros(3)}, path, metadata)


@pytest.mark.parametrize(
    'damage, message',
    [
        (truncated, 'not a safetensors file, or damaged'),
        (not_safetensors, 'not a safetensors file'),
        (without_metadata, 'not one that datasetgan train wrote'),
        (wrong_shapes, 'is damaged'),
    ],
)
def test_bad_files(interpreter, tmp_path, damage, message):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    damage(path)
    with pytest.raises(UserError, match='`interpreter`=') as error:
        Interpreter.load(path)
    assert message in error.value.message


def rewritten(path, change, tensors=lambda state: None):
    """The file once more, with another description."""
    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    content = json.loads(metadata[METADATA_KEY])
    change(content)
    tensors(state)
    save_file(state, path, {METADATA_KEY: json.dumps(content)})


def setting(*keys, value):
    def change(content):
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    'change',
    [
        setting('ensemble', 'members', value=10**6),
        setting('ensemble', 'members', value=8000),
        setting('ensemble', 'hidden', value=[8000, 8000]),
        setting('ensemble', 'hidden', value=[1] * 10**5),
        setting('ensemble', 'hidden', value=[]),
        setting('ensemble', 'members', value=-1),
        setting('ensemble', 'members', value=True),
        setting('layers', 0, 'channels', value=8000),
        setting('layers', 0, 'channels', value=1.5),
        setting('layers', 0, 'resolution', value=10**9),
        setting('layers', 0, 'name', value=7),
        setting('layers', value=[]),
        setting('difference_layers', value=[0] * 1000),
        setting('difference_layers', value=[-1]),
        setting('difference_layers', value=[99]),
        setting('difference_layers', value='ab'),
        setting('image_hw', value=[16]),
        setting('image_hw', value=[16, 0]),
        setting('options', 'trunc', value='x'),
        setting('options', 'trunc', value=10**400),
        setting('options', 'crop_hw', value=[1, 2, 3]),
        setting('options', 'noise_mode', value=['const']),
        setting('options', 'unknown', value=1),
        setting('keypoint_threshold', value=2),
        setting('keypoint_threshold', value=[]),
        setting('network', value={}),
        setting('network_fingerprint', value=None),
        setting('training', value=[]),
        setting('training', value={}),
        setting('version', value=[[1] * 1000]),
        setting('classes', value='abc'),
        setting('keypoints', value=['a', 'b', 'c']),
        setting('keypoints', value=[f'{index}' for index in range(10**5)]),
    ],
)
def test_descriptions_that_do_not_fit_the_file(change, interpreter, tmp_path):
    """Sizes are compared with the tensors before memory is taken: 2.8 KB could ask for 22 GB."""
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    rewritten(path, change)
    now = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, before[1]))
    try:
        with pytest.raises(UserError) as caught:
            Interpreter.load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert str(path) in caught.value.message and len(caught.value.message) < 500 + len(str(path))
    assert 'allocate' not in caught.value.message


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_a_description_with_a_nan_is_refused(value, interpreter, tmp_path):
    """It would be found when dataset.json is written, at the very end of a run."""
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    rewritten(path, setting('training', 'loss', value=value))
    with pytest.raises(UserError, match='is damaged .*is no number'):
        Interpreter.load(path)


def test_a_number_too_large_for_a_float(interpreter, tmp_path):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    rewritten(path, setting('training', 'loss', value='XXX'))
    path.write_bytes(path.read_bytes().replace(rb'\"XXX\"', b'1e99999'))
    with pytest.raises(UserError, match='1e99999 is too large a number'):
        Interpreter.load(path)


@pytest.mark.parametrize(
    'tensors',
    [
        lambda state: state['weights.0'].__setitem__((0, 0, 0), float('nan')),
        lambda state: state['biases.1'].fill_(float('inf')),
        lambda state: state['input_std'].fill_(0),
        lambda state: state['norms.0.running_var'].fill_(-1),
        lambda state: state.update(input_mean=state['input_mean'].double()),
        lambda state: state.pop('biases.0'),
        lambda state: state.update(extra=torch.zeros(1)),
    ],
)
def test_weights_that_cannot_be_computed_with(tensors, interpreter, tmp_path):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    rewritten(path, lambda content: None, tensors)
    with pytest.raises(UserError, match='`interpreter`=.* is damaged'):
        Interpreter.load(path)


def test_a_description_nested_without_end(interpreter, tmp_path):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    with safe_open(path, 'pt') as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    save_file(state, path, {METADATA_KEY: '[' * 10**5})
    with pytest.raises(UserError, match='is damaged .RecursionError'):
        Interpreter.load(path)


def test_older_files_with_one_side_per_layer(interpreter, generator, tmp_path):
    """Layers of a square network are written as they always were."""
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    with safe_open(path, 'pt') as file:
        content = json.loads(file.metadata()[METADATA_KEY])
    assert content['layers'][0] == {'name': 'synthesis.b4.conv1', 'channels': 16, 'resolution': 4}
    assert Interpreter.load(path).layers == generator.layers


def test_missing_file():
    with pytest.raises(UserError, match='no such file'):
        Interpreter.load('nowhere.safetensors')
