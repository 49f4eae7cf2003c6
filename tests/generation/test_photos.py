"""Which photos there are, and what they are called."""

from pathlib import Path

import numpy as np
import pytest

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.prediction import FailedPhoto, LabeledPhoto, Photo
from datasetgan_ext.generation.executors import Job, Shares
from datasetgan_ext.generation.photos import (
    PhotoEncoder,
    PhotoFile,
    PhotoJobs,
    failure_lines,
    find_photos,
    read_ahead,
    unique_names,
)
from tests.helpers.photos import write_good_photos


@pytest.mark.parametrize(
    'files, names',
    [
        (['a.jpg', 'b/a.jpg', 'b/c/a.jpg'], ['a', 'b__a', 'b__c__a']),
        (['a.jpg', 'a.png'], ['a', 'a-png']),
        (['a.JPG', 'A.jpg'], ['a', 'A-jpg']),
        (['a.png', 'a-png.jpg', 'a.jpg', 'A.jpg'], ['a', 'a-png', 'a-jpg', 'A-2']),
        (['a/b.png', 'a__b.png'], ['a__b', 'a__b-png']),
        (['u\u0308.png', '\u00fc.png'], ['u\u0308', '\u00fc-png']),
        (['a.tar.png'], ['a.tar']),
    ],
)
def test_names_are_those_of_folders_and_files(files, names):
    assert unique_names(files) == names


def test_long_names_are_cut_and_stay_apart():
    names = unique_names([f'{"ä" * 100}/{"b" * 100}{end}.png' for end in 'xy'])
    assert len(set(names)) == 2 and all(len(name.encode()) <= 180 for name in names)


def test_photos_of_folders(tmp_path):
    files = write_good_photos(tmp_path / 'photos')
    (tmp_path / 'photos' / 'out').mkdir()
    (tmp_path / 'photos' / 'out' / 'x.png').touch()
    found = find_photos([tmp_path / 'photos'], but=tmp_path / 'photos' / 'out')
    assert [photo.file for photo in found] == files
    assert {photo.image for photo in found} >= {'images/a.jpg', 'images/a-png.png', 'images/trip one__a.jpg'}


def test_single_files_and_folders_together(tmp_path):
    write_good_photos(tmp_path / 'photos')
    given = [tmp_path / 'photos' / 'a.jpg', tmp_path / 'photos' / 'trip one', tmp_path / 'photos' / 'notes.txt']
    assert [photo.file for photo in find_photos(given)] == ['a.jpg', 'notes.txt', 'trip one/a.jpg']


def test_nothing_to_label(tmp_path):
    with pytest.raises(UserError, match=r'`images`=.*holds no photo \(.png, '):
        find_photos([tmp_path])
    with pytest.raises(UserError, match='`images`=.*nowhere: no such file or folder'):
        find_photos([tmp_path / 'nowhere'])


def test_jobs_are_whole_batches():
    files = [PhotoFile(Path(f'/p/{name}.png'), f'{name}.png', name) for name in 'abcde']
    jobs = list(PhotoJobs(files, 2, (8, 8))({0, 1, 2}, Shares.DISK))
    assert [([photo.id for photo in job.ids], job.wanted) for job in jobs] == [([2, 3], {3}), ([4], {4})]


def test_jobs_for_machines_without_the_disk_hold_the_files(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'content')
    files = [PhotoFile(tmp_path / name, name, name) for name in ('a.png', 'b.png')]
    (job,) = PhotoJobs(files, 2, (8, 8))(set(), Shares.NOTHING)
    assert job.ids[0].content == b'content' and job.ids[1].problem == 'is not there, or a link to nothing'


def test_a_few_photos_are_read_ahead():
    taken = []

    class Counted(Photo):
        def read(self, image_hw):
            return self

    def jobs():
        for number in range(10):
            taken.append(number)
            yield Job([Counted(number, Path('x'))], {number})

    reading = read_ahead(jobs(), (8, 8))
    assert next(reading).wanted == {0} and taken == [0, 1, 2]
    assert [job.wanted for job in reading] == [{number} for number in range(1, 10)]


def test_what_is_written_of_a_photo():
    task = Task(('background', 'body'), ((0, 0, 0), (200, 0, 0)))
    encode = PhotoEncoder(task, [PhotoFile(Path('/p/b/a.JPG'), 'b/a.JPG', 'b__a')])
    mask = np.array([[0, 1, IGNORE], [1, 1, IGNORE]], np.uint8)
    look = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    encoded = encode(LabeledPhoto(0, np.zeros((2, 3, 3), np.uint8), mask, None, 0.25, None, look, 'abc'))
    assert set(encoded.files) == {'masks/b__a.png'}
    record = encoded.record
    assert record['file'] == 'b/a.JPG' and record['image'] == 'images/b__a.JPG' and record['image_hw'] == [2, 3]
    assert record['pixels_per_class'] == [1, 3] and record['uncertainty'] == 0.25 and record['image_sha256'] == 'abc'
    assert record['look'].startswith('000102')
    failed = encode(FailedPhoto(0, 'is\nbroken <object at 0x7f001122aabb>'))
    assert failed.record == {'photo': 0, 'file': 'b/a.JPG', 'failed': 'is broken <object at 0x>'} and not failed.files
    assert failure_lines([failed.record]) == b'{"file": "b/a.JPG", "reason": "is broken <object at 0x>"}\n'
