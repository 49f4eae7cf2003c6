"""What labelled drawings are worth at the end: networks trained on datasets whose interpreter learned from them.

    python benchmarks/handsoff.py --miniature    # two hours of two CPU cores, most of them for projecting

HandsOff's way (CVPR 2023): drawings are projected into the demo's network, interpreters learn from their true labels,
alone or together with the demo's labelled samples, and label generated images. Networks trained on these are scored on
drawings that nothing has seen. Classes and keypoints are measured one after the other.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch

from benchmarks.demo.rebuild import FIRST_HELD_OUT
from benchmarks.demo_accuracy import TRAINED_ON
from benchmarks.projection import labeled_pairs
from benchmarks.table_data import write_drawings
from benchmarks.table_runs import Row
from benchmarks.tables import FEW, generate_again, measure, show, table_options
from datasetgan_ext import load_generator, project
from datasetgan_ext.core.choices import PROJECTION_BATCH
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet

MANY = 100
DRAWN = range(FIRST_HELD_OUT + 1000, FIRST_HELD_OUT + 1000 + MANY)
"""Seeds of the labelled drawings: neither the network nor the test set has them."""
WAYS = {f'{FEW} drawings': (FEW, False), f'{MANY} drawings': (MANY, False), f'{FEW} of each': (FEW, True)}
"""How many drawings an interpreter learns from, and whether from the demo's generated samples, too."""
ROWS = (
    Row(f'DatasetGAN: {FEW} labelled generated images', 'generated', pretrained='imagenet'),
    Row(f'HandsOff: {FEW} labelled drawings', f'{FEW} drawings', pretrained='imagenet'),
    Row(f'HandsOff: {MANY} labelled drawings', f'{MANY} drawings', pretrained='imagenet'),
    Row(f'both: {FEW} generated images and {FEW} drawings', f'{FEW} of each', pretrained='imagenet'),
    Row(f'the {FEW} labelled drawings alone', 'drawings', FEW),
    Row(f'the {MANY} labelled drawings alone', 'drawings', MANY),
)


def datasets(generated: Path) -> dict[str, Path]:
    """The labelled drawings, and the images of the demo's dataset with other interpreters' labels."""
    work = generated.parent
    drawings = write_drawings(work / 'drawings', DRAWN)
    found = {'drawings': drawings}
    for name, (few, both) in WAYS.items():
        interpreter = work / f'{name.replace(" ", "-")}.safetensors'
        if not interpreter.exists():
            train(interpreter, projected(work, drawings), drawings, few, both)
        found[name] = generate_again(generated, name, f'--interpreter={interpreter}')
    return found


def projected(work: Path, drawings: Path) -> SampleSet:
    """The drawings in the demo's network; what is there is not projected again."""
    outdir = work / 'projected'
    batch = 4 * PROJECTION_BATCH if torch.cuda.is_available() else PROJECTION_BATCH
    arguments = [f'--network={DEMO}', f'--images={drawings / "images"}', f'--outdir={outdir}', f'--batch={batch}']
    project.main(arguments, standalone_mode=False)
    return SampleSet.read(outdir)


def train(out: Path, drawn: SampleSet, drawings: Path, few: int, both: bool) -> None:
    """An interpreter with the default preset, from the first trusted drawings."""
    task = Task.read(DEMO_FOLDER / 'task.json')
    pairs = [pair for pair in labeled_pairs(drawn, task, drawings)[:few] if pair[0].is_trusted]
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    if both:
        of_samples = labeled_pairs(samples, task, DEMO_FOLDER / 'samples')
        pairs += [pair for pair in of_samples if pair[0].seed in TRAINED_ON]
    joined = SampleSet.joined([drawn, samples])
    training_set = TrainingSet(load_generator(DEMO), joined, pairs, task, options_from('default'), progress=False)
    train_interpreter(training_set, progress=False).save(out)


def table(contents: dict) -> str:
    """The rows as Markdown."""
    lines = ['| labels | mIoU | boundary F | PCK-10 of 512 |', '|---|---|---|---|']
    classes, keypoints = contents['classes']['rows'], contents['keypoints']['rows']
    for title, row in classes.items():
        cells = (
            show(row['mean_iou']),
            show(row['mean_boundary_f']),
            show(keypoints[title]['keypoints']['pck_at_10_of_512']),
        )
        lines.append(f'| {" | ".join((title, *cells))} |')
    return '\n'.join(lines)


@click.command(help=__doc__)
@table_options
def main(**options):
    if options['generated'] is not None:
        raise UserError("--generated: the datasets' images are the demo's")
    contents = {
        kind: measure(f'handsoff_{kind}', ROWS, kind, options, datasets, search=False)
        for kind in ('classes', 'keypoints')
    }
    print(table(contents))


if __name__ == '__main__':
    main()
