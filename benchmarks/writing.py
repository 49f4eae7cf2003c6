"""What writing a dataset costs beside making it: the demo's images with files, without, and without labels.

`files / no files` is a run into a folder against a bare loop over the same labelled images; `labels / no labels` that
loop against the generator's images alone. All in one thread, as a run on a CPU labels.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch

from benchmarks.measure import write_result
from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generator.checkpoint import DEMO

SEEDS, ROUNDS = range(240), 3


def ratio(seconds: list[float], others: list[float]) -> float:
    """The median over the rounds: what is compared was measured one after the other, on an equally busy machine."""
    return statistics.median(one / other for one, other in zip(seconds, others))


def main():
    torch.set_num_threads(1)
    labeler = Labeler(load_generator(DEMO), load_interpreter(DEMO))

    def images():
        for seed in SEEDS:
            labeler.generator.synthesize([seed], labeler.options)

    def labels():
        for _ in labeler(SEEDS):
            pass

    def files():
        with tempfile.TemporaryDirectory() as folder:
            Run(labeler, SEEDS, Path(folder), Curation(0.9))()

    seconds = {work.__name__: [] for work in (images, labels, files)}
    for _ in range(ROUNDS):
        for work in (images, labels, files):
            start = time.perf_counter()
            work()
            seconds[work.__name__].append(time.perf_counter() - start)
    ratios = {
        'files / no files': ratio(seconds['files'], seconds['labels']),
        'labels / no labels': ratio(seconds['labels'], seconds['images']),
    }
    best = {name: min(times) for name, times in seconds.items()}
    print({name: len(SEEDS) / value for name, value in best.items()}, 'images a second;', ratios)
    write_result('writing', {'images': len(SEEDS), 'seconds': seconds, 'ratios': ratios})


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
