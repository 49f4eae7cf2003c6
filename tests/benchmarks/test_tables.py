"""The paper's tables run from one command, and treat all methods alike."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import datasetgan_ext
from benchmarks.demo import world
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from tests.helpers.scripts import show_help
from tests.helpers.squares import write_world

ROOT = Path(datasetgan_ext.__file__).parents[1]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(ROOT), *sys.path])
    from benchmarks import table1, table2, tables

    return tables, table1, table2


def given_folders(tmp_path) -> list[str]:
    """Squares in place of the demo's cars."""
    sources = {
        'labelled': range(16),
        'generated': range(100, 106),
        'real-train': range(200, 216),
        'real-test': range(300, 306),
    }
    return [f'--{name}={write_world(tmp_path / name, seeds)}' for name, seeds in sources.items()]


def run(table, *arguments) -> str:
    result = CliRunner().invoke(table.main, ['--smoke', '--jobs=1', *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_both_tables_on_given_folders(tables, tmp_path):
    folders = [f'--work={tmp_path}/work', *given_folders(tmp_path)]
    output = run(tables[1], *folders)
    assert '| DatasetGAN |' in output and 'below Fully-Supervised' in output
    content = json.loads((tmp_path / 'work' / 'smoke' / 'table1.json').read_text())
    assert len(content['rows']) == 6
    assert all(0 <= row['mean_iou']['mean'] <= 1 and len(row['runs']) == 1 for row in content['rows'].values())
    assert 'step' not in run(tables[1], *folders), 'what is there is not trained again'
    assert '| Transfer-Learning |' in run(tables[2], *folders)


@pytest.mark.slow
def test_on_the_demo_in_processes_of_their_own(tables, tmp_path):
    """One table after the other in the same folder, whose images are made once."""
    from benchmarks import ablations

    work = f'--work={tmp_path}/work'
    assert '| DatasetGAN |' in run(tables[2], work)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / 'work' / 'smoke').glob('*/images/*.png')}
    assert len(stamps) == 6 + 16 + 16 + 6, 'generated, real for training, few of them, real for the test'
    assert '| without the most uncertain 30% |' in run(ablations, work, '--jobs=2')
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_scripts_run_from_a_checkout(tmp_path):
    scripts = [f'benchmarks/{name}.py' for name in ('table1', 'table2', 'real_and_generated', 'ablations')]
    for script, text in show_help(scripts, tmp_path).items():
        assert '--smoke' in text, script


def test_all_methods_are_treated_alike(tables, tmp_path):
    """Their commands differ in the data alone."""
    from benchmarks import real_and_generated

    common, table1, table2 = tables
    sources = {name: tmp_path / name for name in ('labelled', 'generated', 'train', 'few', 'test')}
    for rows in (table1.ROWS, table2.ROWS, real_and_generated.ROWS):
        commands = [common.train_arguments(row, 0, tmp_path / 'm', common.PRESETS['full'], sources) for row in rows]
        names = ('--data', '--num', '--unlabeled', '--discriminator-width')
        rest = [{argument for argument in command if not argument.startswith(names)} for command in commands]
        assert all(other == rest[0] for other in rest) and {'--val=0', '--steps=4000'} <= rest[0]
        assert not any(str(sources['test']) in argument for command in commands for argument in command)


def test_drawings_are_read_with_their_labels(tables, tmp_path):
    images = read_labeled(tables[0].write_drawings(tmp_path / 'real', range(3)))
    assert len(images) == 3 and images.task.classes == world.CLASSES and images.task.keypoints == world.KEYPOINTS
    drawing = world.draw(1, images[1].image.shape[0])
    assert (images[1].mask == drawing.mask).all() and (images[1].image == drawing.image).all()
    assert images[1].keypoints.points == pytest.approx(drawing.keypoints, abs=0.01)


def test_other_settings_need_another_folder(tables, tmp_path):
    common, *_ = tables
    common._check_same(tmp_path / 'settings.json', {'steps': 1})
    common._check_same(tmp_path / 'settings.json', {'steps': 1})
    with pytest.raises(common.UserError, match='other settings'):
        common._check_same(tmp_path / 'settings.json', {'steps': 2})
