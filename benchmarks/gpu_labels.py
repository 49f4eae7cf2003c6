"""Whether a GPU gives the labels that the CPU gives: the demo, and a random network of the official shape whose larger
layers compute in half precision, with an interpreter trained for it.

    python benchmarks/gpu_labels.py    # two minutes on an H100
"""
from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch

from benchmarks.measure import write_result
from benchmarks.random_networks import label_brightness, make_generator
from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.interpreter.optimization import options_from
from datasetgan_ext.interpreter.training import TrainingSet

RESOLUTION = 256
DEMO_SEEDS, RANDOM_SEEDS = range(1000, 1128), range(1000, 1016)
AGREED = 0.999


def compare(on_cpu: Labeler, on_gpu: Labeler, seeds: range) -> dict:
    """How far the images and labels of the same seeds are apart."""
    levels, equal, moved, called = 0, [], [], []
    for one, other in zip(on_cpu(seeds), on_gpu(seeds)):
        levels = max(levels, int(np.abs(one.image.astype(int) - other.image).max()))
        equal.append((one.mask == other.mask).mean())
        if one.keypoints is not None:
            same = one.keypoints.visibility == other.keypoints.visibility
            called.append(same)
            moved.append(np.linalg.norm(one.keypoints.points - other.keypoints.points, axis=1)[same])
    result = {'images': len(seeds), 'greatest_difference_in_levels': levels, 'equal_pixels': float(np.mean(equal)),
              'equal_pixels_of_the_worst_image': float(np.min(equal))}
    if moved:
        result |= {'equal_presence': float(np.mean(called)), 'greatest_move_px': float(np.concatenate(moved).max())}
    return result


def main():
    if not torch.cuda.is_available():
        raise SystemExit('This compares a GPU with the CPU, and there is no GPU')
    cases = {"the demo's, 128²": compare(*(Labeler(load_generator(DEMO, device), load_interpreter(DEMO))
                                           for device in ('cpu', 'cuda')), DEMO_SEEDS)}
    with tempfile.TemporaryDirectory() as folder:
        generator = make_generator(RESOLUTION, 'cuda')
        labelled = label_brightness(generator, Path(folder))
        interpreter = TrainingSet(generator, *labelled, options_from('default')).train()
    cases[f'official shape, {RESOLUTION}², half precision'] = compare(
        *(Labeler(one, interpreter) for one in (make_generator(RESOLUTION), generator)), RANDOM_SEEDS)
    print(cases)
    write_result('gpu_labels', {'cases': cases})
    if min(case['equal_pixels'] for case in cases.values()) < AGREED:
        raise SystemExit(f'Fewer than {AGREED:.1%} of the pixels have the same class')


if __name__ == '__main__':
    main()
