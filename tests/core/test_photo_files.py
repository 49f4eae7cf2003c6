"""Which photos there are, and what they are called."""

import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.photo_files import find_photos, unique_names
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
