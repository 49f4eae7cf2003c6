"""Folders that commands wrote."""

from __future__ import annotations

import hashlib
import json
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
