"""Score an interpreter on labelled images that it was not trained on."""
from __future__ import annotations

import json
import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.errors import UserError
from datasetgan_ext.evaluation.keypoints import KeypointScore
from datasetgan_ext.evaluation.segmentation import SegmentationScore
from datasetgan_ext.files import write_atomically
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER, load_generator
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.labeler import Labeler
from datasetgan_ext.labels.annotation import size_text
from datasetgan_ext.labels.formats import labelled_part, read_annotations
from datasetgan_ext.labels.samples import SampleSet
from datasetgan_ext.options import label_options, network_options, seeds_option, start_logging
from datasetgan_ext.seeds import format_seeds


@click.command()
@network_options
@click.option('--interpreter', metavar='FILE', help='From train_interpreter.py; --network=demo brings its own')
@click.option('--samples', metavar='DIR', help='Folder written by gen_samples.py; --network=demo brings its own')
@label_options('; --network=demo brings its own')
@seeds_option(default=None, show_default='all labelled samples that were not trained on')
@click.option('--json', 'json_path', type=click.Path(dir_okay=False, path_type=Path), metavar='FILE',
              help='Also write the scores here')
def main(network, device, allow_pickle_code, interpreter, samples, labels, keypoints, label_format, unlabelled,
         seeds, json_path):
    """Score an interpreter on labelled images that it was not trained on: IoU per class, mIoU, pixel accuracy; of
    keypoints the mean error, L2 and PCK.

    Examples:

    \b
    # The embedded demo: trained on 16 samples, scored on 24 others
    python datasetgan_ext/evaluate.py --network=demo
    """
    start_logging()
    missing = [flag for flag, value in (('--interpreter', interpreter), ('--samples', samples),
                                        ('--labels or --keypoints', labels or keypoints)) if value is None]
    if network != DEMO and missing:
        raise UserError(f'{", ".join(missing)} is missing (only --network=demo brings its own)')
    loaded = Interpreter.load(interpreter or DEMO)
    sample_set = SampleSet.read(samples or DEMO_FOLDER / 'samples')
    trained_on = set(loaded.training['seeds'])
    if trained_on & set(seeds or ()):
        raise UserError(f'--seeds: the interpreter was trained on {format_seeds(sorted(trained_on & set(seeds)))}; '
                        'a score on them says nothing')
    if labels is None and keypoints is None:
        labels = DEMO_FOLDER / 'samples' / 'masks' if loaded.task.classes else None
        keypoints = DEMO_FOLDER / 'samples' / 'keypoints.json' if loaded.task.keypoints else None
    annotations = read_annotations(loaded.task, labels, keypoints, label_format, unlabelled)
    task = labelled_part(loaded.task, annotations)
    pairs = sample_set.pair(annotations, task, seeds)
    chosen = [pair for pair in pairs if pair[0].seed not in trained_on]
    if not chosen:
        raise UserError('the interpreter was trained on every labelled sample; label more images to score it on, '
                        'or see train_interpreter.py --cross-validate')
    generator = load_generator(network, device, allow_pickle_code)
    sample_set.check_network(generator)
    if sample_set.image_hw != loaded.image_hw:
        raise UserError(f'--samples={sample_set.folder} has images of {size_text(sample_set.image_hw)}, the '
                        f'interpreter makes masks of {size_text(loaded.image_hw)} (height x width); '
                        'generate the samples with the same --crop')
    labeler = Labeler(generator, loaded, sample_set.options)
    score, found = SegmentationScore(len(task.classes)), KeypointScore(loaded.image_hw)
    for labelled, (sample, annotation) in zip(labeler(sample.seed for sample, _ in chosen), chosen):
        sample_set.check_image(sample, labelled.image)
        if annotation.mask is not None:
            score.add(annotation.mask, labelled.mask)
        if annotation.keypoints is not None:
            found.add(annotation.keypoints, labelled.keypoints, annotation.mask)
    if task.classes and not score.confusion.any():
        raise UserError('--labels: every pixel of the masks is 255, "no label"; there is nothing to score')
    print(f'Trained on {len(trained_on)} labelled images, scored on {len(chosen)} others, in per cent:')
    content = {'trained_on': sorted(trained_on), 'scored_on': [sample.seed for sample, _ in chosen]}
    if task.classes:
        print(score.table(task.classes))
        content |= score.to_json(task.classes)
    if task.keypoints:
        print(found.table())
        content['keypoints'] = found.to_json()
    if json_path:
        write_atomically(json_path, (json.dumps(content, indent=1) + '\n').encode())


if __name__ == '__main__':
    main()
