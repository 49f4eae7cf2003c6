import copy
import json
import math
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from datasetgan_ext.core import files
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.conversions import convert, convert_within, make_conversion
from datasetgan_ext.formats.folder import FolderDataset, Summary, name_of_record
from datasetgan_ext.generation import run as run_module
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generator.identity import network_fingerprint
from datasetgan_ext.generator.latents import ProjectedLatents
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import Labeler
from tests.helpers.trees import manifest, tree


class PowerCutError(BaseException):
    """The process ends here."""


@pytest.fixture
def make_run(generator, interpreter, tmp_path):
    def make(outdir='dataset', seeds=range(6), keep=0.5, batch=1, options=None, **others) -> Run:
        labeler = Labeler(generator, interpreter, options, batch)
        curation = others.pop('curation', Curation(keep))
        return Run(labeler, list(seeds), tmp_path / outdir, curation, **others)

    return make


def test_files_and_records(make_run, tmp_path):
    run = make_run()
    summary = run()
    folder = tmp_path / 'dataset'
    names = [f'seed{seed:07d}.png' for seed in range(6)]
    assert sorted(tree(folder)) == sorted(
        [f'images/{name}' for name in names]
        + [f'masks/{name}' for name in names]
        + ['manifest.jsonl', 'dataset.json', 'preview.png', 'report.html', 'README.md']
    )
    records = manifest(folder)
    assert [record['seed'] for record in records] == list(range(6))
    for record, sample in zip(records, run.labeler(range(6))):
        with PIL.Image.open(folder / record['image']) as image, PIL.Image.open(folder / record['mask']) as mask:
            assert (image.mode, mask.mode) == ('RGB', 'P')
            assert np.array_equal(np.asarray(image), sample.image) and np.array_equal(np.asarray(mask), sample.mask)
        assert record['pixels_per_class'] == np.bincount(sample.mask.ravel(), minlength=3).tolist()
        assert record['uncertainty'] == pytest.approx(sample.uncertainty, abs=1e-6)
    info = json.loads((folder / 'dataset.json').read_text())
    assert info['classes'] == ['background', 'dark', 'bright'] and info['image_hw'] == [16, 16]
    assert info['options']['seeds'] == '0-5' and info['options']['trunc'] == 0.7
    assert info['summary']['kept'] == summary.kept == 3
    assert sum(summary.class_pixels) == pytest.approx(1, abs=1e-5)


def test_compression_changes_files_but_no_pixel(make_run, tmp_path):
    files = {}
    for compression in (0, 9):
        make_run(str(compression), compression=compression)()
        files[compression] = sorted((tmp_path / str(compression)).glob('*s/*.png'))
    assert len(files[0]) == len(files[9]) == 12
    for one, other in zip(files[0], files[9]):
        assert one.name == other.name and np.array_equal(*(np.asarray(PIL.Image.open(path)) for path in (one, other)))
    assert sum(path.stat().st_size for path in files[9]) < sum(path.stat().st_size for path in files[0])
    with pytest.raises(UserError, match='`compression` was 9, now 1'):
        make_run('9')()


@pytest.mark.parametrize('keep, kept', [(1.0, 6), (0.9, 6), (0.5, 3), (0.34, 3), (1 / 3, 2), (0.01, 1)])
def test_the_most_uncertain_are_dropped(make_run, tmp_path, keep, kept):
    make_run(keep=keep)()
    records = manifest(tmp_path / 'dataset')
    by_uncertainty = sorted(records, key=lambda record: (record['uncertainty'], record['seed']))
    assert [record['kept'] for record in by_uncertainty] == [True] * kept + [False] * (6 - kept)
    assert [record.get('dropped') for record in by_uncertainty] == [None] * kept + ['uncertainty'] * (6 - kept)


