"""The demo's generator is trained by upstream's own loop: a few steps of it, from 16 to 32 pixels."""
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from datasetgan_ext.demo.growing import Stage, export_generator, train_generator
from datasetgan_ext.demo.rebuild import write_drawings
from datasetgan_ext.errors import UserError
from datasetgan_ext.generator import patching
from datasetgan_ext.generator.safe_pickle import load_generator_pickle
from datasetgan_ext.generator.upstream import find_upstream

needs_upstream = pytest.mark.skipif(find_upstream() is None,
                                    reason='the stylegan2_ada_pytorch submodule is not checked out')

TRAIN = '''
from pathlib import Path
import sys
from datasetgan_ext.demo.growing import Stage, train_generator
stages = (Stage(16, 1, .002, .1), Stage(32, 1, .002, .1))
train_generator(Path(sys.argv[1]), Path(sys.argv[2]), stages)
'''


@pytest.fixture(scope='module')
def upstream(tmp_path_factory):
    """A patched clone of the pinned commit."""
    folder = tmp_path_factory.mktemp('clone') / 'upstream'
    subprocess.run(['git', 'clone', '--quiet', '--shared', find_upstream(), folder], check=True)
    subprocess.run(['git', '-C', folder, 'checkout', '--quiet', patching.PINNED], check=True)
    patching.patch(folder)
    return folder


@needs_upstream
def test_upstream_trains_grows_and_is_exported(upstream, tmp_path, monkeypatch):
    write_drawings(tmp_path, [16, 32], 20)
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(upstream))
    train = [sys.executable, '-c', TRAIN, tmp_path, tmp_path / 'training']
    done = subprocess.run(train, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    snapshot = tmp_path / 'training' / '032' / 'network-snapshot-000001.pkl'
    network = load_generator_pickle(snapshot)
    assert network.img_resolution == 32
    # what it starts from is what the smaller one ended with; the new block adds nothing yet
    start, before = (load_generator_pickle(tmp_path / 'training' / name).state_dict()
                     for name in ('032/start.pkl', '016/network-snapshot-000001.pkl'))
    carried = [name for name in before if 'noise' not in name and 'filter' not in name]
    assert len(carried) > 20 and all(torch.equal(before[name], start[name]) for name in carried)
    assert not start['synthesis.b32.torgb.weight'].any()
    assert not torch.equal(network.state_dict()['synthesis.b32.torgb.weight'], start['synthesis.b32.torgb.weight'])

    export_generator(snapshot, tmp_path / 'generator.safetensors')
    with safe_open(tmp_path / 'generator.safetensors', 'pt') as file:
        assert 'init_kwargs' in file.metadata()
        for name in file.keys():  # noqa: SIM118 (not a dict)
            assert torch.allclose(file.get_tensor(name).float(), network.state_dict()[name], rtol=1e-3, atol=1e-6)

    # trained once, a stage is not trained again
    stamp = snapshot.stat().st_mtime_ns
    assert subprocess.run(train, capture_output=True).returncode == 0
    assert snapshot.stat().st_mtime_ns == stamp


def test_missing_drawings_are_named(tmp_path):
    with pytest.raises(UserError, match='drawings-016.zip is missing'):
        train_generator(tmp_path, tmp_path / 'training', (Stage(16, 1, .002, .1),))
