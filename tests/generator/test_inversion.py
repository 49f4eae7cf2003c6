"""GAN inversion on tiny networks, and the measures of how good it is."""

import numpy as np
import pytest
import torch

from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.inversion import Inversion, axes_of, pyramid_distance, rate
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.metrics.pictures import psnr
from tests.helpers.networks import make_network


@pytest.fixture(scope='module')
def generator():
    return Generator(make_network(), 'tiny.pkl')


def images_of(generator, seeds, options=None):
    return list(generator.synthesize(seeds, options or SamplingOptions()).images.numpy())


def test_images_of_the_network_are_found_again(generator):
    photos = images_of(generator, [100_000, 100_001])  # not among those that it starts from
    found = Inversion(generator, SamplingOptions(), steps=150, encoder_images=0)(photos)
    assert all(one.psnr > 25 for one in found)
    assert all(np.array_equal(one.psnr, psnr(photo, one.image)) for one, photo in zip(found, photos))
    again = generator.synthesize([0], SamplingOptions(), lambda ids: torch.from_numpy(found[1].w)[None])
    assert np.array_equal(again.images[0].numpy(), found[1].image)


def test_more_steps_find_more_and_gradients_leave_the_network_alone(generator):
    before = {name: tensor.clone() for name, tensor in generator.network.state_dict().items()}
    photos = images_of(generator, [100_002])
    few, many = (
        Inversion(generator, SamplingOptions(), steps=steps, encoder_images=0)(photos)[0].psnr for steps in (5, 100)
    )
    assert many > few + 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in generator.network.parameters())


def test_only_the_crop_counts(generator):
    options = SamplingOptions(crop_hw=(8, 12))
    inversion = Inversion(generator, options, steps=150, encoder_images=0)
    assert inversion.image_hw == (8, 12)
    photos = images_of(generator, [100_003], options)
    (found,) = inversion(photos)
    assert found.image.shape == (8, 12, 3) and found.psnr > 25


def test_gray_networks():
    generator = Generator(make_network(img_channels=1), 'gray.pkl')
    (found,) = Inversion(generator, SamplingOptions(), steps=150, encoder_images=0)(images_of(generator, [100_004]))
    assert found.image.shape == (16, 16, 1) and found.psnr > 25


def test_the_pull_keeps_w_among_those_of_the_network(generator, monkeypatch):
    photo = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype(np.uint8)

    def squares(pull):
        monkeypatch.setattr('datasetgan_ext.generator.inversion.PULL', pull)
        inversion = Inversion(generator, SamplingOptions(), steps=40, encoder_images=0)
        w = torch.from_numpy(inversion([photo])[0].w)
        return float(((w - inversion._space.mean) @ inversion._space.whiten).square().mean())

    assert squares(1.0) < 0.3 < 1 < squares(0.0)


def test_images_of_the_network_are_usual_and_others_strange(generator):
    inversion = Inversion(generator, SamplingOptions(), steps=1, encoder_images=1000)
    own = images_of(generator, range(5000, 5040))
    usual = [one.strangeness for one in inversion(own)]
    assert 0.02 <= np.mean(np.array(usual) > 1) <= 0.15  # a twentieth of those that are known
    noise = np.random.RandomState(0).randint(0, 2, (16, 16, 1)).astype(np.uint8) * np.full(3, 255, np.uint8)
    (strange,) = inversion([noise])
    assert strange.strangeness > np.quantile(usual, 0.9)
    (unknown,) = Inversion(generator, SamplingOptions(), steps=1, encoder_images=0)([noise])
    assert unknown.strangeness is None


def test_axes_of_a_distribution():
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(5000, 3, generator=random) @ torch.tensor([[3.0, 1, 0], [0, 0.2, 0], [0, 0, 1]])
    whiten, color = axes_of(vectors)
    white = vectors @ whiten
    assert torch.allclose(white.T @ white / len(white), torch.eye(3), atol=1e-3)
    assert torch.allclose(white @ color, vectors, atol=1e-4)


def test_the_pyramid_adds_what_differs():
    images = torch.zeros(2, 3, 16, 16)
    other = images.clone()
    other[1, :, 4] = 1
    near, far = pyramid_distance(images, other).tolist()
    assert near == 0 and far > 0


def test_the_rate_rises_stays_and_falls():
    rates = [rate(step / 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01) and rates[30] == rates[74] == 1 and rates[99] < 0.01
    assert rates[:5] == sorted(rates[:5]) and rates[80:] == sorted(rates[80:], reverse=True)