def test_curation_is_part_of_the_options(make_run, tmp_path, caplog):
    make_run(keep=1)()
    counts = {record['seed']: record['pixels_per_class'][2] for record in manifest(tmp_path / 'dataset')}
    number = sorted(counts.values())[2] + 1
    summary = make_run('curated', curation=Curation(1, ((2, number),)))()
    records = manifest(tmp_path / 'curated')
    assert [record['seed'] for record in records if record['kept']] == [s for s in counts if counts[s] >= number]
    assert {record.get('dropped') for record in records} == {None, 'min-pixels'}
    assert summary.dropped == {'uncertainty': 0, 'min-pixels': 6 - summary.kept, 'balance-classes': 0}
    with pytest.raises(UserError, match=f'`min_pixels` was bright={number}, now None'):
        make_run('curated', keep=1)()
    with pytest.raises(UserError, match='not one image has as many pixels of these classes. Nothing is lost'):
        make_run('none', curation=Curation(1, ((2, 257),)))()


def test_a_class_too_scarce_to_balance_is_told(make_run, caplog):
    run = make_run(curation=Curation(1, balance=0.5))
    run._warn_of_scarce_classes(Summary(6, 6, 0.1, [0.5, 0.3, 0.2], [6, 3, 2], []))
    assert caplog.messages == [
        'bright is in 33.3 % of the kept images: too few images have it for `balance_classes`=0.5'
    ]


def test_dropped_files_are_deleted_and_come_back_when_a_later_cut_keeps_them(make_run, tmp_path, monkeypatch):
    """Also when the process dies at any deletion, or while it makes them again."""

    def run(drop, seeds, outdir='dataset', keep=0.5):
        make_run(outdir, seeds, keep, batch=2, drop=drop)()

    uncertainty = {sample.seed: sample.uncertainty for sample in make_run().labeler(range(12))}
    order = sorted(range(12), key=uncertainty.get)
    first, later = order[2:8], [*order[:2], *order[8:]]  # the later ones move the cut
    first, later = [first[i] for i in (4, 0, 5, 1, 3, 2)], sorted(later, key=lambda seed: -uncertainty[seed])

    folder, whole = tmp_path / 'dataset', tmp_path / 'whole'
    real = Path.unlink
    for stop in range(1, 6):
        left = stop

        def dying(path, missing_ok=False):
            nonlocal left
            left -= path.suffix == '.png'
            if left == 0:
                raise PowerCutError
            real(path, missing_ok)

        with monkeypatch.context() as dead:
            dead.setattr(Path, 'unlink', dying)
            with pytest.raises(PowerCutError):
                run(True, first)
        with pytest.raises(UserError, match='not finished'):
            FolderDataset(folder)
    run(True, first)
    run(False, first, 'whole')
    assert manifest(folder) == manifest(whole)
    kept = [record['image'] for record in manifest(folder) if record['kept']]
    assert len(kept) == 3 and sorted(name for name in tree(folder) if name.startswith('images')) == sorted(kept)
    assert list(FolderDataset(folder).problems()) == []

    labeled, before = [], tree(folder)
    monkeypatch.setattr(
        Labeler, 'label', lambda self, seeds, real=Labeler.label: labeled.append(seeds) or real(self, seeds)
    )
    monkeypatch.setattr(run_module, 'publish', lambda *args, **named: None)
    run(True, first)
    assert labeled == [] and tree(folder) == before, 'the dropped ones are not wanted'

    back = {record['seed'] for record in manifest(folder) if not record['kept']}
    run(True, first + later)
    kept = {record['seed'] for record in manifest(folder) if record['kept']}
    assert kept & back, 'this test is about them'
    assert labeled[:3] == [later[:2], later[2:4], later[4:]]
    assert labeled[3:] == [pair for pair in (first[:2], first[2:4], first[4:]) if set(pair) & kept & back]
    run(False, first + later, 'whole')
    assert manifest(folder) == manifest(whole)
    files = {name: sha for name, sha in tree(folder).items() if name.endswith('.png') and name != 'preview.png'}
    assert files.items() <= tree(whole).items() and len(files) == 12
    assert list(FolderDataset(folder).problems()) == []

    (folder / manifest(whole)[0]['image']).unlink(missing_ok=True)
    stray = folder / next(record['image'] for record in manifest(folder) if not record['kept'])
    stray.write_bytes(b'')
    assert any(f'images/{stray.name}: belongs to no sample' in problem for problem in FolderDataset(folder).problems())
    run(False, first + later)
    assert all(tree(folder)[name] == tree(whole)[name] for name in tree(whole) if name.endswith('.png')), 'all again'


