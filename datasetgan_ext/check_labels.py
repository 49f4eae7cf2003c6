"""Show how labels were understood, before anything is trained on them."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.options import Command, label_options, start_logging


@click.command(cls=Command)
@click.option('--samples', metavar='DIR', required=True, help='Folder written by datasetgan samples')
@label_options()
@click.option(
    '--classes',
    metavar='FILE',
    required=True,
    help='Class names in the order of their ids, as for datasetgan train',
)
@click.option(
    '--outdir',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    help='Also write what was understood here: masks/, keypoints.json, labels.json, and sheet.png to look at',
)
def main(samples, labels, keypoints, label_format, mask_values, unlabeled, labels_of, classes, outdir):
    """Show how labels were understood: pixels of each class in each image, keypoints, what was passed over and what is
    wrong. Nothing is trained, and no network is needed. The exit status is 1 if anything is wrong.

    Examples:

    \b
    # The embedded demo's own labels; then look at out/check/sheet.png
    datasetgan check-labels --samples=datasetgan_ext/demo/samples --labels=datasetgan_ext/demo/samples/masks \\
        --keypoints=datasetgan_ext/demo/samples/keypoints.json --classes=datasetgan_ext/demo/task.json \\
        --outdir=out/check
    """
    from datasetgan_ext.core.task import Task
    from datasetgan_ext.generator.samples import SampleSet
    from datasetgan_ext.report.label_check import LABELS_FILE, SHEET_FILE, check_labels

    start_logging()
    found = check_labels(
        SampleSet.read(samples), Task.read(classes), labels, keypoints, label_format, unlabeled, mask_values, labels_of
    )
    flagged = click.get_current_context().command.with_flags
    for line in found.found.summary():
        print(flagged(line))
    print()
    print(flagged(found.table()))
    if outdir is not None:
        found.write(outdir)
        print(f'\nLook at {outdir / SHEET_FILE}; the table: {outdir / LABELS_FILE}')
    if found.all_problems:
        sys.exit(1)


if __name__ == '__main__':
    main(prog_name='datasetgan check-labels')
