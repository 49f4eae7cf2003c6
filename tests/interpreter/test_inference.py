import numpy as np
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.generator.features import Layer
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter import inference
from datasetgan_ext.interpreter.differences import difference_count, neighbor_differences
from datasetgan_ext.interpreter.inference import FusedEnsemble
from tests.interpreter.test_ensemble import make_ensemble, member_as_plain_network

CHANNELS = [7, 5, 5, 3, 3]
SIZES = [4, 8, 8, 16, 16]
LAYERS = [
    Layer(f'layer {index}', channels, (size, size)) for index, (channels, size) in enumerate(zip(CHANNELS, SIZES))
]


def plain_logits(ensemble, features, rows, columns, difference_layers=()):
    """The released algorithm: build every hypercolumn, run the members one after the other. [M, K, pixels]."""
    features = [*features, *(neighbor_differences(features[index]) for index in difference_layers)]
    hypercolumns = (
        torch.cat(
            [F.interpolate(maps[None], size=(16, 16), mode='bilinear', align_corners=False)[0] for maps in features]
        )[:, rows, columns]
        .flatten(1)
        .T
    )
    standardized = (hypercolumns - ensemble.input_mean) / ensemble.input_std
    return torch.stack(
        [member_as_plain_network(ensemble, member).eval()(standardized).T for member in range(ensemble.members)]
    )


@pytest.mark.parametrize(
    'rows, columns',
    [(slice(0, 16), slice(0, 16)), (slice(2, 14), slice(0, 16)), (slice(3, 12), slice(5, 10))],
    ids=['whole', 'crop rows', 'crop both'],
)
@pytest.mark.parametrize('tile_rows', [1, 5, 100])
@pytest.mark.parametrize('whole_floats', [0, 10**9], ids=['products by tile', 'products whole'])
@pytest.mark.parametrize('difference_layers', [[], [2, 4]], ids=['features', 'differences too'])
def test_shortcut_equals_the_plain_way(rows, columns, tile_rows, whole_floats, difference_layers, monkeypatch):
    monkeypatch.setattr(inference, 'WHOLE_FLOATS', whole_floats)
    monkeypatch.setitem(inference.TILE_FLOATS, 'cpu', tile_rows * 3 * 5 * 16)
    ensemble = make_ensemble(channels=sum(CHANNELS) + difference_count(LAYERS, difference_layers))
    features = [torch.randn(channels, size, size) for channels, size in zip(CHANNELS, SIZES)]
    fused = FusedEnsemble(ensemble, LAYERS, (16, 16), rows, columns, difference_layers=difference_layers)
    tiles = list(fused.logit_tiles(features))
    assert len(tiles) == -(-(rows.stop - rows.start) // tile_rows)
    expected = plain_logits(ensemble, features, rows, columns, difference_layers)
    assert torch.allclose(torch.cat(tiles, dim=2), expected, atol=1e-4)


def test_layers_larger_than_the_target_are_interpolated_down():
    ensemble = make_ensemble(channels=sum(CHANNELS))
    features = [torch.randn(channels, 2 * size, 2 * size) for channels, size in zip(CHANNELS, SIZES)]
    fused = FusedEnsemble(ensemble, LAYERS, (16, 16), slice(0, 16), slice(0, 16))
    expected = plain_logits(ensemble, features, slice(0, 16), slice(0, 16))
    assert torch.allclose(torch.cat(list(fused.logit_tiles(features)), dim=2), expected, atol=1e-4)


def test_shortcut_on_a_generators_own_features(generator):
    ensemble = make_ensemble(channels=40)
    features = generator.synthesize([5], SamplingOptions()).features
    fused = FusedEnsemble(ensemble, generator.layers, (16, 16), slice(0, 16), slice(0, 16))
    expected = plain_logits(ensemble, [maps[0] for maps in features], slice(0, 16), slice(0, 16))
    assert torch.allclose(
        torch.cat(list(fused.logit_tiles([maps[0] for maps in features])), dim=2), expected, atol=1e-4
    )


def test_prediction_of_a_batch():
    ensemble = make_ensemble(channels=sum(CHANNELS))
    features = [torch.randn(2, channels, size, size) for channels, size in zip(CHANNELS, SIZES)]
    fused = FusedEnsemble(ensemble, LAYERS, (16, 16), slice(2, 14), slice(0, 16))
    prediction = fused(features)
    assert prediction.masks.shape == (2, 12, 16) and prediction.masks.dtype == torch.uint8
    assert prediction.pixel_uncertainty.shape == (2, 12, 16) and (prediction.pixel_uncertainty >= 0).all()
    alone = fused([maps[1:] for maps in features])
    assert torch.equal(alone.masks[0], prediction.masks[1])
    assert torch.equal(alone.uncertainty[0], prediction.uncertainty[1])


@pytest.mark.parametrize('mean', [0.0, 300.0])
def test_bfloat16_gives_nearly_the_same_logits(mean, monkeypatch):
    ensemble = make_ensemble(channels=sum(CHANNELS) + difference_count(LAYERS, [2, 4]))
    ensemble.input_mean[: sum(CHANNELS)] = mean
    features = [mean + torch.randn(channels, size, size) for channels, size in zip(CHANNELS, SIZES)]
    monkeypatch.setattr(inference, 'has_bfloat16', lambda: True)
    fused = FusedEnsemble(ensemble, LAYERS, (16, 16), slice(0, 16), slice(0, 16), difference_layers=[2, 4])
    logits = torch.cat(list(fused.logit_tiles(features)), dim=2)
    expected = plain_logits(ensemble, features, slice(0, 16), slice(0, 16), [2, 4])
    assert logits.dtype == torch.float32
    assert 0 < (logits - expected).abs().mean() < 0.005 * expected.std()


def test_bfloat16_gives_nearly_the_demos_labels(monkeypatch):
    generator, interpreter = load_generator('demo', 'cpu'), load_interpreter('demo')
    masks = []
    for has in (False, True):
        monkeypatch.setattr(inference, 'has_bfloat16', lambda has=has: has)
        masks.append(np.stack([sample.mask for sample in Labeler(generator, interpreter)(range(1000, 1004))]))
    assert (masks[0] == masks[1]).mean() >= 0.9995
