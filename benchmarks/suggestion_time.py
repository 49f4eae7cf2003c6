"""Seconds from pressing Suggest to the suggestion, and from a stroke to the suggestion that comes by itself, for random
networks of official shape after 4 labelled images; and how long the server takes to answer the page meanwhile. It runs
in a process of its own, as with the command."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import psutil

from benchmarks.measure import write_result
from benchmarks.random_networks import make_generator
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.labeling.server import Server
from datasetgan_ext.labeling.store import open_store
from datasetgan_ext.labeling.suggest import Suggester

RESOLUTION, LARGE_RESOLUTION, CLASSES, LABELED = 256, 1024, 8, 4
PAUSE = 0.1
STROKES = 5


def serve(connection, resolution: int) -> None:
    """Serve `LABELED` + 1 samples of a random network and send port, token and names."""
    generator = make_generator(resolution)
    task = Task.from_names([f'class {index}' for index in range(CLASSES)])
    with tempfile.TemporaryDirectory() as folder:
        samples = generate_samples(
            generator, SamplingOptions(trunc=0.7), list(range(LABELED + 1)), Path(folder) / 'samples', progress=False
        )
        with (
            open_store(samples, task, Path(folder) / 'labels') as store,
            Suggester(generator, store) as suggester,
            Server('127.0.0.1', 0, store, suggester) as server,
        ):
            connection.send((server.port, server.token, list(store.samples)))
            server.serve_forever()


class Page:
    """Asks the server as the page does, and notes how long each answer takes."""

    def __init__(self, port: int, token: str):
        self.connection = http.client.HTTPConnection('127.0.0.1', port)
        self.headers = {'Cookie': f'datasetgan-label-{port}={token}'}
        self.seconds: list[float] = []

    def __call__(self, method: str, path: str, body: bytes | None = None) -> bytes:
        start = time.perf_counter()
        self.connection.request(method, path, body, self.headers)
        reply = self.connection.getresponse()
        content = reply.read()
        self.seconds.append(time.perf_counter() - start)
        if reply.status >= 300:
            raise SystemExit(f'{path}: {reply.status} {content.decode()}')
        return content


def wait_until_idle(page: Page) -> None:
    while json.loads(page('GET', '/api/suggest'))['phase'] != 'idle':
        time.sleep(PAUSE)


def mask_of(number: int, resolution: int) -> bytes:
    y, x = np.indices((resolution, resolution)) * 256 // resolution
    return ((y // 32 + x // 64 + number) % CLASSES).astype(np.uint8).tobytes()


def suggestion(page: Page, server: psutil.Process, name: str, mask_path: str, resolution: int) -> dict:
    """Press Suggest and go on drawing until the suggestion is there."""
    page.seconds = []
    used = sum(server.cpu_times()[:2])
    start = time.perf_counter()
    page('POST', '/api/suggest', json.dumps({'name': name}).encode())
    strokes = 0
    while json.loads(page('GET', '/api/suggest'))['ready'] != name:
        page('PUT', mask_path, mask_of(strokes := strokes + 1, resolution))
        time.sleep(PAUSE)
    seconds = time.perf_counter() - start
    return {
        'seconds': seconds,
        'server_cpu_seconds': sum(server.cpu_times()[:2]) - used,
        'answers': len(page.seconds),
        'slowest_answer': max(page.seconds),
        'answer_99': float(np.quantile(page.seconds, 0.99)),
        'answer_median': float(np.median(page.seconds)),
    }


def renewals(page: Page, name: str, mask_path: str, resolution: int) -> list[float]:
    """Seconds from each of some strokes on the open image to its renewed suggestion."""
    follow = json.dumps({'name': name}).encode()
    page('POST', '/api/follow', follow)
    wait_until_idle(page)
    seconds = []
    for number in range(STROKES):
        serial = json.loads(page('GET', '/api/suggest'))['serials'][name]
        start = time.perf_counter()
        page('PUT', mask_path, mask_of(100 + number, resolution))
        page('POST', '/api/follow', follow)
        while json.loads(page('GET', '/api/suggest'))['serials'][name] == serial:
            time.sleep(PAUSE / 2)
        seconds.append(time.perf_counter() - start)
    return seconds


def measure(resolution: int) -> dict:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context('spawn').Process(target=serve, args=(theirs, resolution), daemon=True)
    process.start()
    port, token, names = ours.recv()
    page = Page(port, token)
    wait_until_idle(page)
    runs = {}
    for case, pause in (('at once', 0), ('after drawing', 20)):
        for number, name in enumerate(names[:LABELED]):
            page('PUT', f'/api/samples/{name}/mask', mask_of(number + pause, resolution))
        time.sleep(pause)
        # strokes on an image that is not asked for
        path = f'/api/samples/{names[0]}/mask'
        runs[case] = suggestion(page, psutil.Process(process.pid), names[-1], path, resolution)
        print(f'{resolution}, {case}: {runs[case]}', flush=True)
        wait_until_idle(page)
    runs['renewals'] = renewals(page, names[-1], path, resolution)
    print(f'{resolution}, from a stroke to the renewed suggestion: {runs["renewals"]}', flush=True)
    process.kill()
    return runs


def main():
    runs, large_runs = measure(RESOLUTION), measure(LARGE_RESOLUTION)
    write_result(
        'suggestion_time',
        {
            'resolution': RESOLUTION,
            'large_resolution': LARGE_RESOLUTION,
            'classes': CLASSES,
            'labelled': LABELED,
            'load_average': os.getloadavg()[0],
            'usable_cores': len(os.sched_getaffinity(0)),
            'runs': runs,
            'large_runs': large_runs,
        },
    )


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
