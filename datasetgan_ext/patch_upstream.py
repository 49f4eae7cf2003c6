"""Patch the submodule so that upstream's scripts run on today's PyTorch, and on a CPU."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.options import Command


@click.command(cls=Command)
@click.option('--check', 'action', flag_value='check', help='Change nothing; exit with 1 if a patch is missing')
@click.option('--revert', 'action', flag_value='revert', help='Take the patches back')
def main(action):
    """Patch the submodule so that upstream's scripts run on today's PyTorch, and on a CPU.

    The patches are in patches/, with what each cures. Generating needs none of them. Patching twice changes nothing;
    a submodule with other changes in it, or at another commit, is left alone.

    Examples:

    \b
    # Patch, train, and put the submodule back as it was
    datasetgan patch-upstream
    python stylegan2_ada_pytorch/train.py --outdir=runs --data=car.zip --gpus=1
    datasetgan patch-upstream --revert
    """
    from datasetgan_ext.generator import patching
    from datasetgan_ext.generator.upstream import find_upstream

    root = find_upstream()
    if root is None:
        raise UserError(
            'stylegan2-ada-pytorch is not there: run `git submodule update --init` in the repository, or name a clone '
            'of it in DATASETGAN_UPSTREAM'
        )
    if action == 'check':
        missing = patching.unpatched(root)
        if missing:
            raise UserError(f'not patched: {", ".join(missing)} in {root}; run `datasetgan patch-upstream`')
        print(f'{root} is patched')
        return
    changed = patching.revert(root) if action == 'revert' else patching.patch(root)
    verb = 'Put back' if action == 'revert' else 'Patched'
    print(f'{verb}: {", ".join(changed)}' if changed else f'Nothing to do in {root}')


if __name__ == '__main__':
    main(prog_name='datasetgan patch-upstream')
