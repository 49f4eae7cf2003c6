import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter import cross_validation
from datasetgan_ext.interpreter.cross_validation import cross_validate
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet


def test_cross_validation_never_scores_an_image_it_trained_on(generator, samples, labels, task, monkeypatch):
    pairs = samples.pair(read_mask_folder(labels, task), task)
    training_set = TrainingSet(
        generator, samples, pairs, task, options_from('default', models=1, max_steps=20), progress=False
    )
    trained, scored = [], []
    synthesize = Generator.synthesize

    def watched_train(pixels, *rest, **named):
        trained.append(set(pixels.images.tolist()))
        return train_ensemble(pixels, *rest, **named)

    def watched_synthesize(self, seeds, *rest):
        scored.append(seeds[0])
        return synthesize(self, seeds, *rest)

    monkeypatch.setattr(cross_validation, 'train_ensemble', watched_train)
    monkeypatch.setattr(Generator, 'synthesize', watched_synthesize)
    score = cross_validate(training_set, progress=False).segmentation
    assert scored == [0, 1, 2, 3] and [set(range(4)) - images for images in trained] == [{0}, {1}, {2}, {3}]
    assert score.confusion.sum() == 4 * 16 * 16


def test_cross_validation_of_one_image_is_refused(generator, samples, labels, task):
    pairs = samples.pair(read_mask_folder(labels, task), task)[:1]
    training_set = TrainingSet(generator, samples, pairs, task, options_from('default'), progress=False)
    with pytest.raises(UserError, match='at least two'):
        cross_validate(training_set)
