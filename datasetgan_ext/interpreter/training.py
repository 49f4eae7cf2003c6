"""Training of the ensemble on labelled hypercolumns: all members at once, each on its own random draws."""
from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace

import torch
from tqdm import tqdm

from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.sampling import PixelSet


@dataclass(frozen=True)
class TrainingOptions:
    """How an interpreter is trained.

    Attributes:
        preset: name of the preset that the other values started from.
        models: members of the ensemble.
        pixels_per_image: pixels drawn from each labelled image; None = all.
        balance: share of them that is spread evenly over the image's classes.
        min_class_pixels: a class with fewer pixels in an image becomes background there; 0 = off.
        standardize: bring each channel to mean 0 and deviation 1 before the first layer.
        batch: pixels per member and step.
        lr: Adam's learning rate.
        dropout: share of hidden activations dropped in training.
        max_epochs: passes over the pixels, at most.
        heldout: share of the pixels kept out of training to decide when to stop; 0 = the reference's rule.
        patience: epochs (heldout > 0) or steps (heldout = 0) without improvement after which a member stops.
        warmup_epochs: with heldout = 0, epochs before improvement is counted.
        seed: of every random choice.
    """
    preset: str = 'default'
    models: int = 10
    pixels_per_image: int | None = 2000
    balance: float = 0.5
    min_class_pixels: int = 0
    standardize: bool = True
    batch: int = 256
    lr: float = 1e-3
    dropout: float = 0.0
    max_epochs: int = 40
    heldout: float = 0.1
    patience: int = 5
    warmup_epochs: int = 0
    seed: int = 0

    def to_json(self) -> dict:
        return asdict(self)


PRESETS = {
    'default': TrainingOptions(),
    'reference': TrainingOptions(
        preset='reference', pixels_per_image=None, balance=0.0, min_class_pixels=30, standardize=False, batch=64,
        max_epochs=100, heldout=0.0, patience=51, warmup_epochs=4),
}


@dataclass
class TrainingReport:
    """What came of a training run, averaged over the members.

    Attributes:
        pixels: number of pixels trained on.
        epochs: passes over the pixels of the longest-trained member.
        loss: cross-entropy of the last epoch, in nats.
        heldout_pixels: number of pixels kept out of training.
        heldout_accuracy: share of them that the members get right; None where none were kept.
    """
    pixels: int
    epochs: int
    loss: float
    heldout_pixels: int
    heldout_accuracy: float | None

    def to_json(self) -> dict:
        return asdict(self)


def hidden_sizes(classes: int) -> tuple[int, int]:
    """Widths of the hidden layers: (128, 32) below 32 classes, else (256, 128), as in the released DatasetGAN."""
    return (128, 32) if classes < 32 else (256, 128)


def train_ensemble(pixels: PixelSet, classes: int, options: TrainingOptions,
                   progress: bool = True) -> tuple[Ensemble, TrainingReport]:
    """Train an ensemble of `options.models` members.

    Every member sees all training pixels once an epoch, in an order of its own. With held-out pixels a member stops
    when its accuracy on them has not risen for `patience` epochs, and its best weights are kept; without, by the
    released code's rule: when the loss of a single batch has not fallen below the lowest for `patience` steps in a row
    after `warmup_epochs`, and its last weights are kept.

    Args:
        pixels: labelled hypercolumns, on the device to train on.
        classes: number of classes, from the class list.
        options: see there; the same options and pixels give the same weights on one machine.
        progress: show a progress bar.
    """
    device = pixels.classes.device
    with torch.random.fork_rng(devices=[device] if device.type == 'cuda' else []):
        torch.manual_seed(options.seed)
        heldout_mask = torch.rand(len(pixels), device=device) < options.heldout
        heldout, training = pixels.select(heldout_mask), pixels.select(~heldout_mask)
        ensemble = Ensemble(options.models, pixels.hypercolumns.shape[1], hidden_sizes(classes), classes,
                            options.dropout).to(device)
        if options.standardize:
            ensemble.input_mean.copy_(training.hypercolumns.mean(dim=0))
            ensemble.input_std.copy_(training.hypercolumns.std(dim=0).clamp_(min=1e-6))
        return _Trainer(ensemble, training, heldout, options).run(progress)


