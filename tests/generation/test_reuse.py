"""Runs in several folders become the one run that they are parts of."""

import shutil

import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.report import publish
from tests.generation.test_run import PowerCutError
from tests.helpers.trees import tree


@pytest.fixture
def make_run(generator, interpreter, tmp_path):
    def make(outdir, seeds, keep=0.5, batch=2, options=None, reuse=()) -> Run:
        labeler = Labeler(generator, interpreter, options, batch)
        folders = [tmp_path / folder for folder in reuse]
        return Run(labeler, list(seeds), tmp_path / outdir, Curation(keep), reuse=folders)

    return make


@pytest.fixture
def labeled(monkeypatch) -> list:
    """The batches that are labelled, but for those of the preview."""
    batches = []
    monkeypatch.setattr(publish, 'write_preview', lambda *arguments: None)
    monkeypatch.setattr(
        Labeler, 'label', lambda self, seeds, real=Labeler.label: batches.append(seeds) or real(self, seeds)
    )
    return batches


def test_parts_join_to_the_bytes_of_one_run(make_run, tmp_path, labeled, monkeypatch):
    make_run('whole', range(9))()
    make_run('parts/0', range(4), keep=1.0)()
    real = Labeler.label

    def dying(self, seeds):
        if 8 in seeds:  # while it is labelled, 4 and 5 are written, 6 and 7 are not yet
            raise PowerCutError
        return real(self, seeds)

    with monkeypatch.context() as dead:
        dead.setattr(Labeler, 'label', dying)
        with pytest.raises(PowerCutError):
            make_run('parts/1', range(4, 9), keep=1.0)()
    (tmp_path / 'parts' / '0' / 'masks' / 'seed0000001.png').write_bytes(b'damaged')
    (tmp_path / 'parts' / '0' / 'images' / 'seed0000002.png').unlink()
    before = tree(tmp_path / 'parts')
    labeled.clear()
    make_run('joined', range(9), reuse=['parts'])()
    assert labeled == [[0, 1], [2, 3], [6, 7], [8]]
    assert tree(tmp_path / 'joined') == tree(tmp_path / 'whole')
    assert tree(tmp_path / 'parts') == before
    labeled.clear()
    shutil.rmtree(tmp_path / 'parts')
    (tmp_path / 'parts').mkdir()
    with pytest.raises(UserError, match='parts is not the folder of a run, nor are there any in it'):
        make_run('joined', range(9), reuse=['parts'])()
    make_run('joined', range(9))()
    assert labeled == []


def test_only_whole_batches_that_both_runs_have_are_taken_over(make_run, labeled):
    make_run('other', [*range(1, 3), *range(4, 7)])()
    labeled.clear()
    make_run('run', range(8), reuse=['other'])()
    assert labeled == [[0, 1], [2, 3], [6, 7]], 'taken over: 4, 5; not 1, 2, and not the lonely 6'


@pytest.mark.parametrize(
    'change, message',
    [({'options': SamplingOptions(trunc=0.5)}, '`trunc` was 0.5, now 0.7'), ({'batch': 1}, '`batch` was 1, now 2')],
)
def test_other_options_are_refused_before_anything_is_written(make_run, tmp_path, change, message):
    make_run('other', range(2), **change)()
    with pytest.raises(UserError, match=f'other holds images made with other options: {message}$'):
        make_run('run', range(4), reuse=['other'])()
    assert not (tmp_path / 'run').exists()


def test_a_file_outside_the_folder_is_not_taken_over(make_run, tmp_path, labeled):
    make_run('other', range(2))()
    path = tmp_path / 'other' / 'manifest.jsonl'
    path.write_text(path.read_text().replace('images/seed0000001', '../other/images/seed0000001'))
    labeled.clear()
    make_run('run', range(2), reuse=['other'])()
    assert labeled == [[0, 1]]


def test_a_run_that_has_only_begun_has_nothing(make_run, tmp_path, labeled):
    make_run('other', range(2))()
    (tmp_path / 'other' / 'manifest.jsonl').unlink()
    labeled.clear()
    make_run('run', range(2), reuse=['other'])()
    assert labeled == [[0, 1]]


def test_the_own_folder_is_no_other_run(make_run, tmp_path, labeled):
    make_run('run', range(4))()
    before = tree(tmp_path / 'run')
    labeled.clear()
    make_run('run', range(4), reuse=['run'])()
    assert labeled == [] and tree(tmp_path / 'run') == before
