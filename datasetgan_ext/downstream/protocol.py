"""Scores of trained networks on labelled images: of one network on all of them, or of checkpoints by folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.metrics.folds import FOLDS, Score, make_folds

PAPER_PCK = ('pck_at_5_of_512', 'pck_at_10_of_512', 'pck_at_15_of_512', 'pck_at_25_of_512')


def scores_of(path: Path, images: LabeledDataset, device: torch.device | None = None) -> dict[int, Score]:
    """The score of each image by its content number.

    Args:
        path: network of datasetgan train-downstream.
        images: labelled; only what the network knows is scored.
        device: where to compute.

    Raises:
        UserError: the network has seen one of the images, or is of another task.
    """
    model = DownstreamModel.load(path, device)
    for kind in ('classes', 'keypoints'):
        known, asked = getattr(model.task, kind), getattr(images.task, kind)
        if asked and known != asked:
            raise UserError(
                f'`model`={path} knows the {kind} {", ".join(known) or "(none)"}; '
                f'{images.source} has {", ".join(asked)}'
            )
    model.check_unseen(images, f'`model`={path}: {images.source}')
    return dict(model.score_each(images, path.name))


def score_by_folds(
    paths: Sequence[Path], images: LabeledDataset, folds: int = FOLDS, seed: int = 0, device: torch.device | None = None
) -> dict:
    """The scores of several networks by folds, as JSON: one part of the images chooses the network that the others
    score, each part in turn.

    Args:
        paths, images, device: see `scores_of`.
        folds: number of them.
        seed: of their drawing.
    """
    checkpoints = [scores_of(path, images, device) for path in paths]
    rotations = []
    for fold in make_folds(checkpoints[0], folds, seed):
        chosen, score = fold.judge(checkpoints)
        rotations.append(
            {
                'chosen': paths[chosen].name,
                'chosen_on': len(fold.select),
                'scored_on': len(fold.report),
                **to_json(score, images),
            }
        )
    return {
        'models': [str(path) for path in paths],
        'images': len(images),
        'folds': rotations,
        'mean': _over(rotations, np.mean),
        'std': _over(rotations, np.std, ddof=1),
    }


def to_json(score: Score, images: LabeledDataset) -> dict:
    """A score's figures."""
    content = {}
    if score.segmentation is not None:
        content.update(score.segmentation.to_json(images.task.classes))
    if score.keypoints is not None:
        content['keypoints'] = score.keypoints.to_json()
    return content


def score_table(score: Score, images: LabeledDataset) -> str:
    """A score as lines of text."""
    parts = []
    if score.segmentation is not None:
        parts.append(score.segmentation.table(images.task.classes))
    if score.keypoints is not None:
        parts.append(score.keypoints.table())
    return '\n'.join(parts)


def fold_table(result: dict) -> str:
    """What `score_by_folds` returned, as lines of text: mean ± standard deviation over the folds,
    in per cent."""
    mean = result['mean']
    std = result['std']
    rows = []
    if 'iou' in mean:
        rows += [(name, mean['iou'][name], std['iou'][name]) for name in mean['iou']]
        rows += [
            (title, mean[name], std[name])
            for title, name in (
                ('mIoU', 'mean_iou'),
                ('pixel accuracy', 'pixel_accuracy'),
                ('boundary F', 'mean_boundary_f'),
            )
        ]
    if 'keypoints' in mean:
        rows += [
            (f'PCK within {name.split("_")[2]} of 512 pixels', mean['keypoints'][name], std['keypoints'][name])
            for name in PAPER_PCK
        ]
    width = max(len(name) for name, *_ in rows)
    lines = [
        f'{name:{width}}  ' + ('absent' if value is None else f'{100 * value:6.2f} ± {100 * spread:.2f}')
        for name, value, spread in rows
    ]
    if 'keypoints' in mean:
        for title, name in (
            ('mean squared distance, of the side', 'l2'),
            ('heatmaps, mean squared error', 'heatmap_mse'),
        ):
            figures = (_scientific(part['keypoints'][name]) for part in (mean, std))
            lines.append(f'{title:{width}}  {" ± ".join(figures)}')
    return '\n'.join(lines)


def _scientific(value: float | None) -> str:
    return 'none found' if value is None else f'{value:.2e}'


def _over(rotations: list, figure, **options) -> dict:
    """A figure over the folds of each number, in the same nesting; None where a fold has none."""
    found = {}
    for name, value in rotations[0].items():
        values = [rotation[name] for rotation in rotations]
        if isinstance(value, dict):
            found[name] = _over(values, figure, **options)
        elif not isinstance(value, (str, list)):
            found[name] = None if None in values else float(figure(values, **options))
    return found
