"""The paper's tables run from one command, and treat all methods alike."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
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


@pytest.fixture
def place(tables, tmp_path):
    """Of a full table, whose folders are names."""
    from benchmarks.table_runs import Place

    sources = {name: tmp_path / name for name in ('labelled', 'generated', 'train', 'few', 'test', 'shapes')}
    return Place(tmp_path, tables[0].PRESETS['full'], 'classes', sources)


def given_folders(tmp_path) -> list[str]:
    """Squares in place of the demo's cars."""
    sources = {
        'labelled': range(16),
        'generated': range(100, 106),
        'real-train': range(200, 220),
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
    assert len(content['rows']) == 9 and content['settings']['searched'] == ['0.01', '0.003']
    for title, row in content['rows'].items():
        assert 0 <= row['mean_iou']['mean'] <= 1 and len(row['runs']) == 1
        assert sum(row['chosen'].values()) == 5 and set(row['chosen']) <= {'0.01', '0.003'}
        assert row['chosen_updates'] in (1, 1.2, 1.4, 1.6, 1.8, 2)
        assert (row['cost']['trainings'], row['cost']['updates']) == (2, 4) and row['cost']['seconds'] > 0
        assert ('self_trained_share' in row) == title.startswith('Semi-Supervised')
    assert content['pretraining']['trainings'] == 1
    assert content['curves'].keys() == content['rows'].keys()
    assert all(set(curve) == {'1', '2'} for curve in content['curves'].values())
    assert all(0 <= value['mean'] <= 1 for curve in content['curves'].values() for value in curve.values())
    assert 'step' not in run(tables[1], *folders), 'what is there is not trained again'
    again = json.loads((tmp_path / 'work' / 'smoke' / 'table1.json').read_text())
    assert again == content
    assert '| Transfer-Learning |' in run(tables[2], *folders)


@pytest.mark.slow
def test_on_the_demo_in_processes_of_their_own(tables, tmp_path):
    """One table after the other in the same folder, whose images are made once."""
    from benchmarks import ablation_datasets

    work = f'--work={tmp_path}/work'
    assert '| DatasetGAN |' in run(tables[2], work)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / 'work' / 'smoke').glob('*/images/*.png')}
    assert len(stamps) == 6 + 20 + 6 + 4, 'generated, real for training, real for the test, shapes'
    assert '| without the most uncertain 30% |' in run(ablation_datasets, work, '--jobs=2')
    manifests = (tmp_path / 'work' / 'smoke').glob('*/manifest.jsonl')
    kept = {path.parent.name: path.read_text().count('"kept": true') for path in manifests}
    assert kept == {'generated': 6, 'without-0.0': 6, 'without-0.3': 5, 'without-0.5': 3}
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_scripts_run_from_a_checkout(tmp_path):
    scripts = [
        f'benchmarks/{name}.py'
        for name in ('table1', 'table2', 'real_and_generated', 'ablation_datasets', 'doubtful_pixels')
    ]
    for script, text in show_help(scripts, tmp_path).items():
        assert '--smoke' in text, script


def test_all_methods_are_treated_alike(tables, place):
    """Their commands differ in the data alone, and in what they begin with: one row shows what that is worth."""
    from benchmarks import real_and_generated
    from benchmarks.table_runs import train_arguments

    _, table1, table2 = tables
    for rows in (table1.ROWS, table2.ROWS, real_and_generated.ROWS):
        for rate in place.settings.rates:
            commands = [train_arguments(place, row, 1, rate) for row in rows]
            names = ('--data', '--num', '--unlabeled', '--out', '--pretrained')
            rest = [{argument for argument in command if not argument.startswith(names)} for command in commands]
            assert all(other == rest[0] for other in rest)
            assert {'--val=0', '--steps=4000', f'--lr={rate}', '--augment'} <= rest[0]
            for row, command in zip(rows, commands):
                random = 'from random' in row.title
                assert f'--pretrained={"none" if random else place.pretrained(1)}' in command
                assert not any(str(place.sources['test']) in argument for argument in command)


def test_large_networks_begin_with_what_the_papers_do(place):
    from benchmarks.table1 import ROWS
    from benchmarks.table_runs import train_arguments

    place = replace(place, settings=replace(place.settings, architecture='deeplabv3_resnet101'))
    found = {row.title: train_arguments(place, row, 0, 1e-2) for row in ROWS}
    for title, weights in (('Semi-Supervised', 'coco'), ('Transfer-Learning', 'coco'), ('DatasetGAN', 'imagenet')):
        assert f'--pretrained={weights}' in found[title]


