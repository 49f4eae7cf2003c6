"""Print entries of same_figures.json for the code that differs from the last commit's; new files need `git add` first.

Only a change that cannot change a figure is to be entered there, with the reason: results from before it stay of now.

    python benchmarks/same_figures.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from benchmarks.states import CODE, OWN, PACKAGE, ROOT, hash_of_file, is_followed


@click.command(help=__doc__)
def main():
    for line in git('diff', '--name-status', '--diff-filter=AM', 'HEAD', '--', PACKAGE, OWN, 'patches').splitlines():
        kind, path = line.split('\t')
        if Path(path).suffix in CODE and is_followed(path):
            before = None if kind == 'A' else hash_of_file(path, git('show', f'HEAD:{path}'))
            after = hash_of_file(path, (ROOT / path).read_text())
            if before != after:
                print(json.dumps({'file': path, 'before': before, 'after': after, 'why': ''}, indent=1))


def git(*arguments: str) -> str:
    return subprocess.run(('git', *arguments), cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == '__main__':
    main()
