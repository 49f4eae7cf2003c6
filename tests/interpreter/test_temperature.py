import json

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.temperature import TEMPERATURES, best_temperature
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.uncertainty import divergence_and_entropy, entropy
from tests.interpreter.test_ensemble import make_ensemble
from tests.interpreter.test_interpreter import rewritten, setting
from tests.interpreter.test_trainer import blobs


@pytest.mark.parametrize('sharpness', [1 / 0.53, 1 / 1.04, 1 / 1.52])
def test_finds_how_much_surer_logits_should_be(sharpness):
    """Classes are drawn with the probabilities of some logits, which are given too flat or too sharp."""
    source = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(20000, 4, generator=source)
    classes = logits.softmax(dim=1).multinomial(1, generator=source)[:, 0]
    given = (logits / sharpness).expand(2, -1, -1)
    parts = [(given[:, :7000], classes[:7000]), (given[:, 7000:], classes[7000:])]
    assert best_temperature(parts) == pytest.approx(1 / sharpness)


def test_it_is_the_mean_probability_that_counts():
    """Members that are sure of different classes: each alone is far too sure, their mean is not."""
    source = torch.Generator().manual_seed(0)
    classes = torch.arange(4000) % 2
    logits = 2 * torch.nn.functional.one_hot(classes, 2) + 3 * torch.randn(5, 4000, 2, generator=source)

    def loss(temperature):
        mean = (logits / temperature).softmax(dim=2).mean(dim=0)
        return -mean[torch.arange(4000), classes].log().mean()

    alone, together = (best_temperature([(part, classes)]) for part in (logits[:1], logits))
    assert together == min(TEMPERATURES, key=loss)
    assert together < 1 < alone


def test_without_pixels_nothing_changes():
    assert best_temperature([]) == 1


def test_smoothed_labels_leave_members_less_sure_than_right():
    options = options_from('default', models=3, max_steps=300)
    assert train_ensemble(blobs(6000), 3, 0, options, progress=False)[1].temperature < 0.8


@pytest.mark.parametrize('changes', [{'preset': 'reference'}, {'preset': 'default', 'heldout': 0.0}])
def test_without_held_out_pixels_there_is_none(changes):
    options = options_from(**changes, models=2, max_steps=20)
    assert train_ensemble(blobs(), 3, 0, options, progress=False)[1].temperature == 1


def test_keypoints_alone_have_none():
    pixels = blobs()
    pixels.heat = torch.rand(600, 2)
    pixels.classes[:] = -1
    options = options_from('default', models=2, max_steps=20)
    assert train_ensemble(pixels, 0, 2, options, progress=False)[1].temperature == 1


def test_classes_are_divided_and_keypoints_are_not():
    ensemble, x = make_ensemble(outputs=5), torch.randn(3, 7, 6)
    before = ensemble(x)
    found = ensemble.sharpened(0.5, 3)(x)
    torch.testing.assert_close(found[..., :3], 2 * before[..., :3])
    torch.testing.assert_close(found[..., 3:], before[..., 3:])
    assert torch.equal(ensemble(x), before)


def test_labels_stay_and_uncertainties_are_those_of_the_sharpened_members(interpreter, generator):
    features = generator.synthesize([9], interpreter.options).features
    interpreter.training['temperature'] = 1.0
    fused = interpreter.fused_for(generator)
    logits = torch.cat([tile.clone() for tile in fused.logit_tiles([maps[0] for maps in features])], dim=2)
    plain = fused(features)
    interpreter.training['temperature'] = 0.5
    found = interpreter.fused_for(generator)(features)
    assert torch.equal(found.masks, plain.masks)
    divergence, of_mean = divergence_and_entropy((2 * logits).softmax(dim=1))
    torch.testing.assert_close(found.pixel_uncertainty.flatten(), divergence, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.pixel_entropy.flatten(), of_mean, atol=1e-4, rtol=1e-3)
    assert of_mean.mean() < entropy(logits.softmax(dim=1).mean(dim=0)).mean()


def test_an_interpreter_of_before_has_none(interpreter):
    del interpreter.training['temperature']
    assert interpreter.temperature == 1


def test_the_embedded_one_is_as_sure_as_it_is_right():
    """On the 24 held-out images: said and true shares of right pixels are within a point of each other."""
    from datasetgan_ext import load_generator
    from datasetgan_ext.core.task import Task
    from datasetgan_ext.formats.mask_folder import read_mask_folder
    from datasetgan_ext.generator.samples import SampleSet

    interpreter, generator = Interpreter.load(DEMO), load_generator(DEMO, 'cpu')
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    truth = {one.name: one.mask for one in read_mask_folder(DEMO_FOLDER / 'samples' / 'masks', task)}
    fused = interpreter.fused_for(generator)
    said, right = [], []
    for sample in samples.samples:
        if sample.name not in truth or sample.seed in interpreter.training['seeds']:
            continue
        features = generator.synthesize([sample.seed], samples.options).features
        tiles = [
            tile[:, : len(task.classes)].softmax(dim=1) for tile in fused.logit_tiles([one[0] for one in features])
        ]
        confidence, classes = torch.cat(tiles, dim=2).mean(dim=0).max(dim=0)
        said.append(confidence.mean().item())
        right.append(np.mean(classes.numpy() == truth[sample.name].ravel()))
    assert len(said) == 24 and abs(np.mean(said) - np.mean(right)) < 0.01


@pytest.mark.parametrize('value', [0, -1, 'cold', True, None, 1e9])
def test_a_temperature_that_is_none(value, interpreter, tmp_path):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    rewritten(path, setting('training', 'temperature', value=value))
    with pytest.raises(UserError, match='`interpreter`=.* is damaged'):
        Interpreter.load(path)


def test_a_dataset_goes_on_with_its_own_temperature_alone(interpreter, generator, tmp_path):
    """One of before there was any has 1."""
    from datasetgan_ext.generation.curation import Curation
    from datasetgan_ext.generation.run import Run
    from datasetgan_ext.interpreter.labeler import Labeler

    def run(temperature, seeds):
        interpreter.training['temperature'] = temperature
        Run(Labeler(generator, interpreter, batch=1), seeds, tmp_path / 'dataset', Curation(1.0))()

    run(1.0, range(2))
    path = tmp_path / 'dataset' / 'dataset.json'
    info = json.loads(path.read_text())
    assert info['options'].pop('temperature') == 1
    path.write_text(json.dumps(info))
    with pytest.raises(UserError, match=r'`temperature` was 1.0, now 0.5'):
        run(0.5, range(3))
    run(1.0, range(3))