class _Trainer:
    def __init__(self, ensemble: Ensemble, training: PixelSet, heldout: PixelSet, options: TrainingOptions):
        self.ensemble = ensemble
        self.training = training
        self.heldout = heldout
        self.options = options
        self.batch = min(options.batch, len(training))
        self.optimizer = torch.optim.Adam(ensemble.parameters(), lr=options.lr)
        self.best = torch.full([options.models], float('inf'))
        self.waited = torch.zeros(options.models, dtype=torch.int64)
        self.running = torch.ones(options.models, dtype=torch.bool)
        self.kept = copy.deepcopy(ensemble)

    def run(self, progress: bool) -> tuple[Ensemble, TrainingReport]:
        options = self.options
        epochs = tqdm(range(options.max_epochs), desc='training', unit='epoch', disable=None if progress else True)
        for epoch in epochs:
            loss = self._epoch(epoch)
            status = {'loss': f'{loss:.4f}'}
            if options.heldout:
                accuracy = self._heldout_accuracy(self.ensemble)
                self._keep(self._note(1 - accuracy))
                status['held-out accuracy'] = f'{accuracy.mean():.4f}'
            epochs.set_postfix(status)
            if not self.running.any():
                break
        epochs.close()
        if not options.heldout:
            self._keep(self.running)
        self.kept.eval()
        accuracy = self._heldout_accuracy(self.kept).mean().item() if options.heldout else None
        return self.kept, TrainingReport(len(self.training), epoch + 1, loss, len(self.heldout), accuracy)

    def _epoch(self, epoch: int) -> float:
        """One pass; returns the mean loss."""
        self.ensemble.train()
        count, device = len(self.training), self.training.classes.device
        order = torch.rand(self.options.models, count, device=device).argsort(dim=1)
        losses = []
        for start in range(0, count - self.batch + 1, self.batch):
            chosen = order[:, start:start + self.batch]
            logits = self.ensemble(self.training.hypercolumns[chosen])
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), self.training.classes[chosen].flatten(),
                                                     reduction='none').reshape(chosen.shape).mean(dim=1)
            self.optimizer.zero_grad(set_to_none=True)
            loss.sum().backward()
            self.optimizer.step()
            losses.append(loss.detach())
            if not self.options.heldout and epoch >= self.options.warmup_epochs:
                was_running = self.running.clone()
                self._note(losses[-1].cpu())
                self._keep(was_running & ~self.running)
                if not self.running.any():
                    break
        return torch.stack(losses).mean().item()

    def _note(self, figure: torch.Tensor) -> torch.Tensor:
        """Record a figure [M] that should fall; members that waited too long stop. Returns which ones improved."""
        improved = self.running & (figure < self.best)
        self.best[improved] = figure[improved]
        self.waited[improved] = 0
        self.waited[~improved] += 1
        self.running &= self.waited < self.options.patience
        return improved

    @torch.no_grad()
    def _keep(self, members: torch.Tensor) -> None:
        """Copy the present weights of some members (bool [M]) to the ensemble that is kept."""
        for kept, current in zip(self.kept.state_dict().values(), self.ensemble.state_dict().values()):
            if kept.ndim and kept.shape[0] == self.options.models:
                kept[members] = current[members]
            elif kept.ndim and kept.shape[0] % self.options.models == 0 and kept.dim() == 1:
                kept.reshape(self.options.models, -1)[members] = current.reshape(self.options.models, -1)[members]

    @torch.no_grad()
    def _heldout_accuracy(self, ensemble: Ensemble) -> torch.Tensor:
        """Accuracy of each member on the held-out pixels, on the CPU: float32 [M]."""
        ensemble.eval()
        right = torch.zeros(self.options.models)
        for start in range(0, len(self.heldout), 4096):
            part = self.heldout.select(torch.arange(start, min(start + 4096, len(self.heldout)),
                                                    device=self.heldout.classes.device))
            logits = ensemble(part.hypercolumns.expand(self.options.models, -1, -1))
            right += (logits.argmax(dim=2) == part.classes).sum(dim=1).cpu()
        return right / max(1, len(self.heldout))


def options_from(preset: str, **changes) -> TrainingOptions:
    """A preset with some values changed; None leaves the preset's own."""
    return replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})
