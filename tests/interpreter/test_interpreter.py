import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import png
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter import training
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.optimization import options_from, train_ensemble
from datasetgan_ext.interpreter.training import TrainingSet
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
    from safetensors import safe_open

    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
    save_file({'input_mean': torch.zeros(3)}, path, metadata)


@pytest.mark.parametrize(
    'damage, message',
    [
        (truncated, 'not a safetensors file, or damaged'),
        (not_safetensors, 'not a safetensors file'),
        (without_metadata, 'not one that train_interpreter.py wrote'),
        (wrong_shapes, 'is damaged'),
    ],
)
def test_bad_files(interpreter, tmp_path, damage, message):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    damage(path)
    with pytest.raises(UserError, match='--interpreter=') as error:
        Interpreter.load(path)
    assert message in error.value.message


def test_missing_file():
    with pytest.raises(UserError, match='no such file'):
        Interpreter.load('nowhere.safetensors')


def test_pixels_of_an_image_do_not_depend_on_the_others(generator, samples, labels, task):
    pairs = samples.pair(png.read_folder(labels), task)
    options = options_from('default', pixels_per_image=20)
    together = TrainingSet(generator, samples, pairs, task, options, progress=False).pixels
    alone = TrainingSet(generator, samples, pairs[2:3], task, options, progress=False).pixels
    assert torch.equal(together.select(together.images == 2).hypercolumns, alone.hypercolumns)
    assert len(alone) == 20


def test_clean_up_is_an_option(generator, samples, labels, task):
    pairs = samples.pair(png.read_folder(labels), task)
    pairs[0][1].mask[:] = 0
    pairs[0][1].mask[0, :5] = 2
    pairs[0][1].mask[8:] = 1
    for minimum, count in ((5, 5), (6, 0)):
        options = options_from('default', min_class_pixels=minimum)
        pixels = TrainingSet(generator, samples, pairs[:1], task, options, progress=False).pixels
        assert (pixels.classes == 2).sum() == count


def test_a_class_without_labels_is_told(generator, samples, labels, task, caplog):
    pairs = samples.pair(png.read_folder(labels), task)
    for _, annotation in pairs:
        annotation.mask[annotation.mask == 1] = 0
    TrainingSet(
        generator, samples, pairs, task, options_from('default', models=1, max_steps=20), progress=False
    ).train()
    assert 'No labelled pixel of dark' in caplog.text


def test_crop_trains_on_the_cropped_part(generator, task, tmp_path):
    from datasetgan_ext.core.annotation import Annotation
    from datasetgan_ext.generator.samples import generate_samples

    samples = generate_samples(generator, SamplingOptions(crop_hw=(12, 16)), [0], tmp_path / 'cropped')
    mask = (np.arange(12 * 16).reshape(12, 16) % 3).astype(np.uint8)
    pairs = samples.pair([Annotation(samples.samples[0].name, mask, tmp_path)], task)
    pixels = TrainingSet(
        generator, samples, pairs, task, options_from('reference', min_class_pixels=0), progress=False
    ).pixels
    features = generator.synthesize([0], SamplingOptions()).features
    full = torch.cat(
        [
            torch.nn.functional.interpolate(maps, size=(16, 16), mode='bilinear', align_corners=False)[0]
            for maps in features
        ]
    )
    assert torch.allclose(pixels.hypercolumns.float(), full[:, 2:14].flatten(1).T, rtol=1e-3, atol=1e-5)
    interpreter = TrainingSet(
        generator, samples, pairs, task, options_from('default', models=1, max_steps=20), progress=False
    ).train()
    assert interpreter.fused_for(generator).out_hw == (12, 16)


def test_cross_validation_never_scores_an_image_it_trained_on(generator, samples, labels, task, monkeypatch):
    pairs = samples.pair(png.read_folder(labels), task)
    training_set = TrainingSet(
        generator, samples, pairs, task, options_from('default', models=1, max_steps=20), progress=False
    )
    trained, scored = [], []
    synthesize = Generator.synthesize

    def watched_train(pixels, *rest):
        trained.append(set(pixels.images.tolist()))
        return train_ensemble(pixels, *rest)

    def watched_synthesize(self, seeds, options):
        scored.append(seeds[0])
        return synthesize(self, seeds, options)

    monkeypatch.setattr(training, 'train_ensemble', watched_train)
    monkeypatch.setattr(Generator, 'synthesize', watched_synthesize)
    score, _, _ = training_set.cross_validate()
    assert scored == [0, 1, 2, 3] and [set(range(4)) - images for images in trained] == [{0}, {1}, {2}, {3}]
    assert score.confusion.sum() == 4 * 16 * 16


def test_cross_validation_of_one_image_is_refused(generator, samples, labels, task):
    pairs = samples.pair(png.read_folder(labels), task)[:1]
    with pytest.raises(UserError, match='at least two'):
        TrainingSet(generator, samples, pairs, task, options_from('default'), progress=False).cross_validate()


@pytest.mark.parametrize('value, message', [(255, 'the masks hold no class at all'), (0, 'the masks hold background')])
def test_labels_of_one_class_are_refused(generator, samples, labels, task, value, message):
    """A black-and-white mask of 0 and 255 too: 255 means "no label"."""
    pairs = samples.pair(png.read_folder(labels), task)
    for _, annotation in pairs:
        annotation.mask[:] = np.where(annotation.mask == 2, 255, value)
    with pytest.raises(UserError) as error:
        TrainingSet(generator, samples, pairs, task, options_from('default'), progress=False)
    assert message in error.value.message and 'write the class id instead of 255' in error.value.message
