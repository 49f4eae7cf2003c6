"""Scripts of the checkout, started as a shell starts them, but all from one process that has torch already."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import datasetgan_ext

ROOT = Path(datasetgan_ext.__file__).parents[1]
# nothing of the checkout is imported before the fork: each script has to find it by itself
SHOW_HELP = """
import json, os, runpy, sys
import torch
for script in json.loads(sys.argv[1]):
    pid = os.fork()
    if not pid:
        sys.path[0], sys.argv = os.path.dirname(script), [script, '--help']
        runpy.run_path(script, run_name='__main__')
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print('status', status, script, flush=True)
"""


def show_help(scripts: Iterable[str], folder: Path) -> dict[str, str]:
    """Call scripts, named from the checkout's root, with --help in another folder.

    Returns:
        What each of them printed.
    """
    paths = [str(ROOT / script) for script in scripts]
    done = subprocess.run(
        # without the checkout in the path: the scripts' own first lines are what is tried
        [sys.executable, '-c', SHOW_HELP, json.dumps(paths)],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found, lines = {}, []
    for line in done.stdout.splitlines():
        if line.startswith('status '):
            _, status, path = line.split(maxsplit=2)
            assert status == '0', f'{path}\n{done.stderr}'
            found[str(Path(path).relative_to(ROOT))], lines = '\n'.join(lines), []
        else:
            lines.append(line)
    return found
