"""What a few real labels, or unlabelled real images, add to a generated dataset: mIoU on real test images, five folds.

python benchmarks/real_and_generated.py --miniature    # shares most of its trainings with table1.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.table_runs import SHARE_BESIDE, Row
from benchmarks.tables import FEW, measure, show, table_options

ROWS = (
    Row('DatasetGAN', 'generated', pretrained='imagenet'),
    Row(
        f'DatasetGAN + {FEW} real labels ({SHARE_BESIDE:.0%} of each batch)',
        'generated',
        beside='few',
        pretrained='imagenet',
    ),
    Row(
        'Semi-Supervised: generated labels, unlabelled real images',
        'generated',
        unlabeled='train',
        pretrained='imagenet',
    ),
    Row(f'Transfer-Learning from {FEW} real labels', 'few'),
    Row('Fully-Supervised', 'train', pretrained='imagenet'),
)


def table(content: dict) -> str:
    """The rows as Markdown."""
    lines = ['| labels | mIoU | accuracy | boundary F |', '|---|---|---|---|']
    for title, row in content['rows'].items():
        figures = (show(row[name]) for name in ('mean_iou', 'pixel_accuracy', 'mean_boundary_f'))
        lines.append(f'| {" | ".join((title, *figures))} |')
    return '\n'.join(lines)


@click.command(help=__doc__)
@table_options
def main(**options):
    print(table(measure('real_and_generated', ROWS, 'classes', options)))


if __name__ == '__main__':
    main()
