"""Segmentation networks by name: torchvision's, those of segmentation_models_pytorch, and a small one that a CPU trains
in minutes.

Each maps images, float [N, 3, H, W] in ImageNet's normalisation, to logits [N, outputs, H, W].
"""

from __future__ import annotations

from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import nn

from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.downstream.vision import import_segmentation

DEFAULT = 'deeplabv3_resnet101'
SMALL = 'small-unet'
SMP = 'smp:'
"""Begins the names of segmentation_models_pytorch's networks: smp:DECODER/ENCODER."""
TIMM = 'tu-'
"""Begins the names that it has for timm's encoders."""
DIVISOR = 32
"""Of heights and widths that those take."""
WIDTHS = (32, 48, 64, 96)


class SmallUNet(nn.Module):
    """A U-Net (arXiv 1505.04597) of 0.3 million weights, whose ways down and up are added instead of joined. Squares of
    2 x 2 pixels go in and out as channels, which halves the time; a training step of 8 images of 128 x 128 pixels takes
    an eighth of a second on a CPU core."""

    def __init__(self, outputs: int):
        super().__init__()
        self.down = nn.ModuleList([_convolution(12, WIDTHS[0])])
        self.down.extend(
            nn.Sequential(_convolution(before, after), _convolution(after, after))
            for before, after in zip(WIDTHS, WIDTHS[1:])
        )
        self.narrow = nn.ModuleList(nn.Conv2d(after, before, 1) for before, after in zip(WIDTHS, WIDTHS[1:]))
        self.up = nn.ModuleList(_convolution(width, width) for width in WIDTHS[:-1])
        self.head = nn.Conv2d(WIDTHS[0], 4 * outputs, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[2:]
        images = F.pad(images, (0, width % 2, 0, height % 2), 'replicate')
        x = F.pixel_unshuffle(images, 2)
        skips = []
        for index, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2, ceil_mode=True) if index else x)
            skips.append(x)
        for skip, narrow, block in zip(skips[-2::-1], reversed(self.narrow), reversed(self.up)):
            wider = F.interpolate(narrow(x), skip.shape[2:], mode='bilinear', align_corners=False)
            x = block(skip + wider)
        return F.pixel_shuffle(self.head(x), 2)[:, :, :height, :width]


class TorchvisionNetwork(nn.Module):
    """A network of torchvision without its auxiliary head, and without the dictionary around its output."""

    def __init__(self, name: str, outputs: int):
        super().__init__()
        module = import_segmentation()
        # aux_loss is False by default; weights would be downloaded
        self.network = getattr(module, name)(weights=None, weights_backbone=None, num_classes=outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)['out']


class SmpNetwork(nn.Module):
    """A network of segmentation_models_pytorch; images of other sizes than it takes are padded with their border."""

    def __init__(self, name: str, outputs: int):
        """
        Raises:
            UserError: there is no such decoder or encoder, they do not go together, or the library is not installed.
        """
        super().__init__()
        with suppress(UserError):  # timm imports torchvision if there is one, and stops where that stops
            import_segmentation()
        library = import_extra('segmentation_models_pytorch', 'smp')
        decoders = list(library.MODEL_ARCHITECTURES_MAPPING)
        encoders = library.encoders.get_encoder_names()
        decoder, _, encoder = name.removeprefix(SMP).partition('/')
        if decoder not in decoders:
            raise UserError(f'`architecture`={name}: no such decoder; there are {", ".join(decoders)}')
        if encoder not in encoders and not encoder.startswith(TIMM):
            listed = ', '.join(encoders)
            raise UserError(f"`architecture`={name}: no such encoder; there are {listed}, and timm's as {TIMM}NAME")
        try:
            # weights would be downloaded
            self.network = library.create_model(decoder, encoder, encoder_weights=None, classes=outputs)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise UserError(f'`architecture`={name}: {decoder} does not take this encoder: {error}') from error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[2:]
        padded = F.pad(images, (0, -width % DIVISOR, 0, -height % DIVISOR), 'replicate')
        return self.network(padded)[:, :, :height, :width]


def network_names() -> list[str]:
    """All names but those of segmentation_models_pytorch; torchvision's among them.

    Raises:
        UserError: torchvision is not installed.
    """
    module = import_segmentation()
    return [SMALL, *sorted(name for name in vars(module) if name.startswith(('deeplabv3_', 'fcn_', 'lraspp_')))]


def build_network(name: str, outputs: int) -> nn.Module:
    """A network with random weights.

    Args:
        name: one of `network_names`, or smp:DECODER/ENCODER.
        outputs: channels of its logits.

    Raises:
        UserError: there is none of that name (the message lists all), or torchvision is not installed.
    """
    if name == SMALL:
        return SmallUNet(outputs)
    if name.startswith(SMP):
        return SmpNetwork(name, outputs)
    names = network_names()
    if name not in names:
        raise UserError(
            f'`architecture`={name}: no such network; there are {", ".join(names)}, and {SMP}DECODER/ENCODER, for '
            'example smp:unet/resnet34'
        )
    return TorchvisionNetwork(name, outputs)


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
