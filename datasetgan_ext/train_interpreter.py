"""Train a Style Interpreter on hand-labelled images."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import PIXELS_PER_IMAGE, PRESETS, SIGMA_SHARE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import MAX_SEED
from datasetgan_ext.options import Command, CountOrAll, label_options, network_options, seeds_option, start_logging

SHOWN_LABEL_ERRORS = 10


@click.command(cls=Command)
@network_options
@click.option(
    '--samples',
    metavar='DIR',
    required=True,
    multiple=True,
    help='Folder written by datasetgan samples or project; may be given several times, each with its --labels',
)
@label_options(multiple=True)
@click.option(
    '--classes',
    metavar='FILE',
    required=True,
    help='Class names in the order of their ids, background first: a text file, or JSON with a palette, '
    'keypoints, or both; or the name of a ready-made one, such as car-20',
)
@click.option(
    '--out',
    type=click.Path(dir_okay=False, path_type=Path),
    metavar='FILE',
    required=True,
    help='Interpreter to write (.safetensors)',
)
@seeds_option(default=None, show_default='all labelled samples')
@click.option(
    '--preset',
    type=click.Choice(PRESETS),
    default=PRESETS[0],
    show_default=True,
    help='Training constants; "reference" has those of the released DatasetGAN',
)
@click.option('--models', type=click.IntRange(min=1), metavar='N', help='Members of the ensemble  [default: 10]')
@click.option(
    '--pixels-per-image',
    type=CountOrAll(),
    help=f'Pixels drawn from each labelled image  [default: {PIXELS_PER_IMAGE}; reference: all]',
)
@click.option(
    '--min-class-pixels',
    type=click.IntRange(min=0),
    metavar='N',
    help='In an image, a class with fewer pixels becomes background  [default: 0; reference: 30]',
)
@click.option(
    '--sigma',
    type=click.FloatRange(min=0.3),
    metavar='PIXELS',
    help=f"Width of the keypoints' heatmaps  [default: {100 * SIGMA_SHARE:g} % of the image's longer side, "
    'at least 1.5]',
)
@click.option(
    '--seed',
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    metavar='INT',
    help='Of every random choice',
)
@click.option(
    '--cross-validate',
    is_flag=True,
    help='Also train once without each labelled image, and score the labels predicted for it',
)
@click.option('--overwrite', is_flag=True, help='Replace --out if it exists')
def main(
    network,
    device,
    allow_pickle_code,
    upstream,
    samples,
    labels,
    keypoints,
    label_format,
    mask_values,
    unlabeled,
    labels_of,
    classes,
    out,
    seeds,
    preset,
    models,
    pixels_per_image,
    min_class_pixels,
    sigma,
    seed,
    cross_validate,
    overwrite,
):
    """Train a Style Interpreter on hand-labelled images.

    Every labelled image is made again from its seed and compared with the picture that was labelled; labels that are
    not of that picture are refused. Labels of photos that datasetgan project projected are carried through the crop;
    pixels that the network shows differently are left out.

    Examples:

    \b
    # The embedded demo's own labels, the first sixteen
    datasetgan train --network=demo --samples=datasetgan_ext/demo/samples \\
        --labels=datasetgan_ext/demo/samples/masks --keypoints=datasetgan_ext/demo/samples/keypoints.json \\
        --classes=datasetgan_ext/demo/task.json --seeds=0-15 --out=out/interpreter.safetensors

    \b
    # Polygons and points from CVAT ("CVAT for images 1.1"); the tool's other formats go in the same way
    datasetgan train --network=car.pkl --samples=samples --labels=annotations.xml \\
        --classes=task.json --out=interpreter.safetensors

    \b
    # Labelled photos and labelled samples together
    datasetgan train --network=car.pkl --samples=projected --labels=photos.json \\
        --samples=samples --labels=masks --classes=task.json --out=interpreter.safetensors

    \b
    # As the released DatasetGAN trains
    datasetgan train --network=car.pkl --samples=samples --labels=masks \\
        --classes=classes.txt --preset=reference --out=interpreter.safetensors
    """
    import torch

    from datasetgan_ext.core.locks import locked_place
    from datasetgan_ext.core.task import Task
    from datasetgan_ext.generator.checkpoint import load_generator
    from datasetgan_ext.generator.hand_labels import joined_labels, read_labels_of_sets
    from datasetgan_ext.generator.samples import SampleSet
    from datasetgan_ext.interpreter import cross_validation
    from datasetgan_ext.interpreter.training import train_interpreter
    from datasetgan_ext.interpreter.training_options import options_from
    from datasetgan_ext.interpreter.training_set import TrainingSet

    start_logging()
    click.get_current_context().with_resource(locked_place(out, 'out'))
    if out.exists() and not overwrite:
        raise UserError(f'--out={out} exists; give another file, or --overwrite')
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(f'--out={out}: it is a folder, or its folder cannot be written')
    task = Task.read(classes)
    sets = [SampleSet.read(folder) for folder in samples]
    sample_set = SampleSet.joined(sets)
    found = read_labels_of_sets(
        sets, task, labels, keypoints, label_format, unlabeled, seeds, mask_values, labels_of=labels_of
    )
    for one in found:
        for line in one.summary():
            print(line)
    task, pairs = joined_labels(task, found)
    if cross_validate and len(pairs) < 2:
        raise UserError('--cross-validate needs at least two labelled images')
    options = options_from(
        preset,
        models=models,
        pixels_per_image=pixels_per_image,
        min_class_pixels=min_class_pixels,
        sigma=sigma,
        seed=seed,
    )
    generator = load_generator(network, device, allow_pickle_code, upstream)
    try:
        training_set = TrainingSet(generator, sample_set, pairs, task, options)
        interpreter = train_interpreter(training_set)
        interpreter.save(out)
        report = interpreter.training
        heldout = ''
        if report['heldout_accuracy'] is not None:
            heldout = f', accuracy {report["heldout_accuracy"]:.4f} on {report["heldout_pixels"]} held-out pixels'
        print(
            f'{len(pairs)} labelled images, {report["pixels"]} pixels, {report["steps"]} steps: '
            f'loss {report["loss"]:.4f}{heldout}'
        )
        if training_set.wrong_share is not None:
            share = f'{100 * training_set.wrong_share:.1f} %'
            print(f"{share} of the photos' pixels are left out: the network shows something else there")
        print(f'Interpreter: {out}')
        if cross_validate:
            print('Each labelled image predicted by an ensemble that was trained without it, in per cent:')
            scores = cross_validation.cross_validate(training_set, interpreter.keypoint_threshold)
            if task.classes:
                print(scores.segmentation.table(task.classes))
            if task.keypoints:
                print(scores.keypoints.table())
            if scores.label_errors:
                print('Look again at these places: the ensemble, which never saw their labels, is sure of others.')
            for error in scores.label_errors[:SHOWN_LABEL_ERRORS]:
                print(
                    f'  {error.name}: {error.area} pixels around ({error.x:.0f}, {error.y:.0f}) are labelled '
                    f'{task.classes[error.labeled]}, expected {task.classes[error.expected]}'
                )
    except torch.cuda.OutOfMemoryError:
        raise UserError("the GPU's memory is full; give a smaller --pixels-per-image, or --device=cpu") from None


if __name__ == '__main__':
    main(prog_name='datasetgan train')
