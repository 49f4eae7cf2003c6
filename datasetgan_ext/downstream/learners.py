"""How a network learns: what a step of its training does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.downstream.batches import Batch
from datasetgan_ext.downstream.losses import dice_loss, heatmap_loss
from datasetgan_ext.downstream.model import DownstreamModel

DECAY = 0.9
"""Power of the learning rate's way down to 0, that of DeepLab (arXiv 1606.00915)."""
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4
"""Of plain gradient descent, those of DeepLab and of s4GAN's code."""


@dataclass(frozen=True)
class FitOptions:
    """
    Attributes:
        steps: updates at most.
        batch: images in each.
        lr: learning rate at the start.
        dice: weight of the Dice loss beside the cross-entropy of classes.
        every: steps from one checkpoint to the next.
        patience: checkpoints without a better score after which training stops; without a selection set it never does.
        keep_checkpoints: leave every checkpoint beside the result, for the folds of datasetgan evaluate.
        workers: processes that read images; 0 = none but this one.
        seed: of weights, order and augmentation.
        optimizer: 'adam' or 'sgd'.
    """

    steps: int
    batch: int
    lr: float
    dice: float
    every: int
    patience: int
    keep_checkpoints: bool
    workers: int
    seed: int
    optimizer: str = 'adam'


class Supervised:
    """Learns from labelled images: cross-entropy and Dice loss of the classes, and cross-entropy of heatmaps against
    Gaussians at the keypoints."""

    def __init__(self, model: DownstreamModel, options: FitOptions):
        self.model = model
        self.options = options
        self.networks: dict[str, nn.Module] = {'network': model.network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {'network': _optimizer(model.network, options)}

    def describe(self) -> dict:
        """What of the method decides the result, as JSON."""
        return {'method': 'supervised'}

    def figures(self) -> dict:
        """What else there is to tell of the steps since it was last asked, for the history, as JSON."""
        return {}

    def step(self, batches: tuple[Batch, ...], progress: float) -> float:
        """Take a step.

        Args:
            batches: one, of labelled images.
            progress: share of all steps that are done.

        Returns:
            The loss.
        """
        self.decay(progress)
        self.model.network.train()
        loss = self.labeled_loss(self.logits(batches[0].images), batches[0])
        self.update('network', loss)
        return loss.item()

    def decay(self, progress: float) -> None:
        """Set the learning rates for a share of the steps done."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                start = group.setdefault('first_lr', group['lr'])
                group['lr'] = start * (1 - progress) ** DECAY

    def update(self, name: str, loss: torch.Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, K + J, H, W], computed in bfloat16 on GPUs that have it."""
        device = images.device
        mixed = device.type == 'cuda' and torch.cuda.is_bf16_supported()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
            logits = self.model.network(images.contiguous(memory_format=torch.channels_last))
        return logits.float()

    def labeled_loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of a batch of which there are labels."""
        loss = logits.sum() * 0
        classes, heats = self.model.split(logits)
        if self.model.task.classes and (batch.masks != IGNORE).any():
            loss = loss + F.cross_entropy(classes, batch.masks, ignore_index=IGNORE)
            if self.options.dice:
                loss = loss + self.options.dice * dice_loss(classes, batch.masks)
        if self.model.task.keypoints:
            loss = loss + heatmap_loss(heats, batch.points, batch.present, self.model.sigma)
        return loss

    def state(self) -> dict:
        return {
            'networks': {name: network.state_dict() for name, network in self.networks.items()},
            'optimizers': {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def load_state(self, state: dict) -> None:
        for kind in ('networks', 'optimizers'):
            for name, part in getattr(self, kind).items():
                part.load_state_dict(state[kind][name])


def _optimizer(network: nn.Module, options: FitOptions) -> torch.optim.Optimizer:
    if options.optimizer == 'sgd':
        return torch.optim.SGD(network.parameters(), lr=options.lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    return torch.optim.Adam(network.parameters(), lr=options.lr)
