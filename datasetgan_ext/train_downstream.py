"""Train a segmentation or keypoint network on a labelled dataset."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import ARCHITECTURE, OPTIMIZERS, SMALL_ARCHITECTURE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import MAX_SEED
from datasetgan_ext.options import Command, Device, Size, check_val, joined, start_logging

if TYPE_CHECKING:
    from datasetgan_ext.downstream.labeled_dataset import LabeledDataset

folder = click.Path(file_okay=False, path_type=Path)


class SharedFolder(click.ParamType):
    """A folder and, after a colon, its share of each batch, or None."""

    name = 'DIR[:SHARE]'

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r'(.+):(\d*\.?\d+)', value, flags=re.ASCII)
        if not match:
            return Path(value), None
        share = float(match[2])
        if not 0 < share < 1:
            raise UserError(f'{param.opts[0]}={value}: {share:g} is not a share; give a number between 0 and 1')
        return Path(match[1]), share


def shares_of(sources):
    """The folders with their shares of each batch, the one that has the rest first.

    Raises:
        UserError: the shares do not add up to 1, or more than one is missing.
    """
    without = [folder for folder, share in sources if share is None]
    given = sum(share for _, share in sources if share is not None)
    if len(without) > 1:
        raise UserError(
            f'--data={without[1]}: its share of each batch is missing; write for example --data={without[1]}:0.3'
        )
    if given >= 1 if without else abs(given - 1) > 1e-6:
        raise UserError(f'--data: the shares add up to {given:g}; leave the rest to one --data without a share')
    return sorted(sources, key=lambda source: source[1] is not None)


training_options = joined(
    click.option(
        '--data',
        type=SharedFolder(),
        multiple=True,
        metavar='DIR[:SHARE]',
        required=True,
        help='Labelled images: a dataset of datasetgan generate, predict or convert (voc, coco), or images/ with '
        'masks/, keypoints.json or both, or with labels/, what a labelling tool exports. '
        'May be given several times: --data=A --data=B:0.3 takes 0.3 of each batch '
        'from B, and the rest, and the images of --val, from A',
    ),
    click.option(
        '--classes',
        metavar='FILE',
        help='Class file, where --data does not say what its labels mean '
        '(dataset.json or task.json); or the name of a ready-made one, such as car-20',
    ),
    click.option(
        '--merge-classes',
        type=click.Path(dir_okay=False, path_type=Path),
        metavar='FILE',
        help='JSON that joins classes of --data and --select into coarser ones: {"car": ["door", "roof"], ...}',
    ),
    click.option(
        '--num',
        type=click.IntRange(min=1),
        metavar='N',
        help='Take the first N images of the --data that has the rest  [default: all]',
    ),
    click.option(
        '--out',
        type=click.Path(dir_okay=False, path_type=Path),
        metavar='FILE',
        required=True,
        help='Network to write (.safetensors)',
    ),
    click.option(
        '--architecture',
        default=ARCHITECTURE,
        show_default=True,
        metavar='NAME',
        help=f"One of torchvision's segmentation networks; {SMALL_ARCHITECTURE}, which a CPU trains in minutes; or one "
        'of segmentation_models_pytorch as smp:DECODER/ENCODER, for example smp:unet/resnet34 or smp:segformer/mit_b2',
    ),
    click.option(
        '--pretrained',
        default='auto',
        show_default=True,
        metavar='auto|coco|imagenet|none|FILE',
        help="Weights to begin with, a network of this command too; coco, imagenet: torchvision's, which must be in "
        "torch's folder of downloads; auto: one of them if it is there",
    ),
    click.option('--size', type=Size(), help="Resize the images for the network  [default: --data's size]"),
    click.option(
        '--val',
        type=float,
        default=0.1,
        show_default=True,
        metavar='SHARE',
        callback=check_val,
        help='Share of --data that is set apart to choose the checkpoint and to stop early; 0: the last one',
    ),
    click.option(
        '--select',
        type=folder,
        metavar='DIR',
        help='Labelled images that do so in its place, for example a few real ones',
    ),
    click.option(
        '--steps', type=click.IntRange(min=1), default=20_000, show_default=True, metavar='N', help='Updates at most'
    ),
    click.option(
        '--batch', type=click.IntRange(min=2), default=8, show_default=True, metavar='N', help='Images in each'
    ),
    click.option(
        '--lr',
        type=click.FloatRange(min=0, min_open=True),
        default=1e-3,
        show_default=True,
        help='Learning rate at the start',
    ),
    click.option(
        '--optimizer',
        type=click.Choice(OPTIMIZERS),
        default='adam',
        show_default=True,
        help='sgd: with momentum 0.9 and weight decay 5e-4, as DeepLab and s4GAN were trained',
    ),
    click.option(
        '--dice',
        type=click.FloatRange(min=0),
        default=1,
        show_default=True,
        metavar='WEIGHT',
        help='Of the Dice loss, for small classes, beside the cross-entropy; 0: as in the paper',
    ),
    click.option(
        '--every',
        type=click.IntRange(min=1),
        default=1000,
        show_default=True,
        metavar='N',
        help='Steps from one checkpoint to the next',
    ),
    click.option(
        '--patience',
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        metavar='N',
        help='Stop after N checkpoints without a better score',
    ),
    click.option(
        '--keep-checkpoints',
        is_flag=True,
        help='Leave each checkpoint beside --out, for the folds of datasetgan evaluate',
    ),
    click.option(
        '--augment/--no-augment',
        default=True,
        show_default=True,
        help='Train on images that are mirrored, scaled, shifted, recoloured, blurred and made noisy at random',
    ),
    click.option(
        '--mirror/--no-mirror',
        default=True,
        show_default=True,
        help='Train on mirror images too; not where classes are left or right',
    ),
    click.option(
        '--workers',
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar='N',
        help='Processes that read images',
    ),
    click.option(
        '--seed',
        type=click.IntRange(0, MAX_SEED),
        default=0,
        show_default=True,
        metavar='INT',
        help='Of every random choice',
    ),
    click.option('--device', type=Device(), help='Where to compute  [default: the first GPU, or the CPU]'),
    click.option('--overwrite', is_flag=True, help='Start anew, and replace --out if it exists'),
)


@click.command(cls=Command)
@training_options
@click.option(
    '--only',
    type=click.Choice(['classes', 'keypoints']),
    help='Learn these alone, where --data has both  [default: all there are]',
)
def main(only, **options):
    """Train a segmentation network, a keypoint network (heatmaps), or both in one, on a labelled dataset.

    The same command goes on with a training that was stopped. On a GPU it computes in mixed precision.

    Examples:

    \b
    # On generated images, as in the paper: DeepLabV3 with a ResNet-101
    datasetgan train-downstream --data=out/dataset --out=out/deeplab.safetensors

    \b
    # A small network on a CPU, on the demo's hand-labelled samples alone (the baseline "transfer learning")
    datasetgan train-downstream --data=datasetgan_ext/demo/samples --num=16 \\
        --classes=datasetgan_ext/demo/task.json --architecture=small-unet --steps=300 --every=100 \\
        --out=out/few.safetensors
    """
    from datasetgan_ext.downstream.learners import Supervised

    start_logging()
    train(Supervised, options, only=only)


def train(learner, options: dict, unlabeled: LabeledDataset | None = None, only: str | None = None) -> None:
    """Train as the options of a command say, and print what became of it."""
    import torch

    from datasetgan_ext.core.task import Task
    from datasetgan_ext.downstream.class_map import ClassMap
    from datasetgan_ext.downstream.labeled_dataset import read_labeled
    from datasetgan_ext.downstream.learners import FitOptions
    from datasetgan_ext.downstream.semi_supervised import self_trained_share
    from datasetgan_ext.downstream.training import TrainingPlan

    task = None if options['classes'] is None else Task.read(options['classes'])
    class_map = options['merge_classes'] and ClassMap.read(options['merge_classes'])
    (first, _), *more = shares_of(options['data'])
    data = read_labeled(first, task, class_map=class_map)
    if options['num'] is not None:
        data = data.first(options['num'], 'num')
    if only:
        data = data.only(only == 'classes', only == 'keypoints')
        if not data:
            raise UserError(f'--only={only}: --data={first} has no {only}')
    task = data.task_of_files
    others = tuple((read_labeled(folder, task, class_map=class_map), share) for folder, share in more)
    selection = read_labeled(options['select'], task, 'select', class_map) if options['select'] else None
    plan = TrainingPlan(
        data=data,
        selection=selection,
        val=options['val'],
        unlabeled=unlabeled,
        image_hw=options['size'],
        architecture=options['architecture'],
        pretrained=options['pretrained'],
        mirror=options['mirror'],
        augment=options['augment'],
        others=others,
        options=FitOptions(
            steps=options['steps'],
            batch=options['batch'],
            lr=options['lr'],
            dice=options['dice'],
            every=options['every'],
            patience=options['patience'],
            keep_checkpoints=options['keep_checkpoints'],
            workers=options['workers'],
            seed=options['seed'],
            optimizer=options['optimizer'],
        ),
    )
    try:
        model = plan.train(options['out'], learner, options['device'], options['overwrite'])
    except torch.cuda.OutOfMemoryError:
        raise UserError("the GPU's memory is full; give a smaller --batch or --size") from None
    except KeyboardInterrupt:
        raise UserError(
            f'stopped; the same command goes on from the last checkpoint (--every) of {options["out"]}'
        ) from None
    best = model.training['history'][-1]
    chosen = '' if best['score'] is None else f', score {best["score"]:.4f} on the images that chose it'
    count = len(data) + sum(len(images) for images, _ in others)
    print(f'{count} labelled images, step {best["step"]} of {options["steps"]}: loss {best["loss"]:.4f}{chosen}')
    if (share := self_trained_share(model.training)) is not None:
        print(f'Of the unlabelled images shown, {100 * share:.1f} % deceived the discriminator, and taught the network')
    print(f'Network: {options["out"]}')


if __name__ == '__main__':
    main(prog_name='datasetgan train-downstream')
