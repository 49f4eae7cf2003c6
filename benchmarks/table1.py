"""Table 1 of the paper (segmentation) in miniature: mIoU of each method on real test images, by five folds.

python benchmarks/table1.py --miniature    # 54 trainings, 12 of them of six minutes of a CPU core, the others of one
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.measure import ROOT, import_pyplot
from benchmarks.table_runs import Row
from benchmarks.tables import FEW, measure, search_table, show, table_options

ROWS = (
    Row(f'{FEW} labels only, from random weights', 'labelled', FEW, pretrained='none'),
    Row('Transfer-Learning', 'labelled', FEW),
    Row('Transfer-Learning (in-domain)', 'train', FEW),
    Row('Semi-Supervised', 'labelled', FEW, unlabeled='train'),
    Row('Semi-Supervised (in-domain)', 'train', FEW, unlabeled='train'),
    Row('DatasetGAN', 'generated', pretrained='imagenet'),
    Row('Fully-Supervised', 'train', pretrained='imagenet'),
    Row('DatasetGAN, from random weights', 'generated', pretrained='none'),
    Row('Fully-Supervised, from random weights', 'train', pretrained='none'),
)
FIGURES = ('mean_iou', 'pixel_accuracy', 'mean_boundary_f')
PAPER_COLUMNS = ('ADE-Car-12', 'ADE-Car-5', 'Car-20', 'CelebA-Mask-8', 'Face-34', 'Bird-11', 'Cat-16', 'Bedroom-19')
# arXiv 2104.06490; the last row is of figs/new_table2.png in nv-tlabs/datasetGAN_release: with bilinear upsampling, and
# with the uncertainty mended, too
CORRECTED = "DatasetGAN, NVIDIA's corrected figures"
PAPER = {
    'Transfer-Learning': ('24.85', '44.92', '33.91', '62.83', '45.77', '21.33', '21.58', '22.52'),
    'Transfer-Learning (in-domain)': ('29.71', '47.22', '–', '64.41', '–', '–', '–', '–'),
    'Semi-Supervised': ('28.68', '45.07', '44.51', '63.36', '48.17', '25.04', '24.85', '30.15'),
    'Semi-Supervised (in-domain)': ('34.82', '48.76', '–', '65.53', '–', '–', '–', '–'),
    'DatasetGAN': ('45.64', '57.77', '62.33', '70.01', '53.46', '36.76', '31.26', '36.83'),
    CORRECTED: ('47.28; 47.87', '–', '68.41; 67.53', '–', '53.83; 54.55', '–', '31.92; 32.63', '–'),
}


def table(content: dict) -> str:
    """The rows as Markdown, beside the paper's columns."""
    heads = ('method', 'demo, mIoU', 'accuracy', 'boundary F', 'self-trained', *PAPER_COLUMNS)
    lines = [f'| {" | ".join(heads)} |', '|---' * len(heads) + '|']
    for title, row in content['rows'].items():
        figures = [show(row[name]) for name in FIGURES]
        share = f'{100 * row["self_trained_share"]:.1f}' if 'self_trained_share' in row else '–'
        cells = [title, *figures, share, *PAPER.get(title, ('–',) * len(PAPER_COLUMNS))]
        lines.append(f'| {" | ".join(cells)} |')
        if title == 'DatasetGAN':
            lines.append(f'| {" | ".join((CORRECTED, *("–",) * (len(FIGURES) + 1), *PAPER[CORRECTED]))} |')
    return '\n'.join(lines)


def plot_curves(content: dict, path: Path) -> None:
    """mIoU by the number of updates, a line for each method."""
    pyplot = import_pyplot()
    figure, axes = pyplot.subplots(figsize=(8, 4.2), layout='constrained')
    for title, curve in content['curves'].items():
        updates = [int(number) for number in curve]
        means = [100 * value['mean'] for value in curve.values()]
        spreads = [100 * (value['std'] or 0) for value in curve.values()]
        style = '--' if 'from random weights' in title else '-'
        axes.errorbar(updates, means, spreads, label=title, linestyle=style, marker='o', markersize=3, capsize=2)
    axes.set(xlabel='updates', ylabel='mIoU on 200 drawings, %')
    axes.set_xticks(updates)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)


@click.command(help=__doc__)
@table_options
def main(**options):
    content = measure('table1', ROWS, 'classes', options, curves=True)
    print(table(content))
    print(search_table(content))
    if options['preset'] == 'miniature' and options['result'] is None:
        plot_curves(content, ROOT / 'docs' / 'table1-curves.png')
    full, ours = (content['rows'][name]['mean_iou']['mean'] for name in ('Fully-Supervised', 'DatasetGAN'))
    print(f'DatasetGAN is {100 * (full - ours):.2f} points of mIoU below Fully-Supervised.')


if __name__ == '__main__':
    main()
