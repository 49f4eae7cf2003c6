"""Photos as jobs, and what is written of them."""

from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.photo_files import PhotoFile
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.prediction import FailedPhoto, LabeledPhoto, Photo
from datasetgan_ext.generation.executors import Job, Shares
from datasetgan_ext.generation.photos import (
    PhotoEncoder,
    PhotoJobs,
    failure_lines,
    read_ahead,
)


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
