"""Score an interpreter, or networks trained on a dataset, on labelled images that they were not trained on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.choices import FOLDS
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import format_seeds
from datasetgan_ext.options import Command, label_options, loading_options, seeds_option, start_logging


@click.command(cls=Command)
@click.option('--network', metavar='PKL|URL|demo', help='To score an interpreter: the generator that it is for')
@loading_options
@click.option('--interpreter', metavar='FILE', help='From datasetgan train; --network=demo brings its own')
@click.option('--samples', metavar='DIR', help='Folder written by datasetgan samples; --network=demo brings its own')
@label_options('; --network=demo brings its own')
@seeds_option(default=None, show_default='all labelled samples that were not trained on')
@click.option(
    '--model',
    'models',
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar='FILE',
    help='To score a network of datasetgan train-downstream instead; several, or one with the checkpoints that '
    '--keep-checkpoints left beside it, are scored by folds',
)
@click.option(
    '--data',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    help='Real labelled images for --model: images/ with masks/, keypoints.json or both, or labels/ of a tool',
)
@click.option(
    '--merge-classes',
    type=click.Path(dir_okay=False, path_type=Path),
    metavar='FILE',
    help="JSON that joins --data's classes into those of --model: see train-downstream",
)
@click.option(
    '--folds',
    type=click.IntRange(min=2),
    default=FOLDS,
    show_default=True,
    metavar='N',
    help='A part in N of --data chooses among the networks, the others score the chosen one, in turn',
)
@click.option(
    '--json',
    'json_path',
    type=click.Path(dir_okay=False, path_type=Path),
    metavar='FILE',
    help='Also write the scores here',
)
def main(network, models, data, merge_classes, folds, device, json_path, **options):
    """Score an interpreter on labelled images that it was not trained on, or (--model) networks that were trained on a
    dataset: IoU and boundary F-score per class, their means, pixel accuracy; of keypoints their errors and PCK.

    Several networks are scored as in the paper: a fifth of the images chooses among them, the other four fifths score
    the chosen one; mean and standard deviation over the five ways to do so.

    Examples:

    \b
    # The embedded demo: trained on 16 samples, scored on 24 others
    datasetgan evaluate --network=demo

    \b
    # A network, on real images; with checkpoints beside it (--keep-checkpoints), the paper's five folds
    datasetgan evaluate --model=out/deeplab.safetensors --data=real
    """
    from datasetgan_ext.core.files import write_atomically

    start_logging()
    if bool(network) == bool(models):
        raise UserError('give --network, with an interpreter to score, or --model and --data: one of the two')
    if merge_classes and not models:
        raise UserError('--merge-classes is for --model and --data; an interpreter is scored on its own classes')
    if models:
        content = _score_models(models, data, merge_classes, folds, device)
    else:
        content = _score_interpreter(network, device, **options)
    if json_path:
        write_atomically(json_path, (json.dumps(content, indent=1) + '\n').encode())


def _score_models(models, data, merge_classes, folds, device) -> dict:
    from datasetgan_ext.downstream.class_map import ClassMap
    from datasetgan_ext.downstream.fitting import checkpoints_of
    from datasetgan_ext.downstream.labeled_dataset import read_labeled
    from datasetgan_ext.downstream.model import DownstreamModel
    from datasetgan_ext.downstream.protocol import fold_table, score_by_folds, score_table, scores_of, to_json
    from datasetgan_ext.formats.folder import DATASET_FILE, is_conversion, read_info
    from datasetgan_ext.metrics.folds import Score

    if data is None:
        raise UserError('--data is missing: labelled images to score --model on')
    paths = (checkpoints_of(models[0]) or list(models)) if len(models) == 1 else list(models)
    model = DownstreamModel.load(paths[0], 'cpu')
    if merge_classes:
        images = read_labeled(data, class_map=ClassMap.read(merge_classes))
        if images.task.classes != model.task.classes:
            raise UserError(
                f'--merge-classes={merge_classes} makes the classes {", ".join(images.task.classes)} of --data; '
                f'--model has {", ".join(model.task.classes)}. They must be the same, in the same order'
            )
    else:
        images = read_labeled(data, model.task)
    if (data / DATASET_FILE).is_file():
        info = read_info(data, converted=is_conversion(data))
        if info['options'].get('model') == model.fingerprint():
            raise UserError(
                f'--data={data} has the labels that this network predicted; a score on them says nothing. Give labels '
                'that a person made or corrected'
            )
    if len(paths) > 1:
        print(f'{len(paths)} networks, {folds} folds of {len(images)} images, one of which chose; in per cent:')
        content = score_by_folds(paths, images, folds, device=device)
        print(fold_table(content))
        return content
    score = Score.merged(scores_of(paths[0], images, device).values())
    print(f'Scored on {len(images)} images, in per cent:')
    print(score_table(score, images))
    return {'models': [str(paths[0])], 'images': len(images), **to_json(score, images)}


def _score_interpreter(
    network,
    device,
    allow_pickle_code,
    upstream,
    interpreter,
    samples,
    labels,
    keypoints,
    label_format,
    mask_values,
    unlabeled,
    labels_of,
    seeds,
) -> dict:
    from datasetgan_ext.core.annotation import size_text
    from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER, load_generator
    from datasetgan_ext.generator.hand_labels import read_labeled_samples
    from datasetgan_ext.generator.samples import SampleSet
    from datasetgan_ext.interpreter.interpreter import Interpreter
    from datasetgan_ext.interpreter.labeler import Labeler
    from datasetgan_ext.metrics.keypoints import KeypointScore
    from datasetgan_ext.metrics.segmentation import SegmentationScore

    missing = [
        flag
        for flag, value in (
            ('--interpreter', interpreter),
            ('--samples', samples),
            ('--labels or --keypoints', labels or keypoints),
        )
        if value is None
    ]
    if network != DEMO and missing:
        raise UserError(f'{", ".join(missing)} is missing (only --network=demo brings its own)')
    loaded = Interpreter.load(interpreter or DEMO)
    sample_set = SampleSet.read(samples or DEMO_FOLDER / 'samples')
    trained_on = set(loaded.training['seeds'])
    if sample_set.projecting is not None:
        photos = set(loaded.training.get('photos', []))
        trained_on = {sample.seed for sample in sample_set.samples if sample.name in photos}
    if trained_on & set(seeds or ()):
        raise UserError(
            f'--seeds: the interpreter was trained on {format_seeds(sorted(trained_on & set(seeds)))}; '
            'a score on them says nothing'
        )
    if labels is None and keypoints is None:
        labels = DEMO_FOLDER / 'samples' / 'masks' if loaded.task.classes else None
        keypoints = DEMO_FOLDER / 'samples' / 'keypoints.json' if loaded.task.keypoints else None
    task, pairs = read_labeled_samples(
        sample_set, loaded.task, labels, keypoints, label_format, unlabeled, seeds, mask_values, labels_of
    )
    chosen = [pair for pair in pairs if pair[0].seed not in trained_on and pair[0].is_trusted]
    if not chosen:
        raise UserError(
            'the interpreter was trained on every labelled sample; label more images to score it on, '
            'or see datasetgan train --cross-validate'
        )
    generator = load_generator(network, device, allow_pickle_code, upstream)
    sample_set.check_network(generator)
    if sample_set.image_hw != loaded.image_hw:
        raise UserError(
            f'--samples={sample_set.folder} has images of {size_text(sample_set.image_hw)}, the '
            f'interpreter makes masks of {size_text(loaded.image_hw)} (height x width); '
            'generate the samples with the same --crop'
        )
    labeler = Labeler(generator, loaded, sample_set.options, latents=sample_set.latents(generator))
    score = SegmentationScore(len(task.classes))
    found = KeypointScore(loaded.image_hw)
    for labeled, (sample, annotation) in zip(labeler(sample.seed for sample, _ in chosen), chosen):
        sample_set.check_image(sample, labeled.image)
        if annotation.mask is not None:
            score.add(annotation.mask, labeled.mask)
        if annotation.keypoints is not None:
            found.add(annotation.keypoints, labeled.keypoints, annotation.mask)
    if task.classes and not score.confusion.any():
        raise UserError('--labels: every pixel of the masks is 255, "no label"; there is nothing to score')
    print(f'Trained on {len(trained_on)} labelled images, scored on {len(chosen)} others, in per cent:')
    content = {'trained_on': sorted(trained_on), 'scored_on': [sample.seed for sample, _ in chosen]}
    if task.classes:
        print(score.table(task.classes))
        content.update(score.to_json(task.classes))
    if task.keypoints:
        print(found.table())
        content['keypoints'] = found.to_json()
    return content


if __name__ == '__main__':
    main(prog_name='datasetgan evaluate')
