"""What the server tells the page, JSON-ready."""

from __future__ import annotations

import math

from datasetgan_ext.labeling.store import LabelStore, keypoints_version, mask_version
from datasetgan_ext.labeling.suggest import Suggester
from datasetgan_ext.labeling.training import Training
from datasetgan_ext.metrics.label_errors import SURE, LabelError


def describe_task(store: LabelStore, suggester: Suggester | None, training: Training | None) -> dict:
    """The task, the images, and how far each is labelled; `glance` is the height and width of a suggestion in small,
    `projected` whether the images are photos, of which the network makes others."""
    height, width = store.sample_set.image_hw
    return {
        **store.task.to_json(),
        'height': height,
        'width': width,
        'suggests': suggester is not None,
        'projected': store.sample_set.projecting is not None,
        'glance': suggester.glance_hw if suggester else store.sample_set.image_hw,
        'command': training.command if training else '',
        'keypoints': store.task.keypoints,
        'samples': [describe_sample(store, name) for name in store.samples],
    }


def describe_sample(store: LabelStore, name: str) -> dict:
    mask = store.mask(name)
    points = store.keypoints(name)
    return {
        'name': name,
        'share': store.labeled_share(name),
        'points': points,
        'versions': {'mask': mask_version(mask), 'keypoints': keypoints_version(points)},
        'notes': store.notes.of(name),
    }


def describe_label_error(error: LabelError) -> dict:
    """A region; its score is the side of a square as large, weighted by how sure the ensemble is."""
    return {
        'labeled': error.labeled,
        'expected': error.expected,
        'score': math.sqrt(error.area) * (1 - error.uncertainty / SURE),
        'pixels': error.pixels.tolist(),
    }
