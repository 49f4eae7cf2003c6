import hashlib

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.generator import Generator, state_fingerprint
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.interpreter import Interpreter
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


def test_missing_file():
    with pytest.raises(UserError, match='no such file'):
        Interpreter.load('nowhere.safetensors')
