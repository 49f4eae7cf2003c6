"""Latents from seeds and projected ones have one interface."""

import pickle

import numpy as np
import pytest
import torch

from datasetgan_ext import SamplingOptions
from datasetgan_ext.core.seeds import sample_id
from datasetgan_ext.generator.latents import ProjectedLatents, SeedLatents
from datasetgan_ext.generator.sampling import mixing_of


def test_seeds(generator):
    options = SamplingOptions(trunc=0.5, mix_styles=1.0)
    latents = SeedLatents(generator, options)
    assert torch.equal(latents.ws([3, 1]), generator.ws([3, 1], options))
    assert (latents.id_name, latents.name(3)) == ('seed', 'seed0000003')
    assert latents.mixing(3) == mixing_of(3, 1.0, generator.num_ws) is not None
    assert 2**32 - 1 in latents.ids and 2**32 not in latents.ids and -1 not in latents.ids
    assert latents.to_json() == {
        'trunc': 0.5,
        'trunc-cutoff': None,
        'class': None,
        'mix-styles': 1.0,
        'more-of': None,
        'projected-w': None,
    }


def test_projections_are_rows_of_the_file(tmp_path):
    ws = np.arange(24, dtype=np.float64).reshape(3, 4, 2)
    np.savez(tmp_path / 'w.npz', w=ws)
    latents = pickle.loads(pickle.dumps(ProjectedLatents.read(tmp_path / 'w.npz', 4, 2)))
    assert latents.ws([2, 0]).tolist() == ws[[2, 0]].tolist() and latents.ws([2]).dtype == torch.float32
    assert (list(latents.ids), latents.id_name, latents.name(2)) == ([0, 1, 2], 'projection', 'proj0000002')
    assert latents.mixing(2) is None and latents.step(2) is None
    other = ProjectedLatents(ws.astype(np.float32) + 1)
    assert latents.to_json()['projected-w'] != other.to_json()['projected-w']
    assert latents.to_json().keys() == other.to_json().keys()


@pytest.mark.parametrize('record', [{'seed': 7}, {'projection': 7}])
def test_the_id_of_a_record_is_read_from_old_manifests_of_projections_too(record):
    assert sample_id(record) == 7
