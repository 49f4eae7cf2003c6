"""The paper's table of keypoints in miniature: L2 and PCK of each method on real test images, by five folds.

python benchmarks/table2.py --miniature    # less than a quarter of an hour on two CPU cores
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.tables import FEW, Row, measure, show, table_options

ROWS = (Row('Transfer-Learning', 'labelled', FEW), Row('DatasetGAN', 'generated'), Row('Fully-Supervised', 'train'))
FIGURES = ('pck_at_25_of_512', 'pck_at_15_of_512', 'pck_at_10_of_512', 'pck_at_5_of_512')
PAPER_COLUMNS = ('Car-20: L2', '15', '10', '5', 'CUB: L2', '25', '15', '10')
# arXiv 2104.06490; PCK in per cent, at thresholds in pixels
PAPER = {
    'Transfer-Learning': ('4.4e-4', '43.54', '36.66', '18.53', '5.3e-4', '23.17', '18.21', '12.74'),
    'DatasetGAN': ('2.4e-4', '79.91', '67.14', '35.17', '4.3e-4', '60.61', '46.36', '32.00'),
    'Fully-Supervised': ('–', '–', '–', '–', '3.2e-4', '77.54', '65.00', '53.73'),
}


def table(content: dict) -> str:
    """The rows as Markdown, beside the paper's columns."""
    heads = ('method', 'demo: L2 · 10⁴', *(f'PCK-{name.split("_")[2]} of 512' for name in FIGURES), *PAPER_COLUMNS)
    lines = [f'| {" | ".join(heads)} |', '|---' * len(heads) + '|']
    for title, row in content['rows'].items():
        scores = row['keypoints']
        cells = [title, show(scores['l2'], 2, 1e4), *(show(scores[name]) for name in FIGURES), *PAPER[title]]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


@click.command(help=__doc__)
@table_options
def main(**options):
    print(table(measure('table2', ROWS, 'keypoints', options)))


if __name__ == '__main__':
    main()