def test_order_of_seeds_does_not_change_a_sample(make_run, tmp_path):
    make_run(seeds=[5, 1, 3])()
    make_run('other', seeds=[1, 3, 5])()
    by_seed = {record['seed']: record for record in manifest(tmp_path / 'dataset')}
    assert [record['seed'] for record in manifest(tmp_path / 'dataset')] == [5, 1, 3]
    assert all(by_seed[record['seed']] == record for record in manifest(tmp_path / 'other'))


@pytest.mark.parametrize('batch', [1, 2])
def test_stopped_anywhere_and_continued_ends_with_the_same_bytes(make_run, tmp_path, monkeypatch, batch):
    """The run dies at every one of its file renames in turn, once before and once after it."""
    make_run('whole', range(3), batch=batch)()
    expected = tree(tmp_path / 'whole')
    real_replace, real_unlink = os.replace, Path.unlink
    renames = 0

    def counting(source, target):
        nonlocal renames
        renames += 1
        real_replace(source, target)

    # a process that is killed cleans nothing up
    monkeypatch.setattr(
        Path,
        'unlink',
        lambda path, missing_ok=False: path.suffix == files.TEMPORARY_SUFFIX or real_unlink(path, missing_ok),
    )
    monkeypatch.setattr(files.os, 'replace', counting)
    make_run('counted', range(3), batch=batch)()
    assert renames > 2 * 3
    for stop in range(renames):
        for after in (False, True):
            left = stop

            def dying(source, target, after=after):
                nonlocal left
                if left == 0 and not after:
                    raise PowerCutError
                real_replace(source, target)
                if left == 0:
                    raise PowerCutError
                left -= 1

            name = f'stopped-{stop}-{after}'
            monkeypatch.setattr(files.os, 'replace', dying)
            with pytest.raises(PowerCutError):
                make_run(name, range(3), batch=batch)()
            with monkeypatch.context() as alive:
                alive.setattr(files.os, 'replace', real_replace)
                alive.setattr(Path, 'unlink', real_unlink)
                make_run(name, range(3), batch=batch)()
            assert tree(tmp_path / name) == expected, name


@pytest.mark.parametrize('step', range(6))
def test_overwriting_can_be_stopped_anywhere(make_run, tmp_path, monkeypatch, step):
    make_run('whole', seeds=[7])()
    make_run()()
    (tmp_path / 'dataset' / 'notes.txt').write_text('mine')
    left = step
    real_rmtree, real_unlink = shutil.rmtree, Path.unlink

    def dying(real):
        def call(*arguments, **named):
            nonlocal left
            left -= 1
            if left < 0:
                raise PowerCutError
            real(*arguments, **named)

        return call

    with monkeypatch.context() as dead:
        dead.setattr(shutil, 'rmtree', dying(real_rmtree))
        dead.setattr(Path, 'unlink', dying(real_unlink))
        with pytest.raises(PowerCutError):
            make_run(seeds=[7])(overwrite=True)
    make_run(seeds=[7])(overwrite=True)
    (tmp_path / 'dataset' / 'notes.txt').unlink()
    assert tree(tmp_path / 'dataset') == tree(tmp_path / 'whole')


def test_what_is_done_is_not_done_again(make_run, tmp_path, monkeypatch):
    make_run()()
    run = make_run()
    (tmp_path / 'dataset' / 'images' / 'seed0000004.png').unlink()
    (tmp_path / 'dataset' / 'masks' / 'seed0000002.png').write_bytes(b'damaged')
    expected_records = manifest(tmp_path / 'dataset')
    labeled = []
    label = run.labeler.label
    monkeypatch.setattr(run.labeler, 'label', lambda seeds: labeled.append(seeds) or label(seeds))
    run()
    assert labeled[:2] == [[2], [4]], "the damaged and the missing one; after them the preview's"
    assert manifest(tmp_path / 'dataset') == expected_records


def test_a_cut_off_line_is_made_again(make_run, tmp_path):
    make_run()()
    expected = tree(tmp_path / 'dataset')
    lines = (tmp_path / 'dataset' / 'manifest.jsonl').read_bytes()
    (tmp_path / 'dataset' / 'manifest.partial.jsonl').write_bytes(lines[:-20])
    make_run()()
    assert tree(tmp_path / 'dataset') == expected


