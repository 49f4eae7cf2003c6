"""Label photos with a trained network."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import COMPRESSION, DATASET_FORMATS, VIEWS
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.options import (
    Command,
    Device,
    allow_failures_option,
    executor_options,
    photos_option,
    start_logging,
    tell_failures,
)

PHOTOS_PER_CPU_WORKER = 64
"""What keeps a process busy for longer than it takes to start."""


@click.command(cls=Command)
@click.option(
    '--model',
    type=click.Path(dir_okay=False, path_type=Path),
    metavar='FILE',
    required=True,
    help='Network of datasetgan train-downstream or train-semi-supervised',
)
@photos_option
@click.option(
    '--outdir', type=click.Path(file_okay=False, path_type=Path), metavar='DIR', required=True, help='Where to write'
)
@click.option(
    '--views',
    type=click.Choice([str(count) for count in VIEWS]),
    default=str(VIEWS[0]),
    show_default=True,
    help='Average the predictions of 2: the photo and its mirror image, 8: both, also shifted three ways',
)
@click.option(
    '--ignore-below',
    type=float,
    default=0.0,
    show_default=True,
    metavar='P',
    help='Give the value 255, "no label", to pixels whose class has a lower probability',
)
@click.option('--order', is_flag=True, help='Also write order.txt: which photos to label next, the most useful first')
@click.option('--copy-images', is_flag=True, help='Copy the photos into DIR  [default: DIR holds links to them]')
@allow_failures_option
@click.option(
    '--format',
    'formats',
    type=click.Choice(['folder', *DATASET_FORMATS]),
    multiple=True,
    default=['folder'],
    show_default=True,
    help='What to write beside masks and keypoints, into a folder of that name in DIR; may be given several times',
)
@click.option(
    '--compression',
    type=click.IntRange(0, 9),
    default=COMPRESSION,
    show_default=True,
    metavar='0-9',
    help='Of the masks: 9 makes the smallest files, slowly',
)
@click.option(
    '--batch',
    type=click.IntRange(min=1),
    metavar='N',
    help='Photos per forward pass  [default: 1 on a CPU, 16 on a GPU]',
)
@executor_options
@click.option('--upload', metavar='URL', help='Copy the finished dataset there; any protocol of fsspec')
@click.option('--device', type=Device(), help='Where to compute  [default: the first GPU, or the CPU]')
@click.option('--overwrite', is_flag=True, help='Delete labels that are in the folder, and start anew')
def main(
    model,
    images,
    outdir,
    views,
    ignore_below,
    order,
    copy_images,
    allow_failures,
    formats,
    compression,
    batch,
    workers,
    ray_address,
    lost_after,
    upload,
    device,
    overwrite,
):
    """Label photos with a trained network: masks and keypoints, at each photo's own size.

    Photos are turned as their EXIF says, 16 bits scaled to 8, transparent pixels made white. Those that cannot be read
    are listed in failed.jsonl, and the command ends with status 1. The same command again continues a run that was
    stopped.

    Examples:

    \b
    datasetgan predict --model=out/deeplab.safetensors --images=photos --outdir=out/labels

    \b
    # More careful: the mean of eight views, and no label where the network is unsure
    datasetgan predict --model=out/deeplab.safetensors --images=photos --outdir=out/labels --views=8 \\
        --ignore-below=0.6
    """
    import torch

    from datasetgan_ext.core.photo_files import FAILED_FILE, find_photos
    from datasetgan_ext.formats.conversions import make_conversion
    from datasetgan_ext.generation.cluster import connect
    from datasetgan_ext.generation.photo_run import PhotoRun, read_failures
    from datasetgan_ext.generation.photos import PhotoLabelerSpec
    from datasetgan_ext.generation.placement import choose_executor, worker_devices
    from datasetgan_ext.generation.upload import Destination

    start_logging()
    if upload and not copy_images:
        raise UserError('--upload sends files, and the photos in DIR are links: add --copy-images')
    files = find_photos(images, but=outdir)
    destination = Destination(upload) if upload else None
    machines = connect(ray_address, workers, device and device.type) if ray_address else None
    spec = PhotoLabelerSpec(model.absolute(), int(views), ignore_below, batch, device)
    labeler = spec.make()
    # the same batches wherever they are computed
    spec = replace(spec, batch=batch or _batch(machines, labeler))
    labeler.batch = spec.batch
    devices = worker_devices(device, workers, most=len(files) // PHOTOS_PER_CPU_WORKER)
    run = PhotoRun(
        labeler=labeler,
        files=files,
        outdir=outdir,
        executor=choose_executor(labeler, spec, machines, devices, 60 * lost_after),
        conversions=[make_conversion(name, {'val': 0.0}) for name in dict.fromkeys(formats) if name != 'folder'],
        compression=compression,
        copy_images=copy_images,
        order=order,
        destination=destination,
        model_source=str(model),
    )
    try:
        labeled = run(overwrite)
    except torch.cuda.OutOfMemoryError:
        raise UserError("the GPU's memory is full; give a smaller --batch") from None
    except KeyboardInterrupt:
        raise UserError(f'stopped; the same command continues in {outdir}') from None
    print(f'{labeled.summary.samples} labelled photos in {outdir}')
    print(f'Preview: {outdir / "preview.png"}, more: {outdir / "report.html"}')
    if upload:
        print(f'Copied to {upload}')
    tell_failures(read_failures(outdir), outdir / FAILED_FILE, 'read', allow_failures)


def _batch(machines, labeler):
    from datasetgan_ext.downstream.prediction import DEFAULT_BATCH

    return DEFAULT_BATCH[machines.device] if machines else labeler.batch


if __name__ == '__main__':
    main(prog_name='datasetgan predict')
