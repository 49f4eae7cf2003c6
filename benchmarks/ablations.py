"""What each choice is worth on the demo, all others being the default's: the paper's ablations and some more.

    python benchmarks/ablations.py --miniature

The dataset's: mIoU on drawings of a network that was trained on it. Then the interpreter's: mIoU on samples that no
training saw.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch.nn.functional as F

from benchmarks.demo_accuracy import summary_of, train_and_score
from benchmarks.measure import one_thread_each, write_result
from benchmarks.table_runs import Row
from benchmarks.tables import generate_again, measure, show, table_options
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.generator import Generator, Synthesis
from datasetgan_ext.interpreter.training_options import options_from

IMAGES, SCORED_ON = 16, range(32, 40)
DROPPED = (0.1, 0.3, 0.5)
SHARES = {'an eighth': 1 / 8, 'a quarter': 1 / 4, 'half': 1 / 2}


@dataclass(frozen=True)
class Case:
    """An interpreter: how many samples train it, what differs from the default preset, how features are upsampled."""

    value: object
    changes: dict = field(default_factory=dict)
    images: int = IMAGES
    nearest: bool = False


STUDIES = {
    'labelled images': [Case(images, images=images) for images in (1, 2, 4, 8, 16, 32)],
    'members of the ensemble': [Case(models, {'models': models}) for models in (1, 2, 5, 10, 20)],
    'pixels of each labelled image': [
        Case(pixels, {'pixels_per_image': pixels}) for pixels in (64, 256, 1024, 4096, 'all')
    ],
    'share of them spread evenly over the classes': [Case(share, {'balance': share}) for share in (0.0, 0.5, 1.0)],
    'differences of neighbouring pixels': [Case('without', {'differences': False}), Case('with')],
    # nearest neighbours differ at the edges of blocks alone
    'upsampling of the features, without differences': [
        Case('nearest', {'differences': False}, nearest=True),
        Case('bilinear', {'differences': False}),
    ],
}
ROWS = (
    *(Row(f'{name} of the images', 'generated', share=share, pretrained='imagenet') for name, share in SHARES.items()),
    Row('all of the images', 'generated', pretrained='imagenet'),
    *(Row(f'without the most uncertain {share:.0%}', f'without {share}', pretrained='imagenet') for share in DROPPED),
)


def upsample_nearest(generator: Generator) -> None:
    """Have the generator hand out its features at the image's size, so that nothing is left to interpolate."""
    synthesize = generator.synthesize

    def at_full_size(*arguments) -> Synthesis:
        found = synthesize(*arguments)
        found.features = [F.interpolate(maps, generator.image_hw, mode='nearest') for maps in found.features]
        return found

    generator.synthesize = at_full_size


def job(case: Case, seed: int) -> tuple:
    """The arguments of `train_and_score`."""
    options = options_from('default', seed=seed, **case.changes)
    return options, range(case.images), SCORED_ON, upsample_nearest if case.nearest else None


def measure_interpreters(runs: int, jobs: int) -> dict:
    """mIoU of every case of every study; a case that several studies share is trained once."""
    trainings = dict.fromkeys(job(case, seed) for cases in STUDIES.values() for case in cases for seed in range(runs))
    with one_thread_each(jobs) as pool:
        scores = dict(zip(trainings, pool.map(train_and_score, *zip(*trainings))))
    classes = Task.read(DEMO_FOLDER / 'task.json').classes
    return {
        study: {
            str(case.value): summary_of([scores[job(case, seed)] for seed in range(runs)], classes) for case in cases
        }
        for study, cases in STUDIES.items()
    }


def without_uncertain(generated: Path) -> dict[str, Path]:
    """The generated dataset without a share of its images, the most uncertain."""
    return {
        f'without {share}': generate_again(generated, f'without {share}', f'--keep={1 - share}', f'--reuse={generated}')
        for share in DROPPED
    }


def interpreters_table(studies: dict) -> str:
    """A small Markdown table for each study."""
    parts = []
    for study, cases in studies.items():
        cells = [show({'mean': case['mean_iou'], 'std': case['std']}, 1) for case in cases.values()]
        parts.append(
            '\n'.join(
                [
                    f'| {study} | {" | ".join(cases)} |',
                    '|---' * (1 + len(cases)) + '|',
                    f'| mIoU, % | {" | ".join(cells)} |',
                ]
            )
        )
    return '\n\n'.join(parts)


def datasets_table(content: dict) -> str:
    """The datasets' rows as Markdown."""
    return '\n'.join(
        [
            f'| trained on, of {content["settings"]["images"]} generated images | mIoU on drawings, % |',
            '|---|---|',
            *(f'| {title} | {show(row["mean_iou"], 1)} |' for title, row in content['rows'].items()),
        ]
    )


@click.command(help=__doc__)
@table_options
def main(**options):
    """Both parts; with --smoke the interpreters' studies, which know no smaller size, are left out."""
    if options['generated'] is not None:
        raise UserError('--generated: the ablations drop images by their uncertainty, and make them themselves')
    print(datasets_table(measure('ablation_datasets', ROWS, 'classes', options, without_uncertain, search=False)))
    if options['preset'] != 'smoke':
        runs = options['runs'] or 3
        studies = measure_interpreters(runs, options['jobs'])
        print(interpreters_table(studies))
        write_result('ablation_interpreters', {'runs': runs, 'scored_on': list(SCORED_ON), 'studies': studies})


if __name__ == '__main__':
    main()
