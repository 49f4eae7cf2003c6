"""A run of the demo whose disk is full, or which is killed, at one of its file operations after the other; each is
followed by the same command: the bytes of a run left in peace?

    python benchmarks/full_disk.py --points=40
    python benchmarks/full_disk.py --how=kill --points=40 --format=coco

Each creation, renaming and deletion of a file or folder in the dataset is an operation; the points are spread evenly
over all of them. A run whose disk is full must say so in a sentence, without a traceback.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import datasetgan_ext.generation.run  # noqa: F401 (once, not in each process)
from datasetgan_ext.gen_dataset import main as generate

EVENTS = ('open', 'os.rename', 'os.mkdir', 'os.remove', 'os.rmdir')
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, and its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


def watch(folder: Path, point: int, how: str, count: list[int]) -> None:
    """From now on, count this process's operations in a folder, and let the one of number `point` fail."""

    def hook(event: str, arguments: tuple) -> None:
        if event not in EVENTS or not str(arguments[0]).startswith(str(folder)):
            return
        if event == 'open' and not (isinstance(arguments[2], int) and arguments[2] & WRITES):
            return
        count[0] += 1
        if count[0] == point and how == 'kill':
            os.kill(os.getpid(), signal.SIGKILL)
        if count[0] >= point and how == 'full' and event in ('open', 'os.mkdir'):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    sys.addaudithook(hook)


def run(arguments: list[str], folder: Path, log: Path, point: int = 0, how: str = 'count') -> tuple[int, int]:
    """Status of a run in a process of its own, and the number of its operations."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        output = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        count = [0]
        watch(folder, point, how, count)
        status = 1
        try:
            generate([*arguments, f'--outdir={folder}'])
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(writer, str(count[0]).encode())
        os._exit(status)
    os.close(writer)
    operations = os.read(reader, 100)
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), int(operations or 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--how', choices=['full', 'kill'], default='full')
    parser.add_argument('--points', type=int, default=40)
    parser.add_argument('--seeds', type=int, default=6)
    args, options = parser.parse_known_args()
    arguments = ['--network=demo', '--device=cpu', '--workers=1', f'--seeds=0-{args.seeds - 1}', '--keep=0.5', '--drop']
    arguments += options or ['--format=voc']
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, 'log')
        status, operations = run(arguments, Path(scratch, 'whole'), log)
        if status:
            raise SystemExit(f'the run left in peace failed:\n{log.read_text()}')
        whole = tree(Path(scratch, 'whole'))
        points = sorted({1 + round(index * (operations - 1) / max(1, args.points - 1)) for index in range(args.points)})
        bad = []
        for point in points:
            folder = Path(scratch, 'broken')
            status, _ = run(arguments, folder, log, point, args.how)
            first = log.read_text()
            again, _ = run(arguments, folder, log)
            told = args.how == 'kill' or status == 0 or ('Traceback' not in first and 'No space left' in first)
            if again or tree(folder) != whole or not told:
                bad.append(point)
                print(f'operation {point}: status {status}, then {again}\n{first}{log.read_text()}')
            shutil.rmtree(folder, ignore_errors=True)
        print(
            f'{args.how} at {len(points)} of {operations} operations, {time.perf_counter() - begun:.0f} s: '
            f'{f"OTHER at {bad}" if bad else "the same bytes"}'
        )
    sys.exit(bool(bad))


if __name__ == '__main__':
    main()
