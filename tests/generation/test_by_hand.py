"""Images that a person labelled, in a dataset."""

import json

import numpy as np
import pytest

from datasetgan_ext import gen_dataset
from datasetgan_ext.core.annotation import HAND, IGNORE, PARTLY_HAND
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.conversions import CONVERSIONS, convert, make_conversion
from datasetgan_ext.formats.folder import FolderDataset
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.executors import Fingerprints
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generation.workers import Processes
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.labeler import Labeler, LabelerSpec
from datasetgan_ext.report.strata import BY_HAND, read_by_hand, read_scores, stratify
from tests.helpers.commands import invoke
from tests.helpers.trees import manifest, tree


@pytest.fixture
def make_run(generator, interpreter, tmp_path):
    def make(outdir='dataset', seeds=range(8), keep=0.5, hand_labels=True, **others) -> Run:
        labeler = Labeler(generator, interpreter, hand_labels=hand_labels)
        return Run(labeler, list(seeds), tmp_path / outdir, others.pop('curation', Curation(keep)), **others)

    return make


def test_they_have_the_persons_labels_and_the_filter_leaves_them_alone(make_run, interpreter, tmp_path):
    interpreter.hand_labels[3].mask[:2] = IGNORE
    summary = make_run()()
    records = manifest(tmp_path / 'dataset')
    assert [record.get('labels') for record in records] == [HAND] * 3 + [PARTLY_HAND] + [None] * 4
    assert [record['uncertainty'] is None for record in records] == [True] * 3 + [False] * 5
    for record in records[:3]:
        mask = read_mask(tmp_path / 'dataset' / record['mask'])
        assert np.array_equal(mask, interpreter.hand_labels[record['seed']].mask)
        assert record['pixels_per_class'] == np.bincount(mask.ravel(), minlength=3).tolist()
    # half of the five others, rounded up
    assert [record['kept'] for record in records[:3]] == [True] * 3 and summary.kept == 6 and summary.by_hand == 3
    scored = sorted(record['uncertainty'] for record in records[3:])
    assert summary.uncertainty_cut == scored[2]
    assert (read_mask(tmp_path / 'dataset' / records[3]['mask']) < 3).all()
    assert not list(FolderDataset(tmp_path / 'dataset').problems())


def test_what_counts_classes_counts_theirs(make_run, interpreter, tmp_path):
    interpreter.hand_labels[1].mask[:] = 0
    make_run(curation=Curation(1, ((2, 1),)))()
    dropped = {record['seed']: record.get('dropped') for record in manifest(tmp_path / 'dataset')}
    assert dropped[1] == 'min-pixels' and dropped[0] is None


def test_they_are_shown_apart(make_run, tmp_path):
    make_run()()
    manifest_file = tmp_path / 'dataset' / 'manifest.jsonl'
    strata = stratify(read_scores(manifest_file), 3, read_by_hand(manifest_file))
    assert [score.id for score in strata.pop(BY_HAND)] == [0, 1, 2]
    assert {score.id for part in strata.values() for score in part} == {4, 5, 6, 7}
    page = (tmp_path / 'dataset' / 'report.html').read_text()
    assert '<h3>labelled by hand</h3>' in page and 'seed0000003<br>hand labelled' in page
    assert '4 images have the labels of a person, and no uncertainty.' in page
    card = (tmp_path / 'dataset' / 'README.md').read_text()
    assert '4 images have the labels\nof a person' in card and '`"labels": "hand"`' in card


def test_all_of_them_by_hand(make_run, tmp_path):
    summary = make_run(seeds=range(4), keep=0.1)()
    assert (summary.kept, summary.by_hand, summary.uncertainty_cut) == (4, 4, 0)
    assert '<svg class="histogram"' not in (tmp_path / 'dataset' / 'report.html').read_text()


def test_stopped_split_and_joined_runs_end_with_the_same_bytes(make_run, interpreter, tmp_path, monkeypatch):
    make_run('whole')()
    labeled, label = [], Labeler.label

    def stop(self, ids):
        labeled.extend(ids)
        if ids == [2]:
            raise KeyboardInterrupt
        return label(self, ids)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Labeler, 'label', stop)
        make_run()()
    assert labeled == [0, 1, 2]
    make_run()()
    make_run('first', seeds=range(5))()
    make_run('joined', reuse=[tmp_path / 'first'])()
    make_run('extended', seeds=range(5))()
    make_run('extended')()
    for folder in ('dataset', 'joined', 'extended'):
        assert tree(tmp_path / folder) == tree(tmp_path / 'whole')


