"""A network whose images are twice as high as wide, from samples to a dataset."""

from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generator.features import Layer
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.differences import hypercolumn_length, layers_with_differences, neighbor_differences
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.gpu import GpuEnsemble
from datasetgan_ext.interpreter.inference import FusedEnsemble
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from tests.helpers.networks import make_tall_network


@pytest.fixture
def tall() -> Generator:
    return Generator(make_tall_network(), 'tall')


def test_sizes_are_those_of_what_synthesis_returns(tall):
    assert (tall.image_hw, tall.image_channels) == ((32, 16), 3)
    assert [layer.hw for layer in tall.layers] == [(4, 2), (8, 4), (8, 4), (16, 8), (16, 8), (32, 16), (32, 16)]
    synthesis = tall.synthesize([0, 1], SamplingOptions())
    assert synthesis.images.shape == (2, 32, 16, 3)
    assert [tuple(maps.shape[2:]) for maps in synthesis.features] == [layer.hw for layer in tall.layers]
    assert tall.synthesize([0], SamplingOptions(crop_hw=(20, 16))).images.shape == (1, 20, 16, 3)
    with pytest.raises(UserError, match="`crop_hw`=32x32 is larger than the network's image, 32x16"):
        tall.check_options(SamplingOptions(crop_hw=(32, 32)))


def test_code_that_looks_at_values_is_measured_by_an_image(tall, monkeypatch):
    """Sizes are found without computing, but not every network can do that."""
    network = make_tall_network()
    monkeypatch.setattr('datasetgan_ext.generator.features.SMALL_SIDE', 0)
    assert Generator(network, 'tall').layers == tall.layers

    def look(module, inputs):
        assert float(inputs[0].sum()) == 0

    handle = network.synthesis.register_forward_pre_hook(look)
    assert Generator(network, 'tall').layers == tall.layers
    handle.remove()


def test_layers_with_differences_are_chosen_by_height(tall):
    assert layers_with_differences(tall.layers) == [2, 4, 6]


@pytest.mark.parametrize('rows, columns', [(slice(0, 32), slice(0, 16)), (slice(6, 26), slice(2, 14))])
@pytest.mark.parametrize('difference_layers', [[], [4, 6]])
def test_inference_equals_the_plain_way(rows, columns, difference_layers, tall):
    features = [maps[0] for maps in tall.synthesize([3], SamplingOptions()).features]
    torch.manual_seed(0)
    ensemble = Ensemble(2, hypercolumn_length(tall.layers, difference_layers), (8, 4), 3).eval().requires_grad_(False)
    fused = FusedEnsemble(ensemble, tall.layers, (32, 16), rows, columns, difference_layers=difference_layers)
    maps = [*features, *(neighbor_differences(features[index]) for index in difference_layers)]
    upsampled = [F.interpolate(one[None], size=(32, 16), mode='bilinear', align_corners=False)[0] for one in maps]
    pixels = torch.cat(upsampled)[:, rows, columns].flatten(1).T
    expected = ensemble(pixels.expand(2, -1, -1)).mT
    torch.testing.assert_close(torch.cat(list(fused.logit_tiles(features)), dim=2), expected, atol=1e-4, rtol=0)


def test_the_gpu_kernel_is_for_square_images(tall, monkeypatch):
    monkeypatch.setattr('datasetgan_ext.interpreter.gpu_kernels.triton', object())
    ensemble = Ensemble(2, hypercolumn_length(tall.layers, []), (32, 32), 3)
    assert not GpuEnsemble.works_for(ensemble, tall.layers, tall.image_hw)
    assert not GpuEnsemble.works_for(ensemble, tall.layers, (32, 32))
    square = [Layer(layer.name, layer.channels, (layer.hw[0], layer.hw[0])) for layer in tall.layers]
    assert GpuEnsemble.works_for(ensemble, square, (32, 32))


def test_a_layers_json():
    tall, square = Layer('a', 3, (8, 4)), Layer('b', 3, (8, 8))
    assert tall.to_json() == {'name': 'a', 'channels': 3, 'hw': [8, 4]}
    assert square.to_json() == {'name': 'b', 'channels': 3, 'resolution': 8}  # as it always was
    assert [Layer.from_json(layer.to_json()) for layer in (tall, square)] == [tall, square]


def test_from_samples_to_a_dataset(tall, tmp_path):
    """Masks of what is bright and of the lower half; the images are noise, so the interpreter learns these by heart."""
    samples = generate_samples(tall, SamplingOptions(trunc=0.7), [0, 1, 2], tmp_path / 'samples', progress=False)
    assert json.loads((tmp_path / 'samples' / 'samples.json').read_text())['image_hw'] == [32, 16]
    task = Task.from_names(['background', 'bright', 'low'])
    masks = {}
    (tmp_path / 'labels').mkdir()
    for sample in samples.samples:
        picture = np.asarray(PIL.Image.open(tmp_path / 'samples' / sample.image))
        assert picture.shape == (32, 16, 3)
        mask = (picture.mean(axis=2) > picture.mean()).astype(np.uint8)
        mask[24:, :8] = 2
        masks[sample.seed] = mask
        png.write_mask(tmp_path / 'labels' / f'{sample.name}.png', mask, task.flat_palette)
    samples = SampleSet.read(tmp_path / 'samples')
    pairs = samples.pair(read_mask_folder(tmp_path / 'labels', task), task)
    options = options_from('default', models=2, max_steps=300)
    training_set = TrainingSet(tall, samples, pairs, task, options, progress=False)
    assert training_set.difference_layers == [2, 4, 6]
    train_interpreter(training_set, progress=False).save(tmp_path / 'interpreter.safetensors')

    interpreter = Interpreter.load(tmp_path / 'interpreter.safetensors')
    assert interpreter.image_hw == (32, 16) and interpreter.layers == tall.layers
    Run(Labeler(tall, interpreter), [0, 1, 2], tmp_path / 'dataset', Curation(1.0))()
    for seed, mask in masks.items():
        made = np.asarray(PIL.Image.open(tmp_path / 'dataset' / 'masks' / f'seed{seed:07d}.png'))
        assert made.shape == (32, 16) and (made == mask).mean() > 0.9
        assert PIL.Image.open(tmp_path / 'dataset' / 'images' / f'seed{seed:07d}.png').size == (16, 32)
    assert json.loads((tmp_path / 'dataset' / 'dataset.json').read_text())['image_hw'] == [32, 16]


def test_labels_of_a_square_are_refused(tall, tmp_path):
    samples = generate_samples(tall, SamplingOptions(), [0, 1], tmp_path / 'samples', progress=False)
    task = Task.from_names(['background', 'thing'])
    (tmp_path / 'labels').mkdir()
    for sample in samples.samples:
        png.write_mask(tmp_path / 'labels' / f'{sample.name}.png', np.zeros((32, 32), np.uint8), task.flat_palette)
    with pytest.raises(UserError, match='is 32x32, its image is 32x16'):
        samples.pair(read_mask_folder(tmp_path / 'labels', task), task)
