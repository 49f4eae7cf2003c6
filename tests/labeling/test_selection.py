import numpy as np
import pytest

from datasetgan_ext import gen_samples
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.labeling.selection import POOL, STEP, choose_seeds, label_order
from tests.helpers.commands import invoke


@pytest.fixture
def labeler(generator, interpreter) -> Labeler:
    return Labeler(generator, interpreter)


def style(labeler, seed) -> np.ndarray:
    return labeler.generator.ws([seed], labeler.options)[0].mean(dim=0).numpy()


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


def test_order_of_the_page():
    """Images on a line: the most uncertain four steps' worth are spread first, from the labelled one at 0."""
    places = np.arange(2 * STEP * POOL)
    styles = {f'{place:02}': np.array([place], np.float32) for place in places}
    uncertainty = {name: 1 if int(name) < STEP * POOL else 0 for name in styles}
    order = label_order({name: value for name, value in uncertainty.items() if name != '00'}, styles, ['00'])
    assert sorted(order) == sorted(set(styles) - {'00'})
    # 15 uncertain ones are in the pool, and the first of the others, which is farther away than all of them
    assert order[:STEP] == ['16', '08', '04', '12']
    assert label_order({}, {}, []) == []


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
        (['--interpreter=demo'], '--interpreter and --candidates go together'),
        (['--candidates=0-9'], '--interpreter and --candidates go together'),
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
