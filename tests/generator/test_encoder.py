"""The encoder that guesses w from a picture."""

import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.encoder import Encoder, images_for, look, train_encoder
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.inversion import Inversion, axes_of
from datasetgan_ext.generator.sampling import SamplingOptions
from tests.helpers.networks import make_network


@pytest.fixture(scope='module')
def generator():
    return Generator(make_network(), 'tiny.pkl')


def test_its_guesses_are_far_better_than_the_mean(generator):
    options = SamplingOptions()
    ws = generator.ws(range(2000), options)[:, 0]
    mean = ws.mean(dim=0)
    whiten, _ = axes_of(ws - mean)
    encoder = train_encoder(generator, options, whiten, mean, count=1000, progress=False)
    images = generator.synthesize(range(200), options).images.permute(0, 3, 1, 2).float() / 127.5 - 1
    errors = (encoder(look(images)) - (ws[:200] - mean) @ whiten).square().mean(dim=0)
    assert errors.mean() < 0.8  # of the variance, which is 1
    again = train_encoder(generator, options, whiten, mean, count=1000, progress=False)
    assert all(torch.equal(one, other) for one, other in zip(encoder.parameters(), again.parameters()))


def test_a_file_of_it(tmp_path):
    encoder = Encoder(3, (20, 64), 8).eval()
    encoder.save(tmp_path / 'encoder.safetensors')
    images = torch.randn(2, 3, 20, 64)
    assert torch.equal(Encoder.load(tmp_path / 'encoder.safetensors')(images), encoder(images))
    (tmp_path / 'encoder.safetensors').write_bytes(b'nothing')
    with pytest.raises(UserError, match='`outdir`=.*encoder.safetensors is not a safetensors file'):
        Encoder.load(tmp_path / 'encoder.safetensors')


def test_what_it_sees():
    images = torch.arange(256.0).expand(1, 3, 192, 256)
    small = look(images)
    assert small.shape == (1, 3, 48, 64) and small[0, 0, 0, :2].tolist() == [1.5, 5.5]
    assert look(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_a_large_network_on_a_cpu_has_none(generator, monkeypatch):
    assert images_for(generator) == 6000
    monkeypatch.setattr(generator, 'image_hw', (256, 256))
    assert images_for(generator) == 10**8 // 256**2
    monkeypatch.setattr(generator, 'image_hw', (1024, 1024))
    assert images_for(generator) == 0
    assert Inversion(generator, SamplingOptions()).encoder is None
