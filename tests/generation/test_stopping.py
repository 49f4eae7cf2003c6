"""Whole processes that are killed, that meet, and whose disk is full or read-only."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import datasetgan_ext
from datasetgan_ext import gen_dataset
from datasetgan_ext.formats.folder import FolderDataset
from tests.helpers.commands import invoke
from tests.helpers.trees import tree

ROOT = Path(datasetgan_ext.__file__).parents[1]
ARGUMENTS = ['--network=demo', '--device=cpu', '--seeds=100-105', '--keep=0.5', '--drop', '--format=voc']

# One process that imports everything and then goes through its steps: a run in a fork of it, or a line for the shell.
# A run may send itself a signal before the N-th call of a function: [owner, name, N, signal].
STEPS = """
import json, os, pathlib, shutil, sys
from datasetgan_ext.gen_dataset import main

def send_signal(owner, name, left, signal):
    owner = {'os': os, 'shutil': shutil, 'Path': pathlib.Path}[owner]
    real = getattr(owner, name)
    def count(*args, **named):
        nonlocal left
        if name != 'unlink' or args[0].suffix == '.png':
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal)
        return real(*args, **named)
    setattr(owner, name, count)

for step in json.loads(sys.argv[1]):
    if isinstance(step, str):
        status = os.system(step)
    else:
        arguments, point = step
        pid = os.fork()
        if not pid:
            if point:
                send_signal(*point)
            main(arguments)
        status = os.waitpid(pid, 0)[1]
    print('status', os.waitstatus_to_exitcode(status), flush=True)
    if isinstance(step, str) and status:
        break
"""
POINTS = [
    ('os', 'replace', 3),
    ('os', 'replace', 10),
    ('Path', 'unlink', 2),
    ('shutil', 'copyfile', 2),
    ('Path', 'rename', 1),
]


def go_through(steps: list, *wrapper: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*wrapper, sys.executable, '-c', STEPS, json.dumps(steps)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_in(folder: Path, *more: str) -> list[str]:
    return [*ARGUMENTS, f'--outdir={folder}', *more]


def wait_for_stop(process: subprocess.Popen):
    """The run, a child of this process, once it has stopped itself."""
    psutil = pytest.importorskip('psutil')
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if child.status() == psutil.STATUS_STOPPED:
                return child
        time.sleep(0.05)
    raise AssertionError(process.stdout.read())


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> dict[str, str]:
    """The files of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp('whole') / 'dataset'
    assert invoke(gen_dataset.main, *run_in(folder)).exit_code == 0
    return tree(folder)


def test_killed_at_one_point_after_the_other(whole, tmp_path):
    folder = tmp_path / 'dataset'
    steps = [[run_in(folder), [*point, int(signal.SIGKILL)]] for point in POINTS]
    output, _ = go_through([*steps, [run_in(folder), None]]).communicate()
    statuses = [int(line.split()[1]) for line in output.splitlines() if line.startswith('status')]
    assert statuses == [-signal.SIGKILL] * len(POINTS) + [0], output
    assert tree(folder) == whole


def test_workers_end_with_the_process_that_started_them(whole, tmp_path):
    psutil = pytest.importorskip('psutil')
    folder = tmp_path / 'dataset'
    process = go_through(
        [[run_in(folder, '--workers=2'), ('os', 'replace', 6, int(signal.SIGSTOP))], [run_in(folder), None]]
    )
    run = wait_for_stop(process)
    workers = [child for child in run.children() if 'spawn_main' in ' '.join(child.cmdline())]
    assert len(workers) == 2
    run.kill()
    assert psutil.wait_procs(workers, timeout=120)[1] == []
    output, _ = process.communicate()
    assert f'status {-signal.SIGKILL}\n' in output and output.endswith('status 0\n')
    assert tree(folder) == whole


def test_a_second_process_in_the_folder_is_told(whole, tmp_path):
    folder = tmp_path / 'dataset'
    process = go_through([[run_in(folder), ('os', 'replace', 6, int(signal.SIGSTOP))]])
    run = wait_for_stop(process)
    for more in ([], ['--overwrite']):
        result = invoke(gen_dataset.main, *run_in(folder, *more))
        assert result.exit_code == 1 and 'is being written by another process' in result.output
    run.resume()
    output, _ = process.communicate()
    assert output.endswith('status 0\n')
    assert tree(folder) == whole


def test_a_full_disk_and_a_read_only_one(whole, tmp_path):
    """A real one, of 20 MB."""
    own_mounts = [shutil.which('unshare') or 'unshare', '--user', '--map-root-user', '--mount']
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=20m', 'none', disk]
    try:
        subprocess.run([*own_mounts, *mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f'a file system cannot be mounted here: {getattr(error, "stderr", None) or error}')
    run = [run_in(disk / 'dataset'), None]
    output, _ = go_through(
        [
            ' '.join(map(str, mount)),
            f'head -c {20 * 2**20 - 2**16} /dev/zero > {disk}/other',
            run,
            f'rm {disk}/other',
            f'mount -o remount,ro {disk}',
            run,
            f'mount -o remount,rw {disk}',
            run,
            f'cp -r {disk}/dataset {tmp_path}/copy',
        ],
        *own_mounts,
    ).communicate()
    assert 'Traceback' not in output
    for message in (
        'cannot be written: No space left on device\nstatus 1\n',
        'cannot be written: Read-only file system\nstatus 1\n',
    ):
        assert message in output
    assert tree(tmp_path / 'copy') == whole


def test_what_was_damaged_between_two_runs_is_found_and_made_again(whole, tmp_path):
    folder = tmp_path / 'dataset'
    assert invoke(gen_dataset.main, *run_in(folder)).exit_code == 0
    masks, images = (sorted((folder / name).iterdir()) for name in ('masks', 'images'))
    content = bytearray(images[0].read_bytes())
    content[len(content) // 2] ^= 1
    images[0].write_bytes(content)
    masks[1].write_bytes(b'')
    images[2].write_bytes(images[1].read_bytes())
    assert [problem.partition(':')[0] for problem in FolderDataset(folder).problems()] == [
        str(path.relative_to(folder)) for path in (images[0], masks[1], images[2])
    ]
    assert invoke(gen_dataset.main, *run_in(folder)).exit_code == 0
    assert tree(folder) == whole
