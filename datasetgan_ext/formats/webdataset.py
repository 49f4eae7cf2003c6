"""WebDataset: tar files `train-000000.tar`, ... with `NAME.image.png`, `NAME.mask.png` and `NAME.json`."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from datasetgan_ext.formats.folder import TRAIN, VAL, FolderDataset, sample_name


def convert(
    dataset: FolderDataset, outdir: Path, val: float, progress: Callable[[Iterable], Iterable], shard_size: int
) -> None:
    """Write the kept samples, `shard_size` to a tar; the JSON is the manifest's record without its file names."""
    for split in (TRAIN, VAL):
        records = iter(progress(dataset.kept(val, split)))
        for shard in itertools.count():
            chunk = list(itertools.islice(records, shard_size))
            if not chunk:
                break
            with tarfile.open(outdir / f'{split}-{shard:06d}.tar', 'w') as tar:
                for record in chunk:
                    add = partial(_add, tar, sample_name(record))
                    for kind in ('image', 'mask'):
                        if kind in record:
                            add(f'{kind}.png', (dataset.folder / record[kind]).read_bytes())
                    label = {
                        key: value
                        for key, value in record.items()
                        if not key.startswith(('image', 'mask')) and key != 'kept'
                    }
                    add('json', json.dumps(label).encode())


def _add(tar: tarfile.TarFile, name: str, suffix: str, content: bytes) -> None:
    member = tarfile.TarInfo(f'{name}.{suffix}')
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
