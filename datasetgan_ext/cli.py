"""The console command `datasetgan`: the scripts' verbs as subcommands."""

import click

from datasetgan_ext import (
    check_labels,
    convert,
    evaluate,
    gen_dataset,
    gen_samples,
    label,
    patch_upstream,
    train_downstream,
    train_interpreter,
    train_semi_supervised,
    verify,
)
from datasetgan_ext.core.version import __version__


@click.group()
@click.version_option(__version__, prog_name='datasetgan')
def main():
    """A trained StyleGAN2 and a few labelled images become an unlimited labelled dataset (DatasetGAN)."""


main.add_command(gen_samples.main, 'samples')
main.add_command(label.main, 'label')
main.add_command(check_labels.main, 'check-labels')
main.add_command(train_interpreter.main, 'train')
main.add_command(gen_dataset.main, 'generate')
main.add_command(convert.main, 'convert')
main.add_command(verify.main, 'verify')
main.add_command(train_downstream.main, 'train-downstream')
main.add_command(train_semi_supervised.main, 'train-semi-supervised')
main.add_command(evaluate.main, 'evaluate')
main.add_command(patch_upstream.main, 'patch-upstream')
