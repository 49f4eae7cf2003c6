"""How often classes occur, which pixels that were drawn evenly over the classes do not say.

Of the pixels that the default preset draws from an image, half are spread evenly over its classes, so that small parts
are learned at all. An ensemble takes them for as frequent as they were drawn, and finds them too large: on its own
data its best logits are those of the drawn shares (Menon et al. 2021, arXiv 2007.07314, sec. 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.pixels import NO_CLASS

MOSTLY_LABELED = 0.9
"""Share of an image's pixels that have a class at least, if it is to say how often classes occur: strokes do not."""


def count_classes(masks: Sequence[np.ndarray], classes: int) -> torch.Tensor:
    """Pixels of each class in each image.

    Args:
        masks: uint8 [H, W] each, class ids and IGNORE.
        classes: K, how many there are.

    Returns:
        int64 [N, K]; zeros for an image less than `MOSTLY_LABELED` of which has a class.
    """
    counts = torch.zeros(len(masks), classes, dtype=torch.int64)
    for row, mask in zip(counts, masks):
        labeled = mask[mask != IGNORE]
        if len(labeled) >= MOSTLY_LABELED * mask.size:
            row += torch.from_numpy(np.bincount(labeled, minlength=classes))
    return counts


@torch.no_grad()
def undo_balance(ensemble: Ensemble, drawn: torch.Tensor, counts: torch.Tensor, strength: float) -> None:
    """Have an ensemble expect classes as often as they occur, and not as often as they were drawn.

    It adds to the logit of each class the logarithm of its share of the pixels that there are, divided by its share of
    those that were drawn; a class without pixels in `counts` keeps its logit. Only the bias of the last layer changes.

    Args:
        ensemble: trained on the drawn pixels; is changed. Its first outputs are the classes.
        drawn: int64 [P], class of each drawn pixel; NO_CLASS does not count.
        counts: int64 [..., K], pixels of each class in the labelled images.
        strength: of the change; 1 = whole.
    """
    occurring = counts.reshape(-1, counts.shape[-1]).sum(dim=0).double().cpu()
    of_drawn = drawn[drawn != NO_CLASS].bincount(minlength=len(occurring)).double().cpu()
    known = (occurring > 0) & (of_drawn > 0)
    ratio = torch.ones_like(occurring)
    ratio[known] = (occurring[known] / occurring[known].sum()) / (of_drawn[known] / of_drawn[known].sum())
    bias = ensemble.biases[-1]
    bias[:, : len(occurring)] += (strength * ratio.log()).to(bias)
