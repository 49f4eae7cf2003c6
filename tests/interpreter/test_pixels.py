import numpy as np
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.interpreter.differences import neighbor_differences
from datasetgan_ext.interpreter.pixels import PixelSet, choose_pixels, gather_hypercolumns


def mask_with_rare_class() -> np.ndarray:
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[10:, 10:] = 1
    mask[0, 3] = 2
    mask[5, :] = IGNORE
    return mask


@pytest.mark.parametrize('balance', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('seed', range(5))
def test_every_class_is_there_and_nothing_twice(balance, seed):
    mask = mask_with_rare_class()
    chosen = choose_pixels(mask, 60, balance, np.random.RandomState(seed))
    assert len(chosen) == 60 == len(np.unique(chosen))
    assert set(mask.reshape(-1)[chosen]) == {0, 1, 2}


def test_ignored_pixels_are_never_chosen():
    mask = mask_with_rare_class()
    chosen = choose_pixels(mask, None, 0.5, np.random.RandomState(0))
    assert len(chosen) == (mask != IGNORE).sum()
    assert IGNORE not in mask.reshape(-1)[chosen]


def test_never_less_than_a_pixel_per_class():
    assert len(choose_pixels(mask_with_rare_class(), 1, 0.0, np.random.RandomState(0))) == 3


def test_balance_spreads_pixels_over_classes():
    mask = mask_with_rare_class()
    counts = np.bincount(mask.reshape(-1)[choose_pixels(mask, 90, 1.0, np.random.RandomState(0))])
    assert counts[2] == 1 and counts[1] >= 30


def test_gathered_hypercolumns_are_those_of_full_upsampling():
    features = [torch.randn(3, 4, 4), torch.randn(2, 16, 16)]
    y, x = np.array([0, 2, 9, 15]), np.array([15, 3, 7, 0])
    full = torch.cat(
        [F.interpolate(maps[None], size=(16, 16), mode='bilinear', align_corners=False)[0] for maps in features]
    )
    assert torch.allclose(gather_hypercolumns(features, y, x, (16, 16)).float(), full[:, y, x].T, rtol=1e-3, atol=1e-6)


def test_gathered_differences_are_those_of_full_upsampling():
    features = [torch.randn(3, 4, 4), torch.randn(2, 16, 16)]
    y, x = np.array([0, 2, 9, 15]), np.array([15, 3, 7, 0])
    gathered = gather_hypercolumns(features, y, x, (16, 16), difference_layers=[0, 1])
    assert torch.equal(gathered[:, :5], gather_hypercolumns(features, y, x, (16, 16)))
    full = torch.cat(
        [
            F.interpolate(neighbor_differences(maps)[None], size=(16, 16), mode='bilinear', align_corners=False)[0]
            for maps in features
        ]
    )
    assert torch.allclose(gathered[:, 5:].float(), full[:, y, x].T, rtol=1e-3, atol=1e-3)


def test_values_beyond_half_precision_stay_finite():
    features = [torch.full([1, 2, 2], 1e6), torch.full([1, 2, 2], -1e6)]
    assert gather_hypercolumns(features, np.array([0]), np.array([1]), (2, 2)).tolist() == [[65504, -65504]]


def test_statistics_of_channels():
    hypercolumns = torch.tensor([[1, 1000], [2, 1000], [6, 1000]], dtype=torch.float16)
    mean, std = PixelSet(
        hypercolumns, torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), torch.zeros(3, 0)
    ).statistics()
    assert torch.allclose(mean, torch.tensor([3.0, 1000]))
    assert torch.allclose(std, torch.tensor([7**0.5, 1000 / 1024]))  # ((4 + 1 + 9) / 2)^.5, and the steps of float16


def test_batches_have_the_shape_of_their_indices():
    hypercolumns = torch.arange(12).reshape(6, 2).half()
    pixels = PixelSet(hypercolumns, torch.zeros(6), torch.zeros(6), torch.zeros(6, 0))
    batch = pixels.batch(torch.tensor([[5, 0, 0], [1, 2, 3]]))
    assert batch.dtype == torch.float32 and batch[0].tolist() == [[10, 11], [0, 1], [0, 1]]
    assert batch.shape == (2, 3, 2)
