"""Whether two checkouts of this program make the same bytes: the same command lines in both, and their files compared.

Each case is a list of command lines of one folder; all of them run in a process of their own with the checkout's code.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

GENERATE = ['datasetgan_ext/gen_dataset.py', '--network=demo', '--device=cpu']
FIRST = '--seeds=0-7'
ALL = '--seeds=0-15'
CASES = {
    'plain': [[ALL, '--workers=1']],
    'coco': [[ALL, '--workers=1', '--format=coco']],
    'resumed': [[FIRST, '--workers=1'], [ALL, '--workers=1']],
    'mixed styles, random noise': [[ALL, '--workers=1', '--mix-styles=0.5', '--noise-mode=random']],
    'two workers': [[ALL, '--workers=2']],
}
RAY = {'two Ray nodes': [[ALL, '--ray={ray}']]}
CONVERT = ['datasetgan_ext/convert.py', '--format=coco']


@click.command()
@click.argument('before', type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument('after', type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option('--ray', is_flag=True, help='Also on a Ray cluster of two nodes of this machine')
def main(before, after, ray):
    """Compare the checkouts BEFORE and AFTER. The exit status is 1 if a file differs."""
    cases = {**CASES, **(RAY if ray else {})}
    same = True
    print('| case | equal files | only before | only after | different |')
    print('|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        for name, commands in cases.items():
            found = {}
            for side, checkout in (('before', before), ('after', after)):
                found[side] = make(checkout.resolve(), Path(folder, side), commands)
            same &= print_row(name, found['before'], found['after'])
    sys.exit(0 if same else 1)


def make(checkout: Path, folder: Path, commands: list[list[str]]) -> dict[str, str]:
    """The sha256 of each file that a checkout writes, by its name."""
    outdir = folder / 'dataset'
    for arguments in commands:
        if any('{ray}' in argument for argument in arguments):
            on_two_nodes(checkout, outdir, arguments)
        else:
            call(checkout, [*GENERATE, f'--outdir={outdir}', *arguments])
    call(checkout, [*CONVERT, f'--dataset={outdir}', f'--outdir={folder / "converted"}'])
    sums = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
    for path in sorted(folder.rglob('*'), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    return sums


def call(checkout: Path, arguments: list[str]) -> None:
    """A command line of a checkout, with its code and no other."""
    environment = {**os.environ, 'PYTHONPATH': str(checkout), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(f'{checkout}: {" ".join(arguments)}:\n{done.stdout}{done.stderr}')


def on_two_nodes(checkout: Path, outdir: Path, arguments: list[str]) -> None:
    """A command line on a cluster whose nodes have the checkout's code."""
    from ray.cluster_utils import Cluster

    os.environ['PYTHONPATH'] = str(checkout)
    nodes = Cluster(initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False})
    try:
        nodes.add_node(num_cpus=1)
        ready = [argument.replace('{ray}', nodes.address) for argument in arguments]
        call(checkout, [*GENERATE, f'--outdir={outdir}', *ready])
    finally:
        nodes.shutdown()


def print_row(case: str, before: dict[str, str], after: dict[str, str]) -> bool:
    """A line of the table; whether all files are equal."""
    both = before.keys() & after.keys()
    different = sorted(name for name in both if before[name] != after[name])
    gone = sorted(before.keys() - both)
    new = sorted(after.keys() - both)
    cells = [case, len(both) - len(different)]
    cells += [', '.join(names) or '-' for names in (gone, new, different)]
    print(f'| {" | ".join(map(str, cells))} |', flush=True)
    return not (different or gone or new)


if __name__ == '__main__':
    main()
