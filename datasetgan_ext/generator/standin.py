"""A compact inference-only StyleGAN2 generator for the embedded demo, on machines without NVIDIA's code.

Written from the papers: StyleGAN (arXiv 1812.04948), StyleGAN2 (arXiv 1912.04958) and ADA (arXiv 2006.06676). It is
fp32 only, unconditional and of the skip architecture (StyleGAN2 sec. 4.1). Its modules, parameters and buffers carry
the names and shapes of NVIDIA's `training.networks.Generator`, so a state dict of one loads into the other. No tensor
is modified in place, so what a forward hook keeps stays what the layer returned. All tensors are float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datasetgan_ext.core.choices import NOISE_MODES

EPS = 1e-8
CODE_VERSION = '1'
"""Part of the fingerprint of its networks: another one whenever the images change by a bit."""


def _activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times sqrt(2) to make up for the magnitude that it takes away."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def _fir_filter() -> Tensor:
    """The separable low-pass filter [1, 3, 3, 1] as a 2D kernel [4, 4] of sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / taps.sum() ** 2


def _upsample(x: Tensor, fir: Tensor) -> Tensor:
    """[N, C, H, W] → [N, C, 2H, 2W]: insert zeros between the pixels and low-pass, with gain 4 for the zeros."""
    n, c, h, w = x.shape
    x = F.conv_transpose2d(x.reshape(n * c, 1, h, w), 4 * fir[None, None], stride=2, padding=1)
    return x.reshape(n, c, 2 * h, 2 * w)


def _upsample_conv(x: Tensor, weight: Tensor, fir: Tensor) -> Tensor:
    """[N, I, H, W] → [N, O, 2H, 2W]: insert zeros between the pixels, convolve with weight [O, I, 3, 3], low-pass.

    The transposed convolution does the first two steps. It is a true convolution: unlike in conv2d, the kernel is
    mirrored. Its result [2H + 1, 2W + 1] begins one pixel above and left of the output; the filter, padded by 1 on
    every side, takes that to [2H, 2W], aligned as `_upsample` aligns the image, with gain 4 for the zeros.
    """
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    n, c, h, w = x.shape
    return F.conv2d(x.reshape(n * c, 1, h, w), 4 * fir[None, None], padding=1).reshape(n, c, h - 1, w - 1)


class _FullyConnected(nn.Module):
    """Linear layer [N, in] → [N, out] with equalised learning rate: the stored values are scaled at run time."""

    def __init__(self, in_features: int, out_features: int, lr_multiplier: float = 1.0, bias_init: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], bias_init))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class _MappingNetwork(nn.Module):
    """z → w (StyleGAN sec. 2): fc0, fc1, …, then the truncation of w towards its mean w_avg (StyleGAN App. B)."""

    def __init__(self, z_dim: int, w_dim: int, num_ws: int, num_layers: int = 8):
        super().__init__()
        self.num_ws = num_ws
        self.w_avg: Tensor
        for i in range(num_layers):
            self.add_module(f'fc{i}', _FullyConnected(w_dim if i else z_dim, w_dim, lr_multiplier=0.01))
        self.register_buffer('w_avg', torch.zeros(w_dim))

    def forward(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1, truncation_cutoff: int | None = None
    ) -> Tensor:
        """z [N, z_dim] ~ N(0, 1), any float dtype, c ignored → ws [N, num_ws, w_dim].

        The first truncation_cutoff ws (None: all of them) become w_avg + truncation_psi * (w - w_avg).
        """
        w = z.to(torch.float32)
        w = w * (w.square().mean(dim=1, keepdim=True) + EPS).rsqrt()
        for fc in self.children():
            w = _activate(fc(w))
        ws = w[:, None].expand(-1, self.num_ws, -1)
        truncated = torch.lerp(self.w_avg, ws[:, :truncation_cutoff], truncation_psi)
        return torch.cat([truncated, ws[:, truncated.shape[1] :]], dim=1)


