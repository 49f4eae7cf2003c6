import pytest
import torch

from datasetgan_ext.interpreter.upsampling import gather_points, stretch_cpu, stretch_gpu, taps, upsample_rows

SIZES = [((4, 4), (16, 16)), ((16, 16), (16, 16)), ((8, 4), (24, 20)), ((16, 16), (6, 10)), ((1, 1), (5, 5))]


def interpolated(feature, out_hw):
    return torch.nn.functional.interpolate(feature[None], size=out_hw, mode='bilinear', align_corners=False)[0]


@pytest.mark.parametrize('in_hw, out_hw', SIZES)
def test_points_equal_full_upsampling(in_hw, out_hw):
    feature = torch.randn(3, *in_hw)
    y, x = torch.randint(out_hw[0], [50]), torch.randint(out_hw[1], [50])
    assert torch.allclose(gather_points(feature, y, x, out_hw), interpolated(feature, out_hw)[:, y, x].T, atol=1e-6)


@pytest.mark.parametrize('in_hw, out_hw', SIZES)
def test_rows_equal_full_upsampling(in_hw, out_hw):
    feature = torch.randn(3, *in_hw)
    rows = torch.arange(1, out_hw[0] - 1)
    low, high, weight = taps(rows, in_hw[0], out_hw[0])
    assert torch.allclose(upsample_rows(feature, low, high, weight, out_hw[1]),
                          interpolated(feature, out_hw)[:, rows], atol=1e-6)


def test_both_ways_to_stretch_are_the_same():
    rows = torch.randn(3, 5, 7)
    assert torch.allclose(stretch_cpu(rows, 20), stretch_gpu(rows, 20), atol=1e-6)
    assert torch.allclose(stretch_cpu(rows, 4), stretch_gpu(rows, 4), atol=1e-6)
