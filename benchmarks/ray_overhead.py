"""What Ray costs: a run of the demo by this process against one by a cluster of one actor on this machine.

Start-up is left out: time counts from the result number WARM_UP on. Give the whole command one core (`taskset -c 0`),
or the actor has one of its own and this process writes beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import ray

from benchmarks.measure import write_result
from datasetgan_ext.generation.cluster import Cluster, connect
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.executors import do_job
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.interpreter.labeler import LabelerSpec

WARM_UP = 16


@click.command()
@click.option('--images', type=click.IntRange(min=WARM_UP + 1), default=400, show_default=True, help='Of each run')
@click.option('--rounds', type=click.IntRange(min=1), default=3, show_default=True, help='The quickest one counts')
def main(images, rounds):
    spec = LabelerSpec(DEMO, DEMO, device='cpu')
    labeler = spec.make()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    executors = {'one process': OneByOne(labeler), 'ray': Cluster(connect('auto'), spec)}
    seconds = {'one process': [], 'ray': []}
    for _ in range(rounds):
        for name, executor in executors.items():
            seconds[name].append(seconds_an_image(labeler, executor, images))
    best = {name: min(times) for name, times in seconds.items()}
    print(seconds, 'seconds an image; ray / one process:', best['ray'] / best['one process'])
    write_result(
        'ray_overhead',
        {'images': images, 'seconds_an_image': seconds, 'ray / one process': best['ray'] / best['one process']},
    )


class OneByOne:
    """Labels and encodes in this process, one job after the other, as an actor does."""

    device = 'cpu'

    def __init__(self, labeler):
        self.labeler = labeler

    def label(self, jobs, encoder, fingerprints):
        return (do_job(job, self.labeler, encoder) for job in jobs)


class Timed:
    """Another executor, and when its results had been written."""

    def __init__(self, executor):
        self.executor = executor
        self.device = executor.device
        self.times = []

    def label(self, *arguments):
        for result in self.executor.label(*arguments):
            yield result
            self.times.append(time.perf_counter())


def seconds_an_image(labeler, executor, images: int) -> float:
    """Time of a run for each image after the first ones."""
    timed = Timed(executor)
    with tempfile.TemporaryDirectory() as folder:
        Run(labeler, range(images), Path(folder), Curation(0.9), timed)()
    times = timed.times
    return (times[-1] - times[WARM_UP]) / (len(times) - 1 - WARM_UP)


if __name__ == '__main__':
    main()
