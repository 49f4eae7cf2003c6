"""Whether a GPU gives the labels that the CPU gives: the demo as it is, and with its four largest sizes in half
precision, as upstream's `train.py` sets it up.

    python benchmarks/gpu_labels.py    # a minute; needs a GPU and the submodule
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch

from benchmarks.measure import write_result
from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.generator.checkpoint import DEMO

SEEDS, HALF_PRECISION_SIZES, AGREED = range(1000, 1128), 4, 0.999


def compare(on_cpu: Labeler, on_gpu: Labeler, seeds: range) -> dict:
    """How far the images and labels of the same seeds are apart."""
    levels, equal, moved, called = 0, [], [], []
    for one, other in zip(on_cpu(seeds), on_gpu(seeds)):
        levels = max(levels, int(np.abs(one.image.astype(int) - other.image).max()))
        equal.append((one.mask == other.mask).mean())
        same = one.keypoints.visibility == other.keypoints.visibility
        called.append(same)
        moved.append(np.linalg.norm(one.keypoints.points - other.keypoints.points, axis=1)[same])
    return {
        'images': len(seeds),
        'greatest_difference_in_levels': levels,
        'equal_pixels': float(np.mean(equal)),
        'equal_pixels_of_the_worst_image': float(np.min(equal)),
        'equal_presence': float(np.mean(called)),
        'greatest_move_px': float(np.concatenate(moved).max()),
    }


def main():
    if not torch.cuda.is_available():
        raise SystemExit('This compares a GPU with the CPU, and there is no GPU')
    on_cpu, on_gpu, in_half = (
        Labeler(load_generator(DEMO, device), load_interpreter(DEMO)) for device in ('cpu', 'cuda', 'cuda')
    )
    synthesis = in_half.generator.network.synthesis
    for resolution in synthesis.block_resolutions[-HALF_PRECISION_SIZES:]:
        getattr(synthesis, f'b{resolution}').use_fp16 = True
    cases = {'float32': compare(on_cpu, on_gpu, SEEDS), 'half precision': compare(on_cpu, in_half, SEEDS)}
    print(cases)
    write_result('gpu_labels', {'cases': cases})
    if min(case['equal_pixels'] for case in cases.values()) < AGREED:
        raise SystemExit(f'Fewer than {AGREED:.1%} of the pixels have the same class')


if __name__ == '__main__':
    main()
