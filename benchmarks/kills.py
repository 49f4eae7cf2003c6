"""kill -9 at random points of a run of the demo, each followed by the same command: the bytes of a run left in peace?

    python benchmarks/kills.py --seeds=500 --kills=20

The points are spread over the whole run, its end (manifest, preview, deletions, conversion) included.
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
from datasetgan_ext.formats.folder import PARTIAL


def start(outdir: Path, seeds: int, options: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            ROOT / 'datasetgan_ext' / 'gen_dataset.py',
            '--network=demo',
            f'--seeds=0-{seeds - 1}',
            f'--outdir={outdir}',
            *options,
        ],
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
    parser.add_argument('--seeds', type=int, default=500)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--random', type=int, default=0, help='seed of the points')
    args, options = parser.parse_known_args()
    chance = random.Random(args.random)
    points = sorted((chance.randint(0, args.seeds), chance.uniform(0, 0.3)) for _ in range(args.kills - 1))
    points.append((args.seeds, 0.05))
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = Path(scratch, 'whole'), Path(scratch, 'killed')
        begun = time.perf_counter()
        if start(whole, args.seeds, options).wait():
            raise SystemExit('the run without kills failed')
        print(f'unbroken: {time.perf_counter() - begun:.0f} s, {len(tree(whole))} files')
        begun, kills = time.perf_counter(), 0
        for images, delay in points:
            kills += kill_at(start(killed, args.seeds, options), killed, images, delay)
            print(f'killed {kills} times, the last time {delay:.3f} s after image {images}')
        if start(killed, args.seeds, options).wait():
            raise SystemExit('the last run failed')
        same = tree(killed) == tree(whole)
        print(f'{kills} kills, {time.perf_counter() - begun:.0f} s: {"the same bytes" if same else "OTHER BYTES"}')
    sys.exit(not same)


if __name__ == '__main__':
    main()
