"""kill -9 at random points of a run, each followed by the same command: the bytes of a run left in peace?

    python benchmarks/kills.py --images=500 --kills=20
    python benchmarks/kills.py --verb=predict --images=200 --kills=10 --workers=2

`generate` labels the demo's images, `predict` photos of blobs with an untrained network; further options are the verb's
own. The points are spread over the whole run, its end (manifest, preview, deletions, conversion) included.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import ROOT
from benchmarks.prediction import write_photos
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.formats.folder import PARTIAL
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER

VERBS = {'generate': 'gen_dataset.py', 'predict': 'predict.py'}
PHOTO_WH, NETWORK_HW = (96, 80), (64, 64)


def inputs_of(verb: str, images: int, scratch: Path) -> list[str]:
    """The options that say what is labelled; files for them are written."""
    if verb == 'generate':
        return ['--network=demo', f'--seeds=0-{images - 1}']
    photos, network = scratch / 'photos', scratch / 'network.safetensors'
    write_photos(photos, images, PHOTO_WH)
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    DownstreamModel.build('deeplabv3_mobilenet_v3_large', task, NETWORK_HW).save(network)
    return [f'--model={network}', f'--images={photos}']


def start(verb: str, outdir: Path, options: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, ROOT / 'datasetgan_ext' / VERBS[verb], f'--outdir={outdir}', *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def done(outdir: Path) -> int:
    """Images that the manifest of a run knows."""
    partial = outdir / PARTIAL
    return partial.read_bytes().count(b'\n') if partial.exists() else 0


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, and its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


def kill_at(process: subprocess.Popen, outdir: Path, images: int, delay: float) -> bool:
    """Whether the process was still there to be killed, `delay` seconds after it had made `images` images."""
    while process.poll() is None and done(outdir) < images:
        time.sleep(0.01)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    if process.returncode:
        raise SystemExit(f'a run ended with status {process.returncode}')
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--verb', choices=VERBS, default='generate')
    parser.add_argument('--images', type=int, default=500)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--random', type=int, default=0, help='seed of the points')
    args, options = parser.parse_known_args()
    chance = random.Random(args.random)
    points = sorted((chance.randint(0, args.images), chance.uniform(0, 0.3)) for _ in range(args.kills - 1))
    points.append((args.images, 0.05))
    with tempfile.TemporaryDirectory() as scratch:
        options += inputs_of(args.verb, args.images, Path(scratch))
        whole, killed = Path(scratch, 'whole'), Path(scratch, 'killed')
        begun = time.perf_counter()
        if start(args.verb, whole, options).wait():
            raise SystemExit('the run without kills failed')
        print(f'unbroken: {time.perf_counter() - begun:.0f} s, {len(tree(whole))} files', flush=True)
        begun, kills = time.perf_counter(), 0
        for images, delay in points:
            kills += kill_at(start(args.verb, killed, options), killed, images, delay)
            print(f'killed {kills} times, the last time {delay:.3f} s after image {images}', flush=True)
        if start(args.verb, killed, options).wait():
            raise SystemExit('the last run failed')
        ours, theirs = tree(killed), tree(whole)
        for name in sorted(set(ours) | set(theirs)):
            if ours.get(name) != theirs.get(name):
                print(f'differs: {name}')
        print(
            f'{kills} kills, {time.perf_counter() - begun:.0f} s: '
            f'{"the same bytes" if ours == theirs else "OTHER BYTES"}'
        )
    sys.exit(ours != theirs)


if __name__ == '__main__':
    main()
