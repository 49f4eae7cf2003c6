"""More of a class that few images show: found, made again from the record, and the same however a run is split."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from datasetgan_ext import gen_dataset
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.generation import rare_classes
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.rare_classes import FEWEST, LEAST, MOST, check_shares, directions_for, find_directions
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generation.workers import Processes
from datasetgan_ext.generator.directions import Direction
from datasetgan_ext.interpreter.labeler import Labeler, LabelerSpec
from tests.helpers.commands import invoke
from tests.helpers.trees import manifest, tree


class PlainLabeler:
    """Seven latents in a plane, again and again; the seventh alone shows class 1, in 4 pixels."""

    interpreter = SimpleNamespace(task=Task.from_names(['background', 'rare', 'never', 'everywhere']))
    options = None
    latents = np.array([[0, 0], [2, 0], [0, 1], [2, 1], [0, -1], [2, -1], [1, 7]])
    looked_at = 0

    def __init__(self):
        self.generator = SimpleNamespace(
            w_dim=2, untruncated_w=lambda seed, options: torch.from_numpy(self.latents[seed % 7])
        )

    def same_sums(self):
        return torch.no_grad()

    def __call__(self, seeds):
        for seed in seeds:
            self.looked_at += 1
            mask = np.zeros((4, 4), np.uint8)
            mask[0] = 3 if seed % 7 else 0
            mask[1] = seed % 7 == 6
            yield SimpleNamespace(id=seed, mask=mask)


def test_a_direction_leads_to_the_latents_that_show_the_class(monkeypatch):
    labeler = PlainLabeler()
    monkeypatch.setattr(rare_classes, 'FEWEST', 100)
    (found,) = find_directions(labeler, {'rare': 0.3}, progress=False)
    assert labeler.looked_at == 24 * 7, 'until 24 images showed it'
    deviation = np.std([0, 0, 1, 1, -1, -1, 7])
    assert found.vector == pytest.approx((0, deviation), abs=1e-5)
    assert found.limit == pytest.approx(7 / deviation, abs=1e-5)
    assert (found.name, found.share, found.scanned) == ('rare', 0.3, 168)


def test_many_images_are_looked_at_though_all_show_the_class():
    labeler = PlainLabeler()
    find_directions(labeler, {'everywhere': 0.3}, progress=False)
    assert labeler.looked_at == FEWEST == 200


def test_a_class_that_too_few_images_show_has_no_direction(monkeypatch):
    labeler = PlainLabeler()
    with pytest.raises(UserError, match='`more_of`=never: 0 of 2000 images show it'):
        find_directions(labeler, {'rare': 0.1, 'never': 0.1}, progress=False)
    assert labeler.looked_at == MOST == 2000
    monkeypatch.setattr(rare_classes, 'MOST', 7 * LEAST - 1)
    with pytest.raises(UserError, match=r'`more_of`=rare: 5 of 41 images show it'):
        find_directions(PlainLabeler(), {'rare': 0.1}, progress=False)
    monkeypatch.setattr(rare_classes, 'MOST', 7 * LEAST)
    assert find_directions(PlainLabeler(), {'rare': 0.1}, progress=False)[0].scanned == 42


def test_shares_are_of_classes_that_can_be_rare():
    task = Task.from_names(['background', 'a', 'b'])
    assert check_shares(task, [('b', 0.7), ('a', 0.3)]) == {'b': 0.7, 'a': 0.3}
    assert check_shares(Task([], [], ['tip']), []) == {}
    with pytest.raises(UserError, match='`more_of` looks for classes, and this interpreter has keypoints alone'):
        check_shares(Task([], [], ['tip']), [('a', 0.3)])
    with pytest.raises(UserError, match='`more_of`=a=1.5: 1.5 is not a share'):
        check_shares(task, [('a', 1.5)])


@pytest.fixture
def direction(generator) -> Direction:
    vector = np.random.RandomState(1).randn(generator.w_dim).round(3)
    return Direction('bright', 0.5, tuple(vector), 4.0, 10)


@pytest.fixture
def make_run(generator, interpreter, direction, tmp_path):
    def make(outdir, seeds=range(8), batch=2, **options) -> Run:
        options = {'directions': (direction,), **options}
        return Run(
            Labeler(generator, interpreter, batch=batch, **options), list(seeds), tmp_path / outdir, Curation(0.9)
        )

    return make


def test_an_image_is_made_again_from_its_record(make_run, generator, interpreter, tmp_path):
    make_run('out')()
    make_run('plain', directions=())()
    info = json.loads((tmp_path / 'out' / 'dataset.json').read_text())
    assert info['options']['more-of'].startswith('bright=0.5 (directions ')
    (fields,) = info['directions']
    moved = [record for record in manifest(tmp_path / 'out') if 'step' in record]
    assert 2 <= len(moved) <= 6 and {record['more_of'] for record in moved} == {'bright'}
    assert all(0 < record['step'] <= 3 for record in moved)
    vector = torch.tensor(fields['vector'])
    for record in manifest(tmp_path / 'out'):
        ws = generator.ws([record['seed']], interpreter.options)
        ws = ws + record.get('step', 0) * interpreter.options.trunc * vector
        image = generator.synthesize([0], interpreter.options, lambda _, ws=ws: ws).images[0].cpu().numpy()
        with PIL.Image.open(tmp_path / 'out' / record['image']) as written:
            assert np.abs(np.asarray(written).astype(int) - image).max() <= 1
        same = (tmp_path / 'plain' / record['image']).read_bytes() == (tmp_path / 'out' / record['image']).read_bytes()
        assert same == ('step' not in record)
    assert 'directions' not in json.loads((tmp_path / 'plain' / 'dataset.json').read_text())


def test_a_run_in_parts_has_the_same_bytes(make_run, direction, tmp_path):
    make_run('whole')()
    make_run('parts', range(4))()
    make_run('parts')()
    assert tree(tmp_path / 'parts') == tree(tmp_path / 'whole')
    make_run('joined', range(4, 8))()
    joined = make_run('all')
    replace(joined, reuse=[tmp_path / 'joined', tmp_path / 'parts'])()
    assert tree(tmp_path / 'all') == tree(tmp_path / 'whole')
    for other in (replace(direction, share=0.4), replace(direction, limit=3.0)):
        with pytest.raises(UserError, match=r'`more_of` was bright=0.5 \(directions'):
            make_run('parts', directions=(other,))()


def test_workers_make_the_same_bytes(tmp_path):
    labeler = LabelerSpec('demo', 'demo', batch=2, device='cpu').make()
    vector = np.random.RandomState(1).randn(labeler.generator.w_dim).round(3) / 2
    spec = LabelerSpec(
        'demo', 'demo', batch=2, device='cpu', directions=(Direction('roof', 0.5, tuple(vector), 4.0, 9),)
    )
    for name, executor in (('alone', None), ('workers', Processes([spec] * 2))):
        Run(spec.make(), list(range(100, 106)), tmp_path / name, Curation(0.9), executor)()
    assert tree(tmp_path / 'alone') == tree(tmp_path / 'workers')
    assert 1 <= sum('step' in record for record in manifest(tmp_path / 'alone')) <= 5


def test_a_moved_image_is_not_the_one_that_was_labeled(make_run, tmp_path):
    make_run('out', range(4), hand_labels=True)()
    labels = {record['seed']: (record.get('labels'), 'step' in record) for record in manifest(tmp_path / 'out')}
    assert set(labels.values()) == {('hand', False), (None, True)}


def test_the_command_looks_once_and_goes_on_without(tmp_path, monkeypatch):
    monkeypatch.setattr(rare_classes, 'FEWEST', 24)
    arguments = ['--network=demo', '--more-of=roof=0.5', '--keep=1', '--workers=1', '--batch=1']
    result = invoke(gen_dataset.main, *arguments, '--seeds=200-203', f'--outdir={tmp_path}/out')
    assert result.exit_code == 0, result.output
    monkeypatch.setattr(rare_classes, 'find_directions', lambda *args: pytest.fail('it looked again'))
    for seeds, folder, others in (('200-207', 'out', []), ('208-209', 'next', [f'--reuse={tmp_path}/out'])):
        result = invoke(gen_dataset.main, *arguments, f'--seeds={seeds}', f'--outdir={tmp_path}/{folder}', *others)
        assert result.exit_code == 0, result.output
    infos = [json.loads((tmp_path / name / 'dataset.json').read_text()) for name in ('out', 'next')]
    assert infos[0]['directions'] == infos[1]['directions'] != []
    assert 24 <= infos[0]['directions'][0]['scanned'] < 60
    result = invoke(gen_dataset.main, '--network=demo', '--keep=1', '--batch=1', '--seeds=200-207',
                    f'--outdir={tmp_path}/plain')  # fmt: skip
    assert result.exit_code == 0, result.output
    pixels = [[record['pixels_per_class'][3] for record in manifest(tmp_path / name)] for name in ('out', 'plain')]
    moved = ['step' in record for record in manifest(tmp_path / 'out')]
    assert 1 <= sum(moved) <= 7
    assert all(more > few if step else more == few for more, few, step in zip(*pixels, moved)), pixels
    result = invoke(gen_dataset.main, *arguments[:1], '--more-of=roof=0.4', *arguments[2:], '--seeds=200-207',
                    f'--outdir={tmp_path}/out')  # fmt: skip
    assert result.exit_code == 1 and '--more-of was roof=0.5 (directions' in result.output


def test_directions_of_other_images_or_that_are_damaged_do_not_count(make_run, tmp_path, monkeypatch, direction):
    make_run('out')()
    labeler = make_run('x').labeler
    other = make_run('x', options=replace(labeler.options, trunc=0.9)).labeler
    monkeypatch.setattr(rare_classes, 'find_directions', lambda *args: 'looked')
    assert directions_for(labeler, {'bright': 0.2}, [tmp_path / 'out']) == (replace(direction, share=0.2),)
    assert directions_for(labeler, {'bright': 0.2, 'dark': 0.2}, [tmp_path / 'out']) == 'looked'
    assert directions_for(other, {'bright': 0.2}, [tmp_path / 'out']) == 'looked'
    path = tmp_path / 'out' / 'dataset.json'
    info = json.loads(path.read_text())
    for vector in ([1.0], ['x'], None):
        info['directions'][0]['vector'] = vector
        path.write_text(json.dumps(info))
        assert directions_for(labeler, {'bright': 0.2}, [tmp_path / 'out']) == 'looked'
