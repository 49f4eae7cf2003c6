"""Ways to a better interpreter of the same size, each scored on two sets of images that may choose.

Four-fold cross-validation of the demo's 16 training images; and 16 images of `demo/more`, drawn anew for each seed,
scored on 25 others. Three training seeds, small ensembles (`SMALL`). Of each way, the mIoU with some shares of the
drawn balance undone (`class_shares`), and how far the mean probability of the class that it finds is from how often it
is right (ECE, Guo et al. 2017, arXiv 1706.04599), with logits divided by some temperatures. One file a way in --work;
the same command goes on with those that are lacking.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.measure import check_parts, one_thread_each, write_result
from datasetgan_ext import load_generator
from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.class_shares import count_classes, undo_balance
from datasetgan_ext.interpreter.differences import layers_with_differences
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.inference import FusedEnsemble, HeadLayout
from datasetgan_ext.interpreter.interpreter import fuse
from datasetgan_ext.interpreter.pixels import PixelSet, choose_pixels
from datasetgan_ext.interpreter.trainer import _Trainer, hidden_sizes, train_ensemble
from datasetgan_ext.interpreter.training_options import TrainingOptions, options_from
from datasetgan_ext.interpreter.training_set import TrainingSet, labeled_pixels
from datasetgan_ext.interpreter.uncertainty import majority_vote

SMALL = {'models': 3, 'lr': 2e-3, 'max_steps': 1200}
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8)
TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2)
BINS = 15
"""Of confidence, for the ECE."""
SEEDS = range(3)
TRAINED_ON, MORE, UNLABELED = range(16), range(3000, 3100), range(5000, 5032)
FOLDS, SCORED_OF_MORE = 4, 25
PSEUDO_PIXELS = 1024
NEIGHBORS, NEIGHBOR_STEP = 3, 0.1
"""How many of each image, and how far: in standard deviations of w in each channel."""
CONVOLUTION_STEPS, CONVOLUTION_LR, CONVOLUTION_IMAGES = 300, 1e-3, 4


@dataclass
class Convolved:
    """An ensemble that ends in a convolution.

    Attributes:
        hidden: gives the second hidden layer.
        weight: float32 [M * K, h2, 3, 3].
        biases: float32 [M, K], in a list as an ensemble's.
    """

    hidden: Ensemble
    weight: torch.Tensor
    biases: list[torch.Tensor]


Train = Callable[['Trials', PixelSet, TrainingOptions], Ensemble | Convolved]


def plain(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
    return train_ensemble(pixels, trials.classes, 0, options, progress=False)[0]


def with_batches(draw: Callable[[_Trainer], Iterator[torch.Tensor]]) -> Train:
    """Members whose batches are drawn in another way."""

    def train(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
        with mock.patch.object(_Trainer, '_batches', draw):
            return plain(trials, pixels, options)

    return train


def with_losses(losses: Callable[[_Trainer, torch.Tensor], torch.Tensor]) -> Train:
    """Members that learn by another loss."""

    def train(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
        with mock.patch.object(_Trainer, '_member_losses', losses):
            return plain(trials, pixels, options)

    return train


def with_options(**changes) -> Train:
    def train(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
        return plain(trials, pixels, replace(options, **changes))

    return train


def bootstrapped(self: _Trainer) -> Iterator[torch.Tensor]:
    """Each member sees its own draw of the images, with repetition."""
    images = self.pixels.images[self.training]
    parts = [self.training[images == image] for image in images.unique()]
    pools = [
        torch.cat([parts[index] for index in torch.randint(0, len(parts), (len(parts),)).tolist()])
        for _ in range(self.options.models)
    ]
    while True:
        yield torch.stack([pool[torch.randint(0, len(pool), (self.batch,))] for pool in pools])


def soft_losses(self: _Trainer, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy [M] of logits [M, B, K] with smoothed targets [M, B, K]."""
    smooth = self.options.label_smoothing
    targets = targets * (1 - smooth) + smooth / self.classes
    return -(targets * outputs.log_softmax(dim=2)).sum(dim=2).mean(dim=1)


