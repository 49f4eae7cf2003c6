"""How sure the members' probabilities are, beside how often they are right.

Members learn from smoothed labels, and are less sure than they are right. Divided by a temperature, their logits say
what held-out pixels bear out (Guo et al. 2017, arXiv 1706.04599). A member's choice stays the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

TEMPERATURES = tuple(round(0.4 * 1.1**step, 2) for step in range(17))
"""From 0.4 to 1.84: a few pixels that are all right, or all wrong, would have it go to 0, or on without end."""


def best_temperature(outputs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """The one of `TEMPERATURES` with the least cross-entropy of the members' mean probability.

    Args:
        outputs: float32 [M, P, K], logits of members for pixels that they did not learn from, and int64 [P], the
            pixels' classes; some pixels at a time.

    Returns:
        1 where there are no pixels.
    """
    losses = torch.zeros(len(TEMPERATURES))
    pixels = 0
    for logits, classes in outputs:
        pixels += len(classes)
        for index, temperature in enumerate(TEMPERATURES):
            of_members = (logits / temperature).log_softmax(dim=2).gather(2, classes.expand(len(logits), -1)[..., None])
            losses[index] -= of_members.logsumexp(dim=0).sum().cpu()
    return TEMPERATURES[int(losses.argmin())] if pixels else 1.0