def _without(name):
    def change(line):
        return (json.dumps({key: value for key, value in json.loads(line).items() if key != name}) + '\n').encode()

    return change


def _with(**values):
    return lambda line: (json.dumps({**json.loads(line), **values}) + '\n').encode()


@pytest.mark.parametrize(
    'change',
    [
        lambda line: b'nonsense\n',
        lambda line: bytes(len(line) - 1) + b'\n',
        lambda line: b'\xff' + line,
        lambda line: b'[' * 5000 + b'\n',
        lambda line: b'7\n',
        _without('seed'),
        _without('image'),
        _without('image_sha256'),
        _without('uncertainty'),
        _without('pixels_per_class'),
        _without('kept'),
        _without('mask'),
        _with(image='../secret.png'),
        _with(image='/etc/passwd'),
        _with(image='images/seed0000005.png'),
        _with(uncertainty=float('nan')),
        _with(pixels_per_class=[1]),
    ],
)
def test_a_damaged_line_costs_one_image(make_run, tmp_path, caplog, monkeypatch, change):
    make_run()()
    before = tree(tmp_path / 'dataset')
    path = tmp_path / 'dataset' / 'manifest.jsonl'
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = change(lines[2])
    path.write_bytes(b''.join(lines))
    made = []
    label = Labeler.label
    monkeypatch.setattr(Labeler, 'label', lambda self, ids: made.append(list(ids)) or label(self, ids))
    again = make_run()
    problems = list(FolderDataset(tmp_path / 'dataset').problems())
    assert problems
    again()
    assert made[0] == [2] and sum(ids == [2] for ids in made) <= 2, 'one more time for the preview at most'
    assert 'line 3 is damaged' in caplog.text or 'not of this dataset' in caplog.text
    assert tree(tmp_path / 'dataset') == before


def test_a_damaged_line_of_a_finished_dataset_is_told_where_it_is_only_read(make_run, tmp_path):
    make_run()()
    path = tmp_path / 'dataset' / 'manifest.jsonl'
    path.write_bytes(b'\xff\n' + path.read_bytes())
    with pytest.raises(UserError, match='line 1 is damaged.*given again, makes that image again'):
        list(FolderDataset(tmp_path / 'dataset').records())


def test_a_line_does_not_lead_to_a_file_elsewhere(make_run, tmp_path):
    (tmp_path / 'secret.png').write_bytes(b'of somebody else')
    for name in ('../secret.png', str(tmp_path / 'secret.png'), 'images/../../secret.png', 'C:\\secret.png'):
        make_run(drop=True)(overwrite=True)
        path = tmp_path / 'dataset' / 'manifest.jsonl'
        records = manifest(tmp_path / 'dataset')
        for record in records:
            record['image'] = name
        path.write_text(''.join(json.dumps(record) + '\n' for record in records))
        dataset = FolderDataset(tmp_path / 'dataset')
        for format_name in ('voc', 'webdataset', 'coco', 'yolo', 'huggingface'):
            with pytest.raises(UserError, match='no file of the folder'):
                convert(dataset, make_conversion(format_name), tmp_path / format_name)
        make_run(drop=True)()
    assert (tmp_path / 'secret.png').read_bytes() == b'of somebody else'


def test_a_link_in_the_place_of_an_image_is_not_followed(make_run, tmp_path):
    make_run()()
    whole = tree(tmp_path / 'dataset')
    image = tmp_path / 'dataset' / 'images' / 'seed0000000.png'
    shutil.copyfile(image, tmp_path / 'elsewhere.png')
    image.unlink()
    image.symlink_to(tmp_path / 'elsewhere.png')
    dataset = FolderDataset(tmp_path / 'dataset')
    assert any('leads out of this folder' in problem for problem in dataset.problems())
    if manifest(tmp_path / 'dataset')[0]['kept']:
        with pytest.raises(UserError, match='leads out of this folder'):
            convert(dataset, make_conversion('voc'), tmp_path / 'voc')
    make_run()()
    assert not image.is_symlink() and tree(tmp_path / 'dataset') == whole
    shutil.move(tmp_path / 'dataset' / 'images', tmp_path / 'moved')
    (tmp_path / 'dataset' / 'images').symlink_to(tmp_path / 'moved')
    with pytest.raises(UserError, match="'images' leads out of this folder"):
        make_run()()


