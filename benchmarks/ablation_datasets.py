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

DROPPED = (0.1, 0.3, 0.5)
SHARES = {'an eighth': 1 / 8, 'a quarter': 1 / 4, 'half': 1 / 2}
ALL = 'all of the images'
ROWS = (
    *(Row(f'{name} of the images', 'generated', share=share, pretrained='imagenet') for name, share in SHARES.items()),
    Row(ALL, 'generated', pretrained='imagenet'),
    *(Row(f'without the most uncertain {share:.0%}', f'without {share}', pretrained='imagenet') for share in DROPPED),
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
    """The two studies for their plot; all of the images are in both."""
    images = content['settings']['images']
    found = {title: row['mean_iou'] for title, row in content['rows'].items()}
    sizes = {f'{share * images:.0f}': found[f'{name} of the images'] for name, share in SHARES.items()}
    dropped = {f'{share:.0%}': found[f'without the most uncertain {share:.0%}'] for share in DROPPED}
    return {
        'generated images': {**sizes, f'{images}': found[ALL]},
        'share of the images dropped': {'0%': found[ALL], **dropped},
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
