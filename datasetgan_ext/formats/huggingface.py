"""Hugging Face: parquet files with image columns, which `datasets.load_dataset(DIR)` reads without this program."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasetgan_ext.core.errors import import_extra
from datasetgan_ext.core.markup import markdown
from datasetgan_ext.core.seeds import PHOTO, sample_id
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record

SPLITS = {TRAIN: 'train', VAL: 'validation'}
SHARD_BYTES = 500_000_000
"""A file is closed once it has so many, as the Hub recommends."""
ROW_GROUP = 100
"""Rows that are held in memory, and that a reader of one row has to read."""
PLAIN = {'compression': 'none', 'use_dictionary': False, 'write_statistics': False}
"""PNG files do not get smaller, no two are alike, and statistics would repeat the first and last of them."""
CARD = """# Labelled images from {network}

{count} images made with [DatasetGAN](https://arxiv.org/abs/2104.06490): the images were generated, the labels predicted
by an ensemble that was trained on {labeled} hand-labelled images; they contain errors.

```python
from datasets import load_dataset
dataset = load_dataset('DIR')   # columns: {columns}
```

{names}

"""
PHOTO_CARD = """# Labelled photos

{count} photos with the labels that the network {network} predicted for them; they contain errors.

```python
from datasets import load_dataset
dataset = load_dataset('DIR')   # columns: {columns}
```

{names}

"""
LICENSE = """\
## Licence
None is given here: choose one and write it into this file's header. Mind the licence of the network that the images
come from, which may bind what the network makes, and with it these images and labels; and that of the images that it
was trained on. NVIDIA's stylegan2-ada-pytorch is under the NVIDIA Source Code License, which allows use of the work and
of its derivative works for research or evaluation only, not commercially; networks that NVIDIA published have licences
of their own. Whether a network trained with that code is bound by it, and whether its images are, is not said here;
where it matters, ask whoever published the network, or a lawyer.
"""
FRONT_MATTER = """\
---
# license: choose one, see "Licence" below
pretty_name: {name}
task_categories: {tasks}
size_categories: [{size}]
tags: [synthetic, datasetgan]
configs:
- config_name: default
  data_files:
{files}---
"""
SIZES = {1000: 'n<1K', 10_000: '1K<n<10K', 100_000: '10K<n<100K', 1_000_000: '100K<n<1M', float('inf'): '1M<n<10M'}
"""Hugging Face's names of sizes by the number that is above them."""


@dataclass(frozen=True)
class HuggingFace(Conversion):
    """Columns name, image, mask (an image of class ids), keypoints (rows of x, y, visibility), seed or
    projection, uncertainty.
    Images are the dataset's PNG files, byte for byte."""

    name = 'huggingface'
    files = ('data/{part}.parquet', 'README.md')

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`."""
        pyarrow = import_extra('pyarrow', 'formats')
        parquet = import_extra('pyarrow.parquet', 'formats')
        schema = make_schema(dataset, pyarrow)
        files, count = {}, 0
        (outdir / 'data').mkdir()
        for split, name in SPLITS.items():
            rows = (_row(dataset, record) for record in progress(dataset.kept(self.val, split)))
            groups = iter(partial(_next_group, rows), [])
            for shard in itertools.count():
                group = next(groups, None)
                if group is None:
                    break
                files[name] = f'data/{name}-*.parquet'
                path = outdir / 'data' / f'{name}-{shard:05d}.parquet'
                with path.open('wb') as file, parquet.ParquetWriter(file, schema, **PLAIN) as writer:
                    while group:
                        writer.write_table(pyarrow.Table.from_pylist(group, schema))
                        count += len(group)
                        group = next(groups, None) if file.tell() < SHARD_BYTES else None
        (outdir / 'README.md').write_text(_card(dataset, count, files, schema.names), encoding='utf-8')


def make_schema(dataset: FolderDataset, pyarrow):
    """Columns and, in the metadata, which of them `datasets` takes for images."""
    picture = pyarrow.struct({'bytes': pyarrow.binary(), 'path': pyarrow.string()})
    images = ['image', 'mask'] if dataset.task.classes else ['image']
    columns = {'name': pyarrow.string(), **dict.fromkeys(images, picture)}
    if dataset.task.keypoints:
        columns['keypoints'] = pyarrow.list_(pyarrow.list_(pyarrow.float32()))
    columns[dataset.id_name] = pyarrow.int64()
    columns['uncertainty'] = pyarrow.float64()
    features = {'info': {'features': {name: {'_type': 'Image'} for name in images}}}
    return pyarrow.schema(columns, {'huggingface': json.dumps(features)})


def _next_group(rows: Iterator[dict]) -> list[dict]:
    return list(itertools.islice(rows, ROW_GROUP))


def _row(dataset: FolderDataset, record: dict) -> dict:
    row = {'name': name_of_record(record), dataset.id_name: sample_id(record), 'uncertainty': record['uncertainty']}
    row['image'] = {'bytes': dataset.content(record), 'path': dataset.file_name(record)}
    if 'mask' in record:
        row['mask'] = {'bytes': (dataset.folder / record['mask']).read_bytes(), 'path': Path(record['mask']).name}
    if dataset.task.keypoints:
        values = record['keypoints']
        row['keypoints'] = [values[start : start + 3] for start in range(0, len(values), 3)]
    return row


def _card(dataset: FolderDataset, count: int, files: dict[str, str], columns: list[str]) -> str:
    task = dataset.task
    names = []
    if task.classes:
        numbered = ', '.join(f'{index} {markdown(name)}' for index, name in enumerate(task.classes))
        names.append(f"Classes by the mask's value: {numbered}.")
    if task.keypoints:
        names.append(f'Keypoints in this order: {", ".join(map(markdown, task.keypoints))}.')
    text = (PHOTO_CARD if dataset.id_name == PHOTO else CARD).format(
        network=markdown(source_of(dataset.info)),
        count=count,
        columns=', '.join(columns),
        labeled=dataset.info['labelled_images'],
        names='\n\n'.join(names),
    )
    return front_matter(dataset.info, count, files) + text + LICENSE


def source_of(info: dict) -> str:
    """The network that images came from, or by which photos were labelled, as a dataset.json has it."""
    return info['sources'].get('network') or info['sources']['model']


def front_matter(info: dict, count: int, files: dict[str, str]) -> str:
    """The header of a card, which Hugging Face reads; JSON is YAML.

    Args:
        info: content of dataset.json.
        count: number of samples.
        files: pattern of the files of each split.
    """
    task = Task.from_json(info, 'dataset.json')
    tasks = []
    if task.classes:
        tasks.append('image-segmentation')
    if task.keypoints:
        tasks.append('keypoint-detection')
    return FRONT_MATTER.format(
        name=json.dumps(f'Labelled images from {source_of(info)}', ensure_ascii=False),
        tasks=json.dumps(tasks),
        size=next(json.dumps(size) for limit, size in SIZES.items() if count < limit),
        files=''.join(f'  - split: {split}\n    path: {path}\n' for split, path in files.items()),
    )
