"""Train a segmentation network on a few labelled and many unlabelled images: a baseline."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import DISCRIMINATOR_WIDTH
from datasetgan_ext.options import Command, start_logging
from datasetgan_ext.train_downstream import folder, train, training_options


@click.command(cls=Command)
@training_options
@click.option(
    '--unlabeled',
    '--unlabelled',
    type=folder,
    metavar='DIR',
    required=True,
    help='Images, or a folder with images/, whose labels, if there are any, are not looked at; those that --data has '
    'with labels are left out',
)
@click.option(
    '--num-unlabeled',
    '--num-unlabelled',
    type=click.IntRange(min=1),
    metavar='N',
    help='Take the first N of them  [default: all]',
)
@click.option(
    '--discriminator-width',
    type=click.IntRange(min=1),
    default=DISCRIMINATOR_WIDTH,
    show_default=True,
    metavar='N',
    help="Channels of the discriminator's first layer",
)
def main(unlabeled, num_unlabeled, discriminator_width, **options):
    """Train a segmentation network on a few labelled and many unlabelled images, by the s4GAN of Mittal et al. (arXiv
    1908.05724): the baseline "semi-supervised" of DatasetGAN's paper. Classes only, no keypoints. The options are those
    of train-downstream; --optimizer=sgd --lr=2.5e-4 --dice=0 --steps=40000 trains as the authors' code does.

    Examples:

    \b
    # Labelled: the demo's sixteen samples; unlabelled: its other ones
    datasetgan train-semi-supervised --data=datasetgan_ext/demo/samples --num=16 \\
        --classes=datasetgan_ext/demo/task.json --unlabeled=datasetgan_ext/demo/samples --architecture=small-unet \\
        --steps=300 --every=100 --out=out/semi.safetensors
    """
    from datasetgan_ext.downstream.labeled_dataset import read_unlabeled
    from datasetgan_ext.downstream.semi_supervised import SemiSupervised

    start_logging()
    images = read_unlabeled(unlabeled, 'unlabeled')
    if num_unlabeled is not None:
        images = images.first(num_unlabeled, 'num_unlabeled')
    train(partial(SemiSupervised, width=discriminator_width), options, images, only='classes')


if __name__ == '__main__':
    main(prog_name='datasetgan train-semi-supervised')
