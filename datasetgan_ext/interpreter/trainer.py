"""Training of the ensemble on labelled hypercolumns: all members at once, each on its own random draws."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from tqdm import tqdm

from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.pixels import NO_CLASS, PixelSet
from datasetgan_ext.interpreter.temperature import best_temperature
from datasetgan_ext.interpreter.training_options import TrainingOptions

HELDOUT_CHUNK = 4096
CHECK_STEPS = 100
REFERENCE_PASSES = 100
REFERENCE_WARMUP_PASSES = 4


@dataclass
class TrainingReport:
    """What came of a training run, averaged over the members.

    Attributes:
        pixels: number of pixels trained on.
        steps: of the longest-trained member.
        loss: of the last steps; cross-entropy of the classes in nats, plus the weighted loss of the heatmaps.
        heldout_pixels: number of pixels kept out of training.
        heldout_accuracy: share of them whose class the kept members get right; None where none were kept out, or there
            are no classes.
        temperature: of the classes' logits, by which the kept members are as sure as they are right on held-out pixels;
            1 where there are none of these.
    """

    pixels: int
    steps: int
    loss: float
    heldout_pixels: int
    heldout_accuracy: float | None
    temperature: float

    def to_json(self) -> dict:
        return asdict(self)


def hidden_sizes(classes: int, first_width: float = 1.0) -> tuple[int, int]:
    """Widths of the hidden layers: (128, 32) below 32 classes, else (256, 128), as in the released DatasetGAN, the
    first times `first_width`."""
    first, second = (128, 32) if classes < 32 else (256, 128)
    return int(first * first_width), second


def train_ensemble(
    pixels: PixelSet,
    classes: int,
    keypoints: int,
    options: TrainingOptions,
    progress: bool = True,
    start: Ensemble | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[Ensemble, TrainingReport]:
    """Train an ensemble of `options.models` members, all of them in one batched product a step.

    Every member goes through all training pixels in an order of its own, again and again.

    Args:
        pixels: labelled hypercolumns, on the device to train on.
        classes, keypoints: how many, from the class list; a member's outputs are the logits of the classes, then the
            heights of the heatmaps.
        options: see there; the same options and pixels give the same weights on one machine.
        progress: show a progress bar.
        start: an ensemble of that shape, from whose weights and standardisation a copy goes on learning; None = from
            random weights, and as these pixels are standardised.
        should_stop: asked after each step whether to end at once, with the weights that were the best until then.
    """
    device = pixels.classes.device
    outputs = classes + keypoints
    with torch.random.fork_rng(devices=[device] if device.type == 'cuda' else []):
        torch.manual_seed(options.seed)
        heldout, training = _split(_strata(pixels, classes), options.heldout)
        if start:
            ensemble = copy.deepcopy(start).to(device).requires_grad_(True)
        else:
            hidden = hidden_sizes(classes, options.first_width)
            ensemble = Ensemble(options.models, pixels.hypercolumns.shape[1], hidden, outputs).to(device)
            if options.standardize:
                mean, std = pixels.statistics()
                ensemble.input_mean.copy_(mean)
                ensemble.input_std.copy_(std)
        trainer = _Trainer(
            ensemble=ensemble,
            pixels=pixels,
            classes=classes,
            training=training,
            heldout=heldout,
            options=options,
            should_stop=should_stop,
        )
        return trainer.run(progress)


def _strata(pixels: PixelSet, classes: int) -> torch.Tensor:
    """int64 [P]: a pixel's class or, where it has none, `classes` and the keypoint that it is on, if any."""
    heat = F.pad(pixels.heat.nan_to_num(0), (1, 0), value=0.5)
    return torch.where(pixels.classes >= 0, pixels.classes, classes + heat.argmax(dim=1))


