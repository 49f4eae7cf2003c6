"""Features align with the image: what StyleGAN3's layers compute around it is cut off, no more and no less."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from datasetgan_ext.generator import features
from datasetgan_ext.generator.features import Geometry, captured, find_layers, fit_to_image

# side of the image -> (side, samples per unit) of each layer's map, and of the image; as StyleGAN3 chooses them
SHAPES = {
    32: [(36, 16), (36, 16), (52, 32), (32, 32), (32, 32)],
    64: [(36, 16), (52, 32), (84, 64), (64, 64), (64, 64)],
    50: [(36, 16), (52, 32), (84, 64), (50, 64), (50, 64)],  # the borders of the image fall between samples
    16: [(17, 8), (21, 16), (16, 16), (16, 16)],  # margins of 4.5 and 2.5 samples
}


def positions(side: float, count: int) -> torch.Tensor:
    """[2, count, count]: y and x of `count` x `count` points in the middle of equal parts of a centred square."""
    axis = ((torch.arange(count) + 0.5) / count - 0.5) * side
    return torch.stack(torch.meshgrid(axis, axis, indexing='ij'))


class Layer(torch.nn.Module):
    """Has what StyleGAN3's SynthesisLayer has, and returns where its samples stand, in units of length."""

    def __init__(self, size: int, rate: int, is_torgb: bool):
        super().__init__()
        self.affine = torch.nn.Linear(2, 2)
        self.weight = torch.nn.Parameter(torch.zeros(3 if is_torgb else 2, 2, 1, 1))
        self.is_torgb = is_torgb
        self.out_size = np.array([size, size])
        self.out_sampling_rate = rate

    def forward(self, batch: int) -> torch.Tensor:
        size = int(self.out_size[0])
        return positions(size / self.out_sampling_rate, size).expand(batch, 2, size, size)


class Synthesis(torch.nn.Module):
    """StyleGAN3's layers by their names; its input has an affine and a weight too, but is no layer."""

    def __init__(self, shapes):
        super().__init__()
        self.input = torch.nn.Module()
        self.input.affine, self.input.weight = torch.nn.Linear(2, 4), torch.nn.Parameter(torch.zeros(2, 2))
        for index, (size, rate) in enumerate(shapes):
            self.add_module(f'L{index}_{size}', Layer(size, rate, is_torgb=index == len(shapes) - 1))

    def forward(self, batch: int) -> torch.Tensor:
        return [layer(batch) for layer in self.children() if isinstance(layer, Layer)][-1]


def displacement(side: int) -> float:
    """How far the features, upsampled to the image, lie from the image's pixels at most, in pixels.

    Pixels whose nearest samples lie on one side only are left out: there, upsampling repeats the last sample.
    """
    synthesis = Synthesis(SHAPES[side])
    layers = find_layers(synthesis, lambda: synthesis(batch=1)).layers
    with captured(layers) as outputs:
        image = synthesis(batch=2)
    furthest = 0.0
    for layer in layers:
        assert len(outputs[layer]) == 2
        upsampled = torch.nn.functional.interpolate(outputs[layer], (side, side), mode='bilinear')
        border = math.ceil(side / layer.hw[0] / 2)
        off = (upsampled - image)[:, :, border:-border, border:-border].abs().max() * SHAPES[side][-1][1]
        furthest = max(furthest, float(off))
    return furthest


def layers_of(side: int) -> Geometry:
    synthesis = Synthesis(SHAPES[side])
    return find_layers(synthesis, lambda: synthesis(batch=1))


def test_layers_of_stylegan3():
    geometry = layers_of(64)
    assert (geometry.image_hw, geometry.image_channels) == ((64, 64), 2)
    assert [(layer.name, layer.channels, layer.hw) for layer in geometry.layers] == [
        ('L0_36', 2, (16, 16)),
        ('L1_52', 2, (32, 32)),
        ('L2_84', 2, (64, 64)),
        ('L3_64', 2, (64, 64)),
    ]
    layers = layers_of(50).layers
    assert [source.span_hw for source in layers.values()] == [(side, side) for side in (12.5, 25, 50, 50)]
    assert [layer.hw for layer in layers] == [(side, side) for side in (13, 25, 50, 50)]


@pytest.mark.parametrize('side', SHAPES)
def test_features_lie_on_the_image(side):
    assert displacement(side) < 1e-3


def keep_margin(maps, span_hw):
    return maps


def shift_by_margin(maps, span_hw):
    height, width = map(math.ceil, span_hw)
    return maps[:, :, :height, :width]


def shift_by_a_sample(maps, span_hw):
    return fit_to_image(maps.roll((1, 1), (2, 3)), span_hw)


def round_the_margin_down(maps, span_hw):
    margin = int((maps.shape[-1] - span_hw[0]) / 2)
    inside = slice(margin, margin + math.ceil(span_hw[0]))
    return maps[:, :, inside, inside]


@pytest.mark.parametrize(
    'wrong, sides',
    [(keep_margin, SHAPES), (shift_by_margin, SHAPES), (shift_by_a_sample, SHAPES), (round_the_margin_down, [50, 16])],
)
def test_a_misplaced_margin_is_noticed(wrong, sides, monkeypatch):
    """So that the test above cannot pass by chance."""
    monkeypatch.setattr(features, 'fit_to_image', wrong)
    assert all(displacement(side) > 0.4 for side in sides)


def test_the_margin_is_cut_off_to_the_last_bit():
    maps = torch.randn(2, 3, 36, 36)
    assert torch.equal(fit_to_image(maps, (16.0, 16.0)), maps[:, :, 10:26, 10:26])
    assert torch.equal(fit_to_image(maps, (36, 36)), maps)


def test_half_a_sample_is_interpolated():
    """3 of 4 samples: the points at 0.5, 1.5 and 2.5 stand between the samples."""
    maps = torch.arange(4.0).expand(1, 1, 4, 4).contiguous()
    expected = torch.tensor([0.5, 1.5, 2.5]).expand(1, 1, 3, 3)
    torch.testing.assert_close(fit_to_image(maps, (3.0, 3.0)), expected)
    half = fit_to_image(maps.to(torch.float16), (3.0, 3.0))
    assert half.dtype == torch.float16 and torch.equal(half.to(torch.float32), expected)
