"""Times and memory of a GPU; on a CPU, times alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.inference import BARE, OURS, PLAIN, bytes_of_hypercolumns, work_of
from benchmarks.random_networks import make_interpreter
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter.training_options import PRESETS


def compare(
    generator: Generator, members: int, classes: int, batch: int, rounds: int, plain: bool = True
) -> list[dict]:
    """A row for each preset. What is compared runs in turn, round by round; the times are medians."""
    interpreters = {preset: make_interpreter(generator, members, classes, preset) for preset in PRESETS}
    memory, works, masks = {}, {}, {}

    def prepare(name: str, kind: str, preset: str = 'reference') -> None:
        """Twice without its time: that compiles, and chooses algorithms; the memory is that of the second."""
        held = allocated()
        works[name] = work_of(kind, generator, interpreters[preset], batch)
        seeds = list(range(batch))
        works[name](seeds)
        start_memory()
        masks[name] = works[name](seeds)
        memory[name] = peak_mib() + (before - held) / 2**20

    before = allocated()
    prepare(BARE, BARE)
    for preset in PRESETS:
        prepare(preset, OURS, preset)
    seconds = {name: [] for name in works}
    for round_ in range(1, rounds + 1):
        for name, work in works.items():
            seconds[name].append(timed(work, round_ * batch, batch))
    if plain and bytes_of_hypercolumns(generator) < free_bytes():
        prepare(PLAIN, PLAIN)
        seconds[PLAIN] = [timed(works[PLAIN], 0, batch)]
    figures = {
        name: {
            'seconds': statistics.median(times),
            'fastest': min(times),
            'images_per_second': 1 / statistics.median(times),
            'peak_mib': memory[name],
        }
        for name, times in seconds.items()
    }
    rows = []
    for preset in PRESETS:
        ours = figures[preset]
        row = {
            'resolution': generator.image_hw[0],
            'members': members,
            'classes': classes,
            'batch': batch,
            'preset': preset,
            BARE: figures[BARE],
            OURS: ours,
            'ours_to_bare': ours['seconds'] / figures[BARE]['seconds'],
            'fingerprints': {'generator': generator.fingerprint, 'interpreter': interpreters[preset].fingerprint},
        }
        if PLAIN in figures and preset == 'reference':
            row[PLAIN] = figures[PLAIN]
            row['plain_to_ours'] = figures[PLAIN]['seconds'] / ours['seconds']
            row['peak_ours_to_plain'] = ours['peak_mib'] / max(figures[PLAIN]['peak_mib'], 1e-9)
            row['equal_labels'] = float((masks[preset] == masks[PLAIN]).mean())
        rows.append(row)
    return rows


def timed(work: Callable[[list[int]], object], first: int, batch: int) -> float:
    """Seconds of one image."""
    synchronize()
    start = time.perf_counter()
    work(list(range(first, first + batch)))
    synchronize()
    return (time.perf_counter() - start) / batch


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def allocated() -> int:
    """Bytes of tensors that a GPU holds."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def free_bytes() -> int:
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 2**30


def start_memory() -> None:
    """From here `peak_mib` counts."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_mib() -> float:
    """The most that tensors took on a GPU since `start_memory`, in MiB; 0 without one."""
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
