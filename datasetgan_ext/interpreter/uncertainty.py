"""Vote and uncertainty of an ensemble (DatasetGAN, arXiv 2104.06490, sec. 3.1)."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch

TOP_SHARE = 0.1

T = TypeVar('T', torch.Tensor, np.ndarray)


def majority_vote(probabilities: torch.Tensor) -> torch.Tensor:
    """The class that most members choose; a tie goes to the class with the higher mean probability.

    Args:
        probabilities: float32 [M, K, P], each member's softmax.

    Returns:
        int64 [P].
    """
    votes = torch.zeros_like(probabilities[0])
    choices = probabilities.max(dim=1).indices  # what argmax gives, several times as fast on a CPU
    votes.scatter_add_(0, choices, torch.ones_like(choices, dtype=votes.dtype))
    # a mean probability is at most 1, so half of it never outweighs a vote
    return (votes + 0.5 * probabilities.mean(dim=0)).max(dim=0).indices


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Of class probabilities, natural logarithm: float32 [..., K, P] to [..., P], from 0 to ln(K)."""
    return -torch.special.xlogy(probabilities, probabilities).sum(dim=-2)


def jensen_shannon(probabilities: torch.Tensor) -> torch.Tensor:
    """Jensen-Shannon divergence of the members: H(mean p) - mean H(p), natural logarithm.

    Args:
        probabilities: float32 [M, K, P].

    Returns:
        float32 [P], from 0 (all agree) to at most ln(min(M, K)).
    """
    return divergence_and_entropy(probabilities)[0]


def divergence_and_entropy(probabilities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`jensen_shannon` of the members and the `entropy` of their mean, float32 [P] each."""
    of_mean = entropy(probabilities.mean(dim=0))
    return (of_mean - entropy(probabilities).mean(dim=0)).clamp_(min=0), of_mean


def top_tenth(pixels: torch.Tensor) -> torch.Tensor:
    """One figure per image: the mean of the highest tenth of its pixels (at least one).

    Args:
        pixels: float32 [N, H, W].

    Returns:
        float32 [N].
    """
    flat = pixels.flatten(1)
    count = max(1, math.ceil(flat.shape[1] * TOP_SHARE))
    return flat.topk(count, dim=1).values.mean(dim=1)


def foreground_mean(pixels: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """One figure per image: the mean over the pixels that are not background; where all are, `top_tenth`.

    Args:
        pixels: float32 [N, H, W].
        masks: uint8 [N, H, W], class ids, 0 = background.

    Returns:
        float32 [N].
    """
    foreground = masks != 0
    counts = foreground.flatten(1).sum(dim=1)
    # an image at a time, so that its sum does not depend on its neighbours
    sums = torch.stack([one.sum() for one in pixels * foreground])
    means = sums / counts.clamp(min=1)
    for index in (counts == 0).nonzero()[:, 0].tolist():
        means[index] = top_tenth(pixels[index, None])[0]
    return means


def pixel_doubt(divergence: T, entropies: T) -> T:
    """How unsure the ensemble is of a pixel: the entropy of its class (in nats) plus the members' Jensen-Shannon
    distance, the root of their divergence. Tensors or arrays, float32 [...]; 0 where all are sure of the same."""
    return entropies + divergence**0.5


def of_labels(masks: torch.Tensor, divergence: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
    """What tells that an image's labels are wrong: the foreground's mean entropy plus its mean Jensen-Shannon distance,
    which is the root of the divergence. So odd backgrounds do not count.

    benchmarks/image_score.py chose it.

    Args:
        masks: uint8 [N, H, W], class ids, 0 = background.
        divergence: float32 [N, H, W], of the members.
        entropies: float32 [N, H, W], of the members' mean.

    Returns:
        float32 [N], 0 where the ensemble is sure.
    """
    return foreground_mean(pixel_doubt(divergence, entropies), masks)


def of_paper(masks: torch.Tensor, divergence: torch.Tensor, entropies: torch.Tensor) -> torch.Tensor:
    """As in the paper: the mean divergence of the most uncertain tenth of all pixels, in nats; arguments as of
    `of_labels`."""
    return top_tenth(divergence)


SCORES = {'labels': of_labels, 'paper': of_paper}
"""An image's uncertainty, by name."""
