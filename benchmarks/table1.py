"""Table 1 of the paper (segmentation) in miniature: mIoU of each method on real test images, by five folds.

python benchmarks/table1.py --miniature    # 20 minutes on two CPU cores
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.tables import FEW, Row, measure, show, table_options

ROWS = (
    Row('Transfer-Learning', 'labelled', FEW),
    Row('Transfer-Learning (in-domain)', 'train', FEW),
    Row('Semi-Supervised', 'labelled', FEW, unlabeled='train'),
    Row('Semi-Supervised (in-domain)', 'train', FEW, unlabeled='train'),
    Row('DatasetGAN', 'generated'),
    Row('Fully-Supervised', 'train'),
)
PAPER_COLUMNS = ('ADE-Car-12', 'ADE-Car-5', 'Car-20', 'CelebA-Mask-8', 'Face-34', 'Bird-11', 'Cat-16', 'Bedroom-19')
# arXiv 2104.06490
PAPER = {
    'Transfer-Learning': ('24.85', '44.92', '33.91', '62.83', '45.77', '21.33', '21.58', '22.52'),
    'Transfer-Learning (in-domain)': ('29.71', '47.22', '–', '64.41', '–', '–', '–', '–'),
    'Semi-Supervised': ('28.68', '45.07', '44.51', '63.36', '48.17', '25.04', '24.85', '30.15'),
    'Semi-Supervised (in-domain)': ('34.82', '48.76', '–', '65.53', '–', '–', '–', '–'),
    'DatasetGAN': ('45.64', '57.77', '62.33', '70.01', '53.46', '36.76', '31.26', '36.83'),
}


def table(content: dict) -> str:
    """The rows as Markdown, beside the paper's columns."""
    heads = ('method', 'demo, mIoU', 'accuracy', 'boundary F', *PAPER_COLUMNS)
    lines = [f'| {" | ".join(heads)} |', '|---' * len(heads) + '|']
    for title, row in content['rows'].items():
        cells = [
            title,
            *(show(row[name]) for name in ('mean_iou', 'pixel_accuracy', 'mean_boundary_f')),
            *PAPER.get(title, ('–',) * len(PAPER_COLUMNS)),
        ]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


@click.command(help=__doc__)
@table_options
def main(**options):
    content = measure('table1', ROWS, 'classes', options)
    print(table(content))
    full, ours = (content['rows'][name]['mean_iou']['mean'] for name in ('Fully-Supervised', 'DatasetGAN'))
    print(f'DatasetGAN is {100 * (full - ours):.2f} points of mIoU below Fully-Supervised.')


if __name__ == '__main__':
    main()
