import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.interpreter.upsampling import (
    add_stretched,
    add_stretched_cpu,
    add_stretched_gpu,
    bilinear_weights,
    gather_points,
    mixed_rows,
)

SIZES = [((4, 4), (16, 16)), ((16, 16), (16, 16)), ((8, 4), (24, 20)), ((16, 16), (6, 10)), ((1, 1), (5, 5))]


def interpolated(feature, out_hw):
    return F.interpolate(feature[None], size=out_hw, mode='bilinear', align_corners=False)[0]


@pytest.mark.parametrize('in_hw, out_hw', SIZES)
def test_points_equal_full_upsampling(in_hw, out_hw):
    feature = torch.randn(3, *in_hw)
    y, x = torch.randint(out_hw[0], [50]), torch.randint(out_hw[1], [50])
    assert torch.allclose(gather_points(feature, y, x, out_hw), interpolated(feature, out_hw)[:, y, x].T, atol=1e-6)


@pytest.mark.parametrize('columns', [slice(0, None), slice(2, -1)], ids=['whole', 'crop'])
@pytest.mark.parametrize('in_hw, out_hw', SIZES)
def test_rows_equal_full_upsampling(in_hw, out_hw, columns):
    feature = torch.randn(3, *in_hw)
    rows, columns = torch.arange(1, out_hw[0] - 1), slice(*columns.indices(out_hw[1])[:2])
    low, high, weight = bilinear_weights(rows, in_hw[0], out_hw[0])
    total = torch.ones(3, len(rows), columns.stop - columns.start)
    add_stretched(total, [mixed_rows(feature, low, high, weight)], out_hw[1], columns)
    assert torch.allclose(total, 1 + interpolated(feature, out_hw)[:, rows, columns], atol=1e-6)


@pytest.mark.parametrize(
    'in_widths, width', [([7], 20), ([7], 4), ([40, 3], 160), ([84], 64), ([1], 9), ([4, 8, 128], 256), ([33, 3], 41)]
)
def test_both_ways_to_stretch_are_the_same(in_widths, width):
    maps, columns = [torch.randn(3, 5, in_width) for in_width in in_widths], slice(1, width)
    totals = torch.zeros(2, 3, 5, width - 1)
    add_stretched_cpu(totals[0], maps, width, columns)
    for one in maps:
        add_stretched_gpu(totals[1], one, width, columns)
    assert torch.allclose(*totals, atol=1e-5)


def test_nothing_to_add():
    """Where all maps are of the image's size, as StyleGAN3's at 16 pixels are."""
    total = torch.ones(2, 3, 5)
    add_stretched(total, [], 5, slice(0, 5))
    assert (total == 1).all()
