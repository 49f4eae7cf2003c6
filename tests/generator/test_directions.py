"""Steps towards a class: who takes one, how far it goes, and that its record is enough to make it again."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from datasetgan_ext.generator.directions import STEP, Direction, described, direction_of
from datasetgan_ext.generator.latents import SeedLatents
from datasetgan_ext.generator.sampling import SamplingOptions

ALONG = Direction('rare', 0.25, (0.0, 2.0), 5.0, 100)


@pytest.mark.parametrize(
    'w, length',
    [
        ([9.0, 0.0], STEP),  # at 0 of 5
        ([9.0, 4.0], STEP),  # at 2
        ([9.0, 7.0], 1.5),  # at 3.5
        ([9.0, 10.0], 0),
        ([9.0, 14.0], 0),  # beyond what was seen: no step back
        ([9.0, -8.0], STEP),
    ],
)
def test_a_step_ends_where_the_farthest_latent_was(w, length):
    assert ALONG.length(np.array(w)) == length


def test_a_share_of_the_seeds_goes_and_a_larger_one_has_the_same():
    other = replace(ALONG, name='other', share=0.5)
    chosen = [direction_of(seed, [ALONG, other]) for seed in range(4000)]
    assert [np.mean([one is want for one in chosen]) for want in (ALONG, other, None)] == pytest.approx(
        [0.25, 0.5, 0.25], abs=0.03
    )
    few = {seed for seed in range(4000) if direction_of(seed, [ALONG])}
    assert few == {seed for seed, one in enumerate(chosen) if one is ALONG}
    assert few < {seed for seed in range(4000) if direction_of(seed, [replace(ALONG, share=0.4)])}
    assert all(direction_of(seed, [replace(ALONG, share=1)]) for seed in range(100))
    assert not any(direction_of(seed, []) for seed in range(100))


def test_json():
    assert Direction.from_json(json.loads(json.dumps(ALONG.to_json()))) == ALONG
    for change in ({'limit': None}, {'vector': 1}, {'vector': ['x']}, {'limit': float('nan')}, {'more': 1}):
        with pytest.raises((TypeError, KeyError, ValueError)):
            Direction.from_json({**ALONG.to_json(), **change})


def test_where_they_lead_is_part_of_the_options():
    assert described([]) is None
    text = described([ALONG, replace(ALONG, name='other', share=0.5)])
    assert text.startswith('rare=0.25,other=0.5 (directions ')
    for change in ({'vector': (0.0, 2.1)}, {'limit': 4.0}, {'share': 0.2}):
        assert described([replace(ALONG, **change)]) != described([ALONG])


@pytest.mark.parametrize('cutoff', [None, 1])
@pytest.mark.parametrize('mix_styles', [0.0, 1.0])
def test_latents_move_by_what_the_record_says(generator, cutoff, mix_styles):
    """As far as layers are truncated; styles may be mixed in, and neighbours in the batch have no part in it."""
    options = SamplingOptions(trunc=0.5, trunc_cutoff=cutoff, mix_styles=mix_styles)
    vector = np.random.RandomState(0).randn(generator.w_dim).round(3)
    direction = Direction('rare', 0.5, tuple(vector), 1.0, 10)
    latents = SeedLatents(generator, options, (direction,))
    seeds = list(range(12))
    own, moved = generator.ws(seeds, options), latents.ws(seeds)
    plain = generator.ws(seeds, SamplingOptions())[:, 0].double().numpy()
    lengths = []
    for index, seed in enumerate(seeds):
        step = latents.step(seed)
        place = plain[index] @ vector / (vector @ vector)
        if direction_of(seed, [direction]) is None or place >= 1:
            assert step is None and torch.equal(moved[index], own[index])
            continue
        assert step.name == 'rare' and step.length == pytest.approx(np.clip(1 - place, 0, STEP), abs=1e-4)
        for layer in range(generator.num_ws):
            truncation = 0.5 if cutoff is None or layer < cutoff else 1
            change = (moved[index, layer] - own[index, layer]).double().numpy()
            assert change == pytest.approx(truncation * step.length * vector, abs=1e-5)
        lengths.append(step.length)
    assert len(lengths) >= 3 and max(lengths) > 0