def test_another_batch_or_device_is_refused_when_a_run_goes_on(make_run, tmp_path):
    make_run(batch=1)()
    before = tree(tmp_path / 'dataset')
    with pytest.raises(UserError, match='`batch` was 1, now 2'):
        make_run(batch=2)()
    path = tmp_path / 'dataset' / 'dataset.json'
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, 'device': 'cuda'}))
    with pytest.raises(UserError, match='`device` was cuda, now cpu'):
        make_run(batch=1)()
    path.write_text(json.dumps({name: value for name, value in info.items() if name not in ('batch', 'device')}))
    make_run(batch=1)()
    assert tree(tmp_path / 'dataset') == before


def test_a_batch_that_memory_halved_is_in_the_records_and_not_reused(make_run, tmp_path, monkeypatch):
    label = Labeler._label

    def small(self, ids):
        if len(ids) > 2:
            raise torch.cuda.OutOfMemoryError
        return label(self, ids)

    with monkeypatch.context() as patch:
        patch.setattr(Labeler, '_label', small)
        make_run('small', batch=3)()
    assert [record['batch'] for record in manifest(tmp_path / 'small')] == [1, 2, 2, 1, 2, 2]
    made = []
    monkeypatch.setattr(Labeler, '_label', lambda self, ids: made.append(list(ids)) or label(self, ids))
    make_run('reusing', batch=3, reuse=[tmp_path / 'small'])()
    assert made[:2] == [[0, 1, 2], [3, 4, 5]]
    assert all('batch' not in record for record in manifest(tmp_path / 'reusing'))


def test_with_overwrite_a_dataset_stays_until_others_can_be_made(make_run, tmp_path, monkeypatch):
    make_run()()
    before = tree(tmp_path / 'dataset')

    def fail(self, ids):
        raise UserError('the network computes no images')

    with monkeypatch.context() as patch:
        patch.setattr(Labeler, 'label', fail)
        with pytest.raises(UserError, match='computes no images'):
            make_run(keep=0.9)(overwrite=True)
    assert tree(tmp_path / 'dataset') == before


def test_numbers_that_are_none_are_told_at_the_first_image(make_run, tmp_path):
    run = make_run()
    for tensor in run.labeler.interpreter.ensemble.state_dict().values():
        if tensor.is_floating_point():
            tensor.fill_(float('nan'))
    run = replace(run, labeler=Labeler(run.labeler.generator, run.labeler.interpreter, batch=1))
    with pytest.raises(UserError, match='seed0000000 is nan: network or interpreter have weights'):
        run()
    assert not list((tmp_path / 'dataset').glob('images/*'))


def test_a_source_that_is_not_utf8_or_has_secrets(generator, interpreter, tmp_path):
    generator.source = 'https://me:s3cret@host/c\udce4r.pkl?X-Signature=0f3a#s3cret'
    source = 's3://key:s3cret@bucket/interpreter'
    Run(Labeler(generator, interpreter), [0], tmp_path / 'out', Curation(1), interpreter_source=source)()
    for name in ('dataset.json', 'README.md', 'report.html'):
        text = (tmp_path / 'out' / name).read_text(encoding='utf-8')
        assert 's3cret' not in text and '0f3a' not in text
    assert 'https://host/c' in (tmp_path / 'out' / 'README.md').read_text(encoding='utf-8')


def test_preview_and_report_are_made_with_one_thread_however_many_there_are(make_run, monkeypatch):
    threads, label = [], Labeler._label

    def counted(self, ids):
        threads.append(torch.get_num_threads())
        return label(self, ids)

    monkeypatch.setattr(Labeler, '_label', counted)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        make_run(drop=True)()
    finally:
        torch.set_num_threads(before)
    assert len(threads) > 6 and set(threads) == {1}


@pytest.mark.parametrize(
    'change, message',
    [
        ({'seeds': range(5)}, '`seeds` was 0-5, now 0-4'),
        ({'keep': 0.9}, '`keep` was 0.5, now 0.9'),
        ({'options': SamplingOptions(trunc=0.5)}, '`trunc` was 0.7, now 0.5'),
    ],
)
def test_other_options_in_the_same_folder_are_refused(make_run, tmp_path, change, message):
    make_run()()
    before = tree(tmp_path / 'dataset')
    with pytest.raises(UserError, match='other options') as error:
        make_run(**change)()
    assert message in error.value.message
    assert tree(tmp_path / 'dataset') == before
    make_run(**change)(overwrite=True)
    assert tree(tmp_path / 'dataset') != before


