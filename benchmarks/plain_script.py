"""A dataset as one writes it in an afternoon: image, hypercolumns, MLPs, two PNG files; one seed after the other.

    python benchmarks/plain_script.py --images=20 --outdir=out/plain

The demo's networks, and the paper's algorithm as its words are. `plain_dataset.py` measures it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import PIL.Image

from benchmarks.inference import plain_mask
from datasetgan_ext import load_generator, load_interpreter
from datasetgan_ext.generator.checkpoint import DEMO

FIRST = 1000
"""Smaller seeds have labels of a hand."""


@click.command(help=__doc__)
@click.option('--images', type=click.IntRange(min=1), required=True, help=f'Of the seeds from {FIRST} on')
@click.option('--outdir', type=click.Path(file_okay=False, path_type=Path), required=True)
def main(images, outdir):
    generator, interpreter = load_generator(DEMO), load_interpreter(DEMO)
    for kind in ('images', 'masks'):
        (outdir / kind).mkdir(parents=True, exist_ok=True)
    for seed in range(FIRST, FIRST + images):
        synthesis = generator.synthesize([seed], interpreter.options)
        mask = plain_mask([maps[0] for maps in synthesis.features], generator.image_hw, interpreter)
        PIL.Image.fromarray(synthesis.images[0].cpu().numpy()).save(outdir / 'images' / f'seed{seed:07d}.png')
        PIL.Image.fromarray(mask).save(outdir / 'masks' / f'seed{seed:07d}.png')


if __name__ == '__main__':
    main()
