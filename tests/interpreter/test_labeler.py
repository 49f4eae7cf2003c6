import itertools

import numpy as np
import pytest
import torch

import datasetgan_ext
from datasetgan_ext import LabeledImages, Labeler, SamplingOptions, UserError
from datasetgan_ext.generator.generator import Generator
from tests.helpers.networks import make_network


@pytest.fixture
def labeler(generator, interpreter):
    return Labeler(generator, interpreter)


def test_samples(labeler):
    samples = list(labeler(range(3)))
    assert [sample.seed for sample in samples] == [0, 1, 2]
    for sample in samples:
        assert sample.image.shape == (16, 16, 3) and sample.image.dtype == np.uint8
        assert sample.mask.shape == (16, 16) and sample.mask.dtype == np.uint8 and sample.mask.max() <= 2
        assert sample.pixel_uncertainty.shape == (16, 16) and sample.pixel_uncertainty.dtype == np.float32
        assert 0 <= sample.uncertainty <= np.log(3) + np.sqrt(np.log(3))


def test_a_seed_does_not_depend_on_its_neighbors(labeler):
    together, alone = list(labeler(range(4)))[3], next(labeler([3]))
    assert np.array_equal(together.image, alone.image) and np.array_equal(together.mask, alone.mask)
    assert together.uncertainty == alone.uncertainty


def test_batches_give_the_same_labels(generator, interpreter, labeler):
    for one, many in zip(labeler(range(5)), Labeler(generator, interpreter, batch=4)(range(5))):
        assert np.abs(one.image.astype(int) - many.image.astype(int)).max() <= 1
        assert (one.mask != many.mask).mean() < 0.01


def test_options_are_those_of_the_labeled_images_unless_given(generator, interpreter, labeler):
    assert labeler.options == SamplingOptions(trunc=0.7)
    given = Labeler(generator, interpreter, SamplingOptions(trunc=0.2))
    assert not np.array_equal(next(given([0])).image, next(labeler([0])).image)


def test_the_crop_is_always_the_interpreters(generator, interpreter):
    interpreter.options = SamplingOptions(crop_hw=(12, 16))
    sample = next(Labeler(generator, interpreter, SamplingOptions(trunc=0.5))([0]))
    assert sample.image.shape == (12, 16, 3) and sample.mask.shape == (12, 16)


def test_the_stream_ends_with_the_last_seed(labeler):
    assert len(list(LabeledImages(labeler, first_seed=2**32 - 2))) == 2


def test_an_interpreter_of_another_network_is_refused(interpreter):
    with pytest.raises(UserError, match='another network'):
        Labeler(Generator(make_network(seed=1), 'other'), interpreter)


def test_endless_stream_in_a_data_loader(labeler):
    loader = torch.utils.data.DataLoader(LabeledImages(labeler, first_seed=10), batch_size=3)
    images, masks = next(iter(loader))
    assert images.shape == (3, 3, 16, 16) and images.dtype == torch.uint8
    assert masks.shape == (3, 16, 16) and masks.dtype == torch.int64
    expected = list(labeler([10, 11, 12]))
    assert all(np.array_equal(image.permute(1, 2, 0).numpy(), sample.image) for image, sample in zip(images, expected))
    assert all(np.array_equal(mask.numpy(), sample.mask) for mask, sample in zip(masks, expected))


def test_workers_share_the_seeds_out(labeler):
    loader = torch.utils.data.DataLoader(LabeledImages(labeler), batch_size=None, num_workers=2)
    stream = [image for image, _ in itertools.islice(loader, 6)]
    expected = [sample.image for sample in labeler(range(6))]
    matches = [[np.array_equal(image.permute(1, 2, 0).numpy(), other) for other in expected] for image in stream]
    assert np.array(matches).sum(axis=0).tolist() == [1] * 6


def test_uncertain_samples_can_be_left_out_and_samples_transformed(labeler):
    uncertainties = [sample.uncertainty for sample in labeler(range(6))]
    cut = sorted(uncertainties)[2]
    stream = iter(LabeledImages(labeler, max_uncertainty=cut, transform=lambda image, mask: mask))
    certain = [seed for seed in range(6) if uncertainties[seed] <= cut]
    for mask, sample in zip(itertools.islice(stream, 3), labeler(certain)):
        assert np.array_equal(mask.numpy(), sample.mask)


def test_public_names():
    assert all(hasattr(datasetgan_ext, name) for name in datasetgan_ext.__all__)


@pytest.mark.parametrize('fit', [2, 1, 0])
def test_a_full_gpu_takes_smaller_batches(fit, generator, interpreter, labeler, monkeypatch, caplog):
    synthesize = generator.synthesize

    def small_memory(seeds, *arguments):
        if len(seeds) > fit:
            raise torch.cuda.OutOfMemoryError
        return synthesize(seeds, *arguments)

    expected = list(labeler(range(5)))
    monkeypatch.setattr(generator, 'synthesize', small_memory)
    greedy = Labeler(generator, interpreter, batch=5)
    if fit == 0:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            greedy.label([0, 1])
        return
    found = greedy.label([0, 1, 2, 3, 4])
    assert [sample.seed for sample in found] == [0, 1, 2, 3, 4] and 'full with 5 images' in caplog.text
    assert all((one.mask != other.mask).mean() < 0.01 for one, other in zip(found, expected))