@pytest.mark.parametrize('batch', [1, 2])
def test_seeds_can_be_added_at_the_end(make_run, tmp_path, monkeypatch, batch):
    make_run('whole', batch=batch)()
    make_run(seeds=range(4), batch=batch)()
    run = make_run(batch=batch)
    label = run.labeler.label

    def power_cut(seeds):
        if 5 in seeds:
            raise PowerCutError
        return label(seeds)

    monkeypatch.setattr(run.labeler, 'label', power_cut)
    with pytest.raises(PowerCutError):
        run()
    with pytest.raises(UserError, match='`seeds` was 0-5, now 0-3'):
        make_run(seeds=range(4), batch=batch)()
    make_run(batch=batch)()
    assert tree(tmp_path / 'dataset') == tree(tmp_path / 'whole')


@pytest.mark.parametrize(
    'first, then, batch, where',
    [
        (range(4), [4, 5, *range(4)], 1, r'at the end\)'),
        (range(3), range(6), 2, 'where a batch of 2 ends; `reuse` copies the whole batches into another `outdir`'),
    ],
)
def test_seeds_added_elsewhere_or_within_a_batch_are_refused(make_run, first, then, batch, where):
    make_run(seeds=first, batch=batch)()
    with pytest.raises(UserError, match=f'`seeds` may be extended {where}'):
        make_run(seeds=then, batch=batch)()


def test_another_interpreter_in_the_same_folder_is_refused(make_run, generator, interpreter, tmp_path):
    make_run()()
    other = copy.deepcopy(interpreter)
    other.ensemble.biases[0].data += 1
    run = Run(Labeler(generator, other), range(6), tmp_path / 'dataset', Curation(0.5))
    with pytest.raises(UserError, match='`interpreter` was'):
        run()


def test_other_class_names_make_another_interpreter(interpreter):
    renamed = replace(interpreter, task=replace(interpreter.task, classes=('background', 'dark', 'light')))
    assert renamed.fingerprint != interpreter.fingerprint


def test_two_runs_in_one_folder_at_once(make_run, tmp_path, monkeypatch):
    run = make_run()
    label = run.labeler.label

    def label_while_another_starts(seeds):
        with pytest.raises(UserError, match='is being written by another process'):
            make_run()()
        return label(seeds)

    monkeypatch.setattr(run.labeler, 'label', label_while_another_starts)
    run()
    assert len(manifest(tmp_path / 'dataset')) == 6