def noisy(share: float) -> Train:
    """Noise of a share of each channel's deviation on the hypercolumns."""

    def losses(self: _Trainer, chosen: torch.Tensor) -> torch.Tensor:
        self.ensemble.train()
        values = self.pixels.batch(chosen)
        values = values + share * self.ensemble.input_std * torch.randn_like(values)
        return soft_losses(self, self.ensemble(values), F.one_hot(self.pixels.classes[chosen], self.classes).float())

    return with_losses(losses)


def mixed(alpha: float) -> Train:
    """Pairs of pixels mixed, and their labels (Zhang et al. 2018, arXiv 1710.09412)."""

    def losses(self: _Trainer, chosen: torch.Tensor) -> torch.Tensor:
        self.ensemble.train()
        values = self.pixels.batch(chosen)
        targets = F.one_hot(self.pixels.classes[chosen], self.classes).float()
        share = torch.distributions.Beta(alpha, alpha).sample((len(chosen), 1, 1)).to(values)
        other = torch.randperm(chosen.shape[1])
        values, targets = (share * part + (1 - share) * part[:, other] for part in (values, targets))
        return soft_losses(self, self.ensemble(values), targets)

    return with_losses(losses)


def distilled(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
    """A second ensemble, half of whose batches are pixels of unlabelled images with the mean of the first one's
    probabilities."""
    unlabeled, targets = trials.pseudo(plain(trials, pixels, options), options)
    count = len(pixels)
    smooth = options.label_smoothing
    hard = F.one_hot(pixels.classes, trials.classes) * (1 - smooth) + smooth / trials.classes
    targets = torch.cat([hard, targets])

    def batches(self: _Trainer) -> Iterator[torch.Tensor]:
        parts = [self.training[self.training < count], self.training[self.training >= count]]
        size = (self.options.models, self.batch // 2)
        while True:
            yield torch.cat([part[torch.randint(0, len(part), size)] for part in parts], dim=1)

    def losses(self: _Trainer, chosen: torch.Tensor) -> torch.Tensor:
        self.ensemble.train()
        outputs = self.ensemble(self.pixels.batch(chosen))
        return -(targets[chosen] * outputs.log_softmax(dim=2)).sum(dim=2).mean(dim=1)

    with (
        mock.patch.object(_Trainer, '_batches', batches),
        mock.patch.object(_Trainer, '_member_losses', losses),
    ):
        return plain(trials, PixelSet.concatenated([pixels, unlabeled]), options)


def with_neighbors(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
    """A second ensemble, which learns from neighbours in W of the labelled images, too: a small step leaves a mask
    nearly as it is, and where the first ensemble finds the labelled class there, its pixels are taken."""
    fused = trials.fused(plain(trials, pixels, options))
    parts, sampling = [pixels], trials.samples.options
    deviation = torch.cat([trials.generator.ws([seed], sampling)[:, 0] for seed in trials.seeds]).std(dim=0)
    for index in pixels.images.unique().tolist():
        rng = np.random.RandomState([options.seed, trials.seeds[index]])
        mask = trials.pairs[index][1].mask
        center = trials.generator.ws([trials.seeds[index]], sampling)
        for _ in range(NEIGHBORS):
            step = torch.from_numpy(rng.randn(1, 1, center.shape[2]).astype(np.float32)).to(center)
            moved = center + NEIGHBOR_STEP * deviation * step
            found = trials.generator.synthesize([0], sampling, lambda _, ws=moved: ws).features
            agreed = np.where(fused(found).masks[0].cpu().numpy() == mask, mask, IGNORE).astype(np.uint8)
            chosen = choose_pixels(agreed, PSEUDO_PIXELS, options.balance, rng)
            part = trials.labeled([maps[0] for maps in found], agreed, chosen)
            part.images[:] = index
            parts.append(part)
    return plain(trials, PixelSet.concatenated(parts), options)


def constrained(constraint: Callable[[Trials, TrainingOptions, int], Callable[[Ensemble], None]]) -> Train:
    """Members whose weights are brought back to what a constraint demands before each step.

    Args:
        constraint: takes the trials, the options and the number of channels, and returns what changes an ensemble.
    """

    def train(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
        change = constraint(trials, options, pixels.hypercolumns.shape[1])
        losses_of = _Trainer._member_losses

        def losses(self: _Trainer, chosen: torch.Tensor) -> torch.Tensor:
            change(self.ensemble)
            return losses_of(self, chosen)

        ensemble = with_losses(losses)(trials, pixels, options)
        change(ensemble)
        return ensemble

    return train


def simplex_at_the_end(trials: Trials, options: TrainingOptions, _channels: int) -> Callable[[Ensemble], None]:
    """The last layer's weights are unit vectors, all as far apart as they can be: an equiangular tight frame (Papyan
    et al. 2020, arXiv 2008.08186)."""
    generator, count = torch.Generator().manual_seed(options.seed), trials.classes
    basis = torch.linalg.qr(torch.randn(options.models, hidden_sizes(count)[1], count, generator=generator))[0]
    frame = (count / (count - 1)) ** 0.5 * (basis @ (torch.eye(count) - 1 / count)).mT
    return lambda ensemble: ensemble.weights[-1].data.copy_(frame)


def half_of_the_channels(_trials: Trials, options: TrainingOptions, channels: int) -> Callable[[Ensemble], None]:
    """Each member sees a random half of the hypercolumn (the random subspaces of Ho, 1998)."""
    generator = torch.Generator().manual_seed(options.seed)
    seen = (torch.rand(options.models, 1, channels, generator=generator) < 0.5).float()
    return lambda ensemble: ensemble.weights[0].data.mul_(seen)


def lovasz_losses(self: _Trainer, chosen: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, and the Lovász extension of 1 - IoU over the classes of the batch (Berman et al., CVPR 2018)."""
    self.ensemble.train()
    outputs = self.ensemble(self.pixels.batch(chosen))
    targets = F.one_hot(self.pixels.classes[chosen], self.classes).float()
    errors = (targets - outputs.softmax(dim=2)).abs()
    ordered, order = errors.sort(dim=1, descending=True)
    hits = targets.gather(1, order)
    counts = hits.sum(dim=1, keepdim=True)
    losses = 1 - (counts - hits.cumsum(dim=1)) / (counts + (1 - hits).cumsum(dim=1))
    steps = torch.cat([losses[:, :1], losses[:, 1:] - losses[:, :-1]], dim=1)
    present = counts[:, 0] > 0
    of_classes = (ordered * steps).sum(dim=1) * present
    return soft_losses(self, outputs, targets) + of_classes.sum(dim=1) / present.sum(dim=1)


def blurred(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Ensemble:
    """Labels that pass into each other at borders, where a person's hand is unsure: one-hot masks blurred by 3x3
    (spatially varying label smoothing, Islam and Glocker 2021, arXiv 2104.05788)."""
    near = torch.exp(-torch.arange(-1, 2).square() / 2)
    kernel = (near[:, None] * near / near.sum().square()).expand(trials.classes, 1, 3, 3)
    parts, targets = [], []
    for index in pixels.images.unique().tolist():
        mask = trials.pairs[index][1].mask
        rng = np.random.RandomState([options.seed, trials.seeds[index]])
        chosen = choose_pixels(mask, options.pixels_per_image, options.balance, rng)
        features = [maps[0] for maps in trials.features(trials.seeds[index])]
        part = trials.labeled(features, mask, chosen)
        part.images[:] = index
        parts.append(part)
        one_hot = F.one_hot(torch.from_numpy(mask.astype(np.int64)), trials.classes).float().permute(2, 0, 1)
        soft = F.conv2d(F.pad(one_hot[None], (1, 1, 1, 1), mode='replicate'), kernel, groups=trials.classes)
        targets.append(soft[0].flatten(1)[:, chosen].T)
    of_pixels = torch.cat(targets)

    def losses(self: _Trainer, chosen: torch.Tensor) -> torch.Tensor:
        self.ensemble.train()
        return soft_losses(self, self.ensemble(self.pixels.batch(chosen)), of_pixels[chosen])

    return with_losses(losses)(trials, PixelSet.concatenated(parts), options)


def convolved(trials: Trials, pixels: PixelSet, options: TrainingOptions) -> Convolved:
    """The last layer becomes a 3x3 convolution, which learns from whole masks while the layers below stay."""
    ensemble = plain(trials, pixels, options)
    hidden = copy.deepcopy(ensemble)
    members, outputs, width = ensemble.weights[-1].shape
    hidden.weights[-1] = torch.nn.Parameter(torch.eye(width).repeat(members, 1, 1), requires_grad=False)
    hidden.biases[-1] = torch.nn.Parameter(torch.zeros(members, width), requires_grad=False)
    weight = F.pad(ensemble.weights[-1].detach().reshape(-1, width, 1, 1), (1, 1, 1, 1)).requires_grad_(True)
    bias = ensemble.biases[-1].detach().clone().requires_grad_(True)
    found = Convolved(hidden, weight, [bias])
    images = pixels.images.unique().tolist()
    maps = {index: trials.hidden_maps(found, trials.features(trials.seeds[index])) for index in images}
    masks = {index: torch.from_numpy(trials.pairs[index][1].mask.astype(np.int64)) for index in images}
    weights = {index: trials.drawing_weights(masks[index], options.balance) for index in images}
    optimizer = torch.optim.Adam([weight, bias], lr=CONVOLUTION_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, CONVOLUTION_STEPS)
    rng = np.random.RandomState(options.seed)
    for _ in range(CONVOLUTION_STEPS):
        drawn = rng.choice(images, CONVOLUTION_IMAGES, replace=False)
        logits = trials.convolve(torch.stack([maps[index] for index in drawn]), found)
        targets = torch.stack([masks[index] for index in drawn])
        losses = F.cross_entropy(
            logits.flatten(0, 1),
            targets.repeat_interleave(members, dim=0),
            ignore_index=IGNORE,
            label_smoothing=options.label_smoothing,
            reduction='none',
        )
        of_pixels = torch.stack([weights[index] for index in drawn]).repeat_interleave(members, dim=0)
        optimizer.zero_grad()
        (losses * of_pixels).sum().div(CONVOLUTION_IMAGES).backward()
        optimizer.step()
        schedule.step()
    return Convolved(hidden, weight.detach(), [bias.detach()])


WAYS: dict[str, Train] = {
    'the default preset': plain,
    'a quarter of the pixels drawn': plain,
    'no label smoothing': with_options(label_smoothing=0.0),
    'taught by itself on 32 unlabelled images': distilled,
    'noise of 0.3 deviations on the features': noisy(0.3),
    'pairs of pixels mixed (Beta 0.3)': mixed(0.3),
    "each member's own draw of the images": with_batches(bootstrapped),
    'three neighbours in W of each labelled image': with_neighbors,
    'last weights on a simplex': constrained(simplex_at_the_end),
    "each member's own half of the channels": constrained(half_of_the_channels),
    'labels blurred at borders': blurred,
    'Lovász loss beside cross-entropy': with_losses(lovasz_losses),
    'a 3x3 convolution at the end': convolved,
}
PIXELS = {'a quarter of the pixels drawn': 1024}


class Trials:
    """The demo's images, with one training set for each seed."""

    def __init__(self, folder: Path):
        self.generator = load_generator(DEMO)
        task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
        self.classes = len(task.classes)
        options = SampleSet.read(DEMO_FOLDER / 'samples').options
        self.samples = generate_samples(self.generator, options, [*TRAINED_ON, *MORE], folder, progress=False)
        masks = [one for part in ('samples', 'more') for one in read_mask_folder(DEMO_FOLDER / part / 'masks', task)]
        names = {sample.name for sample in self.samples.samples}
        self.pairs = self.samples.pair([mask for mask in masks if mask.name in names], task)
        self.task = task
        self.counts = count_classes([labels.mask for _, labels in self.pairs], self.classes)
        self.seeds = [sample.seed for sample, _ in self.pairs]

    def splits(self, seed: int) -> Iterator[tuple[str, list[int], list[int]]]:
        """Indices into `pairs` of images to train and to score on."""
        order = np.random.RandomState(7).permutation(TRAINED_ON).tolist()
        for fold in range(FOLDS):
            scored = order[fold::FOLDS]
            yield 'cross-validation', [index for index in TRAINED_ON if index not in scored], scored
        drawn = np.random.RandomState(100 + seed).permutation(MORE)[: len(TRAINED_ON) + SCORED_OF_MORE]
        places = [self.seeds.index(one) for one in drawn]
        yield 'more', places[: len(TRAINED_ON)], places[len(TRAINED_ON) :]

    def run(self, way: str) -> dict[str, dict[str, list[list[float]]]]:
        """Of both sets: mIoU for each seed and strength, and ECE for each seed and temperature."""
        scores: dict[str, dict] = {name: {'mean_iou': [], 'ece': []} for name in ('cross-validation', 'more')}
        for seed in SEEDS:
            options = options_from('default', seed=seed, pixels_per_image=PIXELS.get(way), **SMALL)
            training_set = TrainingSet(self.generator, self.samples, self.pairs, self.task, options, progress=False)
            tallies = {name: Tally(self.classes) for name in scores}
            for name, trained, scored in self.splits(seed):
                pixels = training_set.pixels.select(
                    torch.isin(training_set.pixels.images, torch.tensor(trained).to(training_set.pixels.images))
                )
                self.score(WAYS[way](self, pixels, options), pixels, trained, scored, tallies[name])
            for name, tally in tallies.items():
                scores[name]['mean_iou'].append([_mean_iou(confusion) for confusion in tally.confusions])
                scores[name]['ece'].append([_calibration_error(bins) for bins in tally.bins])
        return scores

    def score(
        self, ensemble: Ensemble | Convolved, pixels: PixelSet, trained: list[int], scored: list[int], tally: Tally
    ) -> None:
        """Count the pixels of the scored images, whose mask has a class everywhere."""
        shifts = []
        before = ensemble.biases[-1].detach().clone()
        for strength in STRENGTHS:
            undo_balance(ensemble, pixels.classes, self.counts[trained], strength)
            shifts.append((ensemble.biases[-1] - before)[..., None])
            ensemble.biases[-1].data.copy_(before)
        for index in scored:
            mask = self.pairs[index][1].mask.ravel()
            logits = self.logits(ensemble, self.features(self.seeds[index]))
            for confusion, shift in zip(tally.confusions, shifts):
                found = majority_vote((logits + shift).softmax(dim=1)).cpu().numpy()
                np.add.at(confusion, (mask, found), 1)
            tally.add_confidences(logits, torch.from_numpy(mask).to(logits.device))

    def logits(self, ensemble: Ensemble | Convolved, features: list[torch.Tensor]) -> torch.Tensor:
        """Of all members, float32 [M, K, P]."""
        if isinstance(ensemble, Convolved):
            return self.convolve(self.hidden_maps(ensemble, features)[None], ensemble)[0].flatten(2)
        tiles = self.fused(ensemble).logit_tiles([maps[0] for maps in features])
        return torch.cat([tile.clone() for tile in tiles], dim=2)

    def hidden_maps(self, ensemble: Convolved, features: list[torch.Tensor]) -> torch.Tensor:
        """The second hidden layer of an image, float32 [M, h2, H, W]."""
        flat = self.logits(ensemble.hidden, features)
        return flat.reshape(*flat.shape[:2], *self.samples.image_hw)

    def convolve(self, maps: torch.Tensor, ensemble: Convolved) -> torch.Tensor:
        """Logits [N, M, K, H, W] of second hidden layers [N, M, h2, H, W]; beyond their borders these go on with their
        outermost pixels."""
        members = maps.shape[1]
        joined = F.pad(maps.flatten(1, 2), (1, 1, 1, 1), mode='replicate')
        logits = F.conv2d(joined, ensemble.weight, ensemble.biases[-1].flatten(), groups=members)
        return logits.unflatten(1, (members, -1))

    def drawing_weights(self, mask: torch.Tensor, balance: float) -> torch.Tensor:
        """How likely each pixel is drawn from an image, float32 [H, W], in sum 1: a share is spread evenly over its
        classes, the rest over its pixels."""
        known = mask != IGNORE
        counts = mask[known].bincount(minlength=self.classes).clamp(min=1)
        even = known / counts[mask.clamp(max=self.classes - 1)]
        return balance * even / even.sum() + (1 - balance) * known / known.sum()

    def pseudo(self, ensemble: Ensemble, options: TrainingOptions) -> tuple[PixelSet, torch.Tensor]:
        """Pixels of unlabelled images, and the ensemble's mean probabilities of them, float32 [P, K]."""
        fused, parts, targets = self.fused(ensemble), [], []
        for seed in UNLABELED:
            features = [maps[0] for maps in self.features(seed)]
            logits = torch.cat([tile.clone() for tile in fused.logit_tiles(features)], dim=2)
            probabilities = logits.softmax(dim=1).mean(dim=0)
            mask = probabilities.argmax(dim=0).reshape(self.samples.image_hw).byte().cpu().numpy()
            chosen = choose_pixels(mask, PSEUDO_PIXELS, options.balance, np.random.RandomState([options.seed, seed]))
            parts.append(self.labeled(features, mask, chosen))
            targets.append(probabilities[:, chosen].T)
        return PixelSet.concatenated(parts), torch.cat(targets)

    def labeled(self, features: list[torch.Tensor], mask: np.ndarray, chosen: np.ndarray) -> PixelSet:
        """Chosen pixels of an image, given as one map [C_l, h_l, w_l] for each layer."""
        return labeled_pixels(
            features=features,
            task=self.task,
            mask=mask,
            keypoints=None,
            chosen=chosen,
            sigma=1.5,
            full_hw=self.generator.image_hw,
            crop_hw=None,
            difference_layers=layers_with_differences(self.generator.layers),
        )

    def fused(self, ensemble: Ensemble) -> FusedEnsemble:
        layers = layers_with_differences(self.generator.layers)
        return fuse(ensemble, self.generator, self.samples.options, HeadLayout(self.classes), layers)

    def features(self, seed: int) -> list[torch.Tensor]:
        return self.generator.synthesize([seed], self.samples.options).features


class Tally:
    """Counts of scored pixels.

    Attributes:
        confusions: int64 [S, K, K] for each strength: true class, found class.
        bins: float64 [T, BINS, 3] for each temperature and bin of confidence: pixels, right ones, sum of confidences.
    """

    def __init__(self, classes: int):
        self.confusions = np.zeros((len(STRENGTHS), classes, classes), int)
        self.bins = np.zeros((len(TEMPERATURES), BINS, 3))

    def add_confidences(self, logits: torch.Tensor, mask: torch.Tensor) -> None:
        """Of the mean probabilities of logits [M, K, P], whose true classes are [P]."""
        for bins, temperature in zip(self.bins, TEMPERATURES):
            confidence, found = (logits / temperature).softmax(dim=1).mean(dim=0).max(dim=0)
            places = (confidence * BINS).long().clamp(max=BINS - 1)
            for column, values in enumerate((torch.ones_like(confidence), found == mask, confidence)):
                bins[:, column] += places.bincount(values.double(), minlength=BINS).cpu().numpy()


def _calibration_error(bins: np.ndarray) -> float:
    """Expected calibration error: over the bins, the difference of accuracy and mean confidence, by their pixels."""
    pixels, right, confidence = bins.T
    return float(np.abs(right - confidence).sum() / pixels.sum())


def _mean_iou(confusion: np.ndarray) -> float:
    hit = np.diag(confusion)
    return float((hit / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1) - hit, 1)).mean())


def run_into(path: Path, way: str) -> None:
    """Do a way whose file is not there yet."""
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            scores = Trials(Path(folder) / 'samples').run(way)
        write_atomically(path, json.dumps(scores).encode())
    for name, of_set in json.loads(path.read_text()).items():
        for figure, of_seeds in of_set.items():
            means = ', '.join(f'{100 * mean:.1f}' for mean in np.mean(of_seeds, axis=0))
            print(f'{way}, {name}: {figure} {means} %', flush=True)


@click.command(help=__doc__)
@click.option('--work', type=click.Path(path_type=Path), default='out/trials', show_default=True, help='Scores')
@click.option('--processes', type=int, help='At a time  [default: as many as there are cores]')
@click.option('--train/--no-train', default=True, help='Or only write what is there')
def main(work, processes, train):
    paths = {way: work / f'{index}.json' for index, way in enumerate(WAYS)}
    check_parts(work, 'interpreter_trials')
    if train:
        with one_thread_each(processes) as pool:
            for _ in pool.map(run_into, paths.values(), paths):
                pass
    ways = {way: json.loads(path.read_text()) for way, path in paths.items() if path.exists()}
    content = {'strengths': STRENGTHS, 'temperatures': TEMPERATURES, 'seeds': list(SEEDS), 'ways': ways}
    write_result('interpreter_trials', content, complete=len(ways) == len(WAYS))


if __name__ == '__main__':
    main()