def _split(classes: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Random indices (int64) of held-out and of training pixels.

    A share of each class is held out, rounded down, so that the rarest class stays in training; but one pixel in all at
    least (of the largest class) if the share is not 0.
    """
    order = torch.randperm(len(classes), device=classes.device)
    order = order[classes[order].argsort(stable=True)]
    by_class = order.split(classes.bincount().tolist())
    counts = [int(len(part) * share) for part in by_class]
    if share and not any(counts):
        counts[max(range(len(by_class)), key=lambda index: len(by_class[index]))] = 1
    heldout = torch.cat([part[:count] for part, count in zip(by_class, counts)])
    training = torch.cat([part[count:] for part, count in zip(by_class, counts)])
    return heldout, training


class _Trainer:
    """One training run. A member that has stopped goes on being computed with the others, but is no longer kept."""

    def __init__(
        self,
        ensemble: Ensemble,
        pixels: PixelSet,
        classes: int,
        training: torch.Tensor,
        heldout: torch.Tensor,
        options: TrainingOptions,
        should_stop: Callable[[], bool] | None = None,
    ):
        """`training` and `heldout` are the indices (int64) of the pixels that are used so."""
        self.ensemble = ensemble
        self.pixels = pixels
        self.classes = classes
        self.kept = copy.deepcopy(ensemble)
        self.training = training
        self.heldout = heldout
        self.options = options
        self.should_stop = should_stop
        heights = pixels.heat[training]
        self.heat_weight = 0.0
        if heights.nansum() > 0:
            self.heat_weight = options.heat_weight / heights.nanmean().item()
        self.batch = min(options.batch, len(training))
        self.steps_per_pass = len(training) // self.batch
        self.steps = options.max_steps or REFERENCE_PASSES * self.steps_per_pass
        self.best = torch.full([options.models], math.inf)
        self.waited = torch.zeros(options.models, dtype=torch.int64)
        self.running = torch.ones(options.models, dtype=torch.bool)

    def run(self, progress: bool) -> tuple[Ensemble, TrainingReport]:
        optimizer = torch.optim.Adam(self.ensemble.parameters(), lr=self.options.lr)
        schedule = None
        if self.options.cosine:
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        losses: list[torch.Tensor] = []
        with tqdm(
            total=self.steps, desc='training', unit='step', disable=None if progress else True, mininterval=0.5
        ) as bar:
            for step, chosen in zip(range(1, self.steps + 1), self._batches()):
                loss = self._member_losses(chosen)
                optimizer.zero_grad(set_to_none=True)
                loss.sum().backward()
                optimizer.step()
                if schedule:
                    schedule.step()
                losses.append(loss.detach())
                del losses[:-CHECK_STEPS]
                if not self.options.heldout:
                    self._stop_by_batch_loss(step, losses[-1].cpu())
                elif step % CHECK_STEPS == 0 or step == self.steps:
                    self._stop_by_heldout()
                bar.update()
                if step % CHECK_STEPS == 0:
                    bar.set_postfix(loss=f'{torch.stack(losses).mean():.4f}', running=int(self.running.sum()))
                if not self.running.any() or (self.should_stop and self.should_stop()):
                    break
        self.kept.eval().requires_grad_(False)
        heldout_accuracy, temperature = None, 1.0
        if self.options.heldout and self.classes:
            heldout_accuracy = 1 - self._heldout_errors(self.kept)[0].mean().item()
            temperature = best_temperature(self._heldout_classes())
        report = TrainingReport(
            pixels=len(self.training),
            steps=step,
            loss=torch.stack(losses).mean().item(),
            heldout_pixels=len(self.heldout),
            heldout_accuracy=heldout_accuracy,
            temperature=temperature,
        )
        return self.kept, report

    def _batches(self) -> Iterator[torch.Tensor]:
        """Pixels of each member's batches, without end: int64 [M, batch]."""
        while True:
            order = torch.rand(self.options.models, len(self.training), device=self.training.device).argsort(dim=1)
            for start in range(0, self.steps_per_pass * self.batch, self.batch):
                yield self.training[order[:, start : start + self.batch]]

    def _member_losses(self, chosen: torch.Tensor) -> torch.Tensor:
        """Loss of each member on its own batch: float32 [M]."""
        self.ensemble.train()
        outputs = self.ensemble(self.pixels.batch(chosen))
        loss = torch.zeros(len(outputs), device=outputs.device)
        if self.classes:
            classes = self.pixels.classes[chosen]
            losses = F.cross_entropy(
                outputs[:, :, : self.classes].flatten(0, 1),
                classes.flatten(),
                ignore_index=NO_CLASS,
                label_smoothing=self.options.label_smoothing,
                reduction='none',
            ).reshape(chosen.shape)
            loss = loss + losses.sum(dim=1) / (classes != NO_CLASS).sum(dim=1).clamp(min=1)
        if outputs.shape[2] > self.classes:
            loss = loss + self.heat_weight * self._heat_loss(outputs, chosen)
        return loss

    def _heat_loss(self, outputs: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Mean over the labelled heatmap pixels of each member's batch: float32 [M]."""
        target = self.pixels.heat[chosen]
        labeled = ~target.isnan()
        losses = (outputs[:, :, self.classes :] - target.nan_to_num(0)).square()
        return (losses * labeled).sum(dim=(1, 2)) / labeled.sum(dim=(1, 2)).clamp(min=1)

    def _stop_by_heldout(self) -> None:
        error = sum(self._heldout_errors(self.ensemble))
        # of equally good weights the later ones, which a few held-out pixels cannot tell apart
        self._keep(self.running & (error <= self.best))
        self._note(error)

    def _stop_by_batch_loss(self, step: int, losses: torch.Tensor) -> None:
        was_running = self.running.clone()
        if step > REFERENCE_WARMUP_PASSES * self.steps_per_pass:
            self._note(losses)
        self._keep(was_running if step == self.steps else was_running & ~self.running)

    def _note(self, figure: torch.Tensor) -> None:
        """Note a figure [M] that should fall; members that waited too long for that stop."""
        improved = figure < self.best
        self.best = torch.minimum(self.best, figure)
        self.waited = torch.where(improved, 0, self.waited + 1)
        self.running &= self.waited < self.options.patience

    @torch.no_grad()
    def _keep(self, members: torch.Tensor) -> None:
        """Copy the present weights of some members (bool [M]) to the ensemble that is kept."""
        if members.any():
            for kept, current in zip(self.kept.member_tensors(), self.ensemble.member_tensors()):
                kept[members] = current[members]

    def _heldout_classes(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The kept members' logits of the classes, float32 [M, P, K], and the classes, int64 [P], of the held-out
        pixels that have one; some at a time."""
        labeled = self.heldout[self.pixels.classes[self.heldout] != NO_CLASS]
        for chosen in labeled.split(HELDOUT_CHUNK):
            outputs = self.kept(self.pixels.batch(chosen).expand(self.options.models, -1, -1))
            yield outputs[:, :, : self.classes], self.pixels.classes[chosen]

    @torch.no_grad()
    def _heldout_errors(self, ensemble: Ensemble) -> tuple[torch.Tensor, torch.Tensor]:
        """On the held-out pixels and on the CPU, for each member: the share of wrong classes, and the weighted loss of
        the heatmaps; float32 [M] each, 0 where there is no such head."""
        ensemble.eval()
        wrong = torch.zeros(self.options.models)
        heat = torch.zeros(self.options.models)
        labeled = (self.pixels.classes[self.heldout] != NO_CLASS).sum().item()
        for chosen in self.heldout.split(HELDOUT_CHUNK):
            outputs = ensemble(self.pixels.batch(chosen).expand(self.options.models, -1, -1))
            if self.classes:
                classes = self.pixels.classes[chosen]
                missed = (outputs[:, :, : self.classes].argmax(dim=2) != classes) & (classes != NO_CLASS)
                wrong += missed.sum(dim=1).cpu()
            if outputs.shape[2] > self.classes:
                part = self._heat_loss(outputs, chosen.expand(self.options.models, -1)).cpu()
                heat += part * len(chosen) / len(self.heldout)
        return wrong / max(1, labeled), self.heat_weight * heat
