"""Files that are whole or not there, whoever else writes and whatever was killed."""

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
    remove_leftovers,
    save_atomically,
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