def test_overwrite_leaves_what_is_not_ours(make_run, tmp_path):
    make_run()()
    (tmp_path / 'dataset' / 'notes.txt').write_text('mine')
    make_run(seeds=[7])(overwrite=True)
    assert sorted(path.name for path in (tmp_path / 'dataset' / 'images').iterdir()) == ['seed0000007.png']
    assert (tmp_path / 'dataset' / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize(
    'name, content',
    [
        ('thesis.txt', 'mine'),
        ('dataset.json', '{"format": "else"}'),
        ('dataset.json', 'no json'),
        ('dataset.json', '[1]'),
    ],
)
def test_a_folder_that_is_not_ours_is_left_alone(make_run, tmp_path, overwrite, name, content):
    (tmp_path / 'dataset').mkdir()
    (tmp_path / 'dataset' / name).write_text(content)
    with pytest.raises(UserError, match='nothing was touched'):
        make_run()(overwrite)
    assert [path.name for path in (tmp_path / 'dataset').iterdir()] == [name]


def test_other_formats_are_written_with_the_dataset_and_again_when_it_changes(make_run, tmp_path, caplog):
    def run(formats, **settings):
        make_run(**settings, conversions=[make_conversion(name, {'val': 0.0}) for name in formats])()

    folder = tmp_path / 'dataset'
    run(['voc', 'webdataset'], seeds=range(4))
    names = (folder / 'voc' / 'ImageSets' / 'Segmentation' / 'train.txt').read_text().split()
    assert names == [name_of_record(record) for record in manifest(folder) if record['kept']]
    before, written = tree(folder), (folder / 'voc').stat().st_ino
    run(['voc'], seeds=range(4))
    assert tree(folder) == before and (folder / 'voc').stat().st_ino == written, 'nothing to do'

    run(['voc'])
    assert 'webdataset holds the dataset as it was before' in caplog.text and '/voc holds' not in caplog.text
    assert [problem.partition(':')[0] for problem in FolderDataset(folder).problems()] == ['webdataset']
    run(['voc', 'webdataset'])
    assert list(FolderDataset(folder).problems()) == []
    shutil.rmtree(folder / 'webdataset')
    make_run('whole')()
    convert_within(FolderDataset(tmp_path / 'whole'), make_conversion('voc', {'val': 0.0}))
    assert tree(folder) == tree(tmp_path / 'whole')

    (folder / '.voc.0f3a.datasetgan-tmp').mkdir()
    make_run(seeds=range(4))(overwrite=True)
    assert not list(folder.glob('*voc*'))


def test_a_format_that_cannot_be_written_is_told_before_any_work(make_run, tmp_path, monkeypatch):
    def run(name):
        return make_run(conversions=[make_conversion(name, {'segmentation': 'rle'})])

    with pytest.raises(UserError, match='`format`=yolo-pose holds keypoints'):
        run('yolo-pose')()
    with monkeypatch.context() as bare:
        bare.setitem(sys.modules, 'pycocotools.mask', None)
        with pytest.raises(UserError, match=r'datasetgan-ext\[formats\]'):
            run('coco')()
    assert not (tmp_path / 'dataset').exists()
    (tmp_path / 'dataset' / 'voc').mkdir(parents=True)
    (tmp_path / 'dataset' / 'voc' / 'notes.txt').write_text('mine')
    with pytest.raises(UserError, match='holds something else; move that away'):
        run('voc')(overwrite=True)


def test_a_conversion_is_no_folder_to_generate_into(make_run, tmp_path):
    make_run(conversions=[make_conversion('voc', {})])()
    with pytest.raises(UserError, match='in another format, made by conversion; nothing was touched'):
        make_run('dataset/voc')(overwrite=True)


def test_outdir_is_a_file(make_run, tmp_path):
    (tmp_path / 'dataset').write_text('mine')
    with pytest.raises(UserError, match='File exists'):
        make_run()()


def test_a_full_disk_is_told_and_the_run_can_go_on(make_run, tmp_path, monkeypatch):
    make_run('whole')()
    real_replace = os.replace
    left = 5

    def full(source, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, 'No space left on device')
        real_replace(source, target)

    monkeypatch.setattr(files.os, 'replace', full)
    with pytest.raises(UserError, match='cannot be written: No space left on device'):
        make_run()()
    monkeypatch.setattr(files.os, 'replace', real_replace)
    make_run()()
    assert tree(tmp_path / 'dataset') == tree(tmp_path / 'whole')


def test_card_says_what_is_in_it(make_run, tmp_path):
    make_run()()
    card = (tmp_path / 'dataset' / 'README.md').read_text()
    assert '6 generated images of 16x16 pixels' in card and '3 are kept' in card
    assert '| 2 | bright |' in card and 'trained on 4 hand-labelled images' in card
    with PIL.Image.open(tmp_path / 'dataset' / 'preview.png') as preview:
        assert preview.width > 4 * 128


def test_projected_images_are_recorded_under_their_row_and_an_older_manifest_goes_on(generator, interpreter, tmp_path):
    ws = generator.ws([4, 9, 2], interpreter.options).cpu().numpy()
    labeler = Labeler(generator, interpreter, latents=ProjectedLatents(ws))
    run = Run(labeler, labeler.latents.ids, tmp_path / 'dataset', Curation(0.5))
    run()
    records = manifest(tmp_path / 'dataset')
    assert [next(iter(record.items())) for record in records] == [('projection', row) for row in range(3)]
    assert [record['image'] for record in records] == [f'images/proj000000{row}.png' for row in range(3)]
    sample = next(labeler([1]))
    with pytest.raises(AttributeError, match='proj0000001 was made from projection 1, not from a seed'):
        sample.seed  # noqa: B018
    path = tmp_path / 'dataset' / 'manifest.jsonl'
    path.write_text(path.read_text().replace('"projection"', '"seed"'))
    older = path.read_bytes()
    run()
    assert path.read_bytes() == older, 'the records stay as they are'


@pytest.mark.parametrize(
    'ids, message',
    [
        ([0, 3], 'there is no projection 3; they go from 0 to 2'),
        ([-1], 'no projection -1'),
        ([1, 1], 'twice'),
        ([], 'empty'),
    ],
)
def test_ids_that_are_not_there_or_twice_are_refused(generator, interpreter, tmp_path, ids, message):
    ws = generator.ws([4, 9, 2], interpreter.options).cpu().numpy()
    labeler = Labeler(generator, interpreter, latents=ProjectedLatents(ws))
    with pytest.raises(UserError, match=message):
        Run(labeler, ids, tmp_path / 'dataset', Curation(0.5))()
    assert not (tmp_path / 'dataset').exists()


@pytest.mark.parametrize('drop', [False, True])
def test_images_that_are_deleted_during_a_run_are_made_again(make_run, tmp_path, monkeypatch, caplog, drop):
    make_run('whole', drop=drop)()
    label, deleted = Labeler.label, []

    def delete(self, ids):
        found = sorted((tmp_path / 'dataset').glob('*s/seed0000000.png'))
        if ids[0] >= 4 and not deleted and found:
            deleted.extend(found)
            for path in found:
                path.unlink()
        return label(self, ids)

    monkeypatch.setattr(Labeler, 'label', delete)
    make_run(drop=drop)()
    assert len(deleted) == 2 and '1 images were deleted in' in caplog.text
    assert tree(tmp_path / 'dataset') == tree(tmp_path / 'whole')


def test_a_dataset_of_an_older_version_goes_on(make_run, tmp_path):
    """It knows the network by its weights alone."""
    make_run(seeds=range(3))()
    path = tmp_path / 'dataset' / 'dataset.json'
    info = json.loads(path.read_text())
    weights, _, computation = info['options']['network'].partition('-')
    assert len(weights) == 64 and len(computation) == 32
    info['options']['network'] = weights
    path.write_text(json.dumps(info))
    make_run(seeds=range(6))()
    assert len(manifest(tmp_path / 'dataset')) == 6


def test_a_network_with_other_settings_does_not_go_on(make_run, tmp_path):
    make_run(seeds=range(3))()
    run = make_run(seeds=range(6))
    network = copy.deepcopy(run.labeler.generator.network)
    network.synthesis.b8.conv1.activation = 'relu'
    run.labeler.generator.fingerprint = network_fingerprint(network)
    with pytest.raises(UserError, match='`network` was'):
        run()


def test_a_dataset_with_the_papers_score_goes_on_with_it_alone(make_run, generator, interpreter, tmp_path):
    """Versions without a choice had no other."""

    def run(score, seeds):
        labeler = Labeler(generator, interpreter, batch=1, score=score)
        return Run(labeler, seeds, tmp_path / 'dataset', Curation(0.5))

    run('paper', range(3))()
    path = tmp_path / 'dataset' / 'dataset.json'
    info = json.loads(path.read_text())
    assert info['options'].pop('score') == 'paper'
    path.write_text(json.dumps(info))
    with pytest.raises(UserError, match='`score` was paper, now labels'):
        make_run(seeds=range(6))()
    run('paper', range(6))()
    records = manifest(tmp_path / 'dataset')
    for record, sample in zip(records, run('paper', range(6)).labeler(range(6))):
        count = math.ceil(0.1 * sample.pixel_uncertainty.size)
        expected = np.sort(sample.pixel_uncertainty.ravel())[-count:].mean()
        assert record['uncertainty'] == pytest.approx(expected, abs=1e-5)
    for sample in Labeler(generator, interpreter)(range(6)):
        of_pixels = sample.pixel_entropy + np.sqrt(sample.pixel_uncertainty)
        assert sample.uncertainty == pytest.approx(of_pixels[sample.mask != 0].mean(), abs=1e-5)


def test_the_reference_preset_has_the_papers_score(interpreter):
    assert interpreter.score == 'labels'
    interpreter.training['preset'] = 'reference'
    assert interpreter.score == 'paper'
