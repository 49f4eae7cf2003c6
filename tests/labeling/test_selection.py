import numpy as np
import pytest

from datasetgan_ext import gen_samples
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.labeling import selection
from datasetgan_ext.labeling.selection import POOL, choose_diverse, choose_diverse_seeds, choose_seeds, look_of
from tests.helpers.commands import invoke


@pytest.fixture
def labeler(generator, interpreter) -> Labeler:
    return Labeler(generator, interpreter)


def style(labeler, seed) -> np.ndarray:
    return labeler.generator.ws([seed], labeler.options)[0].mean(dim=0).cpu().numpy()


@pytest.mark.parametrize('labeled', [(), (2, 40, 7)])
def test_choices_are_uncertain_and_far_from_each_other(labeler, labeled):
    chosen = choose_seeds(labeler, range(30), 4, labeled, progress=False)
    candidates = [seed for seed in range(30) if seed not in labeled]
    uncertainty = {sample.seed: sample.uncertainty for sample in labeler(candidates)}
    pool = sorted(candidates, key=lambda seed: -uncertainty[seed])[: POOL * 4]
    assert len(set(chosen)) == 4 and set(chosen) <= set(pool)
    for index, seed in enumerate(chosen):
        before = [style(labeler, other) for other in (*labeled, *chosen[:index])]
        if not before:
            assert seed == pool[0]
            continue
        # no candidate of the pool is farther from all that went before
        reach = {other: min(np.linalg.norm(style(labeler, other) - there) for there in before) for other in pool}
        assert reach[seed] == pytest.approx(max(reach.values()))


def test_the_order_of_the_candidates_does_not_matter(labeler):
    assert choose_seeds(labeler, range(20), 3, progress=False) == choose_seeds(
        labeler, range(19, -1, -1), 3, progress=False
    )


def test_fewer_candidates_than_wanted(labeler):
    assert sorted(choose_seeds(labeler, [3, 1, 2], 5, [2], progress=False)) == [1, 3]
    assert choose_seeds(labeler, [2], 5, [2], progress=False) == []


def looks_of(*points) -> dict[str, list[np.ndarray]]:
    """Looks with one layer of as many channels as a point has numbers, by the names a, b, c, ..."""
    return {chr(ord('a') + place): [np.array(point, np.float32)] for place, point in enumerate(points)}


def without_odd(monkeypatch) -> None:
    monkeypatch.setattr(selection, 'ODD_SHARE', 0.0)


def test_each_choice_is_farthest_from_all_mixtures_of_those_before(monkeypatch):
    """Around their mean: the middle one first, then the first that lies across it, not the farthest one, which is a
    multiple of it."""
    without_odd(monkeypatch)
    looks = looks_of((4, 0), (-3, 0), (0, 2), (0, -2), (-1, 0))
    assert choose_diverse(looks, [], 3) == ['e', 'c', 'a']
    assert choose_diverse(looks, ['b'], 1) == ['c']
    # nothing is left of any, and the first name decides
    assert choose_diverse(looks, ['c', 'b']) == ['a', 'd', 'e']
    assert sorted(choose_diverse(looks, ['b', 'e'])) == list('acd')


def test_a_rare_kind_is_chosen_second_and_a_single_odd_picture_late():
    """Two kinds of twenty, on both sides of the mean; one of eight, and one picture that has no other near."""
    rng = np.random.RandomState(0)
    offsets = np.zeros((49, 3))
    offsets[:20, 0], offsets[20:40, 0], offsets[40:48, 1], offsets[48, 2] = 5, -5, 9, 30
    looks = {index: [point] for index, point in enumerate(rng.randn(49, 3) / 2 + offsets)}
    order = choose_diverse(looks, [])
    assert order[0] < 40 and 40 <= order[1] < 48 and sorted(order) == sorted(looks)
    assert order.index(48) >= 49 - 12  # a quarter of all is odd


