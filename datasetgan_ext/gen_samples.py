"""Generate images to label."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.options import Command, Seeds, Size, network_options, sampling_options, seeds_option, start_logging


@click.command(cls=Command)
@network_options
@click.option(
    '--outdir',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    required=True,
    help='Where to write the images and samples.json',
)
@seeds_option(show_default='0-15')
@sampling_options(*(f'{value}; with --interpreter, as its training images' for value in ('1', 'all', 'const')))
@click.option(
    '--crop',
    'crop_hw',
    type=Size(),
    help='Keep the central HEIGHTxWIDTH only, as 384x512 for car networks  [default: the whole image]',
)
@click.option('--interpreter', metavar='FILE', help='Trained on the labels so far, to choose what to label next')
@click.option('--candidates', type=Seeds(), help='With --interpreter, in place of --seeds: seeds to choose from')
@click.option(
    '--num',
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar='N',
    help='With --interpreter: how many to choose',
)
def main(
    network,
    device,
    allow_pickle_code,
    upstream,
    outdir,
    seeds,
    trunc,
    trunc_cutoff,
    noise_mode,
    class_idx,
    crop_hw,
    interpreter,
    candidates,
    num,
):
    """Generate images to label, and samples.json, which says how each was made.

    Label them in any tool, then train on them with datasetgan train. More seeds can be added to the folder later,
    with the same options; an interpreter that was trained on the first labels finds those from which it would learn
    most: images that it is unsure of and that differ from each other.

    Examples:

    \b
    # Sixteen images of the embedded demo
    datasetgan samples --network=demo --outdir=out/samples --seeds=0-15 --trunc=0.7

    \b
    # A car network: truncation of the first 8 layers, central rows only
    datasetgan samples --network=car.pkl --outdir=out/car --trunc=0.7 --trunc-cutoff=8 --crop=384x512

    \b
    # Eight more, chosen by an interpreter that was trained on those
    datasetgan samples --network=demo --outdir=out/more --interpreter=demo --candidates=100-163 \\
        --num=8
    """
    from datasetgan_ext.generator.checkpoint import load_generator
    from datasetgan_ext.generator.generated_samples import generate_samples
    from datasetgan_ext.generator.sampling import SamplingOptions
    from datasetgan_ext.interpreter.interpreter import Interpreter

    start_logging()
    if (interpreter is None) != (candidates is None):
        raise UserError('--interpreter and --candidates go together: one chooses among the other')
    if candidates is not None and seeds is not None:
        raise UserError('give --seeds, or --candidates to choose from: one of the two')
    if interpreter is not None and crop_hw is not None:
        raise UserError('--crop: with --interpreter, it is that of its training images; leave it out')
    generator = load_generator(network, device, allow_pickle_code, upstream)
    given = {
        'trunc': trunc,
        'trunc_cutoff': trunc_cutoff,
        'noise_mode': noise_mode,
        'class_idx': class_idx,
        'crop_hw': crop_hw,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if interpreter is None:
        options = generator.check_options(SamplingOptions(**given))
        seeds = seeds or range(16)
    else:
        labeler, seeds = _choose(generator, Interpreter.load(interpreter), given, candidates, num, outdir)
        options = labeler.options
    samples = generate_samples(generator, options, seeds, outdir)
    print(f'{len(samples.samples)} images to label: {outdir / "images"}')
    if interpreter is not None:
        print(f'Chosen from {len(candidates)}: {", ".join(sample_name(seed) for seed in seeds)}')


def _choose(generator, interpreter, given, candidates, num, outdir):
    """A labeler with the options of the samples to be, and the seeds that it chooses."""
    from datasetgan_ext.generator.samples import SAMPLES_FILE, SampleSet
    from datasetgan_ext.interpreter.labeler import Labeler
    from datasetgan_ext.labeling.selection import choose_seeds

    labeler = Labeler(generator, interpreter, replace(interpreter.options, **given))
    labeled = []
    if (outdir / SAMPLES_FILE).exists():
        there = SampleSet.read(outdir)
        there.check(generator, labeler.options)
        labeled = [sample.seed for sample in there.samples]
    return labeler, choose_seeds(labeler, candidates, num, labeled)


if __name__ == '__main__':
    main(prog_name='datasetgan samples')
