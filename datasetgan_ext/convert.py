"""Turn a dataset of datasetgan generate into another format."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import DATASET_FORMATS
from datasetgan_ext.options import Command, conversion_options


@click.command(cls=Command)
@click.option(
    '--dataset',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    required=True,
    help='Written by datasetgan generate or predict',
)
@click.option('--format', 'format_name', type=click.Choice(DATASET_FORMATS), required=True, help='What to write')
@click.option('--outdir', type=click.Path(path_type=Path), metavar='DIR', required=True, help='A new folder')
@conversion_options
def main(dataset, format_name, outdir, **options):
    """Write the kept images and labels of a dataset in the format that your trainer reads.

    Nothing is generated again, and the dataset stays as it is. Masks and coordinates are the same in all formats, but
    for YOLO's outlines, which have no holes.

    Examples:

    \b
    datasetgan convert --dataset=out/cars --format=coco --outdir=out/cars-coco

    \b
    # tar files of 5,000 images, all of them for training
    datasetgan convert --dataset=out/cars --format=webdataset --outdir=out/cars-tars --shard-size=5000 \\
        --val=0
    """
    from datasetgan_ext.formats.conversions import convert, make_conversion
    from datasetgan_ext.formats.folder import FolderDataset

    found = FolderDataset(dataset)
    convert(found, make_conversion(format_name, options), outdir)
    print(f'{found.info["summary"]["kept"]} labelled images in {outdir}')


if __name__ == '__main__':
    main(prog_name='datasetgan convert')
