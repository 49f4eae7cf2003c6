"""What Ray costs: a run of the demo by this process against one by a cluster of one actor on this machine.

Start-up is left out: time counts from the result number WARM_UP on. Give the whole command one core (`taskset -c 0`),
or the actor has one of its own and this process writes beside it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import ray

from benchmarks.measure import write_result
from datasetgan_ext.generation.cluster import Cluster, Shipment
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generation.workers import do_job
from datasetgan_ext.generator.checkpoint import DEMO
from datasetgan_ext.interpreter.labeler import make_labeler

WARM_UP = 16


@click.command()
@click.option('--images', type=click.IntRange(min=WARM_UP + 1), default=400, show_default=True, help='Of each run')
@click.option('--rounds', type=click.IntRange(min=1), default=3, show_default=True, help='The quickest one counts')
def main(images, rounds):
    labeler = make_labeler(DEMO, DEMO)
    shipment = Shipment.pack(DEMO, DEMO, labeler.options, labeler.batch, None, False)
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    cluster = Cluster('auto')

    def one_process(jobs, writer, _):
        return (do_job(job, labeler, writer) for job in jobs)

    seconds = {'one process': [], 'ray': []}
    for _ in range(rounds):
        for name, label in (('one process', one_process), ('ray', partial(cluster.label, shipment))):
            seconds[name].append(seconds_an_image(labeler, label, images))
    best = {name: min(times) for name, times in seconds.items()}
    print(seconds, 'seconds an image; ray / one process:', best['ray'] / best['one process'])
    write_result(
        'ray_overhead',
        {'images': images, 'seconds_an_image': seconds, 'ray / one process': best['ray'] / best['one process']},
    )


def seconds_an_image(labeler, label, images: int) -> float:
    """Time of a run for each image after the first ones."""
    times = []

    def timed(*arguments):
        for result in label(*arguments):
            yield result
            times.append(time.perf_counter())  # it has been written

    with tempfile.TemporaryDirectory() as folder:
        Run(labeler, range(images), Path(folder), 0.9, DEMO, cluster=timed)()
    return (times[-1] - times[WARM_UP]) / (len(times) - 1 - WARM_UP)


if __name__ == '__main__':
    main()
