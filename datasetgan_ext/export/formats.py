"""The dataset formats by name: one module each, all written from a finished dataset in the folder format."""
from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.errors import UserError
from datasetgan_ext.export import coco, huggingface, voc, webdataset, yolo
from datasetgan_ext.export.dataset import DATASET_FILE, FolderDataset
from datasetgan_ext.files import TEMPORARY_SUFFIX, holds_files, writing

CONVERTERS: dict[str, Callable] = {
    'coco': coco.convert, 'voc': voc.convert, 'yolo': yolo.convert_masks, 'yolo-pose': yolo.convert_keypoints,
    'webdataset': webdataset.convert, 'huggingface': huggingface.convert}


def convert(dataset: FolderDataset, format_name: str, outdir: Path, val: float, shard_size: int,
            segmentation: str = coco.RLE) -> None:
    """Write the kept samples of a dataset in another format, and its dataset.json beside them.

    All is written below a temporary name, so that `outdir` is either whole or not there.

    Args:
        dataset: what to convert.
        format_name: one of CONVERTERS.
        outdir: a new or empty folder.
        val: share of the samples that is set apart for validation, in [0, 1).
        shard_size: samples in each tar of a WebDataset.
        segmentation: of COCO's objects, one of `coco.SEGMENTATIONS`.

    Raises:
        UserError: the folder holds files or cannot be written, or the format cannot hold what the dataset has.
    """
    outdir = outdir.resolve()
    if holds_files(outdir) or outdir.is_file():
        raise UserError(f'--outdir={outdir} is there and not empty; give a new folder')
    write = CONVERTERS[format_name]
    if format_name == 'webdataset':
        write = partial(write, shard_size=shard_size)
    if format_name == 'coco':
        write = partial(write, segmentation=segmentation)
    temporary = outdir.with_name(f'{outdir.name}{TEMPORARY_SUFFIX}')
    with writing(outdir), tqdm(total=dataset.info['summary']['kept'], desc=format_name, unit='image',
                               disable=None, mininterval=0.5) as bar:
        def progress(records: Iterable[dict]) -> Iterable[dict]:
            for record in records:
                yield record
                bar.update()

        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            write(dataset, temporary, val, progress)
            shutil.copyfile(dataset.folder / DATASET_FILE, temporary / DATASET_FILE)
            if outdir.is_dir():
                outdir.rmdir()
            temporary.rename(outdir)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
