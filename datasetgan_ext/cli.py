"""The console command `datasetgan`: the scripts' verbs as subcommands."""

from __future__ import annotations

import importlib

import click

from datasetgan_ext.core.version import __version__

SCRIPTS = {
    'samples': 'gen_samples',
    'project': 'project',
    'label': 'label',
    'check-labels': 'check_labels',
    'train': 'train_interpreter',
    'generate': 'gen_dataset',
    'convert': 'convert',
    'verify': 'verify',
    'train-downstream': 'train_downstream',
    'train-semi-supervised': 'train_semi_supervised',
    'evaluate': 'evaluate',
    'predict': 'predict',
    'export-model': 'export_model',
    'patch-upstream': 'patch_upstream',
    'env': 'env',
}
"""Each verb's module beside this one, in the order of the work; a module is imported when its verb is called, or when
help tells of it."""


class Verbs(click.Group):
    """The commands in SCRIPTS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SCRIPTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SCRIPTS:
            return None
        return importlib.import_module(f'datasetgan_ext.{SCRIPTS[cmd_name]}').main


@click.group(cls=Verbs)
@click.version_option(__version__, prog_name='datasetgan')
def main():
    """A trained StyleGAN2 and a few labelled images become an unlimited labelled dataset (DatasetGAN)."""
