"""A training: many steps, which go on where they were stopped."""

from __future__ import annotations

import copy
import glob
import json
import logging
import platform
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import remove_leftovers
from datasetgan_ext.core.version import __version__
from datasetgan_ext.downstream.batches import BatchSource
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset
from datasetgan_ext.downstream.learners import Supervised
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.training_state import load_state, save_state

PARTIAL_SUFFIX = '.partial'

log = logging.getLogger(__name__)


def fit(
    learner: Supervised,
    batches: tuple[BatchSource, ...],
    out: Path,
    record: dict,
    selection: LabeledDataset | None = None,
    overwrite: bool = False,
) -> DownstreamModel:
    """Train, and write the result to `out`: the checkpoint that does best on `selection`, or the last one.

    Beside `out` stands a file from which the same call goes on when it was stopped; on a CPU the result is then the
    same, to the last bit, as that of a run never stopped.

    Args:
        learner: what learns.
        batches: a source of batches for each that a step takes.
        out: where the best network is written whenever there is a better one.
        record: what decides the result, as JSON; a run to go on with must have been begun with the same.
        selection: labelled images, none of them trained on, that choose the checkpoint and stop the training.
        overwrite: begin anew; what a training left there is deleted when the first checkpoint takes its place.

    Returns:
        What `out` holds.

    Raises:
        UserError: a run that was begun there had other options.
    """
    state = _TrainingState(learner, out, record, overwrite)
    options = learner.options
    device = learner.model.device
    end = state.done if state.stale >= options.patience else options.steps
    todo = range(state.done, end)
    loaders = [
        torch.utils.data.DataLoader(source, batch_size=None, sampler=todo, num_workers=options.workers)
        for source in batches
    ]
    losses = []
    with tqdm(
        total=options.steps, initial=state.done, desc='training', unit='step', disable=None, mininterval=0.5
    ) as bar:
        for step, parts in enumerate(zip(*loaders), state.done):
            # what a network draws, its dropout, depends on the step alone
            torch.manual_seed(int(np.random.RandomState([options.seed, step, 2]).randint(2**31)))
            losses.append(learner.step(tuple(part.to(device) for part in parts), step / options.steps))
            bar.update()
            if (step + 1) % options.every == 0 or step + 1 == options.steps:
                state.checkpoint(step + 1, float(np.mean(losses)), selection)
                losses = []
                if state.stale >= options.patience:
                    log.info('no better score in %d checkpoints: stopped at step %d', options.patience, step + 1)
                    break
    state.partial.unlink()
    return DownstreamModel.load(out, device)


class _TrainingState:
    """How far a training is, and its files: the best network, the state to go on from, and checkpoints."""

    def __init__(self, learner: Supervised, out: Path, record: dict, overwrite: bool):
        self.learner = learner
        self.out = out
        self.partial = out.with_name(out.name + PARTIAL_SUFFIX)
        self.record = record
        self.done = 0
        self.stale = 0
        self.best: float | None = None
        self.history: list[dict] = []
        self.replaces = overwrite
        # not those of another training, whose name begins alike
        steps = f'{glob.escape(out.stem)}-step[0-9][0-9][0-9][0-9][0-9][0-9]*{glob.escape(out.suffix)}'
        for names in (glob.escape(out.name), steps):
            remove_leftovers(out.parent, f'{names}.*')
        if self.partial.exists() and not overwrite:
            self._go_on()

    def checkpoint(self, step: int, loss: float, selection: LabeledDataset | None) -> None:
        if self.replaces:
            delete_training(self.out)
            self.replaces = False
        score = None
        if selection is not None:
            score = self.learner.model.score(selection).merit
        self.history.append({'step': step, 'loss': loss, 'score': score, **self.learner.figures()})
        better = score is None or self.best is None or score > self.best
        self.stale = 0 if better else self.stale + 1
        self.learner.model.training = self._result(step)
        if better:
            self.best = score
            self.learner.model.save(self.out)
        if self.learner.options.keep_checkpoints:
            self.learner.model.save(checkpoint_path(self.out, step))
        shown = '' if score is None else f', score {score:.4f}'
        log.info('step %d: loss %.4f%s', step, loss, shown)
        save_state(
            self.partial,
            self.learner.state(),
            {
                'done': step,
                'stale': self.stale,
                'best': self.best,
                'history': self.history,
                'record': self.record,
            },
        )

    def _result(self, step: int) -> dict:
        return {
            **self.record,
            'step': step,
            'history': copy.deepcopy(self.history),
            'options': asdict(self.learner.options),
            'versions': {
                'datasetgan-ext': __version__,
                'torch': torch.__version__,
                'python': platform.python_version(),
            },
        }

    def _go_on(self) -> None:
        try:
            learned, state = load_state(self.partial)
        except UserError as error:
            raise UserError(
                f'{error.message}. The training that was begun there cannot go on; start again with `overwrite`'
            ) from error
        begun = state['record']
        now = json.loads(json.dumps(self.record))
        differing = [
            f'{name} was {begun.get(name)}, now {now.get(name)}'
            for name in dict.fromkeys([*now, *begun])
            if begun.get(name) != now.get(name)
        ]
        if differing:
            raise UserError(
                f'`out`={self.out}: a training was begun there with other options: '
                f'{"; ".join(differing)}. Give them again, another file, or `overwrite`'
            )
        self.learner.load_state(learned)
        self.done = state['done']
        self.stale = state['stale']
        self.best = state['best']
        self.history = state['history']
        log.info('going on from step %d of %s', self.done, self.partial)


def checkpoint_path(out: Path, step: int) -> Path:
    """Where the checkpoint of a step is kept."""
    return out.with_name(f'{out.stem}-step{step:06d}{out.suffix}')


def checkpoints_of(out: Path) -> list[Path]:
    """All that were kept of a training, in the order of their steps."""
    pattern = re.compile(f'{re.escape(out.stem)}-step([0-9]{{6,}}){re.escape(out.suffix)}')
    found = [(int(match[1]), path) for path in out.parent.iterdir() if (match := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def delete_training(out: Path) -> None:
    """Delete a training's result, checkpoints and state."""
    for path in (out, out.with_name(out.name + PARTIAL_SUFFIX), *checkpoints_of(out)):
        path.unlink(missing_ok=True)
