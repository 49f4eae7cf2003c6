"""The demo's generator is trained by upstream's own loop: a step of it at 16 and at 32 pixels."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from benchmarks.demo.growing import Stage, export_generator, train_generator
from benchmarks.demo.rebuild import write_drawings
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.standin import StandInGenerator

TRAIN = """
from pathlib import Path
import sys
from benchmarks.demo.growing import Stage, train_generator
stages = (Stage(16, 0, .002, .1), Stage(32, 0, .002, .1))
outdir = Path(sys.argv[2])
for _ in range(2):
    train_generator(Path(sys.argv[1]), outdir, stages)
    print('stamps', [path.stat().st_mtime_ns for path in sorted(outdir.glob('*/*.pkl'))])
"""

GROW = """
import pickle, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from benchmarks.demo import growing
from benchmarks.demo.world import draw
from datasetgan_ext.generator.upstream import import_upstream
make, folder = import_upstream('dnnlib').util.construct_class_by_name, Path(sys.argv[1])
torch.manual_seed(0)
state, kwargs = {}, dict(c_dim=0, img_resolution=16, img_channels=3)
for name, network in (('G', growing.GENERATOR), ('G_ema', growing.GENERATOR), ('D', growing.DISCRIMINATOR)):
    network = make(**network, **kwargs)
    state |= {f'{name}.{key}': tensor.half().contiguous() for key, tensor in network.state_dict().items()}
save_file(state, folder / 'stage0.safetensors')
small = network.eval().requires_grad_(False)
with open(growing._start_from(folder / 'stage0.safetensors', folder / 'start.pkl', 32), 'rb') as file:
    large = pickle.load(file)['D']
images = torch.stack([torch.from_numpy(draw(seed, 32).image) for seed in range(40)]).permute(0, 3, 1, 2) / 127.5 - 1
halves = torch.nn.functional.avg_pool2d(images, 2)
features, expected = large.b32(None, images)[0], small.b16.fromrgb(halves)
scores = torch.cat([small(halves, None), large(images, None)], dim=1)
print(float(torch.corrcoef(scores.T)[0, 1]), float((features - expected).norm() / expected.norm()))
"""


@pytest.mark.upstream
@pytest.mark.slow
def test_upstream_trains_grows_and_is_exported(patched_upstream, tmp_path):
    write_drawings(tmp_path, [16, 32], 20)
    environment = os.environ | {'DATASETGAN_UPSTREAM': str(patched_upstream)}
    train = [sys.executable, '-c', TRAIN, tmp_path, tmp_path / 'training']
    done = subprocess.run(train, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    start, end = (
        load_generator_pickle(tmp_path / 'training' / 'stage1' / name).state_dict()
        for name in ('start.pkl', 'network-snapshot-000000.pkl')
    )
    before, weights = (load_file(tmp_path / 'training' / f'stage{index}.safetensors') for index in (0, 1))
    # a stage starts from what the one before ended with; the new block adds nothing yet
    carried = [name for name in start if f'G_ema.{name}' in before]
    assert len(carried) > 20
    assert [name for name in carried if not torch.equal(before[f'G_ema.{name}'], start[name])] == []
    assert not start['synthesis.b32.torgb.weight'].any()
    assert end['synthesis.b32.torgb.weight'].any()
    assert all(torch.equal(weights[f'G_ema.{name}'], tensor) for name, tensor in end.items())

    export_generator(tmp_path / 'training' / 'stage1.safetensors', 32, tmp_path / 'generator.safetensors')
    with safe_open(tmp_path / 'generator.safetensors', 'pt') as file:
        exported = StandInGenerator(**json.loads(file.metadata()['init_kwargs']))
    exported.load_state_dict(load_file(tmp_path / 'generator.safetensors'))
    for name, tensor in exported.state_dict().items():
        assert ('noise' in name) == (name not in end)
        assert torch.allclose(tensor, end.get(name, torch.zeros_like(tensor)), rtol=1e-3, atol=1e-6)

    # trained once, a stage is not trained again
    first, second = (line for line in done.stdout.splitlines() if line.startswith('stamps'))
    assert first == second and first.count(',') == 2


@pytest.mark.upstream
def test_a_discriminator_starts_from_what_it_knew(patched_upstream, tmp_path):
    """Grown, and shown the same drawings at twice the size, it says nearly the same of them."""
    grow = [sys.executable, '-c', GROW, tmp_path]
    done = subprocess.run(
        grow, env=os.environ | {'DATASETGAN_UPSTREAM': str(patched_upstream)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    correlation, error = map(float, done.stdout.split()[-2:])
    assert correlation > 0.9 and error < 0.2


def test_missing_drawings_are_named(tmp_path):
    with pytest.raises(UserError, match='drawings-016.zip is missing'):
        train_generator(tmp_path, tmp_path / 'training', (Stage(16, 1, 0.002, 0.1),))
