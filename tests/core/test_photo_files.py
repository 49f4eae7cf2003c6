"""Which photos there are, and what they are called."""

import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.photo_files import find_photos, unique_names
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.generation.photo_run import PhotoRun
from tests.helpers.photos import picture, write_good_photos, write_model
from tests.helpers.trees import manifest


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
        (['a\nb.png', 'a\\b.png', 'a_b.png'], ['a_b', 'a_b-png', 'a_b-2']),
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


def test_what_is_passed_over_is_told(tmp_path, caplog):
    for file in ('a.jpg', 'b.JFIF', 'trip/c.mpo', 'd.CR2', 'e.cr2', 'trip/f.nef', 'g', '.h.png', 'apart/i.png'):
        (tmp_path / 'photos' / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'photos' / file).touch()
    (tmp_path / 'photos' / 'apart').rename(tmp_path / 'apart')
    (tmp_path / 'photos' / 'apart').symlink_to(tmp_path / 'apart')
    found = find_photos([tmp_path / 'photos'])
    assert [photo.file for photo in found] == ['a.jpg', 'b.JFIF', 'trip/c.mpo']
    assert caplog.messages == [
        '`images`: files that do not have the suffix of a photo are passed over: 1 without a suffix, 2 .cr2, 1 .nef',
        f'`images`: links to folders are not followed: {tmp_path}/photos/apart; give the folders themselves too',
    ]
    assert [photo.file for photo in find_photos([tmp_path / 'photos' / 'apart'])] == ['i.png']


def test_masks_of_this_program_are_no_photos(tmp_path, caplog):
    """Labels that were written into the folder of the photos: a second run takes the photos, and not the masks."""
    model = write_model(tmp_path / 'm.safetensors')
    photos = tmp_path / 'photos'
    (photos / 'trip').mkdir(parents=True)
    PIL.Image.fromarray(picture(8, 9)).save(photos / 'a.png')
    PIL.Image.fromarray(picture(8, 9)).save(photos / 'trip' / 'b.png')
    (photos / 'trip' / 'dataset.json').write_text('{"labels": null}')  # as upstream's dataset_tool.py writes
    for outdir in ('one', 'two'):
        PhotoRun(PhotoLabeler(model), find_photos([photos], but=photos / outdir), photos / outdir)()
        assert [record['file'] for record in manifest(photos / outdir)] == ['a.png', 'trip/b.png']
    assert f'folders that this program wrote are passed over: {photos}/one' in caplog.text
    with pytest.raises(UserError, match=r'`images`=.*one was written by this program, and holds more than photos'):
        find_photos([photos / 'one'])
    assert [photo.name for photo in find_photos([photos / 'one' / 'images'])] == ['a', 'trip__b']


def test_nothing_to_label(tmp_path):
    with pytest.raises(UserError, match=r'`images`=.*holds no photo \(.png, '):
        find_photos([tmp_path])
    with pytest.raises(UserError, match='`images`=.*nowhere: no such file or folder'):
        find_photos([tmp_path / 'nowhere'])
