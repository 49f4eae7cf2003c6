"""From labelled samples to an interpreter."""

from __future__ import annotations

from datasetgan_ext.interpreter.by_hand import hand_labels_of
from datasetgan_ext.interpreter.calibration import calibrate_threshold
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.keypoints import DEFAULT_THRESHOLD
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_set import TrainingSet


def train_interpreter(training_set: TrainingSet, progress: bool = True) -> Interpreter:
    """Train on all of a training set.

    The confidence from which a keypoint counts as present is found by leaving images out: see `calibration`.

    Args:
        training_set: labelled images, and how to train.
        progress: show progress bars.

    Returns:
        The interpreter, on the CPU. Equal training sets give equal weights on one machine.
    """
    task, options = training_set.task, training_set.options
    ensemble, report = train_ensemble(training_set.pixels, len(task.classes), len(task.keypoints), options, progress)
    training_set.undo_balance(ensemble, options)
    keypoint_threshold = DEFAULT_THRESHOLD
    if task.keypoints:
        keypoint_threshold = calibrate_threshold(training_set, progress)
    return Interpreter(
        ensemble=ensemble.cpu(),
        task=task,
        layers=training_set.generator.layers,
        options=training_set.samples.options,
        image_hw=training_set.samples.image_hw,
        network=training_set.generator.source,
        network_fingerprint=training_set.generator.fingerprint,
        training={
            **options.to_json(),
            **report.to_json(),
            'sigma': training_set.sigma,
            'images': len(training_set.pairs),
            'seeds': [sample.seed for sample, _ in training_set.pairs if sample.projection is None],
            'photos': [sample.name for sample, _ in training_set.pairs if sample.projection is not None],
        },
        keypoint_threshold=keypoint_threshold,
        difference_layers=training_set.difference_layers,
        hand_labels=hand_labels_of(training_set.generator, training_set.samples.options, training_set.pairs),
    )
