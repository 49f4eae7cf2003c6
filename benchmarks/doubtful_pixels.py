"""What pays: leaving doubtful pixels without a label, dropping images, or neither.

    python benchmarks/doubtful_pixels.py --miniature

mIoU on drawings of a network that was trained on the demo's generated images, with the labels as the ensemble gives
them; without the most uncertain images; and with the most doubtful share of each image's pixels ignored.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.ablation_datasets import datasets_table
from benchmarks.table_runs import Row
from benchmarks.tables import generate_again, measure, table_options
from datasetgan_ext.core.errors import UserError

IGNORED = (0.02, 0.05)
ROWS = (
    Row('all images and pixels', 'all images', pretrained='imagenet'),
    Row('without the most uncertain 10% of the images, as by default', 'generated', pretrained='imagenet'),
    *(
        Row(f'without the most doubtful {share:.0%} of the pixels', f'ignoring {share}', pretrained='imagenet')
        for share in IGNORED
    ),
)


def without_the_doubtful(generated: Path) -> dict[str, Path]:
    """The generated dataset with all of its images, and anew without a share of its pixels."""
    cases = {'all images': ['--keep=1', f'--reuse={generated}']}
    cases |= {f'ignoring {share}': ['--keep=1', f'--ignore-pixels={share}'] for share in IGNORED}
    return {name: generate_again(generated, name, *options) for name, options in cases.items()}


@click.command(help=__doc__)
@table_options
def main(**options):
    if options['generated'] is not None:
        raise UserError('--generated: the datasets are made from the demo, with and without doubtful pixels')
    print(datasets_table(measure('doubtful_pixels', ROWS, 'classes', options, without_the_doubtful, search=False)))


if __name__ == '__main__':
    main()
