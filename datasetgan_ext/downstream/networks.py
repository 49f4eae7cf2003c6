"""Segmentation networks by name: torchvision's, and a small one that a CPU trains in minutes.

Each maps images, float [N, 3, H, W] in ImageNet's normalisation, to logits [N, outputs, H, W].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.downstream.vision import import_segmentation

DEFAULT = 'deeplabv3_resnet101'
SMALL = 'small-unet'
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


def network_names() -> list[str]:
    """All names; torchvision's among them.

    Raises:
        UserError: torchvision is not installed.
    """
    module = import_segmentation()
    return [SMALL, *sorted(name for name in vars(module) if name.startswith(('deeplabv3_', 'fcn_', 'lraspp_')))]


def build_network(name: str, outputs: int) -> nn.Module:
    """A network with random weights.

    Args:
        name: one of `network_names`.
        outputs: channels of its logits.

    Raises:
        UserError: there is none of that name (the message lists all), or torchvision is not installed.
    """
    if name == SMALL:
        return SmallUNet(outputs)
    names = network_names()
    if name not in names:
        raise UserError(f'`architecture`={name}: no such network; there are {", ".join(names)}')
    return TorchvisionNetwork(name, outputs)


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
