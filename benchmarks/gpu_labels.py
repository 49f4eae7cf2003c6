"""Whether a GPU gives the labels that the CPU gives: the demo as it is, and with its four largest sizes in half
precision, as upstream's `train.py` sets it up. `gpu.sh` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.interpreter.labeler import LabeledSample

HALF_PRECISION_SIZES = 4


def compare(made: list[LabeledSample], others: Iterable[LabeledSample]) -> dict:
    """How far the images and labels of the same seeds are apart."""
    levels, equal, moved, called = 0, [], [], []
    for one, other in zip(made, others):
        levels = max(levels, int(np.abs(one.image.astype(int) - other.image).max()))
        equal.append((one.mask == other.mask).mean())
        same = one.keypoints.visibility == other.keypoints.visibility
        called.append(same)
        moved.append(np.linalg.norm(one.keypoints.points - other.keypoints.points, axis=1)[same])
    return {
        'images': len(made),
        'greatest_difference_in_levels': levels,
        'equal_pixels': float(np.mean(equal)),
        'equal_pixels_of_the_worst_image': float(np.min(equal)),
        'equal_presence': float(np.mean(called)),
        'greatest_move_px': float(np.concatenate(moved).max()),
    }


def cases(device: str, seeds: range) -> Iterator[tuple[str, dict]]:
    """Name and figures of each comparison."""
    on_cpu, on_gpu, in_half = (
        Labeler(load_generator(DEMO, place), load_interpreter(DEMO)) for place in ('cpu', device, device)
    )
    synthesis = in_half.generator.network.synthesis
    for resolution in synthesis.block_resolutions[-HALF_PRECISION_SIZES:]:
        getattr(synthesis, f'b{resolution}').use_fp16 = True
    made = list(on_cpu(seeds))
    yield 'float32', compare(made, on_gpu(seeds))
    yield 'half precision', compare(made, in_half(seeds))
