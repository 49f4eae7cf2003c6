"""A run over photos: what it writes, however it is stopped or split, and what it does about photos that are bad."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.formats.conversions import make_conversion
from datasetgan_ext.formats.folder import FolderDataset
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generation.executors import ThisProcess
from datasetgan_ext.generation.photo_run import PhotoRun, read_failures
from datasetgan_ext.generation.photos import PhotoLabelerSpec
from datasetgan_ext.generation.workers import Processes
from datasetgan_ext.metrics.segmentation import SegmentationScore
from tests.helpers.photos import REAL, write_bad_photos, write_good_photos, write_model
from tests.helpers.trees import manifest, tree


@pytest.fixture
def labeler(tmp_path):
    return PhotoLabeler(write_model(tmp_path / 'm.safetensors'))


def run_of(labeler, tmp_path, outdir='out', **changes) -> PhotoRun:
    return replace(PhotoRun(labeler, find_photos([tmp_path / 'photos']), tmp_path / outdir), **changes)


def test_all_kinds_of_photos_are_labelled_at_their_own_size(labeler, tmp_path):
    files = write_good_photos(tmp_path / 'photos')
    labeled = run_of(labeler, tmp_path, order=True)()
    assert (labeled.summary.samples, labeled.failed) == (len(files), 0)
    records = manifest(tmp_path / 'out')
    assert [record['file'] for record in records] == files
    for record in records:
        image = read_rgb(tmp_path / 'out' / record['image'])
        mask = read_mask(tmp_path / 'out' / record['mask'])
        assert np.array_equal(image, read_rgb(tmp_path / 'photos' / record['file']))
        assert list(mask.shape) == record['image_hw'] == list(image.shape[:2])
        (found,) = labeler.model.predict([image])
        assert np.array_equal(mask, found.mask)
    keypoints = json.loads((tmp_path / 'out' / 'keypoints.json').read_text())
    assert [(image['height'], image['width']) for image in keypoints['images']] == [
        tuple(record['image_hw']) for record in records
    ]
    order = (tmp_path / 'out' / 'order.txt').read_text().splitlines()
    assert sorted(order) == files
    assert order[0] == max(records, key=lambda record: record['uncertainty'])['file']
    with PIL.Image.open(tmp_path / 'out' / 'preview.png') as preview:
        assert min(preview.size) > 300
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert 'the network is most certain of' in page and 'ensemble' not in page
    assert list(FolderDataset(tmp_path / 'out').problems()) == []
    assert os.path.islink(tmp_path / 'out' / 'images' / 'a.jpg')


def test_predictions_are_labelled_images_again(labeler, tmp_path):
    files = write_good_photos(tmp_path / 'photos')
    run_of(labeler, tmp_path)()
    images = read_labeled(tmp_path / 'out')
    assert len(images) == len(files) and images.task.classes == labeler.model.task.classes
    assert all(found.mask.shape == found.image.shape[:2] for found in images)


def test_masks_score_what_evaluate_says(labeler, tmp_path):
    (tmp_path / 'photos').mkdir()
    for path in sorted((REAL / 'images').iterdir())[:40]:
        shutil.copyfile(path, tmp_path / 'photos' / path.name)
    run_of(labeler, tmp_path)()
    real = read_labeled(REAL, labeler.model.task).take(range(40))
    expected = labeler.model.score(real).segmentation
    score = SegmentationScore(len(labeler.model.task.classes))
    for found in real:
        score.add(found.mask, read_mask(tmp_path / 'out' / 'masks' / f'{found.name}.png'))
    assert np.array_equal(score.confusion, expected.confusion)


def test_turned_photos_get_the_labels_of_upright_ones(labeler, tmp_path):
    (tmp_path / 'photos').mkdir()
    with PIL.Image.open(REAL / 'images' / 'drawing0000.png') as image:
        upright = np.asarray(image.convert('RGB'))[:100]
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    turned = PIL.Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    turned.save(tmp_path / 'photos' / 'turned.jpg', exif=exif, quality=90)
    with PIL.Image.open(tmp_path / 'photos' / 'turned.jpg') as image:
        pixels = np.rot90(np.asarray(image), -1)
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / 'photos' / 'upright.png')
    run_of(labeler, tmp_path)()
    masks = [read_mask(tmp_path / 'out' / 'masks' / f'{name}.png') for name in ('turned', 'upright')]
    assert masks[0].shape == (100, 128) and np.array_equal(*masks)
    one, other = manifest(tmp_path / 'out')
    assert one['keypoints'] == other['keypoints']


def test_bad_files_are_rows_and_never_the_end(labeler, tmp_path):
    good = write_good_photos(tmp_path / 'photos')
    bad = write_bad_photos(tmp_path / 'photos')
    labeled = run_of(labeler, tmp_path)()
    assert (labeled.summary.samples, labeled.failed) == (len(good), 12)
    assert [record['file'] for record in manifest(tmp_path / 'out')] == good
    rows = read_failures(tmp_path / 'out')
    assert [row['file'] for row in rows] == sorted(bad)
    for row in rows:
        assert bad[row['file']] in row['reason'], row
    assert list(FolderDataset(tmp_path / 'out').problems()) == []


def test_a_photo_that_was_mended_is_labelled(labeler, tmp_path):
    write_good_photos(tmp_path / 'photos')
    (tmp_path / 'photos' / 'bad.png').write_text('no image')
    assert run_of(labeler, tmp_path)().failed == 1
    shutil.copyfile(tmp_path / 'photos' / 'a.png', tmp_path / 'photos' / 'bad.png')
    assert run_of(labeler, tmp_path)().failed == 0
    assert (tmp_path / 'out' / 'failed.jsonl').read_bytes() == b''
    (tmp_path / 'photos' / 'bad.png').write_text('no image again')
    assert run_of(labeler, tmp_path)().failed == 1
    assert list(FolderDataset(tmp_path / 'out').problems()) == []


def test_a_photo_that_changed_is_labelled_again(labeler, tmp_path):
    write_good_photos(tmp_path / 'photos')
    for copy in (False, True):
        outdir = f'out{copy}'
        run_of(labeler, tmp_path, outdir, copy_images=copy)()
        before = manifest(tmp_path / outdir)[0]
        shutil.copyfile(REAL / 'images' / f'drawing000{int(copy)}.png', tmp_path / 'photos' / before['file'])
        run_of(labeler, tmp_path, outdir, copy_images=copy)()
        after = manifest(tmp_path / outdir)[0]
        assert before['file'] == after['file'] and after['image_hw'] == [128, 128]
        assert list(FolderDataset(tmp_path / outdir).problems()) == []


def test_photos_that_changed_or_went_are_named(labeler, tmp_path):
    """By all that read the labels later: they are of the photo as it was."""
    write_good_photos(tmp_path / 'photos')
    run_of(labeler, tmp_path)()
    dataset = FolderDataset(tmp_path / 'out')
    message = (
        'images/LONG.PNG is a link to a photo that has changed since it was labelled, or is not there; put it back'
    )
    for change in (lambda path: shutil.copyfile(tmp_path / 'photos' / 'a.png', path), os.unlink):
        change(tmp_path / 'photos' / 'LONG.PNG')
        (problem,) = dataset.problems()
        assert message in problem
        with pytest.raises(UserError, match=message):
            list(dataset.kept(0, 'train'))
        with pytest.raises(UserError, match=message):
            read_labeled(tmp_path / 'out')


def test_labels_that_a_person_corrected_are_never_replaced(labeler, tmp_path):
    """LabelMe saves where it opened: in out/labelme. A photo that is mended changes the dataset."""
    write_good_photos(tmp_path / 'photos')
    (tmp_path / 'photos' / 'bad.png').write_text('no image')
    conversions = [make_conversion('labelme', {'val': 0.0})]
    run_of(labeler, tmp_path, conversions=conversions)()
    labels = tmp_path / 'out' / 'labelme' / 'train' / 'a.json'
    corrected = labels.read_bytes() + b'\n'
    labels.write_bytes(corrected)
    run_of(labeler, tmp_path, conversions=conversions)()  # nothing changed
    shutil.copyfile(tmp_path / 'photos' / 'a.png', tmp_path / 'photos' / 'bad.png')
    for overwrite in (False, True):
        with pytest.raises(
            UserError, match=r'labelme would be deleted .* were changed after they were written. Give that'
        ):
            run_of(labeler, tmp_path, conversions=conversions)(overwrite)
    assert labels.read_bytes() == corrected
    (tmp_path / 'out' / 'labelme').rename(tmp_path / 'corrected')
    assert run_of(labeler, tmp_path, conversions=conversions)().failed == 0
    assert len(list(labels.parent.glob('*.json'))) == 12 and labels.read_bytes() != corrected


def test_not_one_photo(labeler, tmp_path):
    write_bad_photos(tmp_path / 'photos')
    with pytest.raises(UserError, match=r'not one of 12 photos could be read; .*failed.jsonl says why'):
        run_of(labeler, tmp_path)()
    assert len(read_failures(tmp_path / 'out')) == 12


def test_other_photos_or_options_in_the_same_folder(labeler, tmp_path):
    write_good_photos(tmp_path / 'photos')
    run_of(labeler, tmp_path)()
    other = PhotoLabeler(labeler.model, views=2)
    with pytest.raises(UserError, match='`views` was 1, now 2'):
        run_of(other, tmp_path)()
    shutil.copyfile(tmp_path / 'photos' / 'a.png', tmp_path / 'photos' / 'new.png')
    with pytest.raises(UserError, match=r'`images` was 11 files \(.*\), now 12 files'):
        run_of(labeler, tmp_path)()
    run_of(labeler, tmp_path)(overwrite=True)
    assert len(manifest(tmp_path / 'out')) == 12


class Stopped(Exception):
    pass


class StopsAfter(ThisProcess):
    """Is stopped after a number of results."""

    def __init__(self, labeler, results):
        super().__init__(labeler)
        self.results = results

    def label(self, jobs, encoder, fingerprints):
        for number, result in enumerate(super().label(jobs, encoder, fingerprints)):
            if number == self.results:
                raise Stopped
            yield result


def test_stopped_and_split_runs_end_with_the_same_bytes(labeler, tmp_path):
    write_good_photos(tmp_path / 'photos')
    write_bad_photos(tmp_path / 'photos')
    run_of(labeler, tmp_path, 'whole')()
    expected = tree(tmp_path / 'whole')
    for count in (0, 1, 9, 17):
        with pytest.raises(Stopped):
            run_of(labeler, tmp_path, 'stopped', executor=StopsAfter(labeler, count))()
    run_of(labeler, tmp_path, 'stopped')()
    assert tree(tmp_path / 'stopped') == expected
    spec = PhotoLabelerSpec(tmp_path / 'm.safetensors', batch=1, device='cpu')
    run_of(labeler, tmp_path, 'split', executor=Processes([spec, spec.packed(), spec]))()
    assert tree(tmp_path / 'split') == expected


def test_copies_need_the_photos_no_more(labeler, tmp_path):
    write_good_photos(tmp_path / 'photos')
    run_of(labeler, tmp_path, copy_images=True)()
    shutil.rmtree(tmp_path / 'photos')
    assert list(FolderDataset(tmp_path / 'out').problems()) == []