def test_layers_have_the_same_weight_and_channels_the_same_scale():
    rng = np.random.RandomState(0)
    looks = [[rng.randn(100) * 50 + 7, rng.randn(1) / 1000] for _ in range(30)]
    values = selection.standardized(looks)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.square(values[:, :100]).sum(axis=1).mean(), 0.5)
    np.testing.assert_allclose(np.square(values[:, 100:]).sum(axis=1).mean(), 0.5)
    constant = selection.standardized([[np.array([3.0, 1]), np.zeros(1)], [np.array([3.0, 5]), np.zeros(1)]])
    np.testing.assert_allclose(constant, [[0, -0.5, 0], [0, 0.5, 0]])


def test_equal_images_and_no_images():
    looks = looks_of((1, 2), (1, 2), (1, 2))
    assert choose_diverse(looks, [], 5) == ['a', 'b', 'c']
    assert choose_diverse(looks, ['a', 'b', 'c'], 2) == []
    assert choose_diverse({}, [], 2) == []


def test_diverse_seeds_are_those_of_their_looks(generator):
    options = SamplingOptions(trunc=0.7)
    looks = {seed: look_of(generator.synthesize([seed], options).features) for seed in range(12)}
    chosen = choose_diverse_seeds(generator, options, range(11, 1, -1), 3, [1, 4], progress=False)
    assert chosen == choose_diverse({seed: looks[seed] for seed in range(1, 12)}, [1, 4], 3)
    assert len(set(chosen)) == 3 and not {1, 4} & set(chosen)
    maps = generator.synthesize([5], options).features
    for layer, values in zip(maps, looks[5]):
        np.testing.assert_allclose(values, layer[0].mean(dim=(1, 2)), atol=1e-5)


def test_command_takes_the_most_diverse(tmp_path):
    folder = tmp_path / 'samples'
    arguments = ['--network=demo', f'--outdir={folder}', '--trunc=0.7', '--num=2', '--candidates=0-7']
    result = invoke(gen_samples.main, *arguments)
    assert result.exit_code == 0, result.output
    assert '2 images to label' in result.output and 'Chosen from 8' in result.output
    first = [sample.seed for sample in SampleSet.read(folder).samples]
    result = invoke(gen_samples.main, *arguments)
    assert '4 images to label' in result.output
    seeds = [sample.seed for sample in SampleSet.read(folder).samples]
    chosen = choose_diverse_seeds(load_generator('demo'), SamplingOptions(trunc=0.7), range(8), 4, progress=False)
    assert sorted(chosen[:2]) == first and sorted(chosen) == seeds


def test_command_adds_to_a_folder_of_samples(tmp_path):
    folder = tmp_path / 'samples'
    arguments = ['--network=demo', f'--outdir={folder}', '--interpreter=demo', '--num=2']
    assert invoke(gen_samples.main, '--network=demo', f'--outdir={folder}', '--seeds=3,5', '--trunc=0.7').exit_code == 0
    result = invoke(gen_samples.main, *arguments, '--candidates=0-9')
    assert result.exit_code == 0, result.output
    assert '4 images to label' in result.output and 'Chosen from 10' in result.output
    seeds = [sample.seed for sample in SampleSet.read(folder).samples]
    assert len(seeds) == 4 and {3, 5} < set(seeds) <= set(range(10))


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--interpreter=demo'], '--interpreter chooses among --candidates'),
        (['--num=4', '--seeds=1'], 'one of the two'),
        (['--num=4', '--candidates=0-9', '--trunc=0.5'], 'other options'),
        (['--interpreter=demo', '--candidates=0-9', '--seeds=1'], 'one of the two'),
        (['--interpreter=demo', '--candidates=0-9', '--crop=32x64'], '--crop: with --interpreter'),
        (['--interpreter=demo', '--candidates=9-0'], '--candidates=9-0: the range 9-0 runs backwards'),
        (['--interpreter=nowhere', '--candidates=0-9'], '--interpreter=nowhere: no such file'),
        (['--interpreter=demo', '--candidates=0-9', '--trunc=0.5'], 'other options'),
    ],
)
def test_command_refuses(arguments, message, tmp_path):
    folder = tmp_path / 'samples'
    if '--trunc=0.5' in arguments:
        assert (
            invoke(gen_samples.main, '--network=demo', f'--outdir={folder}', '--seeds=3', '--trunc=0.7').exit_code == 0
        )
    result = invoke(gen_samples.main, '--network=demo', f'--outdir={folder}', *arguments)
    assert result.exit_code == 1 and message in result.output, result.output
