"""What the choices of an interpreter's training are worth, one after the other, all others being the default's.

    python benchmarks/ablation_interpreters.py

Trained on the demo's 16 labelled images, scored on 24 others. Each training is kept in --work as soon as it is done, so
that the same command goes on with the others. How many images are labelled is another benchmark: few_labels.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch.nn.functional as F

from benchmarks.demo_accuracy import SCORED_ON, SEEDS, TRAINED_ON, train_and_score
from benchmarks.measure import ROOT, check_parts, mean_and_std, one_thread_each, write_result
from benchmarks.study_plot import plot_studies
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.generator.features import Layer
from datasetgan_ext.generator.generator import Generator, Synthesis
from datasetgan_ext.interpreter.training_options import options_from


@dataclass(frozen=True)
class Case:
    """
    Attributes:
        value: its name in the study.
        changes: of the default preset.
        prepare: what is done to the generator; with neither, it is the default.
    """

    value: str
    changes: dict = field(default_factory=dict)
    prepare: Callable[[Generator], None] | None = None

    @property
    def is_default(self) -> bool:
        return not self.changes and self.prepare is None


def upsample_nearest(generator: Generator) -> None:
    """Have the generator hand out its features at the image's size, so that nothing is left to interpolate.

    A small map of zeros goes before them, since labelling expects one that it has to upsample.
    """
    synthesize, own, (height, width) = generator.synthesize, generator.layers, generator.image_hw
    zeros = Layer('zeros', 1, own[0].hw)
    shown = [zeros, *(replace(layer, hw=(height, width)) for layer in own)]

    def at_full_size(*arguments) -> Synthesis:
        generator.layers = own
        found = synthesize(*arguments)
        generator.layers = shown
        large = [F.interpolate(maps, (height, width), mode='nearest') for maps in found.features]
        found.features = [large[0].new_zeros(len(large[0]), 1, *zeros.hw), *large]
        return found

    generator.synthesize, generator.layers = at_full_size, shown


def keep_sides(smallest: int, largest: int, generator: Generator) -> None:
    """Have the generator hand out the features of layers of these sizes alone."""
    generator.layers = [layer for layer in generator.layers if smallest <= layer.hw[0] <= largest]


def keep_last_of_each_size(generator: Generator) -> None:
    """Have the generator hand out one layer's features for each size, the last."""
    generator.layers = list({layer.hw: layer for layer in generator.layers}.values())


STUDIES = {
    'members of the ensemble': [
        *(Case(str(models), {'models': models}) for models in (1, 2, 5)),
        Case('10'),
        Case('20', {'models': 20}),
    ],
    'pixels of each labelled image': [
        *(Case(str(pixels), {'pixels_per_image': pixels}) for pixels in (64, 256, 1024)),
        Case('4096'),
        Case('all', {'pixels_per_image': 'all'}),
    ],
    'share of them spread over the classes': [
        Case('0', {'balance': 0.0}),
        Case('0.5'),
        Case('1', {'balance': 1.0}),
    ],
    'differences of neighbouring pixels': [Case('without', {'differences': False}), Case('with')],
    # nearest neighbours differ at the edges of blocks alone
    'upsampling, without differences': [
        Case('nearest', {'differences': False}, upsample_nearest),
        Case('bilinear', {'differences': False}),
    ],
    'layers, by their size': [
        Case('to 16', {}, partial(keep_sides, 1, 16)),
        Case('to 32', {}, partial(keep_sides, 1, 32)),
        Case('to 64', {}, partial(keep_sides, 1, 64)),
        Case('all'),
        Case('from 16', {}, partial(keep_sides, 16, 128)),
        Case('from 64', {}, partial(keep_sides, 64, 128)),
        Case('one each', {}, keep_last_of_each_size),
    ],
}


def part_of(work: Path, study: str, case: Case, seed: int) -> Path:
    """Where a training's score is kept. Studies share the default's, and what differs in nothing."""
    if case.is_default:
        return work / f'default-{seed}.json'
    if case.changes == {'differences': False} and case.prepare is None:
        return work / f'without-differences-{seed}.json'
    return work / f'{study.partition(",")[0]}-{case.value}-{seed}.json'.replace(' ', '-')


def score_into(path: Path, case: Case, seed: int) -> None:
    """Do a training whose file is not there yet."""
    if not path.exists():
        options = options_from('default', seed=seed, **case.changes)
        score = train_and_score(options, TRAINED_ON, SCORED_ON, case.prepare)
        write_atomically(path, json.dumps(score.mean_iou).encode())
    print(f'{path.stem}: mIoU {100 * json.loads(path.read_text()):.2f} %', flush=True)


def summary(work: Path) -> dict:
    """Of each study and case: mean and standard deviation of the trainings that are there, and how many they are."""
    studies = {}
    for study, cases in STUDIES.items():
        found = {}
        for case in cases:
            paths = [part_of(work, study, case, seed) for seed in SEEDS]
            scores = [json.loads(path.read_text()) for path in paths if path.exists()]
            if scores:
                found[case.value] = {**mean_and_std(scores), 'runs': len(scores)}
        studies[study] = found
    return studies


def interpreters_table(content: dict) -> str:
    """A line for each study, as Markdown; a case of fewer seeds than all says how many."""
    lines = ['| what | mIoU on 24 other images, % |', '|---|---|']
    for study, cases in content['studies'].items():
        cells = []
        for name, case in cases.items():
            spread = '' if case['std'] is None else f' ± {100 * case["std"]:.1f}'
            seeds = '' if case['runs'] == content['runs'] else f' (of {case["runs"]} seeds)'
            cells.append(f'{name}: {100 * case["mean"]:.1f}{spread}{seeds}')
        lines.append(f'| {study} | {"; ".join(cells)} |')
    return '\n'.join(lines)


@click.command(help=__doc__)
@click.option('--work', type=click.Path(path_type=Path), default='out/ablations', show_default=True, help='Scores')
@click.option('--jobs', type=int, help='Trainings at once, a thread each  [default: as many as there are cores]')
@click.option('--train/--no-train', default=True, help='Or only write what is there')
def main(work, jobs, train):
    check_parts(work, 'ablation_interpreters')
    trainings = {
        part_of(work, study, case, seed): (case, seed)
        for seed in SEEDS
        for study, cases in STUDIES.items()
        for case in cases
    }
    if train:
        with one_thread_each(jobs) as pool:
            for _ in pool.map(score_into, trainings, *zip(*trainings.values())):
                pass
    content = {'runs': len(SEEDS), 'scored_on': list(SCORED_ON), 'studies': summary(work)}
    print(interpreters_table(content))
    whole = all(path.exists() for path in trainings)
    write_result('ablation_interpreters', content, complete=whole)
    studies = {study: cases for study, cases in content['studies'].items() if cases}
    plot_studies(studies, 'mIoU on 24 other images, %', ROOT / 'docs' / 'ablation-interpreters.png')


if __name__ == '__main__':
    main()
