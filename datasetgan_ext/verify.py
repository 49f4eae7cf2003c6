"""Check a dataset of datasetgan generate against its manifest."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.options import Command

SHOWN = 20


@click.command(cls=Command)
@click.option(
    '--dataset',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    required=True,
    help='Written by datasetgan generate or predict',
)
def main(dataset):
    """Check that every image and mask of a dataset is there and as it was written, and that masks and manifest agree.

    Ends with status 1 when something is wrong; datasetgan generate, given the same options again, mends it.

    Example:

    \b
    datasetgan verify --dataset=out/cars
    """
    from datasetgan_ext.formats.folder import FolderDataset

    found = FolderDataset(dataset)
    problems = found.problems()
    shown = list(itertools.islice(problems, SHOWN))
    more = sum(1 for _ in problems)
    if shown:
        lines = [f'{dataset} is damaged:', *shown]
        if more:
            lines.append(f'... and {more} more')
        lines.append(
            'The command that made it, given again, makes what is missing or damaged; '
            'delete files that belong to no sample'
        )
        raise UserError('\n'.join(lines))
    print(f'{found.info["summary"]["samples"]} labelled images in {dataset}: all as they were written')


if __name__ == '__main__':
    main(prog_name='datasetgan verify')
