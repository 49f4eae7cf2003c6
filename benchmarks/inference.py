"""Time and peak memory of a labelled image: ours, the plain algorithm, and the bare generator, all in one run.

The plain algorithm is the paper's and its released code's: every pixel's hypercolumn is built, and the members label
one image after the other. Each measurement is a process of its own, whose peak memory the system reports. This is for
CPUs; `gpu.sh` measures a GPU.

    python benchmarks/inference.py           # all cases: a quarter of an hour on two CPU cores
    python benchmarks/inference.py --quick   # 256 pixels alone
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import psutil
import torch
import torch.nn.functional as F

from benchmarks.measure import peak_mib, write_result
from benchmarks.random_networks import make_generator, make_interpreter
from datasetgan_ext import Labeler
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.differences import neighbor_differences
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.uncertainty import jensen_shannon, majority_vote, top_tenth

OURS, PLAIN, BARE = 'ours', 'plain', 'bare generator'
# resolution, members, classes, images per forward pass
CASES = [
    (64, 10, 8, 1),
    (256, 10, 8, 1),
    (256, 1, 8, 1),
    (256, 20, 8, 1),
    (256, 10, 34, 1),
    (256, 10, 8, 4),
    (512, 10, 8, 1),
    (1024, 10, 8, 1),
]
PLAIN_MEMORY = 1.3
"""Times its hypercolumns: what a process of the plain algorithm takes, as measured with images of 512 pixels."""
ROUNDS, PLAIN_ROUNDS = {64: 20, 256: 6, 512: 3, 1024: 2}, {64: 5, 256: 1, 512: 1, 1024: 1}


def plain_masks(generator: Generator, interpreter: Interpreter, seeds: list[int]) -> np.ndarray:
    """Labels of images by the plain algorithm: uint8 [N, H, W]."""
    synthesis = generator.synthesize(seeds, interpreter.options)
    return np.stack([plain_mask(maps, generator.image_hw, interpreter) for maps in zip(*synthesis.features)])


@torch.inference_mode()
def plain_mask(maps: Sequence[torch.Tensor], image_hw: tuple[int, int], interpreter: Interpreter) -> np.ndarray:
    """The label of one image by the plain algorithm: every pixel's hypercolumn, through one member after the other.

    Args:
        maps: one [C_l, h_l, w_l] per layer.
        image_hw: height and width of the image.
        interpreter: whose ensemble is where the maps are; of its heads, the classes.

    Returns:
        uint8 [H, W].
    """
    ensemble, device = interpreter.ensemble.to(maps[0].device), maps[0].device
    hypercolumns, first = torch.empty(math.prod(image_hw), len(ensemble.input_mean), device=device), 0
    differences = (neighbor_differences(maps[index]) for index in interpreter.difference_layers)
    for one in itertools.chain(maps, differences):
        upsampled = F.interpolate(one[None].float(), size=image_hw, mode='bilinear')
        hypercolumns[:, first : first + len(one)] = upsampled[0].flatten(1).T
        first += len(one)
    hypercolumns.sub_(ensemble.input_mean).div_(ensemble.input_std)
    probabilities = []
    for member in range(ensemble.members):
        x = hypercolumns
        for depth, (weight, bias) in enumerate(zip(ensemble.weights, ensemble.biases)):
            x = F.linear(x, weight[member], bias[member])
            if depth < len(ensemble.norms):
                norm, part = ensemble.norms[depth], slice(member * x.shape[1], (member + 1) * x.shape[1])
                x = F.batch_norm(
                    x.relu(),
                    norm.running_mean[part],
                    norm.running_var[part],
                    norm.weight[part],
                    norm.bias[part],
                    eps=norm.eps,
                )
        probabilities.append(x[:, : len(interpreter.task.classes)].softmax(dim=1).T)
    probabilities = torch.stack(probabilities)
    top_tenth(jensen_shannon(probabilities).reshape(1, *image_hw))
    return majority_vote(probabilities).reshape(image_hw).byte().cpu().numpy()


def work_of(
    kind: str, generator: Generator, interpreter: Interpreter | None, batch: int
) -> Callable[[list[int]], np.ndarray | None]:
    """What makes images of seeds, as many as `batch`, and returns the first one's mask; it ends with a copy to the
    host."""
    if kind == OURS:
        labeler = Labeler(generator, interpreter, batch=batch)
        return lambda seeds: labeler.label(seeds)[0].mask
    if kind == PLAIN:
        return lambda seeds: plain_masks(generator, interpreter, seeds)[0]

    @torch.inference_mode()
    def bare(seeds: list[int]) -> None:
        images = generator.network.synthesis(
            generator.ws(seeds, SamplingOptions()), noise_mode='const', force_fp32=generator.device.type != 'cuda'
        )
        (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    return bare


def bytes_of_hypercolumns(generator: Generator) -> int:
    """What the plain algorithm takes for them, for one image."""
    return sum(layer.channels for layer in generator.layers) * math.prod(generator.image_hw) * 4


def measure(kind: str, resolution: int, members: int, classes: int, batch: int) -> dict:
    """Seconds per image (the best round) and peak memory (MiB) of this process, and the first image's mask."""
    generator = make_generator(resolution)
    work = work_of(kind, generator, make_interpreter(generator, members, classes), batch)
    seconds, masks = [], []
    rounds = (PLAIN_ROUNDS if kind == PLAIN else ROUNDS)[resolution]
    for first in range(0, batch * rounds, batch):
        start = time.perf_counter()
        masks.append(work(list(range(first, first + batch))))
        seconds.append((time.perf_counter() - start) / batch)
    return {'seconds': min(seconds), 'peak_mib': peak_mib(), 'mask': masks[0]}


def measure_apart(*arguments) -> dict:
    """`measure` in a process of its own. If the system ends it for want of memory, that is an error here."""
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        return pool.submit(measure, *arguments).result()


def main():
    rows = []
    for case in CASES[1:2] if '--quick' in sys.argv else CASES:
        resolution, members, classes, batch = case
        row = {'resolution': resolution, 'members': members, 'classes': classes, 'batch': batch}
        needed, masks = PLAIN_MEMORY * bytes_of_hypercolumns(make_generator(resolution)), {}
        for kind in (BARE, OURS, PLAIN):
            if kind == PLAIN and needed > psutil.virtual_memory().available:
                row[kind] = f'not run: takes {needed / 2**30:.0f} GiB'
                continue
            result = measure_apart(kind, *case)
            masks[kind] = result.pop('mask')
            row[kind] = result
        row['ours_to_bare'] = row[OURS]['seconds'] / row[BARE]['seconds']
        if PLAIN in masks:
            row['plain_to_ours'] = row[PLAIN]['seconds'] / row[OURS]['seconds']
            row['peak_ours_to_plain'] = row[OURS]['peak_mib'] / row[PLAIN]['peak_mib']
            row['equal_labels'] = float((masks[OURS] == masks[PLAIN]).mean())
        print(row, flush=True)
        rows.append(row)
    if '--quick' not in sys.argv:
        write_result('inference', {'threads': torch.get_num_threads(), 'cases': rows})


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
