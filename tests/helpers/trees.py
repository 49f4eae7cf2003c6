"""Folders that commands wrote."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, and its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def manifest(folder: Path) -> list[dict]:
    """The records of a dataset's manifest."""
    return [json.loads(line) for line in (folder / 'manifest.jsonl').read_text().splitlines()]


def files_of_checkout(root: Path) -> list[str]:
    """Names of the files of a checkout as it lies there: those that git knows, and those that it does not ignore."""
    command = ['git', '-C', root, 'ls-files', '--cached', '--others', '--exclude-standard', '-z']
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split('\0') if name and (root / name).is_file()]
