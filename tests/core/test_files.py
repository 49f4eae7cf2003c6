"""Files that are whole or not there, whoever else writes and whatever was killed."""

import errno
import hashlib
import os
import stat

import pytest

from datasetgan_ext.core import files
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import (
    TEMPORARY_SUFFIX,
    file_sha256,
    holds_files,
    inside,
    remove_leftovers,
    save_atomically,
    temporary_folder,
    write_atomically,
)


def test_written_whole_with_the_rights_of_any_new_file(tmp_path):
    write_atomically(tmp_path / 'new' / 'a.json', b'one')
    write_atomically(tmp_path / 'new' / 'a.json', b'other')
    (tmp_path / 'plain').touch()
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.json']
    assert (tmp_path / 'new' / 'a.json').read_bytes() == b'other'
    assert stat.S_IMODE((tmp_path / 'new' / 'a.json').stat().st_mode) == stat.S_IMODE(
        (tmp_path / 'plain').stat().st_mode
    )


def test_two_writers_of_one_file_do_not_share_their_temporary_one(tmp_path):
    seen = []

    def outer(temporary):
        write_atomically(tmp_path / 'a', b'inner')
        seen.append((temporary.name, temporary.read_bytes()))
        temporary.write_bytes(b'outer')

    save_atomically(tmp_path / 'a', outer)
    assert seen[0][1] == b'' and (tmp_path / 'a').read_bytes() == b'outer'
    assert seen[0][0].startswith('.a.') and seen[0][0].endswith(TEMPORARY_SUFFIX)


def test_a_name_that_is_taken_is_not_written_through(tmp_path, monkeypatch):
    """Not even a link that somebody put there."""
    monkeypatch.setattr(files.secrets, 'token_hex', lambda size: 'guessed')
    (tmp_path / f'.a.guessed{TEMPORARY_SUFFIX}').symlink_to(tmp_path / 'victim')
    with pytest.raises(UserError, match='a cannot be written: File exists'):
        write_atomically(tmp_path / 'a', b'content')
    assert not (tmp_path / 'victim').exists()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    (tmp_path / 'a').write_bytes(b'old')

    def fail(temporary):
        temporary.write_bytes(b'half')
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_atomically(tmp_path / 'a', fail)
    assert [path.name for path in tmp_path.iterdir()] == ['a'] and (tmp_path / 'a').read_bytes() == b'old'


def test_what_a_killed_process_left(tmp_path, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(files.Path, 'unlink', lambda *_, **__: None)
        killed.setattr(os, 'replace', lambda *_: None)
        for name in ('a.png', 'b.png'):
            write_atomically(tmp_path / name, b'half')
    (tmp_path / 'below').mkdir()
    below = tmp_path / 'below' / f'.a.png.1{TEMPORARY_SUFFIX}'
    below.touch()
    assert len(list(tmp_path.glob('.?.png.*'))) == 2
    below_only = tmp_path / 'leftovers'
    below_only.mkdir()
    (below_only / f'.a.1{TEMPORARY_SUFFIX}').touch()
    assert not holds_files(below_only) and holds_files(tmp_path)
    remove_leftovers(tmp_path, 'a*')
    assert [path.name[:7] for path in tmp_path.glob('.?.png.*')] == ['.b.png.']
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / 'nowhere')
    assert not list(tmp_path.glob('.?.png.*')) and below.exists()


@pytest.mark.parametrize('size', [0, 5, 2 * files.CHUNK + 1])
def test_checksum(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / 'a').write_bytes(content)
    assert file_sha256(tmp_path / 'a') == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    'name',
    [
        *('..', '../a', 'b/../../a', '/etc/passwd', '', '.', './', 'C:/a', 'C:a', '\\\\host\\a', '..\\a', 'a\0b'),
        *(None, 7, ['a'], 'out', 'out/a', 'circle'),
    ],
)
def test_a_name_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'out').symlink_to(tmp_path)
    (folder / 'circle').symlink_to(folder / 'circle')
    with pytest.raises(UserError, match='leads out of this folder'):
        inside(folder, name)


@pytest.mark.parametrize('name', ['a', 'b/a', 'b/a b:c.png', '..a', 'b/..a', 'in/a', '日本'])
def test_a_name_that_stays(tmp_path, name):
    (tmp_path / 'b').mkdir()
    (tmp_path / 'in').symlink_to(tmp_path / 'b')
    assert inside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize('number', [errno.ESTALE, errno.EIO])
def test_a_network_file_system_that_fails_is_told(tmp_path, monkeypatch, number):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    for name in ('open', 'fsync', 'replace'):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, name, fail)
            with pytest.raises(UserError, match=os.strerror(number)):
                write_atomically(tmp_path / 'a', b'content')
        assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_takes_the_place_of_those_of_killed_processes(tmp_path):
    left = tmp_path / f'.a[0].0f3a{TEMPORARY_SUFFIX}'
    left.mkdir()
    (tmp_path / f'.b.0f3a{TEMPORARY_SUFFIX}').symlink_to(tmp_path)
    with temporary_folder(tmp_path / 'a[0]') as one, temporary_folder(tmp_path / 'b') as other:
        assert one.is_dir() and other.is_dir() and not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == [f'.b.0f3a{TEMPORARY_SUFFIX}'], 'a link is not followed'
