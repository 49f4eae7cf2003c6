"""Applies the repository's patches to the pinned checkout of upstream, and takes them back.

A patch is an ed script by line numbers of the pinned commit, so it holds none of upstream's lines: `# ` comments,
`file NAME`, then commands `12a` (append after line 12), `12c` or `12,14c` (change) and `12d` or `12,14d` (delete); the
text of an append or a change ends with a line that is a lone full stop. Line numbers are those of the pinned file, in
every patch, so the patches of one file may not touch the same line.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import write_atomically

PINNED = 'd72cc7d041b42ec8e806021a205ed9349f87c6a4'
_PACKAGE = Path(__file__).resolve().parents[1]
PATCHES = _PACKAGE / 'patches' if (_PACKAGE / 'patches').is_dir() else _PACKAGE.parent / 'patches'
"""In an installed package the first, in a checkout the second."""

_COMMAND = re.compile(r'(\d+)(?:,(\d+))?([acd])')


@dataclass(frozen=True)
class Edit:
    """Lines `first` to `last` (from 1) are replaced by `text`; an append has last = first - 1."""

    first: int
    last: int
    text: tuple[str, ...]


def patch(root: Path, patches: Path = PATCHES) -> list[str]:
    """Apply all patches; what is patched already stays. Returns the names of the files that were changed.

    Raises:
        UserError: not the pinned commit, or a file was changed by someone else.
    """
    return _write(root, {name: patched for name, (_, patched) in _versions(root, patches).items()})


def revert(root: Path, patches: Path = PATCHES) -> list[str]:
    """Take all patches back. Returns the names of the files that were changed. Raises as `patch`."""
    return _write(root, {name: pinned for name, (pinned, _) in _versions(root, patches).items()})


def unpatched(root: Path, patches: Path = PATCHES) -> list[str]:
    """Names of the files that the patches would change. Raises as `patch`."""
    return [name for name, (_, patched) in _versions(root, patches).items() if (root / name).read_bytes() != patched]


def _versions(root: Path, patches: Path) -> dict[str, tuple[bytes, bytes]]:
    """For each file that a patch names: its pinned and its patched content; it holds one of these now."""
    edits = read_patches(patches)
    head = _git(root, 'rev-parse', 'HEAD').decode().strip()
    if head != PINNED:
        raise UserError(
            f'{root} is at commit {head[:12]}; the patches are for {PINNED[:12]}: '
            '`git submodule update --init` checks that out'
        )
    versions = {}
    for name, changes in edits.items():
        pinned = _git(root, 'show', f'{PINNED}:{name}')
        versions[name] = (pinned, apply_edits(pinned, changes))
    dirty = [
        name
        for name in _git(root, 'diff', '--name-only', 'HEAD').decode().splitlines()
        if name not in versions or (root / name).read_bytes() not in versions[name]
    ]
    if dirty:
        raise UserError(
            f'{root} holds changes that are not from these patches: {", ".join(dirty)}. Keep them '
            f'elsewhere and undo them with `git -C {root} checkout -- {" ".join(dirty)}`'
        )
    return versions


def _write(root: Path, contents: dict[str, bytes]) -> list[str]:
    changed = [name for name, content in contents.items() if (root / name).read_bytes() != content]
    for name in changed:
        mode = (root / name).stat().st_mode
        write_atomically(root / name, contents[name])
        (root / name).chmod(mode)
    return changed


def read_patches(folder: Path) -> dict[str, list[Edit]]:
    """All edits of all `*.ed` in a folder, by the name of the file that they change."""
    edits: dict[str, list[Edit]] = {}
    paths = sorted(folder.glob('*.ed'))
    if not paths:
        raise UserError(f'{folder} holds no patches: run this from a clone of the repository')
    for path in paths:
        name = ''
        lines = iter(path.read_text(encoding='utf-8').splitlines())
        for line in lines:
            command = _COMMAND.fullmatch(line)
            if line.startswith('file '):
                name = line.removeprefix('file ')
            elif command:
                edits.setdefault(name, []).append(_read_edit(command, lines))
            elif line and not line.startswith('#'):
                raise ValueError(f'{path.name}: no ed command: {line!r}')
    return edits


def _read_edit(command: re.Match, lines: Iterator[str]) -> Edit:
    """The edit of a command, whose text, if it has any, is taken from the lines that follow."""
    verb = command[3]
    text = () if verb == 'd' else tuple(itertools.takewhile(lambda line: line != '.', lines))
    first = int(command[1])
    if verb == 'a':
        return Edit(first + 1, first, text)
    return Edit(first, int(command[2] or first), text)


def apply_edits(content: bytes, edits: list[Edit]) -> bytes:
    """The content with all edits made; line ends stay what they are."""
    newline = b'\r\n' if b'\r\n' in content else b'\n'
    lines = content.split(newline)
    bound = len(lines) + 1
    for edit in sorted(edits, key=lambda edit: edit.first, reverse=True):
        if not 1 <= edit.first <= edit.last + 1 or edit.last >= bound:
            raise ValueError(f'lines {edit.first} to {edit.last} overlap another edit, or are not in the file')
        lines[edit.first - 1 : edit.last] = [line.encode() for line in edit.text]
        bound = edit.first
    return newline.join(lines)


def _git(root: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(['git', '-C', str(root), *arguments], check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, 'stderr', b'').decode(errors='replace').strip() or str(error)
        raise UserError(
            f'{root} is not a git checkout of stylegan2-ada-pytorch ({detail}): run `git submodule update --init`'
        ) from error
