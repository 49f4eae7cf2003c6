"""WebDataset: tars `train-000000.tar`, ... of `NAME.image.png` (photos also .jpg), `NAME.mask.png` and `NAME.json`.

A dot in a NAME is written as %2E, and a percent sign as %25: the format has the name end at the first dot.
"""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record


@dataclass(frozen=True)
class Webdataset(Conversion):
    """Image, mask and record of each sample, in tars.

    Attributes:
        shard_size: samples in each tar.
    """

    name = 'webdataset'
    files = ('{part}.tar',)
    shard_size: int = 1000

    def __post_init__(self):
        super().__post_init__()
        if self.shard_size < 1:
            raise UserError(f'`shard_size`={self.shard_size} is too small; give a whole number above 0')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. The JSON is the manifest's record without its file names."""
        for split in (TRAIN, VAL):
            records = iter(progress(dataset.kept(self.val, split)))
            for shard in itertools.count():
                chunk = list(itertools.islice(records, self.shard_size))
                if not chunk:
                    break
                with tarfile.open(outdir / f'{split}-{shard:06d}.tar', 'w') as tar:
                    for record in chunk:
                        _add_sample(tar, dataset, record)


def _add_sample(tar: tarfile.TarFile, dataset: FolderDataset, record: dict) -> None:
    name = _key(name_of_record(record))
    _add(tar, f'{name}.image{Path(dataset.file_name(record)).suffix}', dataset.content(record))
    if 'mask' in record:
        _add(tar, f'{name}.mask.png', (dataset.folder / record['mask']).read_bytes())
    label = {key: value for key, value in record.items() if not key.startswith(('image', 'mask')) and key != 'kept'}
    _add(tar, f'{name}.json', json.dumps(label).encode())


def _key(name: str) -> str:
    """A sample's key, which for WebDataset ends at the first dot: `2024.05.01` -> `2024%2E05%2E01`."""
    return name.replace('%', '%25').replace('.', '%2E')


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
