"""Project photos into a generator's W+ space."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import (
    MAX_STRANGENESS,
    MIN_QUALITY,
    NOISE_MODES,
    PROJECTION_BATCH,
    PROJECTION_STEPS,
    TRANSFORMS,
)
from datasetgan_ext.options import (
    Command,
    Size,
    allow_failures_option,
    network_options,
    photos_option,
    start_logging,
    tell_failures,
)


@click.command(cls=Command)
@network_options
@photos_option
@click.option(
    '--outdir',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    required=True,
    help='Samples folder to write',
)
@click.option(
    '--transform',
    type=click.Choice(TRANSFORMS),
    default=TRANSFORMS[0],
    show_default=True,
    help="How a photo becomes as large as the network's images: as it was done for the training images, see "
    "upstream's dataset_tool.py; stretch is what that does without any",
)
@click.option(
    '--crop',
    'crop_hw',
    type=Size(),
    help='The photos are the central HEIGHTxWIDTH of the images, as 384x512 for car networks  '
    '[default: the whole image]',
)
@click.option('--class', 'class_idx', type=int, metavar='INT', help='Class of a class-conditional network')
@click.option(
    '--noise-mode',
    type=click.Choice([mode for mode in NOISE_MODES if mode != 'random']),
    default='const',
    show_default=True,
    help='Noise of the synthesis layers',
)
@click.option(
    '--steps',
    type=click.IntRange(min=1),
    default=PROJECTION_STEPS,
    show_default=True,
    metavar='N',
    help='Of the optimisation',
)
@click.option(
    '--encoder-images',
    type=click.IntRange(min=0),
    metavar='N',
    help='Generated images from which an encoder learns to guess where to begin; 0 = the best of some random latents  '
    '[default: 6000; on a CPU as many as take some minutes]',
)
@click.option(
    '--min-quality',
    type=float,
    default=MIN_QUALITY,
    show_default=True,
    metavar='DB',
    help='PSNR from which a projection is trusted: labels of the other photos are not learned',
)
@click.option(
    '--max-strangeness',
    type=float,
    default=MAX_STRANGENESS,
    show_default=True,
    metavar='S',
    help='Up to which it is trusted: the images of the network itself are around 1 and below, pictures of other things '
    'far above',
)
@click.option(
    '--batch',
    type=click.IntRange(min=1),
    default=PROJECTION_BATCH,
    show_default=True,
    metavar='N',
    help='Photos at once',
)
@allow_failures_option
@click.option('--overwrite', is_flag=True, help='Delete what is in the folder, and start anew')
def main(
    network,
    device,
    allow_pickle_code,
    upstream,
    images,
    outdir,
    transform,
    crop_hw,
    class_idx,
    noise_mode,
    steps,
    encoder_images,
    min_quality,
    max_strangeness,
    batch,
    allow_failures,
    overwrite,
):
    """Find the latents whose images are most like photos, so that labels of photos can be learned from.

    The folder is one of samples, as datasetgan samples writes it: label, check-labels and train take it. Labels of the
    original photos are carried through crop and resize. Look at report.html: photos that the network cannot show are
    first, and the labels of those that are not trusted are not learned. The same command again continues a run that was
    stopped, and takes new photos.

    Examples:

    \b
    # Labelled photos instead of labelled samples
    datasetgan project --network=car.pkl --images=photos --outdir=out/projected --crop=384x512
    datasetgan train --network=car.pkl --samples=out/projected --labels=photo-labels \\
        --classes=classes.txt --out=out/interpreter.safetensors

    \b
    # The embedded demo and a drawing that it has not seen
    datasetgan project --network=demo --images=datasetgan_ext/demo/real/images/drawing0000.png --outdir=out/projected
    """
    from datasetgan_ext.core.errors import UserError
    from datasetgan_ext.core.photo_files import FAILED_FILE, find_photos
    from datasetgan_ext.generator.checkpoint import load_discriminator, load_generator
    from datasetgan_ext.generator.inversion import Inversion
    from datasetgan_ext.generator.projected_samples import MIN_EXPLAINED, PhotoProjector
    from datasetgan_ext.generator.sampling import SamplingOptions
    from datasetgan_ext.report.projections import REPORT_FILE, write_projections_report

    start_logging()
    files = find_photos(images, but=outdir)
    generator = load_generator(network, device, allow_pickle_code, upstream)
    options = generator.check_options(SamplingOptions(noise_mode=noise_mode, class_idx=class_idx, crop_hw=crop_hw))
    discriminator = load_discriminator(network, upstream)
    inversion = Inversion(generator, options, discriminator, steps, encoder_images)
    projector = PhotoProjector(
        inversion=inversion,
        files=files,
        outdir=outdir,
        transform=transform,
        min_quality=min_quality,
        max_strangeness=max_strangeness,
        batch=batch,
    )
    try:
        projected = projector(overwrite)
    except KeyboardInterrupt:
        raise UserError(f'stopped; the same command continues in {outdir}') from None
    write_projections_report(projected.samples)
    found = [sample.projection for sample in projected.samples.samples]
    doubtful = sum(not projection.trusted for projection in found)
    psnr = sorted(projection.psnr for projection in found)
    print(f'{len(found)} photos projected, PSNR {psnr[0]:.1f} to {psnr[-1]:.1f} dB, median {psnr[len(psnr) // 2]:.1f}')
    if doubtful:
        print(
            f'{doubtful} of them are below {projector.min_quality:g} dB, explain less than '
            f"{100 * MIN_EXPLAINED:g} % of the photo's variance, or are stranger than {projector.max_strangeness:g}: "
            'their labels are not learned'
        )
    print(f'Look at {outdir / REPORT_FILE}')
    tell_failures(projected.failed, outdir / FAILED_FILE, 'projected', allow_failures)


if __name__ == '__main__':
    main(prog_name='datasetgan project')