class _ConvLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias and activation (StyleGAN2 sec. 2.2); with up, to twice the resolution.

    Scaling the input by the style s_i and the output by the demodulation factor is the same as scaling the weights
    as eq. 1 and 3 do (the convolution is linear), and leaves one plain convolution for the whole batch.
    """

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool):
        super().__init__()
        self.affine = _FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.up = up
        self.resolution = resolution
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.noise_const: Tensor
        self.resample_filter: Tensor
        self.register_buffer('noise_const', torch.randn(resolution, resolution))
        self.register_buffer('resample_filter', _fir_filter())

    def forward(self, x: Tensor, w: Tensor, noise_mode: str = 'const') -> Tensor:
        """x [N, in, H, W], w [N, w_dim] → [N, out, resolution, resolution]."""
        style = self.affine(w)
        # eq. 3: 1 / sqrt(sum over i, k of (s_i * w_oik)^2 + eps), [N, out]
        demodulation = (style.square() @ self.weight.square().sum(dim=[2, 3]).T + EPS).rsqrt()
        x = x * style[:, :, None, None]
        x = _upsample_conv(x, self.weight, self.resample_filter) if self.up else F.conv2d(x, self.weight, padding=1)
        x = x * demodulation[:, :, None, None]
        if noise_mode == 'const':
            x = x + self.noise_const * self.noise_strength
        elif noise_mode == 'random':
            x = x + torch.randn_like(x[:, :1]) * self.noise_strength
        return _activate(x + self.bias[:, None, None])


class _ToRGB(nn.Module):
    """Modulated 1x1 convolution to the image's channels, linear and not demodulated (StyleGAN2 sec. 4.1)."""

    def __init__(self, in_channels: int, img_channels: int, w_dim: int):
        super().__init__()
        self.affine = _FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.style_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [N, in, H, W], w [N, w_dim] → [N, img_channels, H, W]."""
        style = self.affine(w) * self.style_gain
        return F.conv2d(x * style[:, :, None, None], self.weight, self.bias)


class _Block(nn.Module):
    """One resolution: conv0 (upsamples), conv1, torgb. The first block (in_channels 0) has `const` for conv0."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, img_channels: int):
        super().__init__()
        self.resolution = resolution
        self.num_conv = 2 if in_channels else 1
        self.resample_filter: Tensor
        self.register_buffer('resample_filter', _fir_filter())
        if in_channels:
            self.conv0 = _ConvLayer(in_channels, out_channels, w_dim, resolution, up=True)
        else:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        self.conv1 = _ConvLayer(out_channels, out_channels, w_dim, resolution, up=False)
        self.torgb = _ToRGB(out_channels, img_channels, w_dim)

    def forward(self, x: Tensor | None, img: Tensor | None, ws: Tensor, noise_mode: str) -> tuple[Tensor, Tensor]:
        """x [N, in, R/2, R/2], img [N, C, R/2, R/2] (first block: None), ws [N, num_conv + 1, w_dim] → x, img at R.

        The image is the upsampled image so far plus this block's contribution (StyleGAN2 sec. 4.1).
        """
        each = ws.unbind(dim=1)
        x = self.const.expand(len(ws), -1, -1, -1) if x is None else self.conv0(x, each[0], noise_mode)
        x = self.conv1(x, each[-2], noise_mode)
        rgb = self.torgb(x, each[-1])
        return x, rgb if img is None else _upsample(img, self.resample_filter) + rgb


class _SynthesisNetwork(nn.Module):
    """ws → image: the blocks b4, b8, … b{img_resolution}."""

    def __init__(
        self, w_dim: int, img_resolution: int, img_channels: int, channel_base: int = 32768, channel_max: int = 512
    ):
        super().__init__()
        self.block_resolutions = [2**i for i in range(2, img_resolution.bit_length())]
        in_channels = 0
        for resolution in self.block_resolutions:
            out_channels = min(channel_base // resolution, channel_max)
            self.add_module(f'b{resolution}', _Block(in_channels, out_channels, w_dim, resolution, img_channels))
            in_channels = out_channels
        self.num_ws = sum(block.num_conv for block in self._blocks()) + 1

    def _blocks(self) -> Iterator[Any]:
        return self.children()

    def forward(self, ws: Tensor, noise_mode: str = 'const', force_fp32: bool = False) -> Tensor:
        """ws [N, num_ws, w_dim] → image [N, img_channels, R, R], about -1..1. force_fp32 has no effect."""
        if noise_mode not in NOISE_MODES:
            raise ValueError(f'noise_mode must be one of {NOISE_MODES}, got {noise_mode!r}')
        if ws.ndim != 3 or ws.shape[1] != self.num_ws:
            raise ValueError(f'ws must have the shape [N, {self.num_ws}, w_dim], got {list(ws.shape)}')
        ws = ws.to(torch.float32)
        x = None
        img: Any = None
        first = 0
        for block in self._blocks():
            # one w for each conv layer, and for torgb the next one, which the next block's conv0 uses too
            x, img = block(x, img, ws[:, first : first + block.num_conv + 1], noise_mode)
            first += block.num_conv
        return img


class StandInGenerator(nn.Module):
    """StyleGAN2 generator with the interface and the state-dict names of NVIDIA's `training.networks.Generator`.

    mapping_kwargs: num_layers (8); synthesis_kwargs: channel_base (32768) and channel_max (512), which give
    min(channel_base // r, channel_max) channels at resolution r. Anything else is a ValueError.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        mapping_kwargs: dict | None = None,
        synthesis_kwargs: dict | None = None,
    ):
        super().__init__()
        mapping_kwargs = mapping_kwargs or {}
        synthesis_kwargs = synthesis_kwargs or {}
        if c_dim != 0:
            raise ValueError(f'the stand-in generator is unconditional: c_dim must be 0, got {c_dim}')
        if img_resolution < 4 or img_resolution & (img_resolution - 1):
            raise ValueError(f'img_resolution must be a power of two of at least 4, got {img_resolution}')
        unknown = mapping_kwargs.keys() - {'num_layers'}
        unknown |= synthesis_kwargs.keys() - {'channel_base', 'channel_max'}
        if unknown:
            raise ValueError(f'not supported by the stand-in generator: {", ".join(sorted(unknown))}')
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        self.img_resolution, self.img_channels = img_resolution, img_channels
        self.synthesis = _SynthesisNetwork(w_dim, img_resolution, img_channels, **synthesis_kwargs)
        self.num_ws = self.synthesis.num_ws
        self.mapping = _MappingNetwork(z_dim, w_dim, self.num_ws, **mapping_kwargs)

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        **synthesis_kwargs,
    ) -> Tensor:
        """z [N, z_dim] ~ N(0, 1), c ignored → image [N, img_channels, R, R], about -1..1."""
        ws = self.mapping(z, c, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff)
        return self.synthesis(ws, **synthesis_kwargs)
