"""Time of a labelled image by the default preset's ensemble and by the reference's, and of the bare generator, in turn:
the demo's network, and random ones of the official shapes. Where the processor has bfloat16, also without it.

    python benchmarks/preset_cost.py    # three minutes on two CPU cores
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch

from benchmarks.inference import BARE, OURS, work_of
from benchmarks.measure import write_result
from benchmarks.random_networks import make_generator, make_interpreter
from datasetgan_ext import load_generator
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter import inference
from datasetgan_ext.interpreter.training_options import PRESETS

MEMBERS, CLASSES = 10, 8
IN_FLOAT32 = 'default, in float32'
RESOLUTIONS, ROUNDS, SHOULD_TAKE = (256, 512), 4, 2.0


def works(generator: Generator) -> dict[str, Callable[[list[int]], object]]:
    """What makes an image of one seed, by name."""
    made = {BARE: work_of(BARE, generator, None, batch=1)}
    for preset in PRESETS:
        made[preset] = work_of(OURS, generator, make_interpreter(generator, MEMBERS, CLASSES, preset), batch=1)
    if inference.has_bfloat16():
        interpreter = make_interpreter(generator, MEMBERS, CLASSES, 'default')
        with mock.patch.object(inference, 'has_bfloat16', return_value=False):
            made[IN_FLOAT32] = work_of(OURS, generator, interpreter, batch=1)
            made[IN_FLOAT32]([0])  # prepared by then, at the latest
    return made


def measure(network: str, generator: Generator) -> dict:
    """Best of some rounds, each of as many images as take some seconds."""
    doing = works(generator)
    images, seconds = 1, {name: [] for name in doing}
    for round_ in range(ROUNDS + 1):
        for name, work in doing.items():
            start = time.perf_counter()
            for seed in range(images):
                work([seed])
            seconds[name].append((time.perf_counter() - start) / images)
        if round_ == 0:  # warms up, and tells how long an image takes
            images = max(1, int(SHOULD_TAKE / seconds['reference'][0]))
            seconds = {name: [] for name in doing}
    best = {name: min(times) for name, times in seconds.items()}
    return {
        'network': network,
        'seconds': best,
        'ratio': best['default'] / best['reference'],
        'ratios_to_bare': {name: value / best[BARE] for name, value in best.items() if name != BARE},
    }


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
    click.command(help=__doc__)(main)()
