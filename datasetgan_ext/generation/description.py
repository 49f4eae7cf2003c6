"""What a run is, as its dataset.json tells it: made once, before the first sample."""

from __future__ import annotations

import platform

import numpy as np
import PIL
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import format_seeds, parse_seeds
from datasetgan_ext.core.urls import shown_source
from datasetgan_ext.core.version import __version__
from datasetgan_ext.formats.folder import FORMAT, FORMAT_VERSION
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generator.identity import same_network
from datasetgan_ext.interpreter import by_hand
from datasetgan_ext.interpreter.labeler import Labeler

BEFORE_THERE_WAS_ONE = {'score': 'paper', 'temperature': 1.0}
"""What an option was before datasets noted it."""
COMPUTING = ('batch', 'device')
"""What of a description decides the last bits of images and labels, beside the options."""


def describe(
    labeler: Labeler,
    ids: list[int],
    *,
    curation: Curation,
    compression: int,
    drop: bool,
    device: str,
    interpreter_source: str,
) -> dict:
    """The content of dataset.json, all but the summary; see `Run` for the arguments."""
    task = labeler.interpreter.task
    directions = [direction.to_json() for direction in labeler.directions]
    return {
        'format': FORMAT,
        'version': FORMAT_VERSION,
        'options': {
            **sampling(labeler, ids),
            'hand-labels': by_hand.digest(labeler.hand_labels),
            'score': labeler.score if task.classes else None,
            'temperature': labeler.interpreter.temperature if task.classes else None,
            'ignore-pixels': None if labeler.ignore is None else str(labeler.ignore),
            **curation.to_json(task),
            'compression': compression,
        },
        'sources': {
            'network': shown_source(labeler.generator.source),
            'interpreter': shown_source(str(interpreter_source)),
        },
        **task.to_json(),
        'image_hw': list(labeler.interpreter.image_hw),
        **({'directions': directions} if directions else {}),
        'labelled_images': labeler.interpreter.training['images'],
        'drop': drop,
        'batch': labeler.batch,
        'device': device,
        'versions': {
            'datasetgan-ext': __version__,
            'torch': torch.__version__,
            'numpy': np.__version__,
            'pillow': PIL.__version__,
            'python': platform.python_version(),
        },
    }


def sampling(labeler: Labeler, ids: list[int]) -> dict:
    """What decides the samples, by the name of the flag; 'seeds' are the rows where there is a projected-w."""
    latents = labeler.latents.to_json()
    crop_hw = labeler.options.crop_hw
    return {
        'network': labeler.generator.fingerprint,
        'interpreter': labeler.interpreter.fingerprint,
        'seeds': format_seeds(ids),
        'trunc': latents['trunc'],
        'trunc-cutoff': latents['trunc-cutoff'],
        'noise-mode': labeler.options.noise_mode,
        'class': latents['class'],
        'crop': f'{crop_hw[0]}x{crop_hw[1]}' if crop_hw else None,
        'mix-styles': latents['mix-styles'],
        'more-of': latents['more-of'],
        'projected-w': latents['projected-w'],
    }


def differences(found: dict, now: dict, but: tuple[str, ...] = ()) -> list[str]:
    """In words, which options of a dataset are others now; an option that is in neither is the same.

    Args:
        found, now: options by the name of the flag.
        but: names of those that may differ.
    """
    return [
        f'`{name.replace("-", "_")}` was {_before(found, name, value)}, now {value}'
        for name, value in now.items()
        if name not in but and not _same(name, _before(found, name, value), value)
    ]


def _before(found: dict, name: str, now: object) -> object:
    """An option of a dataset; there was one score only before there was a choice, and no temperature."""
    return found.get(name, BEFORE_THERE_WAS_ONE.get(name) if now is not None else None)


def _same(name: str, found: object, now: object) -> bool:
    if name == 'network':
        return same_network(found, now)
    return found == now


def check_same(found: dict, description: dict, place: str) -> None:
    """Compare a dataset with a run that is to continue it.

    Args:
        found: content of the dataset's dataset.json.
        description: of the run.
        place: where the dataset is, for the message.

    Raises:
        UserError: the dataset has other options, beyond fewer seeds; or another batch or kind of device made it, which
            changes last bits, so that the record of the whole would be wrong.
    """
    now = description['options']
    options = found['options']
    extends = 'seeds' in now and _extends(options.get('seeds'), parse_seeds(now['seeds']), description['batch'])
    differing = differences(options, now, but=('seeds',) if extends else ())
    differing += differences(
        found, {name: description[name] for name in COMPUTING if name in found and name in description}
    )
    if differing:
        batch = description['batch']
        ends = f'where a batch of {batch} ends; `reuse` copies the whole batches into another `outdir`'
        extension = f' (`seeds` may be extended {"at the end" if batch == 1 else ends})' if 'seeds' in now else ''
        raise UserError(
            f'{place} holds a dataset made with other options: {"; ".join(differing)}. '
            f'Give another place or the same options{extension}; '
            'or delete it, an `outdir` with `overwrite`'
        )


def _extends(found: object, now: list[int], batch: int) -> bool:
    """Whether the seeds of now go on from those that were found, with no batch of them changed."""
    try:
        done = parse_seeds(found)
    except (UserError, TypeError):
        return False
    return len(done) % batch == 0 and now[: len(done)] == done
