"""Semi-supervised segmentation, the s4GAN of Mittal, Tatarchenko, Brox (arXiv 1908.05724, sec. 3.1).

A discriminator sees an image together with its label map. The segmentation network learns from the few labels; from
unlabelled images by having the discriminator's features of its label maps match those of true ones; and from its own
label maps of those unlabelled images that deceive the discriminator. The paper's second branch, a classifier of whole
images, needs images without some of the classes; DatasetGAN's experiments have none.

Weights, threshold, the discriminator and its optimiser are those of the authors' code (sud0301/semisup-semseg); the
segmentation network's optimiser, rate and loss of labelled images are those of the options. What differs: the true maps
are those of the step's labelled images, not of a batch of their own, and have no holes (`_true_maps`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.downstream.batches import MEAN, STD, Batch
from datasetgan_ext.downstream.learners import FitOptions, Supervised
from datasetgan_ext.downstream.model import DownstreamModel

# those of the paper, sec. 4.1, and of the authors' code
MATCHING, SELF_TRAINING = 0.1, 1.0
THRESHOLD = 0.6
DISCRIMINATOR_LR, DISCRIMINATOR_BETAS = 1e-4, (0.9, 0.99)
WIDTH = 64
DROPOUT = 0.5


class Discriminator(nn.Module):
    """Images float [N, 3, H, W] in 0..1 and label maps float [N, K, H, W], whose classes sum to 1, to the logit [N]
    that the map is a true one, and the features [N, 8 * width] that are matched."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        widths = (width, 2 * width, 4 * width, 8 * width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in zip((3 + classes, *widths), widths)
        )
        self.judge = nn.Linear(widths[-1], 1)

    def forward(self, images: torch.Tensor, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([images, maps], dim=1)
        for convolution in self.convolutions[:-1]:
            x = F.leaky_relu(convolution(x), 0.2)
            x = F.dropout2d(x, DROPOUT, self.training)
        x = F.leaky_relu(self.convolutions[-1](x), 0.2)
        features = x.mean(dim=(2, 3))
        return self.judge(features)[:, 0], features


class SemiSupervised(Supervised):
    """Learns from batches of labelled and of unlabelled images."""

    def __init__(self, model: DownstreamModel, options: FitOptions, width: int = WIDTH):
        """
        Args:
            model: of classes alone.
            options: of the training.
            width: channels of the discriminator's first layer.
        """
        super().__init__(model, options)
        self.width = width
        discriminator = Discriminator(len(model.task.classes), width).to(model.device)
        self.networks['discriminator'] = discriminator
        self.optimizers['discriminator'] = torch.optim.Adam(
            discriminator.parameters(), lr=DISCRIMINATOR_LR, betas=DISCRIMINATOR_BETAS
        )
        self._seen = self._trusted = self._steps = self._steps_with_trust = 0

    def describe(self) -> dict:
        return {'method': 's4gan', 'discriminator_width': self.width}

    def figures(self) -> dict:
        """Shares of the unlabelled images that taught the network their own label map, and of the steps with any."""
        steps = max(1, self._steps)
        found = {
            'self_trained_share': self._trusted / max(1, self._seen),
            'self_training_steps': self._steps_with_trust / steps,
        }
        self._seen = self._trusted = self._steps = self._steps_with_trust = 0
        return found

    def step(self, batches: tuple[Batch, ...], progress: float) -> float:
        """Take a step of both networks.

        Args:
            batches: one of labelled and one of unlabelled images.
            progress: share of all steps that are done.

        Returns:
            The segmentation network's loss on the labelled images.
        """
        labeled, unlabeled = batches
        discriminator = self.networks['discriminator']
        self.decay(progress)
        self.model.network.train()
        discriminator.train()
        true_images, images = _shown(labeled.images), _shown(unlabeled.images)

        discriminator.requires_grad_(False)
        labeled_logits = self.logits(labeled.images)
        supervised = self.labeled_loss(labeled_logits, labeled)
        logits = self.logits(unlabeled.images)  # of classes alone
        guesses = logits.softmax(dim=1)
        judged, features = discriminator(images, guesses)
        with torch.no_grad():
            truth = _true_maps(labeled.masks, labeled_logits.softmax(dim=1))
            _, true_features = discriminator(true_images, truth)
        matching = (features.mean(dim=0) - true_features.mean(dim=0)).abs().mean()
        trusted = judged.detach().sigmoid() > THRESHOLD if progress > 0 else torch.zeros_like(judged, dtype=torch.bool)
        self._count(trusted)
        self_training = self._self_training(logits, trusted)
        self.update('network', supervised + MATCHING * matching + SELF_TRAINING * self_training)

        discriminator.requires_grad_(True)
        true_judged, _ = discriminator(true_images, truth)
        judged, _ = discriminator(images, guesses.detach())
        loss = F.binary_cross_entropy_with_logits(true_judged, torch.ones_like(true_judged))
        loss = loss + F.binary_cross_entropy_with_logits(judged, torch.zeros_like(judged))
        self.update('discriminator', loss / 2)
        return supervised.item()

    def _count(self, trusted: torch.Tensor) -> None:
        count = int(trusted.sum())
        self._seen += len(trusted)
        self._trusted += count
        self._steps += 1
        self._steps_with_trust += count > 0

    @staticmethod
    def _self_training(logits: torch.Tensor, trusted: torch.Tensor) -> torch.Tensor:
        """Cross-entropy with the network's own classes, of the images that the discriminator takes for true.

        Args:
            logits: float [N, K, H, W].
            trusted: bool [N].
        """
        if not trusted.any():
            return logits.sum() * 0
        return F.cross_entropy(logits[trusted], logits[trusted].detach().argmax(dim=1))


def self_trained_share(training: dict) -> float | None:
    """Share of the unlabelled images shown to a network until its checkpoint that taught it their own label map.

    Args:
        training: `DownstreamModel.training`; None is returned where the method is another.
    """
    before, total = 0, 0.0
    for row in training['history']:
        if 'self_trained_share' not in row:
            return None
        total += row['self_trained_share'] * (row['step'] - before)
        before = row['step']
    return total / before


def _true_maps(masks: torch.Tensor, guesses: torch.Tensor) -> torch.Tensor:
    """float [N, K, H, W]: 1 for the labelled class. Where there is no label the network's guess stands in, so that
    the discriminator cannot tell true maps by their holes."""
    known = (masks != IGNORE)[:, None]
    labeled = F.one_hot(masks * known[:, 0], guesses.shape[1]).permute(0, 3, 1, 2)
    return torch.where(known, labeled.float(), guesses)


def _shown(images: torch.Tensor) -> torch.Tensor:
    """Normalised images in 0..1 again."""
    mean, std = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, STD))
    return images * std + mean
