import numpy as np
import pytest
import torch

from datasetgan_ext.interpreter.pixels import choose_pixels, gather_hypercolumns
from datasetgan_ext.labels.annotation import IGNORE


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
    full = torch.cat([torch.nn.functional.interpolate(maps[None], size=(16, 16), mode='bilinear',
                                                      align_corners=False)[0] for maps in features])
    assert torch.allclose(gather_hypercolumns(features, y, x, (16, 16)), full[:, y, x].T, atol=1e-6)
