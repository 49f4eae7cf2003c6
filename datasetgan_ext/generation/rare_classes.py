"""More images of classes that few images show: where in W they are, found by looking or taken from an earlier run."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import check_names
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.folder import read_info
from datasetgan_ext.generation.description import differences, sampling
from datasetgan_ext.generation.reuse import find_runs
from datasetgan_ext.generator.directions import Direction
from datasetgan_ext.interpreter.labeler import Labeler

FEWEST, MOST = 200, 2000
"""Images that are looked at: as many as show each class often enough, but so many at the least and at the most."""
ENOUGH, LEAST = 24, 6
"""Images that should show a class, and that must, counted as `_effective` does."""
SCANNED_UNDER = ('network', 'interpreter', 'trunc', 'trunc-cutoff', 'noise-mode', 'class', 'crop')
"""Options that decide what a scan finds."""

log = logging.getLogger(__name__)


def check_shares(task: Task, shares: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Classes and the shares of the images that are to go towards them.

    Raises:
        UserError: the task has no such class, it is the background or given twice, or the shares are more than all.
    """
    if shares and not task.classes:
        raise UserError('`more_of` looks for classes, and this interpreter has keypoints alone; leave it out')
    check_names('`more_of`', {name: [f'{name}={share:g}'] for name, share in shares}, task.classes, 'class')
    found = dict(shares)
    if len(found) < len(shares):
        raise UserError('`more_of` is given twice for one class; give each class once')
    if shares and task.classes[0] in found:
        raise UserError(f'`more_of`={task.classes[0]}: that is the background, which is in every image; leave it out')
    for name, share in found.items():
        if not 0 < share <= 1:
            raise UserError(
                f'`more_of`={name}={share:g}: {share:g} is not a share; give a number above 0 and at most 1'
            )
    if math.fsum(found.values()) > 1 + 1e-9:
        raise UserError(
            f'`more_of`: the shares make {math.fsum(found.values()):g}, and an image goes towards one class alone; '
            'give shares that make 1 or less'
        )
    return found


def directions_for(labeler: Labeler, shares: Mapping[str, float], earlier: Iterable[Path]) -> tuple[Direction, ...]:
    """The directions of an earlier run, so that it can be continued or joined; found where there is none.

    Args:
        labeler: see `find_directions`.
        shares: from `check_shares`.
        earlier: folders of runs, or folders of such folders, of which the first counts that has them all.

    Raises:
        UserError: see `find_directions`; or `earlier` holds no run.
    """
    if not shares:
        return ()
    for folder in (folder for place in earlier for folder in find_runs(place)):
        known = _known(labeler, folder)
        if shares.keys() <= known.keys():
            return tuple(replace(known[name], share=share) for name, share in shares.items())
    return find_directions(labeler, shares)


def _known(labeler: Labeler, folder: Path) -> dict[str, Direction]:
    """Directions of a run, by class, if it looked at the images at which a scan now would."""
    try:
        info = read_info(folder)
        found = [Direction.from_json(fields) for fields in info.get('directions', ())]
    except (UserError, TypeError, KeyError, ValueError):
        return {}
    now = {name: value for name, value in sampling(labeler, [0]).items() if name in SCANNED_UNDER}
    fits = all(len(one.vector) == labeler.generator.w_dim for one in found)
    return {one.name: one for one in found} if fits and not differences(info['options'], now) else {}


def find_directions(labeler: Labeler, shares: Mapping[str, float], progress: bool = True) -> tuple[Direction, ...]:
    """Label the images of seeds 0, 1, 2, ... until each class was seen often enough: where it is more.

    A class's direction goes from the mean latent to the mean in which each image counts as much as it has pixels of the
    class. Where latents are spread as a Gaussian is, that raises the pixels most for the distance that it leads away
    from the typical ones.

    Args:
        labeler: of single seeds without mixed styles; its truncation and noise are those of the dataset.
        shares: of the images that are to go towards each class.
        progress: show a progress bar.

    Raises:
        UserError: too few images show a class.
    """
    classes = [labeler.interpreter.task.classes.index(name) for name in shares]
    pixels = np.zeros([0, len(classes)])
    latents = []
    with labeler.same_sums():
        samples = labeler(range(MOST))
        for sample in tqdm(samples, desc='looking', unit='image', disable=None if progress else True, mininterval=0.5):
            counts = np.bincount(sample.mask.reshape(-1), minlength=256)[classes]
            pixels = np.concatenate([pixels, counts[None]])
            w = labeler.generator.untruncated_w(sample.id, labeler.options)
            latents.append(w.cpu().numpy().astype(np.float64))
            if len(pixels) >= FEWEST and (_effective(pixels) >= ENOUGH).all():
                break
    for name, number, images in zip(shares, _effective(pixels), (pixels > 0).sum(axis=0)):
        if number < LEAST:
            raise UserError(
                f'`more_of`={name}: {images} of {len(pixels)} images show it, or mostly fewer of them; too few to tell '
                'what they have in common. Label images that show it, or leave it out'
            )
        log.info('%s is in %d of the first %d images', name, images, len(pixels))
    return tuple(
        _direction(name, share, np.stack(latents), pixels[:, column])
        for column, (name, share) in enumerate(shares.items())
    )


def _effective(pixels: np.ndarray) -> np.ndarray:
    """Number of images that show each class, those with few of its pixels counted as less than one.

    Args:
        pixels: [N, C].

    Returns:
        float64 [C]: the square of the sum by the sum of the squares.
    """
    return pixels.sum(axis=0) ** 2 / np.maximum(np.square(pixels).sum(axis=0), 1)


def _direction(name: str, share: float, latents: np.ndarray, pixels: np.ndarray) -> Direction:
    """See `find_directions`.

    Args:
        latents: float64 [N, w_dim], without truncation.
        pixels: [N], of the class.
    """
    mean = latents.mean(axis=0)
    towards = pixels @ latents / pixels.sum() - mean
    distance = np.linalg.norm(towards)
    if not distance > 0:
        raise UserError(f'`more_of`={name}: all images have as much of it; leave it out')
    towards /= distance
    vector = towards * ((latents - mean) @ towards).std()
    limit = (latents @ vector).max() / (vector @ vector)
    return Direction(name, share, tuple(map(_rounded, vector)), _rounded(limit), len(latents))


def _rounded(number: float) -> float:
    """To six digits: enough, and the record in dataset.json is the very number."""
    return float(f'{number:.6g}')
