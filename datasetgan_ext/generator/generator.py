"""A trained generator: seeds in, images and feature maps out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from datasetgan_ext.core.choices import NOISE_MODES
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.features import Layer, captured, find_layers
from datasetgan_ext.generator.identity import network_fingerprint
from datasetgan_ext.generator.sampling import SamplingOptions, center_crop, latents_from_seeds, mixing_of
from datasetgan_ext.generator.upstream import plain_warnings

log = logging.getLogger(__name__)


@dataclass
class Synthesis:
    """What one forward pass gives.

    Attributes:
        images: uint8 [N, H, W, C], RGB (C = 3) or grey (C = 1), cropped, on the generator's device.
        features: one [N, C_l, H_l, W_l] map per layer of `Generator.layers`, in that order, of the whole image.
    """

    images: torch.Tensor
    features: list[torch.Tensor]


class Generator:
    """A trained StyleGAN2 or StyleGAN3 generator and its AdaIN-equivalent layers.

    The network is used as it is: nothing is subclassed or replaced, hooks stay only for the time of a forward pass.
    On a CPU all blocks compute in float32; on a GPU blocks that were trained in float16 stay so.

    Attributes:
        fingerprint: see `network_fingerprint`.
        layers: in the order of computation, with the sizes of their maps.
        image_hw, image_channels: of what `network.synthesis` returns.
    """

    network: Any

    def __init__(self, network: Any, source: str, device: torch.device | str = 'cpu'):
        """
        Args:
            network: module with `mapping`, `synthesis` and the attributes of upstream's `Generator`.
            source: where it came from (file name, URL without secrets, or 'demo'), for messages and records.
            device: where to compute.
        """
        self.fingerprint = network_fingerprint(network)
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.source = source
        with plain_warnings():
            geometry = find_layers(self.network)
        self._modules = geometry.layers
        self.layers: list[Layer] = list(self._modules)
        self.z_dim: int = network.z_dim
        self.c_dim: int = network.c_dim
        self.num_ws: int = network.num_ws
        self.w_dim: int = network.w_dim
        self.image_hw = geometry.image_hw
        self.image_channels = geometry.image_channels
        self.has_noise = any(name.endswith('.noise_strength') for name in network.state_dict())  # StyleGAN3 has none

    def check_options(self, options: SamplingOptions) -> SamplingOptions:
        """Options made valid for this network.

        Raises:
            UserError: class missing or out of range, truncation not finite, cutoff or crop larger than the network's.
        """
        if not math.isfinite(options.trunc):
            raise UserError(f'`trunc`={options.trunc} is not a number; give for example 0.7')
        if self.c_dim and options.class_idx is None:
            raise UserError(f'{self.source} is class-conditional: choose one with `class_idx`=0..{self.c_dim - 1}')
        if options.class_idx is not None and self.c_dim and not 0 <= options.class_idx < self.c_dim:
            raise UserError(
                f'`class_idx`={options.class_idx} is not a class of {self.source}: it has {self.c_dim}, '
                f'0..{self.c_dim - 1}'
            )
        if options.noise_mode not in NOISE_MODES:
            raise UserError(f'`noise_mode`={options.noise_mode} is none of {", ".join(NOISE_MODES)}')
        if options.trunc_cutoff is not None and not 0 <= options.trunc_cutoff <= self.num_ws:
            raise UserError(
                f'`trunc_cutoff`={options.trunc_cutoff} is not in 0..{self.num_ws}, '
                f'the number of w vectors of {self.source}'
            )
        if not 0 <= options.mix_styles <= 1:
            raise UserError(f'`mix_styles`={options.mix_styles} is not a share; give a number in 0..1, for example 0.5')
        center_crop(self.image_hw, options.crop_hw)
        if not self.c_dim and options.class_idx is not None:
            log.warning('`class_idx`=%s is ignored: %s is unconditional', options.class_idx, self.source)
            options = replace(options, class_idx=None)
        if options.noise_mode != 'const' and not self.has_noise:
            log.warning('`noise_mode`=%s is ignored: the layers of %s have no noise', options.noise_mode, self.source)
            options = replace(options, noise_mode='const')
        return options

    @torch.inference_mode()
    def ws(self, seeds: Sequence[int], options: SamplingOptions) -> torch.Tensor:
        """Intermediate latents of `seeds`, truncated and mixed: float32 [N, num_ws, w_dim]."""
        ws = self._mapped(seeds, options)
        for index, seed in enumerate(seeds):
            if mixing := mixing_of(seed, options.mix_styles, self.num_ws):
                second = self._mapped([mixing.seed], options)
                mixed = torch.cat([ws[index : index + 1, : mixing.first_w], second[:, mixing.first_w :]], dim=1)
                ws = torch.cat([ws[:index], mixed, ws[index + 1 :]])
        return ws

    @torch.inference_mode()
    def untruncated_w(self, seed: int, options: SamplingOptions) -> torch.Tensor:
        """A seed's own intermediate latent, neither truncated nor mixed: float32 [w_dim]. Of `options` the class
        counts."""
        return self._mapped([seed], replace(options, trunc=1.0, trunc_cutoff=None))[0, 0]

    def _mapped(self, seeds: Sequence[int], options: SamplingOptions) -> torch.Tensor:
        # in the 32 bits to which all networks round first: Apple's GPUs have no others
        z = torch.from_numpy(latents_from_seeds(seeds, self.z_dim).astype('float32')).to(self.device)
        label = torch.zeros([len(seeds), self.c_dim], device=self.device)
        if self.c_dim:
            label[:, options.class_idx] = 1
        return self.network.mapping(z, label, truncation_psi=options.trunc, truncation_cutoff=options.trunc_cutoff)

    @torch.inference_mode()
    def synthesize(
        self,
        ids: Sequence[int],
        options: SamplingOptions,
        ws_of: Callable[[Sequence[int]], torch.Tensor] | None = None,
    ) -> Synthesis:
        """Images and feature maps of seeds or, with `ws_of`, of other latents.

        Args:
            ids: seeds, or the numbers that `ws_of` takes, in 0..2**32-1; image i depends on ids[i] and the options,
                not on its neighbours (on one machine and for one batch size, to the last bit). Random noise is drawn
                from them.
            options: checked by `check_options` beforehand.
            ws_of: gives the w vectors of some of the ids, float32 [N, num_ws, w_dim] (`Latents.ws`); None = those of
                seeds.
        """
        ws_of = ws_of or partial(self.ws, options=options)
        if options.noise_mode == 'random':
            passes = [self._seeded_forward(number, ws_of([number]), options) for number in ids]
            images = torch.cat([images for images, _ in passes])
            features = [torch.cat(maps) for maps in zip(*(features for _, features in passes))]
        else:
            images, features = self._forward(ws_of(ids), options)
        rows, columns = center_crop(self.image_hw, options.crop_hw)
        images = (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        return Synthesis(images[:, :, rows, columns].permute(0, 2, 3, 1).contiguous(), features)

    def _forward(self, ws: torch.Tensor, options: SamplingOptions) -> tuple[torch.Tensor, list[torch.Tensor]]:
        ws = ws.to(self.device)
        with captured(self._modules) as outputs, plain_warnings():
            images = self.network.synthesis(ws, noise_mode=options.noise_mode, force_fp32=self.device.type != 'cuda')
        return images, [outputs[layer] for layer in self.layers]

    def _seeded_forward(
        self, seed: int, ws: torch.Tensor, options: SamplingOptions
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        with torch.random.fork_rng(devices=[self.device] if self.device.type == 'cuda' else []):
            torch.manual_seed(seed)
            return self._forward(ws, options)


def default_device() -> torch.device:
    """The first CUDA device, or the CPU where there is none."""
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
