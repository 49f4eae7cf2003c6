"""Time of a labelled image by the default preset's ensemble and by the reference's, in turn: the demo's network, and
random ones of the official shapes.

    python benchmarks/preset_cost.py    # two minutes on two CPU cores
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from benchmarks.measure import write_result
from benchmarks.random_networks import make_generator, make_interpreter
from datasetgan_ext import Labeler, load_generator
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.interpreter.training_options import PRESETS

MEMBERS, CLASSES = 10, 8
RESOLUTIONS, ROUNDS, SHOULD_TAKE = (256, 512), 4, 2.0


def measure(network: str, generator) -> dict:
    """Best of some rounds, each of as many images as take some seconds."""
    labelers = {preset: Labeler(generator, make_interpreter(generator, MEMBERS, CLASSES, preset)) for preset in PRESETS}
    images, seconds = 1, {preset: [] for preset in PRESETS}
    for round_ in range(ROUNDS + 1):
        for preset, labeler in labelers.items():
            start = time.perf_counter()
            for _ in labeler(range(images)):
                pass
            seconds[preset].append((time.perf_counter() - start) / images)
        if round_ == 0:  # warms up, and tells how long an image takes
            images = max(1, int(SHOULD_TAKE / seconds['reference'].pop()))
            seconds['default'].clear()
    best = {preset: min(times) for preset, times in seconds.items()}
    return {'network': network, 'seconds': best, 'ratio': best['default'] / best['reference']}


def main():
    cases = [measure("the demo's, 128²", load_generator(DEMO, 'cpu'))]
    for resolution in RESOLUTIONS:
        cases.append(measure(f'official shape, {resolution}²', make_generator(resolution)))
    for case in cases:
        print(case)
    write_result(
        'preset_cost', {'members': MEMBERS, 'classes': CLASSES, 'threads': torch.get_num_threads(), 'cases': cases}
    )


if __name__ == '__main__':
    main()
