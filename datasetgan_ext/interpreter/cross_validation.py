"""Scores of labels that are predicted for labelled images by ensembles that never saw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.interpreter.inference import Prediction
from datasetgan_ext.interpreter.interpreter import fuse
from datasetgan_ext.interpreter.keypoints import DEFAULT_THRESHOLD
from datasetgan_ext.interpreter.trainer import train_ensemble
from datasetgan_ext.interpreter.training_options import TrainingOptions
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.metrics.keypoints import KeypointScore
from datasetgan_ext.metrics.label_errors import LabelError, find_label_errors
from datasetgan_ext.metrics.segmentation import SegmentationScore


@dataclass(frozen=True)
class CrossValidation:
    """What came of a cross-validation.

    Attributes:
        segmentation: of all images with masks.
        keypoints: of all images with keypoints.
        label_errors: where labels are perhaps mistakes, largest region first.
    """

    segmentation: SegmentationScore
    keypoints: KeypointScore
    label_errors: list[LabelError]


def cross_validate(
    training_set: TrainingSet, keypoint_threshold: float = DEFAULT_THRESHOLD, progress: bool = True
) -> CrossValidation:
    """Leave one image out at a time: train on the others, score the labels predicted for it.

    Args:
        training_set: labelled images.
        keypoint_threshold: confidence from which a keypoint counts as present, as of the interpreter that was trained
            on all of them.
        progress: show a bar.

    Raises:
        UserError: there is only one labelled image.
    """
    if len(training_set.pairs) < 2:
        raise UserError('`cross_validate` needs at least two labelled images')
    segmentation = SegmentationScore(len(training_set.task.classes))
    keypoints = KeypointScore(training_set.samples.image_hw)
    label_errors: list[LabelError] = []
    bar = tqdm(training_set.pairs, desc='cross-validation', unit='image', disable=None if progress else True)
    for index, (sample, annotation) in enumerate(bar):
        prediction = next(predict_left_out(training_set, [index], training_set.options, keypoint_threshold))
        if annotation.mask is not None:
            predicted = prediction.masks[0].cpu().numpy()
            uncertainty = prediction.pixel_uncertainty[0].cpu().numpy()
            segmentation.add(annotation.mask, predicted)
            label_errors += find_label_errors(sample.name, annotation.mask, predicted, uncertainty)
        if annotation.keypoints is not None:
            keypoints.add(annotation.keypoints, prediction.keypoint_labels(0), annotation.mask)
    label_errors.sort(key=lambda error: -error.area)
    return CrossValidation(segmentation, keypoints, label_errors)


def predict_left_out(
    training_set: TrainingSet,
    left_out: Sequence[int],
    options: TrainingOptions,
    keypoint_threshold: float = DEFAULT_THRESHOLD,
) -> Iterator[Prediction]:
    """Labels of some images by an ensemble that is trained on all the others.

    Args:
        training_set: labelled images.
        left_out: indices into `training_set.pairs`.
        options: how to train.
        keypoint_threshold: confidence from which a keypoint counts as present.

    Yields:
        For each of them in turn, a prediction of one image.
    """
    task, generator = training_set.task, training_set.generator
    ensemble, _ = train_ensemble(
        training_set.pixels_without(left_out), len(task.classes), len(task.keypoints), options, progress=False
    )
    training_set.undo_balance(ensemble, options, left_out)
    fused = fuse(
        ensemble.cpu(),
        generator,
        training_set.samples.options,
        training_set.head_layout(keypoint_threshold),
        training_set.difference_layers,
    )
    for index in left_out:
        sample, _ = training_set.pairs[index]
        yield fused(generator.synthesize([sample.seed], training_set.samples.options, sample.ws_of).features)
