"""Doubtful pixels without a label in a dataset, and in what it is converted to."""

import json

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext import gen_dataset
from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import voc
from datasetgan_ext.formats.conversions import make_conversion
from datasetgan_ext.formats.folder import FolderDataset
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.interpreter.doubt import Doubtful
from datasetgan_ext.interpreter.labeler import Labeler
from tests.helpers.commands import invoke
from tests.helpers.trees import manifest


@pytest.fixture
def make_run(generator, interpreter, tmp_path):
    def make(ignore='0.1', outdir='dataset', formats=(), **others) -> Run:
        labeler = Labeler(generator, interpreter, ignore=ignore and Doubtful.parse(ignore))
        conversions = [make_conversion(name, {'val': 0.0}) for name in formats]
        return Run(labeler, range(10, 16), tmp_path / outdir, Curation(0.5), conversions=conversions, **others)

    return make


def test_masks_have_255_and_records_count_the_others(make_run, tmp_path):
    summary = make_run()()
    folder = tmp_path / 'dataset'
    for record in manifest(folder):
        mask = read_mask(folder / record['mask'])
        assert (mask == IGNORE).sum() == 26 and sum(record['pixels_per_class']) == 230
    assert sum(summary.class_pixels) == pytest.approx(1, abs=1e-5)
    assert json.loads((folder / 'dataset.json').read_text())['options']['ignore-pixels'] == '0.1'
    assert not list(FolderDataset(folder).problems())
    with PIL.Image.open(folder / 'preview.png') as preview:
        assert preview.width > 0


def test_the_same_images_are_kept(make_run, tmp_path):
    make_run()()
    make_run(None, 'all')()
    records = [manifest(tmp_path / name) for name in ('dataset', 'all')]
    assert [record['uncertainty'] for record in records[0]] == [record['uncertainty'] for record in records[1]]
    assert [record['kept'] for record in records[0]] == [record['kept'] for record in records[1]]


def test_another_share_is_another_dataset(make_run, tmp_path):
    make_run()()
    with pytest.raises(UserError, match='`ignore_pixels` was 0.1, now above:0.8'):
        make_run('above:0.8')()
    with pytest.raises(UserError, match='`ignore_pixels` was 0.1, now None'):
        make_run(None, 'other', reuse=[tmp_path / 'dataset'])()


def test_formats_that_can_say_so(make_run, interpreter, tmp_path):
    make_run(formats=['voc', 'webdataset'])()
    found = {one.name: one.mask for one in voc.read(tmp_path / 'dataset' / 'voc', interpreter.task, 'auto')}
    kept = [record for record in manifest(tmp_path / 'dataset') if record['kept']]
    assert len(found) == len(kept) == 3
    for record in kept:
        mask = read_mask(tmp_path / 'dataset' / record['mask'])
        assert np.array_equal(found[f'seed{record["seed"]:07d}'], mask) and (mask == IGNORE).any()


@pytest.mark.parametrize('name', ['coco', 'yolo'])
def test_formats_that_cannot_are_refused_before_any_work(make_run, tmp_path, name):
    with pytest.raises(UserError, match=f'`format`={name} cannot say of pixels .*`ignore_pixels`=0.1 leaves some'):
        make_run(formats=[name])()
    assert not (tmp_path / 'dataset').exists()


def test_the_command(tmp_path):
    arguments = ('--network=demo', '--device=cpu', '--seeds=100', '--workers=1', f'--outdir={tmp_path / "out"}')
    result = invoke(gen_dataset.main, *arguments, '--ignore-pixels=2')
    assert result.exit_code == 1 and '--ignore-pixels=2 is neither a share' in result.output
    result = invoke(gen_dataset.main, *arguments, '--ignore-pixels=0.05')
    assert result.exit_code == 0, result.output
    (record,) = manifest(tmp_path / 'out')
    mask = read_mask(tmp_path / 'out' / record['mask'])
    assert (mask == IGNORE).sum() == 820  # of 128 x 128
    rows, columns = np.nonzero((mask != 0) & (mask != IGNORE))
    assert record['box'] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
