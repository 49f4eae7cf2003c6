"""Training of a downstream network: what a step does, and a run of steps that goes on where it was stopped."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn
from tqdm import tqdm

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import save_atomically
from datasetgan_ext.core.version import __version__
from datasetgan_ext.downstream.batches import Batch, Batches
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset
from datasetgan_ext.downstream.model import DownstreamModel

PARTIAL_SUFFIX = '.partial'
DECAY = 0.9
"""Power of the learning rate's way down to 0, that of DeepLab (arXiv 1606.00915)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitOptions:
    """
    Attributes:
        steps: updates at most.
        batch: images in each.
        lr: Adam's learning rate at the start.
        dice: weight of the Dice loss beside the cross-entropy of classes.
        every: steps from one checkpoint to the next.
        patience: checkpoints without a better score after which training stops; without a selection set it never does.
        keep_checkpoints: leave every checkpoint beside the result, for the folds of datasetgan evaluate.
        workers: processes that read images; 0 = none but this one.
        seed: of weights, order and augmentation.
    """

    steps: int
    batch: int
    lr: float
    dice: float
    every: int
    patience: int
    keep_checkpoints: bool
    workers: int
    seed: int


class Supervised:
    """Learns from labelled images: cross-entropy and Dice loss of the classes, and cross-entropy of heatmaps against
    Gaussians at the keypoints."""

    def __init__(self, model: DownstreamModel, options: FitOptions):
        self.model = model
        self.options = options
        self.networks: dict[str, nn.Module] = {'network': model.network}
        self.optimizers = {'network': torch.optim.Adam(model.network.parameters(), lr=options.lr)}

    def describe(self) -> dict:
        """What of the method decides the result, as JSON."""
        return {'method': 'supervised'}

    def step(self, batches: tuple[Batch, ...], progress: float) -> float:
        """Take a step.

        Args:
            batches: one, of labelled images.
            progress: share of all steps that are done.

        Returns:
            The loss.
        """
        self.decay(progress)
        self.model.network.train()
        loss = self.labeled_loss(self.logits(batches[0].images), batches[0])
        self.update('network', loss)
        return loss.item()

    def decay(self, progress: float) -> None:
        """Set the learning rates for a share of the steps done."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                start = group.setdefault('first_lr', group['lr'])
                group['lr'] = start * (1 - progress) ** DECAY

    def update(self, name: str, loss: torch.Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, K + J, H, W], computed in bfloat16 on GPUs that have it."""
        device = images.device
        mixed = device.type == 'cuda' and torch.cuda.is_bf16_supported()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed):
            logits = self.model.network(images.contiguous(memory_format=torch.channels_last))
        return logits.float()

    def labeled_loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of a batch of which there are labels."""
        loss = logits.sum() * 0
        classes, heats = self.model.split(logits)
        if self.model.task.classes and (batch.masks != IGNORE).any():
            loss = loss + functional.cross_entropy(classes, batch.masks, ignore_index=IGNORE)
            if self.options.dice:
                loss = loss + self.options.dice * dice_loss(classes, batch.masks)
        if self.model.task.keypoints:
            loss = loss + heatmap_loss(heats, batch.points, batch.present, self.model.sigma)
        return loss

    def state(self) -> dict:
        return {
            'networks': {name: network.state_dict() for name, network in self.networks.items()},
            'optimizers': {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
        }

    def load_state(self, state: dict) -> None:
        for kind in ('networks', 'optimizers'):
            for name, part in getattr(self, kind).items():
                part.load_state_dict(state[kind][name])


def dice_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """1 - Dice coefficient (F-score) over the pixels of a batch, averaged over the classes that its labels have, so
    that a class of few pixels counts as much as the background (V-Net, arXiv 1606.04797).

    Args:
        logits: float [N, K, H, W].
        masks: int64 [N, H, W]; pixels of value IGNORE do not count.
    """
    known = (masks != IGNORE)[:, None]
    true = functional.one_hot(masks * known[:, 0], logits.shape[1]).permute(0, 3, 1, 2) * known
    found = logits.softmax(dim=1) * known
    sizes = true.sum(dim=(0, 2, 3))
    overlap = 2 * (found * true).sum(dim=(0, 2, 3)) / (found.sum(dim=(0, 2, 3)) + sizes).clamp(min=1)
    return (1 - overlap)[sizes > 0].mean()


def heatmap_loss(logits: torch.Tensor, points: torch.Tensor, present: torch.Tensor, sigma: float) -> torch.Tensor:
    """Cross-entropy of heatmaps against Gaussians, above its least possible value; summed over the pixels, in units of
    a Gaussian's mass, and averaged over the keypoints. Those of which nobody said whether they are there do not count.

    Args:
        logits: float [N, J, H, W]; the heatmaps are their sigmoids.
        points: float [N, J, 2], x and y in pixels.
        present: float [N, J], 1, 0 or nan.
        sigma: of the Gaussians, in pixels.
    """
    height, width = logits.shape[2:]
    x, y = (
        torch.exp(-0.5 * ((torch.arange(side, device=logits.device) + 0.5 - points[..., axis, None]) / sigma) ** 2)
        for side, axis in ((width, 0), (height, 1))
    )
    known = ~present.isnan()
    target = y[..., :, None] * x[..., None, :] * present.nan_to_num()[..., None, None]
    least = functional.binary_cross_entropy(target, target, reduction='none')
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction='none') - least
    return (loss.sum(dim=(2, 3)) * known).sum() / known.sum().clamp(min=1) / (2 * torch.pi * sigma**2)


def fit(
    learner: Supervised, batches: tuple[Batches, ...], out: Path, record: dict, selection: LabeledDataset | None = None
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

    Returns:
        What `out` holds.

    Raises:
        UserError: a run that was begun there had other options.
    """
    run = _Run(learner, out, record)
    options, device = learner.options, learner.model.device
    todo = range(run.done, run.done if run.stale >= options.patience else options.steps)
    loaders = [
        torch.utils.data.DataLoader(source, batch_size=None, sampler=todo, num_workers=options.workers)
        for source in batches
    ]
    losses = []
    with tqdm(
        total=options.steps, initial=run.done, desc='training', unit='step', disable=None, mininterval=0.5
    ) as bar:
        for step, parts in enumerate(zip(*loaders), run.done):
            # what a network draws, its dropout, depends on the step alone
            torch.manual_seed(int(np.random.RandomState([options.seed, step, 2]).randint(2**31)))
            losses.append(learner.step(tuple(part.to(device) for part in parts), step / options.steps))
            bar.update()
            if (step + 1) % options.every == 0 or step + 1 == options.steps:
                run.checkpoint(step + 1, float(np.mean(losses)), selection)
                losses = []
                if run.stale >= options.patience:
                    log.info(f'no better score in {options.patience} checkpoints: stopped at step {step + 1}')
                    break
    run.partial.unlink()
    return DownstreamModel.load(out, device)


