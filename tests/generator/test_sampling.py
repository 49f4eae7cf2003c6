"""Style mixing: which images are mixed, and with what."""

import numpy as np
import torch

from datasetgan_ext.generator.sampling import SamplingOptions, mixing_of


def test_mixing_follows_from_seed_and_probability_alone():
    mixings = [mixing_of(seed, 0.3, 8) for seed in range(2000)]
    assert mixings == [mixing_of(seed, 0.3, 8) for seed in range(2000)]
    mixed = [mixing for mixing in mixings if mixing]
    assert abs(len(mixed) / 2000 - 0.3) < 0.04
    assert {mixing.first_w for mixing in mixed} == set(range(1, 8))
    assert np.mean([mixing.seed for mixing in mixed]) / 2**32 > 0.4
    assert all(mixing_of(seed, 0.6, 8) == mixing for seed, mixing in enumerate(mixings) if mixing)


def test_no_mixing_at_zero_and_always_at_one():
    assert not any(mixing_of(seed, 0, 8) for seed in range(500))
    assert all(mixing_of(seed, 1, 8) for seed in range(500))
    assert mixing_of(0, 1, 1) is None


def test_styles_of_the_second_seed_from_a_layer_on(generator):
    plain, mixed = SamplingOptions(trunc=0.7), SamplingOptions(trunc=0.7, mix_styles=0.5)
    seeds = list(range(12))
    mixings = [mixing_of(seed, 0.5, generator.num_ws) for seed in seeds]
    ws, unmixed = generator.ws(seeds, mixed), generator.ws(seeds, plain)
    for index, mixing in enumerate(mixings):
        if mixing is None:
            assert torch.equal(ws[index], unmixed[index])
        else:
            second = generator.ws([mixing.seed], plain)[0]
            assert torch.equal(ws[index, : mixing.first_w], unmixed[index, : mixing.first_w])
            assert torch.allclose(ws[index, mixing.first_w :], second[mixing.first_w :], atol=1e-6)
    images = generator.synthesize(seeds, mixed).images
    changed = [bool((one != other).any()) for one, other in zip(images, generator.synthesize(seeds, plain).images)]
    assert changed == [mixing is not None for mixing in mixings]


def test_given_ws_take_the_place_of_those_of_the_seeds(generator):
    for noise_mode in ('const', 'random'):
        options = SamplingOptions(noise_mode=noise_mode)
        ws = {seed: generator.ws([seed], options) for seed in (4, 9)}

        def ws_of(ids, ws=ws):
            return torch.cat([ws[number] for number in ids])

        given = generator.synthesize([4, 9], options, ws_of).images
        assert torch.equal(given, generator.synthesize([4, 9], options).images)
