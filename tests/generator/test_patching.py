"""Patches by line number, applied to a clone of the submodule."""

import subprocess

import pytest
from click.testing import CliRunner

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import patching
from datasetgan_ext.patch_upstream import main


@pytest.fixture
def clone(pinned_upstream, monkeypatch):
    """The pinned commit in a folder of its own, which the commands take for upstream."""
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(pinned_upstream))
    return pinned_upstream


def status(folder) -> str:
    return subprocess.run(
        ['git', '-C', folder, 'status', '--porcelain'], check=True, capture_output=True, text=True
    ).stdout


def run(*arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def edits(*texts):
    return [patching.Edit(first, last, tuple(text)) for first, last, text in texts]


def test_edits_address_the_lines_of_the_unpatched_file():
    before = b'one\ntwo\nthree\nfour\n'
    changes = edits((1, 0, ['zero']), (2, 2, ['2', '2b']), (4, 4, []))
    assert patching.apply_edits(before, changes) == b'zero\none\n2\n2b\nthree\n'
    assert patching.apply_edits(before.replace(b'\n', b'\r\n'), changes) == b'zero\r\none\r\n2\r\n2b\r\nthree\r\n'


@pytest.mark.parametrize('changes', [edits((2, 3, []), (3, 3, [])), edits((9, 9, ['x'])), edits((0, 0, ['x']))])
def test_edits_that_overlap_or_lie_outside_are_refused(changes):
    with pytest.raises(ValueError, match='overlap'):
        patching.apply_edits(b'one\ntwo\nthree\n', changes)


def test_patch_files(tmp_path):
    (tmp_path / '0001-first.ed').write_text('# why\nfile a.py\n3a\nnew\n\n.\n5,6d\nfile b.py\n1c\nonly\n.\n')
    assert patching.read_patches(tmp_path) == {
        'a.py': edits((4, 3, ['new', '']), (5, 6, [])),
        'b.py': edits((1, 1, ['only'])),
    }
    (tmp_path / '0002-bad.ed').write_text('file a.py\ns/x/y/\n')
    with pytest.raises(ValueError, match='0002-bad.ed'):
        patching.read_patches(tmp_path)


def test_no_patches(tmp_path):
    with pytest.raises(UserError, match='holds no patches'):
        patching.read_patches(tmp_path)


@pytest.mark.upstream
def test_patch_check_revert(clone):
    assert 'not patched: torch_utils/misc.py' in run('--check').output
    assert run().output.startswith('Patched: ')
    patched = status(clone)
    assert patched.count('\n') == len(patching.read_patches(patching.PATCHES))
    assert run('--check').exit_code == 0
    assert run().output.startswith('Nothing to do')
    assert status(clone) == patched
    assert run('--revert').output.startswith('Put back: ')
    assert status(clone) == ''
    assert run('--revert').output.startswith('Nothing to do')


@pytest.mark.upstream
def test_half_patched_is_completed(clone):
    run()
    subprocess.run(['git', '-C', clone, 'checkout', '--quiet', '--', 'torch_utils/misc.py'], check=True)
    assert run().output == 'Patched: torch_utils/misc.py\n'


@pytest.mark.upstream
@pytest.mark.parametrize('file', ['train.py', 'torch_utils/misc.py'])
def test_changes_of_others_are_left_alone(clone, file):
    with (clone / file).open('a') as stream:
        stream.write('# mine\n')
    before = status(clone)
    for arguments in ([], ['--revert'], ['--check']):
        result = run(*arguments)
        assert result.exit_code == 1 and f'not from these patches: {file}' in result.output
    assert status(clone) == before


@pytest.mark.upstream
def test_another_commit_is_refused(clone):
    subprocess.run(
        [
            'git',
            '-C',
            clone,
            '-c',
            'user.name=a',
            '-c',
            'user.email=a@b',
            'commit',
            '--quiet',
            '--allow-empty',
            '-m',
            'later',
        ],
        check=True,
    )
    result = run()
    assert result.exit_code == 1 and 'the patches are for d72cc7d041b4' in result.output


def test_a_folder_without_git_is_refused(tmp_path):
    with pytest.raises(UserError, match='is not a git checkout'):
        patching.patch(tmp_path)