class _Run:
    """The files of a training: the best network, the state to go on from, and checkpoints."""

    def __init__(self, learner: Supervised, out: Path, record: dict):
        self.learner = learner
        self.out = out
        self.partial = out.with_name(out.name + PARTIAL_SUFFIX)
        self.record = record
        self.done, self.stale, self.best = 0, 0, None
        self.history: list[dict] = []
        if self.partial.exists():
            self._go_on()

    def checkpoint(self, step: int, loss: float, selection: LabeledDataset | None) -> None:
        score = None
        if selection is not None:
            score = self.learner.model.score(selection).merit
        self.history.append({'step': step, 'loss': loss, 'score': score})
        better = score is None or self.best is None or score > self.best
        self.stale = 0 if better else self.stale + 1
        self.learner.model.training = self._result(step)
        if better:
            self.best = score
            self.learner.model.save(self.out)
        if self.learner.options.keep_checkpoints:
            self.learner.model.save(checkpoint_path(self.out, step))
        shown = '' if score is None else f', score {score:.4f}'
        log.info(f'step {step}: loss {loss:.4f}{shown}')
        state = {
            'learner': self.learner.state(),
            'done': step,
            'stale': self.stale,
            'best': self.best,
            'history': self.history,
            'record': json.dumps(self.record),
        }
        save_atomically(self.partial, lambda path: torch.save(state, path))

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
            state = torch.load(self.partial, map_location=self.learner.model.device, weights_only=True)
            begun = json.loads(state['record'])
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
            raise UserError(
                f'{self.partial}, from which this training would go on, cannot be read '
                f'({type(error).__name__}); start again with `overwrite`'
            ) from error
        now = json.loads(json.dumps(self.record))
        differing = [
            f'{name} was {begun.get(name)}, now {value}' for name, value in now.items() if begun.get(name) != value
        ]
        if differing:
            raise UserError(
                f'`out`={self.out}: a training was begun there with other options: '
                f'{"; ".join(differing)}. Give them again, another file, or `overwrite`'
            )
        self.learner.load_state(state['learner'])
        self.done, self.stale, self.best = state['done'], state['stale'], state['best']
        self.history = state['history']
        log.info(f'going on from step {self.done} of {self.partial}')


def checkpoint_path(out: Path, step: int) -> Path:
    """Where the checkpoint of a step is kept."""
    return out.with_name(f'{out.stem}-step{step:06d}{out.suffix}')


def checkpoints_of(out: Path) -> list[Path]:
    """All that were kept of a training, in the order of their steps."""
    return sorted(out.parent.glob(f'{out.stem}-step[0-9][0-9][0-9][0-9][0-9][0-9]{out.suffix}'))


def forget(out: Path) -> None:
    """Delete a training's result, checkpoints and state."""
    for path in (out, out.with_name(out.name + PARTIAL_SUFFIX), *checkpoints_of(out)):
        path.unlink(missing_ok=True)
