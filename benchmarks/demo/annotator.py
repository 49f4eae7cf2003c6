"""The stand-in for the person who labels: a network that learned from drawings what parts and keypoints look like.

A U-Net with a class for each pixel, a heatmap for each keypoint, and for each keypoint whether it is visible, occluded
or absent. It is used for nothing but the demo's labels.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import nn
from tqdm import tqdm

from benchmarks.demo.world import CLASSES, KEYPOINTS, Drawing, draw
from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.interpreter.keypoints import locate
from datasetgan_ext.metrics.segmentation import SegmentationScore

WIDTHS = (16, 32, 64, 96, 128)
FIRST_SEED = 1_000_000
DRAWINGS, STEPS, BATCH = 12_000, 3000, 8
HEATMAP_SIGMA = 1.5  # pixels
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))


class Labels(NamedTuple):
    """What the annotator says of N images of H x W pixels.

    Attributes:
        masks: uint8 [N, H, W], class ids.
        keypoints: float32 [N, K, 2], x and y in pixels (pixel centres at .5); 0 where absent.
        visibility: uint8 [N, K], as in `world.Drawing`.
    """

    masks: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray


class Annotator(nn.Module):
    """Images float [N, 3, H, W] in -1..1 to class logits [N, C, H, W], heatmap logits [N, K, H, W] and visibility
    logits [N, K, 3]; H and W are multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_convolutions(before, after) for before, after in zip((3, *WIDTHS), WIDTHS))
        self.narrow = nn.ModuleList(nn.Conv2d(after, before, 1) for before, after in zip(WIDTHS, WIDTHS[1:]))
        self.up = nn.ModuleList(_convolution(width, width) for width in WIDTHS[:-1])
        self.classes = nn.Conv2d(WIDTHS[0], len(CLASSES), 1)
        self.heatmaps = nn.Conv2d(WIDTHS[0], len(KEYPOINTS), 1)
        self.visibility = nn.Linear(WIDTHS[0] + WIDTHS[-1], len(KEYPOINTS) * 3)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, skips = images, []
        for index, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if index else x)
            skips.append(x)
        whole = x.mean(dim=(2, 3))
        for skip, narrow, block in zip(skips[-2::-1], reversed(self.narrow), reversed(self.up)):
            x = block(skip + F.interpolate(narrow(x), scale_factor=2, mode='bilinear'))
        heatmaps = self.heatmaps(x)
        # each keypoint is judged by the features around it and by those of the whole image
        attention = heatmaps.flatten(2).softmax(dim=2)
        local = torch.einsum('nkp,ncp->nkc', attention, x.flatten(2))
        features = torch.cat([local, whole[:, None].expand(-1, local.shape[1], -1)], dim=2)
        weight = self.visibility.weight.view(len(KEYPOINTS), 3, -1)
        visibility = torch.einsum('nkc,kvc->nkv', features, weight) + self.visibility.bias.view(len(KEYPOINTS), 3)
        return self.classes(x), heatmaps, visibility

    @torch.no_grad()
    def label(self, images: np.ndarray) -> Labels:
        """Label images, uint8 [N, H, W, 3]: by the mean of what is said of them as they are and shifted by a pixel."""
        self.eval()
        results = []
        for chunk in np.array_split(images, max(1, len(images) // 16)):
            views = [self._probabilities(_to_input(torch.from_numpy(chunk)), shift) for shift in SHIFTS]
            classes, shares, visibility = (sum(parts) for parts in zip(*views))
            visibility = visibility.argmax(dim=2)
            points = locate(shares, HEATMAP_SIGMA) * (visibility != ABSENT)[..., None]
            results.append(Labels(classes.argmax(dim=1).byte().numpy(), points.numpy(), visibility.byte().numpy()))
        return Labels(*(np.concatenate(parts) for parts in zip(*results)))

    def _probabilities(self, images: torch.Tensor, shift: tuple[int, int]) -> tuple[torch.Tensor, ...]:
        """Probabilities from the images moved by (rows, columns), moved back; the edges are repeated."""
        height, width = images.shape[2:]
        padded = F.pad(images, (1, 1, 1, 1), 'replicate')
        classes, heatmaps, visibility = self(_window(padded, shift, (height, width)))
        shares = heatmaps.flatten(2).softmax(dim=2).view_as(heatmaps)
        back = (-shift[0], -shift[1])
        classes, shares = (
            _window(F.pad(maps, (1, 1, 1, 1), 'replicate'), back, (height, width))
            for maps in (classes.softmax(dim=1), shares)
        )
        return classes, shares, visibility.softmax(dim=2)

    @classmethod
    def load(cls, path: Path) -> Annotator:
        network = cls()
        network.load_state_dict(load_file(path))
        return network

    def save(self, path: Path) -> None:
        write_atomically(path, save({name: tensor.contiguous() for name, tensor in self.state_dict().items()}))


def measure(annotator: Annotator, drawings: list[Drawing]) -> dict:
    """The annotator's error on drawings: IoU, distance of the keypoints found (pixels), and its word on visibility."""
    said = annotator.label(np.stack([drawing.image for drawing in drawings]))
    score = SegmentationScore(len(CLASSES))
    for drawing, mask in zip(drawings, said.masks):
        score.add(drawing.mask, mask)
    points, visibility = (
        np.stack([getattr(drawing, name) for drawing in drawings]) for name in ('keypoints', 'visibility')
    )
    found = (visibility != ABSENT) & (said.visibility != ABSENT)
    distance = np.where(found, np.linalg.norm(points - said.keypoints, axis=2), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # a keypoint that was never found has no distance
        means = np.nanmean(distance, axis=0)
    return {
        **score.to_json(CLASSES),
        'keypoint_error_px': {'mean': float(distance[found].mean()), **dict(zip(KEYPOINTS, means.tolist()))},
        'keypoints_within_2px': float((distance[found] <= 2).mean()),
        # rows: true; columns: called absent, occluded, visible
        'visibility': [
            [int(((visibility == true) & (said.visibility == called)).sum()) for called in (ABSENT, OCCLUDED, VISIBLE)]
            for true in (ABSENT, OCCLUDED, VISIBLE)
        ],
    }


def train_annotator(resolution: int, drawings: int = DRAWINGS, steps: int = STEPS, seed: int = 0) -> Annotator:
    """Train on the drawings of seeds `FIRST_SEED` and up, blurred and recoloured at random."""
    with ProcessPoolExecutor() as pool:
        seeds = range(FIRST_SEED, FIRST_SEED + drawings)
        drawn = pool.map(partial(draw, resolution=resolution), seeds, chunksize=64)
        drawn = list(tqdm(drawn, total=drawings, desc='drawings', unit='image'))
    images, masks, points, visibility = (torch.from_numpy(np.stack(part)) for part in zip(*drawn))
    torch.manual_seed(seed)
    network = Annotator().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    for _ in tqdm(range(steps), desc='annotator', unit='step'):
        chosen = torch.randint(drawings, (BATCH,))
        loss = _loss(
            network,
            _augment(_to_input(images[chosen])),
            masks[chosen].long(),
            points[chosen],
            visibility[chosen].long(),
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def _convolutions(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(_convolution(before, after), _convolution(after, after))


def _window(padded: torch.Tensor, shift: tuple[int, int], size_hw: tuple[int, int]) -> torch.Tensor:
    """The part of maps [N, C, H + 2, W + 2] that lies `shift` (rows, columns) off their middle."""
    row, column = 1 + shift[0], 1 + shift[1]
    return padded[:, :, row : row + size_hw[0], column : column + size_hw[1]]


def _to_input(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def _augment(images: torch.Tensor) -> torch.Tensor:
    """Each image recoloured; the batch blurred (as generated images are) and noisy."""
    images = images * (0.8 + 0.4 * torch.rand(len(images), 3, 1, 1)) + 0.3 * (torch.rand(len(images), 3, 1, 1) - 0.5)
    if torch.rand(()) < 0.7:
        sigma = 0.3 + 0.9 * float(torch.rand(()))
        taps = torch.exp(-0.5 * (torch.arange(-3.0, 4) / sigma) ** 2)
        taps = (taps / taps.sum()).expand(3, 1, 1, 7)
        images = F.conv2d(F.pad(images, (3, 3, 0, 0), 'replicate'), taps, groups=3)
        images = F.conv2d(F.pad(images, (0, 0, 3, 3), 'replicate'), taps.transpose(2, 3), groups=3)
    images = images + 0.06 * torch.rand(len(images), 1, 1, 1) * torch.randn_like(images)
    return images.clamp(-1, 1)


def _loss(network, images, masks, points, visibility) -> torch.Tensor:
    classes, heatmaps, judged = network(images)
    height, width = masks.shape[1:]
    columns = torch.exp(-0.5 * ((torch.arange(width) + 0.5 - points[..., :1]) / HEATMAP_SIGMA) ** 2)
    rows = torch.exp(-0.5 * ((torch.arange(height) + 0.5 - points[..., 1:]) / HEATMAP_SIGMA) ** 2)
    target = (rows[..., :, None] * columns[..., None, :]).flatten(2)
    target = target / target.sum(dim=2, keepdim=True).clamp(min=1e-6)
    shown = (visibility != ABSENT).float()
    distance = -(target * heatmaps.flatten(2).log_softmax(dim=2)).sum(dim=2)
    rare = torch.ones(len(CLASSES))
    rare[[CLASSES.index(name) for name in ('handle', 'mirror', 'plate', 'grille')]] = 2
    return (
        F.cross_entropy(classes, masks, weight=rare)
        + 0.1 * (distance * shown).sum() / shown.sum().clamp(min=1)
        + 0.2 * F.cross_entropy(judged.flatten(0, 1), visibility.flatten())
    )
