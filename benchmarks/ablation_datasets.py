"""What the choices of a generated dataset are worth: how many images it has, how many of the most uncertain it lacks.
mIoU on drawings of a network that was trained on it.

    python benchmarks/ablation_datasets.py --miniature
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.measure import ROOT
from benchmarks.study_plot import plot_studies
from benchmarks.table_runs import Row
from benchmarks.tables import generate_again, measure, show, table_options
from datasetgan_ext.core.errors import UserError

KEPT, DROPPED = 0.9, (0.0, 0.3, 0.5)
"""The share that `generate` keeps by default, and other shares to drop."""
SHARES = {'an eighth': 1 / 8, 'a quarter': 1 / 4, 'half': 1 / 2}


def title(dropped: float) -> str:
    """Of a row."""
    return f'without the most uncertain {dropped:.0%}' if dropped else 'all of the images'


BY_DEFAULT = f'{title(1 - KEPT)}, as by default'
ROWS = (
    *(Row(f'{name} of the images', 'generated', share=share, pretrained='imagenet') for name, share in SHARES.items()),
    Row(BY_DEFAULT, 'generated', pretrained='imagenet'),
    *(Row(title(share), f'without {share}', pretrained='imagenet') for share in DROPPED),
)


def without_uncertain(generated: Path) -> dict[str, Path]:
    """The generated dataset without a share of its images, the most uncertain."""
    return {
        f'without {share}': generate_again(generated, f'without {share}', f'--keep={1 - share}', f'--reuse={generated}')
        for share in DROPPED
    }


def datasets_table(content: dict) -> str:
    """The rows as Markdown."""
    return '\n'.join(
        [
            f'| trained on, of {content["settings"]["images"]} generated images | mIoU on drawings, % |',
            '|---|---|',
            *(f'| {title} | {show(row["mean_iou"], 1)} |' for title, row in content['rows'].items()),
        ]
    )


def studies_of(content: dict) -> dict[str, dict]:
    """The two studies for their plot; what is made by default is in both."""
    images = content['settings']['images']
    found = {title: row['mean_iou'] for title, row in content['rows'].items()}
    sizes = {f'{share * images:.0f}': found[f'{name} of the images'] for name, share in SHARES.items()}
    first, *others = DROPPED
    dropped = {f'{first:.0%}': found[title(first)], f'{1 - KEPT:.0%}': found[BY_DEFAULT]}
    return {
        'generated images': {**sizes, f'{KEPT * images:.0f}': found[BY_DEFAULT]},
        'share of the images dropped': {**dropped, **{f'{share:.0%}': found[title(share)] for share in others}},
    }


@click.command(help=__doc__)
@table_options
def main(**options):
    if options['generated'] is not None:
        raise UserError('--generated: this makes the images itself, and drops them by their uncertainty')
    content = measure('ablation_datasets', ROWS, 'classes', options, without_uncertain, search=False)
    print(datasets_table(content))
    if options['preset'] == 'miniature':
        plot_studies(studies_of(content), 'mIoU on drawings, %', ROOT / 'docs' / 'ablation-datasets.png')


if __name__ == '__main__':
    main()