def test_workers_have_them_too(tmp_path):
    spec = LabelerSpec('demo', 'demo', device='cpu', hand_labels=True)
    labeler = spec.make()
    assert sorted(labeler.hand_labels) == list(range(16)) and spec.packed().make().hand_labels.keys() == set(range(16))
    for folder, executor in (('one', None), ('two', Processes([spec] * 2))):
        Run(labeler, range(14, 18), tmp_path / folder, Curation(0.5), executor)()
    assert tree(tmp_path / 'one') == tree(tmp_path / 'two')
    assert [record.get('labels') for record in manifest(tmp_path / 'two')] == [HAND, HAND, None, None]
    with pytest.raises(UserError, match='`network` or `interpreter` changed'):
        Fingerprints.of(labeler).check(LabelerSpec('demo', 'demo', device='cpu').make())


def test_other_hand_labels_are_another_dataset(make_run, interpreter, tmp_path):
    make_run()()
    with pytest.raises(UserError, match='`hand_labels` was [0-9a-f]{64}, now None'):
        make_run(hand_labels=False)()
    with pytest.raises(UserError, match='`hand_labels` was'):
        make_run('other', hand_labels=False, reuse=[tmp_path / 'dataset'])()
    interpreter.hand_labels[2].mask[0, 0] ^= 1
    with pytest.raises(UserError, match='`hand_labels` was'):
        make_run()()


@pytest.mark.parametrize('name', CONVERSIONS)
def test_every_format_takes_them(make_run, tmp_path, name):
    if name == 'yolo-pose':
        pytest.skip('it holds keypoints alone')
    pytest.importorskip('pyarrow' if name == 'huggingface' else 'numpy')
    make_run()()
    convert(FolderDataset(tmp_path / 'dataset'), make_conversion(name), tmp_path / name)
    if name == 'huggingface':
        import pyarrow.parquet

        rows = [
            row
            for path in (tmp_path / name).glob('data/*.parquet')
            for row in pyarrow.parquet.read_table(path).to_pylist()
        ]
        uncertainty = {row['seed']: row['uncertainty'] for row in rows}
        assert [uncertainty[seed] for seed in range(4)] == [None] * 4 and len(uncertainty) == 6


def test_the_command(tmp_path):
    arguments = ('--network=demo', '--device=cpu', '--seeds=15-18', '--workers=1')
    result = invoke(gen_dataset.main, *arguments, f'--outdir={tmp_path / "with"}')
    assert result.exit_code == 0 and '; 1 labelled by hand' in result.output
    result = invoke(gen_dataset.main, *arguments, f'--outdir={tmp_path / "without"}', '--no-hand-labels')
    assert result.exit_code == 0 and 'by hand' not in result.output
    records = [manifest(tmp_path / name) for name in ('with', 'without')]
    assert records[0][0]['labels'] == HAND and 'labels' not in records[1][0]
    assert [record['mask_sha256'] for record in records[0][1:]] == [record['mask_sha256'] for record in records[1][1:]]
    assert json.loads((tmp_path / 'without' / 'dataset.json').read_text())['options']['hand-labels'] is None


def test_an_interpreter_of_before_is_told(tmp_path, caplog):
    interpreter = Interpreter.load('demo')
    interpreter.hand_labels = {}
    interpreter.save(tmp_path / 'old.safetensors')
    arguments = ('--network=demo', f'--interpreter={tmp_path / "old.safetensors"}', '--device=cpu', '--workers=1')
    assert invoke(gen_dataset.main, *arguments, '--seeds=15-16', f'--outdir={tmp_path / "out"}').exit_code == 0
    assert 'Seeds 15 were labelled by hand, but the interpreter' in caplog.text
    caplog.clear()
    assert invoke(gen_dataset.main, *arguments, '--seeds=16', f'--outdir={tmp_path / "new"}').exit_code == 0
    assert 'labelled by hand' not in caplog.text
