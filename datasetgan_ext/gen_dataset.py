"""Generate images with labels."""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import replace
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import COMPRESSION, DATASET_FORMATS, MIN_QUALITY, SCORES
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import PROJECTION, format_seeds
from datasetgan_ext.options import (
    ClassPixels,
    ClassShare,
    Command,
    check_share,
    conversion_options,
    executor_options,
    network_options,
    sampling_options,
    seeds_option,
    start_logging,
)

PIXELS_PER_CPU_WORKER = 2**18
"""What keeps a process busy for longer than it takes to start: 64 images of 64², 4 of 256²."""

log = logging.getLogger(__name__)


@click.command(cls=Command)
@network_options
@click.option('--interpreter', metavar='FILE', help='From datasetgan train; --network=demo brings its own')
@click.option(
    '--outdir', type=click.Path(file_okay=False, path_type=Path), metavar='DIR', required=True, help='Where to write'
)
@seeds_option()
@sampling_options(*3 * ['as the labelled images'])
@click.option(
    '--mix-styles',
    type=float,
    default=0.0,
    show_default=True,
    metavar='PROB',
    help='Share of the images whose later layers take the styles of a second seed',
)
@click.option(
    '--projected-w',
    type=click.Path(path_type=Path),
    metavar='NPZ',
    help="In place of --seeds: label the images of a projected_w.npz, of upstream's projector.py or datasetgan project",
)
@click.option(
    '--projected-photo',
    'projected_photos',
    type=click.Path(path_type=Path),
    multiple=True,
    metavar='FILE',
    help='With --projected-w: the photo of each row, in the same order; tells how far the image is from it',
)
@click.option(
    '--keep',
    type=float,
    default=0.9,
    show_default=True,
    metavar='SHARE',
    callback=check_share,
    help='Share of the images that is kept; the others, the most uncertain ones, are marked as dropped',
)
@click.option(
    '--score',
    type=click.Choice(SCORES),
    help='What --keep goes by: labels, how unsure the ensemble is of the pixels that are not background (on the '
    "mean, their entropy plus the members' Jensen-Shannon distance); paper, the mean divergence of the most uncertain "
    'tenth of all pixels, in nats  [default: labels; paper for an interpreter of --preset=reference]',
)
@click.option(
    '--hand-labels/--no-hand-labels',
    default=True,
    show_default=True,
    help="Images that a person labelled get that person's labels, which are in the interpreter's file, in place of the "
    "ensemble's; they have no uncertainty, and --keep leaves them alone",
)
@click.option(
    '--ignore-pixels',
    metavar='SHARE|above:LEVEL',
    help='Leave pixels without a label (255) of which the ensemble is unsure: the most doubtful share of each image, '
    'such as 0.05, or all above a level of entropy plus Jensen-Shannon distance, such as above:0.8; not for COCO, YOLO',
)
@click.option(
    '--min-pixels',
    type=ClassPixels(),
    multiple=True,
    help='Drop images that have fewer pixels of a class; may be given for several classes',
)
@click.option(
    '--balance-classes',
    type=float,
    metavar='SHARE',
    callback=check_share,
    help='Drop images of which there are plenty, until each class that occurs is in this share of the kept '
    'ones; a tenth of the images stays in any case',
)
@click.option(
    '--more-of',
    type=ClassShare(),
    multiple=True,
    help='Move the latents of a share of the images towards a class that few images show, so that more do; where it '
    'lies is found by labelling up to 2000 other images first; may be given for several classes',
)
@click.option('--drop', is_flag=True, help='Delete the files of dropped images; their lines in manifest.jsonl stay')
@click.option(
    '--format',
    'formats',
    type=click.Choice(['folder', *DATASET_FORMATS]),
    multiple=True,
    default=['folder'],
    show_default=True,
    help='What to write beside the folders of images and masks, into a folder of that '
    'name in DIR; may be given several times',
)
@conversion_options
@click.option(
    '--compression',
    type=click.IntRange(0, 9),
    default=COMPRESSION,
    show_default=True,
    metavar='0-9',
    help='Of the PNG files: 9 makes the smallest ones, slowly',
)
@click.option(
    '--batch',
    type=click.IntRange(min=1),
    metavar='N',
    help='Images per forward pass  [default: 1 on a CPU, 8 on a GPU]',
)
@executor_options
@click.option(
    '--reuse',
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    metavar='DIR',
    help='Copy what an earlier run, or several in one folder, made for the same options and batches of seeds',
)
@click.option(
    '--upload',
    metavar='URL',
    help='Copy the finished dataset there, for example s3://BUCKET/FOLDER; any protocol of fsspec',
)
@click.option('--overwrite', is_flag=True, help='Delete a dataset that is in the folder, and start anew')
def main(
    network,
    device,
    allow_pickle_code,
    upstream,
    interpreter,
    outdir,
    seeds,
    trunc,
    trunc_cutoff,
    noise_mode,
    class_idx,
    mix_styles,
    projected_w,
    projected_photos,
    keep,
    score,
    hand_labels,
    ignore_pixels,
    min_pixels,
    balance_classes,
    more_of,
    drop,
    formats,
    val,
    shard_size,
    segmentation,
    compression,
    batch,
    workers,
    ray_address,
    lost_after,
    reuse,
    upload,
    overwrite,
):
    """Generate images with labels from a trained generator.

    Truncation, noise mode and class are those of the images that were labelled, unless given here; the crop always is
    theirs. The same command again continues a run that was stopped.

    Examples:

    \b
    # 64 labelled cars from the embedded demo
    datasetgan generate --network=demo --outdir=out/cars --seeds=0-63

    \b
    # 10,000 labelled images from a network of your own
    datasetgan generate --network=car.pkl --interpreter=interpreter.safetensors --outdir=out/dataset \\
        --seeds=0-9999

    \b
    # The same, and in out/dataset/coco what a trainer for COCO reads
    datasetgan generate --network=car.pkl --interpreter=interpreter.safetensors --outdir=out/dataset \\
        --seeds=0-9999 --format=coco

    \b
    # The same on all GPUs of a Ray cluster that this machine belongs to
    datasetgan generate --network=car.pkl --interpreter=interpreter.safetensors --outdir=out/dataset \\
        --seeds=0-9999 --ray=auto

    \b
    # A photo of your own, once upstream's projector.py has found its w
    datasetgan generate --network=car.pkl --interpreter=interpreter.safetensors --outdir=out/photo \\
        --projected-w=projected_w.npz --projected-photo=target.png
    """
    import torch

    from datasetgan_ext.formats.conversions import make_conversion
    from datasetgan_ext.formats.folder import DATASET_FILE
    from datasetgan_ext.generation.cluster import connect
    from datasetgan_ext.generation.curation import Curation
    from datasetgan_ext.generation.placement import choose_executor, worker_devices
    from datasetgan_ext.generation.rare_classes import check_shares, directions_for
    from datasetgan_ext.generation.run import Run
    from datasetgan_ext.generation.upload import Destination
    from datasetgan_ext.generator.checkpoint import DEMO, load_generator
    from datasetgan_ext.generator.latents import ProjectedLatents
    from datasetgan_ext.interpreter.doubt import Doubtful
    from datasetgan_ext.interpreter.interpreter import Interpreter
    from datasetgan_ext.interpreter.labeler import DEFAULT_BATCH, Labeler, LabelerSpec

    start_logging()
    given = {'trunc': trunc, 'trunc_cutoff': trunc_cutoff, 'noise_mode': noise_mode, 'class_idx': class_idx}
    _check_source(seeds, projected_w, {**given, 'mix_styles': mix_styles or None, 'more_of': more_of or None})
    if interpreter is None and network != DEMO:
        raise UserError('--interpreter is missing: train one with datasetgan train (--network=demo brings its own)')
    destination = Destination(upload) if upload else None
    machines = connect(ray_address, workers, device and device.type) if ray_address else None
    interpreter = interpreter or DEMO
    loaded = Interpreter.load(interpreter)
    generator = load_generator(network, device, allow_pickle_code, upstream)
    curation = Curation.of(loaded.task, keep, min_pixels, balance_classes)
    shares = check_shares(loaded.task, more_of)
    given = {name: value for name, value in given.items() if value is not None}
    spec = LabelerSpec(
        network=network,
        interpreter=interpreter,
        options=replace(loaded.options, mix_styles=mix_styles, **given),
        batch=batch or (DEFAULT_BATCH[machines.device] if machines else None),
        latents=ProjectedLatents.read(projected_w, generator.num_ws, generator.w_dim) if projected_w else None,
        hand_labels=hand_labels,
        score=score,
        ignore=Doubtful.parse(ignore_pixels) if ignore_pixels else None,
        device=device,
        allow_pickle_code=allow_pickle_code,
        upstream=None if upstream is None else upstream.expanduser().resolve(),
    )
    if shares:
        plain = Labeler(generator, loaded, replace(spec.options, mix_styles=0.0), spec.batch)
        known = [outdir] if (outdir / DATASET_FILE).exists() and not overwrite else []
        spec = replace(spec, directions=directions_for(plain, shares, [*known, *reuse]))
    labeler = Labeler(
        generator, loaded, spec.options, spec.batch, spec.latents, hand_labels, score, spec.ignore, spec.directions
    )
    ids = seeds or labeler.latents.ids
    if projected_photos:
        _tell_distances(labeler, list(ids), projected_photos, projected_w)
    if hand_labels:
        _tell_of_missing_hand_labels(loaded, ids, spec)
    if keep < 1 and loaded.ensemble.members == 1 and (labeler.score == 'paper' or not loaded.task.classes):
        log.warning('An ensemble of one never disagrees: which images --keep=%s drops is left to chance', keep)
    pixels = len(ids) * math.prod(loaded.image_hw)
    devices = worker_devices(device, workers, most=pixels // PIXELS_PER_CPU_WORKER)
    options = {'val': val, 'shard_size': shard_size, 'segmentation': segmentation}
    run = Run(
        labeler=labeler,
        ids=ids,
        outdir=outdir,
        curation=curation,
        executor=choose_executor(labeler, spec, machines, devices, 60 * lost_after),
        conversions=[make_conversion(name, options) for name in dict.fromkeys(formats) if name != 'folder'],
        compression=compression,
        drop=drop,
        reuse=reuse,
        destination=destination,
        interpreter_source=interpreter,
    )
    try:
        summary = run(overwrite)
    except torch.cuda.OutOfMemoryError:
        raise UserError("the GPU's memory is too small for a single image; free it, or give --device=cpu") from None
    except KeyboardInterrupt:
        raise UserError(f'stopped; the same command continues in {outdir}') from None
    print(
        f'{summary.samples} labelled images in {outdir}: {summary.kept} kept, '
        f'{summary.samples - summary.kept} {"deleted" if drop else "marked as dropped in manifest.jsonl"}'
        f'{_reasons(summary)}{f"; {summary.by_hand} labelled by hand" if summary.by_hand else ""}'
    )
    print(f'Preview: {outdir / "preview.png"}, more: {outdir / "report.html"}')
    if destination is not None:
        print(f'Copied to {destination.url}')


def _tell_of_missing_hand_labels(interpreter, ids, spec):
    """Warn of images that were labelled by hand, where the interpreter's file does not have these labels."""
    same = spec.latents is None and replace(spec.options, mix_styles=interpreter.options.mix_styles) == (
        interpreter.options
    )
    labeled = sorted(set(interpreter.training.get('seeds', ())).intersection(ids)) if same else []
    if labeled and not interpreter.hand_labels:
        log.warning(
            'Seeds %s were labelled by hand, but the interpreter was trained by a version that did not keep these '
            'labels in its file: they get predicted ones. Trained again, it has them',
            format_seeds(labeled),
        )


def _reasons(summary):
    from datasetgan_ext.generation.curation import BALANCE, MIN_PIXELS, UNCERTAINTY

    words = {
        UNCERTAINTY: f'with an uncertainty above {summary.uncertainty_cut:.4f}',
        MIN_PIXELS: 'by --min-pixels',
        BALANCE: 'by --balance-classes',
    }
    counts = ', '.join(f'{count} {words[reason]}' for reason, count in summary.dropped.items() if count)
    return f' ({counts})' if counts else ''


def _tell_distances(labeler, rows, photos, projected_w):
    """Print how far the image of each row of a projected_w.npz is from its photo, cut as the samples beside it say."""
    from datasetgan_ext.core.crops import crop_of
    from datasetgan_ext.core.files import file_sha256
    from datasetgan_ext.core.images import read_rgb
    from datasetgan_ext.generator.samples import SAMPLES_FILE, SampleSet
    from datasetgan_ext.generator.sampling import center_crop
    from datasetgan_ext.metrics.pictures import psnr

    if labeler.latents.id_name != PROJECTION:
        raise UserError('--projected-photo has no meaning without --projected-w; leave it out')
    if len(rows) != len(photos):
        raise UserError(
            f'--projected-photo is given {len(photos)} times, and --projected-w has {len(rows)} rows; give the photo '
            'of each, in their order'
        )
    full_hw = labeler.generator.image_hw
    part = center_crop(full_hw, labeler.options.crop_hw)
    folder = projected_w.parent
    samples = SampleSet.read(folder).samples if (folder / SAMPLES_FILE).is_file() else ()
    crops = {sample.projection.file_sha256: sample.projection.crop for sample in samples if sample.projection}
    for row, path in zip(rows, photos):
        photo = read_rgb(path)
        channels = labeler.generator.image_channels
        crop = crops.get(file_sha256(path))
        if crop is not None and crop.image_hw == (labeler.options.crop_hw or full_hw):
            photo = crop.picture(photo, channels)
        else:
            photo = crop_of('center-crop', photo.shape[:2], full_hw).picture(photo, channels)[part]
        made = labeler.generator.synthesize([row], labeler.options, labeler.latents.ws).images[0].cpu().numpy()
        quality = psnr(photo, made)
        doubt = f', below {MIN_QUALITY:g}: look at it before its labels are used' if quality < MIN_QUALITY else ''
        print(f'{labeler.latents.name(row)}: {quality:.1f} dB from {path}{doubt}')


def _check_source(seeds, projected_w, given):
    """Raises UserError unless there is one of seeds and projected w, and nothing is given that a w does not take."""
    if (seeds is None) == (projected_w is None):
        raise UserError('give --seeds=0-99 (or other seeds) or --projected-w=projected_w.npz: one of the two')
    for name in ('trunc', 'trunc_cutoff', 'class_idx', 'mix_styles', 'more_of'):
        if projected_w is not None and given[name] is not None:
            flag = '--class' if name == 'class_idx' else f'--{name.replace("_", "-")}'
            raise UserError(
                f'{flag} has no meaning with --projected-w, whose w vectors are taken as they are; leave it out'
            )


if __name__ == '__main__':
    main(prog_name='datasetgan generate')
