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

CANDIDATES = range(1000)


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
@click.option(
    '--num',
    type=click.IntRange(min=1),
    metavar='N',
    help='In place of --seeds: choose so many that stand for all candidates, or with --interpreter from which it would '
    'learn most  [default: 16; with --interpreter 8]',
)
@click.option(
    '--candidates',
    type=Seeds(),
    help='Seeds to choose from  [default: 0-999; --interpreter needs them given]',
)
@click.option('--interpreter', metavar='FILE', help='Trained on the labels so far, to choose what to label next')
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
    num,
    candidates,
    interpreter,
):
    """Generate images to label, and samples.json, which says how each was made.

    Label them in any tool, then train on them with datasetgan train. With --num, those are taken that stand for many
    others: typical ones of each kind of picture. More can be added to the folder later, with the same options; what is
    there counts as labelled. An interpreter that was trained on the first labels finds images that it is unsure of and
    that differ from each other.

    Examples:

    \b
    # Sixteen images of the embedded demo
    datasetgan samples --network=demo --outdir=out/samples --seeds=0-15 --trunc=0.7

    \b
    # Sixteen that stand for two hundred
    datasetgan samples --network=demo --outdir=out/typical --num=16 --candidates=0-199 --trunc=0.7

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
    from datasetgan_ext.labeling.selection import choose_diverse_seeds

    start_logging()
    if interpreter is not None and candidates is None:
        raise UserError('--interpreter chooses among --candidates; give their seeds, such as --candidates=1000-1999')
    chooses = num is not None or candidates is not None
    if chooses and seeds is not None:
        raise UserError('give --seeds, or --num and --candidates to choose from: one of the two')
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
    candidates = candidates or CANDIDATES
    if interpreter is not None:
        options, seeds = _choose_unsure(generator, Interpreter.load(interpreter), given, candidates, num or 8, outdir)
    else:
        options = generator.check_options(SamplingOptions(**given))
        if chooses:
            labeled = _labeled(generator, options, outdir)
            seeds = choose_diverse_seeds(generator, options, candidates, num or 16, labeled)
    samples = generate_samples(generator, options, range(16) if seeds is None else seeds, outdir)
    print(f'{len(samples.samples)} images to label: {outdir / "images"}')
    if chooses:
        print(f'Chosen from {len(candidates)}: {", ".join(sample_name(seed) for seed in seeds)}')


def _choose_unsure(generator, interpreter, given, candidates, num, outdir):
    """The options of the samples to be, and the seeds that an interpreter chooses."""
    from datasetgan_ext.interpreter.labeler import Labeler
    from datasetgan_ext.labeling.selection import choose_seeds

    labeler = Labeler(generator, interpreter, replace(interpreter.options, **given))
    labeled = _labeled(generator, labeler.options, outdir)
    return labeler.options, choose_seeds(labeler, candidates, num, labeled)


def _labeled(generator, options, outdir):
    """Seeds of the samples that are there."""
    from datasetgan_ext.generator.samples import SAMPLES_FILE, SampleSet

    if not (outdir / SAMPLES_FILE).exists():
        return []
    there = SampleSet.read(outdir)
    there.check(generator, options)
    return [sample.seed for sample in there.samples]


if __name__ == '__main__':
    main(prog_name='datasetgan samples')
