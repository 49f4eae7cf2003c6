"""Hugging Face: folders of images with `metadata.jsonl`, which `datasets.load_dataset(DIR)` reads as it is."""
from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from datasetgan_ext.export.dataset import TRAIN, VAL, FolderDataset, sample_name

SPLITS = {TRAIN: 'train', VAL: 'validation'}
CARD = '''---
tags: [synthetic, datasetgan]
task_categories: [{task}]
size_categories: ['{size}']
---
# Labelled images from {network}

Made with [DatasetGAN](https://arxiv.org/abs/2104.06490): the images were generated, the labels predicted by an ensemble
that was trained on {labelled} hand-labelled images; they contain errors.

```python
from datasets import load_dataset
dataset = load_dataset('DIR')   # columns: image{columns}, seed, uncertainty
```

{names}

Choose a licence and write it into the header above. Mind the licence of the network that the images come from: networks
trained or published with NVIDIA's stylegan2-ada-pytorch carry its licence, which allows non-commercial use only.
'''
SIZES = {1000: 'n<1K', 10_000: '1K<n<10K', 100_000: '10K<n<100K', 1_000_000: '100K<n<1M', float('inf'): 'n>1M'}


def convert(dataset: FolderDataset, outdir: Path, val: float, progress: Callable[[Iterable], Iterable]) -> None:
    """Write the kept samples: columns image, mask (an image of class ids), keypoints (rows of x, y, visibility), seed,
    uncertainty."""
    task = dataset.task
    for split, name in SPLITS.items():
        records = dataset.kept(val, split)
        first = next(records, None)
        if first is None:
            continue
        (outdir / name).mkdir()
        with (outdir / name / 'metadata.jsonl').open('w', encoding='utf-8') as metadata:
            for record in progress(itertools.chain([first], records)):
                row = {}
                for kind, column in (('image', 'file_name'), ('mask', 'mask_file_name')):
                    if kind in record:
                        row[column] = f'{kind}s/{sample_name(record)}.png'
                        target = outdir / name / row[column]
                        target.parent.mkdir(exist_ok=True)
                        shutil.copyfile(dataset.folder / record[kind], target)
                if task.keypoints:
                    values = [float(value) for value in record['keypoints']]
                    row['keypoints'] = [values[start:start + 3] for start in range(0, len(values), 3)]
                metadata.write(json.dumps({**row, 'seed': record['seed'], 'uncertainty': record['uncertainty']}) + '\n')
    names = [f'Classes by the mask\'s value: {", ".join(f"{i} {name}" for i, name in enumerate(task.classes))}.'] \
        if task.classes else []
    names += [f'Keypoints in this order: {", ".join(task.keypoints)}.'] if task.keypoints else []
    kept = dataset.info['summary']['kept']
    card = CARD.format(
        task='image-segmentation' if task.classes else 'keypoint-detection',
        size=next(size for limit, size in SIZES.items() if kept < limit), network=dataset.info['sources']['network'],
        labelled=dataset.info['labelled_images'], names='\n\n'.join(names),
        columns=(', mask' if task.classes else '') + (', keypoints' if task.keypoints else ''))
    (outdir / 'README.md').write_text(card, encoding='utf-8')
