"""Generate images to label."""
from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.labels.samples import generate_samples
from datasetgan_ext.options import Crop, network_options, sampling_options, seeds_option, start_logging


@click.command()
@network_options
@click.option('--outdir', type=click.Path(file_okay=False, path_type=Path), metavar='DIR', required=True,
              help='Where to write the images and samples.json')
@seeds_option(default='0-15', show_default=True)
@sampling_options('1', 'all', 'const')
@click.option('--crop', 'crop_hw', type=Crop(),
              help='Keep the central HEIGHTxWIDTH only, as 384x512 for car networks  [default: the whole image]')
def main(network, device, allow_pickle_code, outdir, seeds, trunc, trunc_cutoff, noise_mode, class_idx, crop_hw):
    """Generate images to label, and samples.json, which says how each was made.

    Label them in any tool that writes PNG masks, then train on them with train_interpreter.py. More seeds can be added
    to the folder later, with the same options.

    Examples:

    \b
    # Sixteen images of the embedded demo
    python datasetgan_ext/gen_samples.py --network=demo --outdir=out/samples --seeds=0-15 --trunc=0.7

    \b
    # A car network: truncation of the first 8 layers, central rows only
    python datasetgan_ext/gen_samples.py --network=car.pkl --outdir=out/car --trunc=0.7 --trunc-cutoff=8 --crop=384x512
    """
    start_logging()
    generator = load_generator(network, device, allow_pickle_code)
    options = generator.check_options(SamplingOptions(
        trunc if trunc is not None else 1.0, trunc_cutoff, noise_mode or 'const', class_idx, crop_hw))
    samples = generate_samples(generator, options, seeds, outdir)
    print(f'{len(samples.samples)} images to label: {outdir / "images"}')


if __name__ == '__main__':
    main()