def test_no_two_trainings_share_a_file(place):
    from benchmarks.table1 import ROWS

    outs = {place.out(row, run, rate) for row in ROWS for run in range(3) for rate in place.settings.rates}
    assert len(place.settings.rates) == 2 and len(outs) == len(ROWS) * 3 * 2


def test_short_weights_compute_the_same():
    from benchmarks.table_runs import shorten
    from datasetgan_ext.downstream.networks import SMALL, build_network

    torch.manual_seed(0)
    network, images = build_network(SMALL, 3), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 5
        network(images)  # the normalizations see these weights
        network.eval()
        before = network(images)
        shorten(network)
        # but for what normalizations add against division by zero
        assert (network(images) - before).detach().abs().max() < 0.01 * before.abs().max()
    convolution = network.down[2][1][0]
    assert convolution.weight.norm().item() == pytest.approx((convolution.out_channels / 3) ** 0.5, rel=0.05)


def test_tables_share_what_they_share(place):
    """Rows of two tables that train the same have the same files."""
    from benchmarks import ablation_datasets, doubtful_pixels, real_and_generated, table1

    names = {row.title: row.name() for row in table1.ROWS}
    others = {row.title: row.name() for row in real_and_generated.ROWS}
    shared = ('DatasetGAN', 'Fully-Supervised')
    assert [names[title] for title in shared] == [others[title] for title in shared]
    assert names['DatasetGAN'] in {row.name() for row in ablation_datasets.ROWS} & {
        row.name() for row in doubtful_pixels.ROWS
    }


def test_tables_of_a_result(tables):
    _, table1, table2 = tables
    figure = {'mean': 0.5, 'std': 0.01}
    row = dict.fromkeys(table1.FIGURES, figure) | {
        'chosen': {'0.01': 9, '0.003': 6},
        'chosen_updates': 480.4,
        'cost': {'trainings': 12, 'updates': 7200, 'seconds': 600},
    }
    rows = {'DatasetGAN': row, 'Semi-Supervised': row | {'self_trained_share': 0.135}}
    content = {'settings': {'searched': ['0.01', '0.003']}, 'rows': rows}
    lines = table1.table(content).splitlines()
    assert [line.split(' | ')[:5] for line in lines[2:]] == [
        ['| DatasetGAN', '50.00 ± 1.00', '50.00 ± 1.00', '50.00 ± 1.00', '–'],
        ["| DatasetGAN, NVIDIA's corrected figures", '–', '–', '–', '–'],
        ['| Semi-Supervised', '50.00 ± 1.00', '50.00 ± 1.00', '50.00 ± 1.00', '13.5'],
    ]
    assert '| 47.28; 47.87 | – | 68.41; 67.53 | – | 53.83; 54.55 | – | 31.92; 32.63 | – |' in lines[3]
    assert tables[0].search_table(content).splitlines()[2] == '| DatasetGAN | 9 | 6 | 480 | 12 | 7200 | 10 |'
    keypoints = dict.fromkeys(('l2', 'heatmap_mse'), {'mean': 3e-4, 'std': None}) | dict.fromkeys(
        table2.FIGURES, figure
    )
    shown = table2.table({'rows': {'DatasetGAN': {'keypoints': keypoints}}}).splitlines()
    assert len({line.count('|') for line in shown}) == 1 and '| 79.91 | 67.14 | 35.17 | 60.61' in shown[2]


def test_pixels_and_table_of_the_in_domain_rows(tables):
    from benchmarks import in_domain

    images = [SimpleNamespace(mask=np.array([[0, 0], [0, 3]])), SimpleNamespace(mask=np.array([[3, 1], [0, 0]]))]
    assert in_domain.pixels_of(images)[:5] == [5 / 8, 1 / 8, 0, 2 / 8, 0]
    parts = dict.fromkeys(in_domain.SMALL_PARTS, 0.25)
    row = {'mean_iou': 0.5, 'std': None, 'iou': parts, 'pixels': dict.fromkeys(parts, 0.0012)}
    assert in_domain.table({'rows': {'drawings 0 to 15': row}}).splitlines()[2] == (
        '| drawings 0 to 15 | 50.0' + 6 * ' | 25 (12)' + ' |'
    )


def test_shapes_have_true_masks(tables, tmp_path):
    from benchmarks import shapes

    images = read_labeled(tables[0].write_shapes(tmp_path / 'shapes', range(30)))
    assert len(images) == 30 and images.task.classes == shapes.CLASSES and not images.task.keypoints
    drawing = shapes.draw(7)
    assert (images[7].mask == drawing.mask).all() and (images[7].image == drawing.image).all()
    assert set().union(*(image.mask.ravel().tolist() for image in images)) == set(range(len(shapes.CLASSES)))
    assert len(set(shapes.PALETTE)) == len(shapes.CLASSES)


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
