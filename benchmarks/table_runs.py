"""The rows of the paper's tables in miniature: what each trains on, the search, training and scoring."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.measure import mean_and_std
from datasetgan_ext import train_downstream, train_semi_supervised
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.fitting import PARTIAL_SUFFIX, checkpoints_of
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.networks import SMALL
from datasetgan_ext.downstream.protocol import score_by_folds, scores_of
from datasetgan_ext.downstream.semi_supervised import self_trained_share
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.metrics.folds import Score

CHECKPOINTS = 5
SHARE_BESIDE = 0.3


@dataclass(frozen=True)
class Row:
    """A method: what it trains on, by the names of the sources below.

    Attributes:
        title: in the table.
        data: source of its labelled images.
        num: how many of them it takes, from the first; None = all.
        unlabelled: source of unlabelled images; with them it is semi-supervised.
        share: of `Settings.images` that it takes, in place of `num`.
        beside: source of further labelled images, which are SHARE_BESIDE of each batch.
        pretrained: what it begins with, as in the paper: 'coco' or 'imagenet', in whose place the small network has the
            shapes; or 'none', for random weights.
    """

    title: str
    data: str
    num: int | None = None
    unlabeled: str | None = None
    share: float = 1
    beside: str | None = None
    pretrained: str = 'coco'

    def name(self) -> str:
        """Of its files: equal where two tables train the same."""
        parts = (self.data, self.num, self.unlabeled, self.share, self.beside, self.pretrained)
        return re.sub(r'[^a-z0-9.]+', '-', ' '.join(str(part) for part in parts).lower())


@dataclass(frozen=True)
class Settings:
    """
    Attributes:
        images: generated ones.
        real: images of the real training set.
        test: of the real test set.
        shapes: pictures of other things to pretrain on.
        steps: updates of every method.
        runs: trainings of each, with other seeds.
        architecture: of all downstream networks.
        rates: Adam's learning rates at the start, over which every method is searched.
        augment: whether images are changed at random, for every method.
        size: HxW at which networks see the images; None = as they are. Scored is at the images' own size.
    """

    images: int = 10_000
    real: int = 2000
    test: int = 200
    shapes: int = 2000
    steps: int = 4000
    runs: int = 3
    architecture: str = SMALL
    rates: tuple[float, ...] = (1e-2, 3e-3)
    augment: bool = True
    size: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a table's networks are, and what they learn.

    Attributes:
        work: folder of data and networks.
        settings: of the table.
        kind: 'classes' or 'keypoints'.
        sources: folder of each kind of images.
    """

    work: Path
    settings: Settings
    kind: str
    sources: dict[str, Path]

    def out(self, row: Row, run: int, rate: float) -> Path:
        return self.work / self.kind / f'{row.name()}-{run}-{rate:g}.safetensors'

    def pretrained(self, run: int) -> Path:
        return self.work / f'pretrained-{run}.safetensors'


def run_rows(place: Place, rows: Sequence[Row], rates: Sequence[float], run: Callable) -> dict:
    """Train and score.

    Args:
        place: where.
        rows: the methods.
        rates: the grid, the same for all.
        run: like `map`; a pool's, for many at once.

    Returns:
        What pretraining cost, and the figures of each row by its title, as JSON.
    """
    seeds = range(place.settings.runs)
    pretraining = sum(run(partial(_pretrain, place), seeds)) if place.settings.architecture == SMALL else 0
    # the longest first, so that none is left alone at the end
    tasks = sorted(product(rows, seeds, rates), key=lambda task: task[0].unlabeled is None)
    seconds = list(run(partial(_train, place), *zip(*tasks)))
    pairs = list(product(rows, seeds))
    scores = list(run(partial(_score, place, rates), *zip(*pairs)))
    found = {}
    for row in rows:
        runs = [score for (other, _), score in zip(pairs, scores) if other is row]
        times = [time for (other, _, _), time in zip(tasks, seconds) if other is row]
        shares = [score['self_trained_share'] for score in runs]
        found[row.title] = {
            'runs': [score['mean'] for score in runs],
            **_summary([score['mean'] for score in runs]),
            'chosen': dict(sum((Counter(score['chosen']) for score in runs), Counter())),
            'chosen_updates': float(np.mean([score['chosen_updates'] for score in runs])),
            'cost': {
                'trainings': len(times),
                'updates': len(times) * place.settings.steps,
                'seconds': round(sum(times), 1),
            },
        }
        if row.unlabeled:
            found[row.title]['self_trained_share'] = float(np.mean(shares))
    return {
        'pretraining': {'trainings': len(seeds), 'seconds': round(pretraining, 1)} if pretraining else None,
        'rows': found,
    }


def _pretrain(place: Place, run: int) -> float:
    """Train a network on the shapes, and tell how many seconds it took."""
    trained = place.work / f'shapes-{run}.safetensors'
    arguments = _arguments(place, place.settings.rates[0], run, trained)
    data = [f'--data={place.sources["shapes"]}', '--only=classes']
    seconds = _timed(train_downstream, [*arguments, *data], trained)
    if not place.pretrained(run).exists():
        model = DownstreamModel.load(trained, 'cpu')
        shorten(model.network)
        model.save(place.pretrained(run))
    return seconds


@torch.no_grad()
def shorten(network: nn.Module) -> None:
    """Give convolutions before a batch normalization the length that random ones have.

    The network computes the same, as the normalization takes the length out. But Adam's steps are as long for short
    weights as for long ones, and training makes weights long: at the same rate, networks of 600 updates would go on
    learning two to six times as slowly as random ones learn.
    """
    for block in network.modules():
        if not isinstance(block, nn.Sequential):
            continue
        for convolution, normalization in pairwise(block):
            if isinstance(convolution, nn.Conv2d) and isinstance(normalization, nn.BatchNorm2d):
                random = nn.Conv2d(
                    convolution.in_channels, convolution.out_channels, convolution.kernel_size, bias=False
                )
                factor = random.weight.norm() / convolution.weight.norm()
                convolution.weight *= factor
                normalization.running_mean *= factor
                normalization.running_var *= factor**2


def _train(place: Place, row: Row, run: int, rate: float) -> float:
    """Train a method at a rate, and tell how many seconds it took."""
    out = place.out(row, run, rate)
    command = train_semi_supervised if row.unlabeled else train_downstream
    extra = [] if row.unlabeled else [f'--only={place.kind}']
    return _timed(command, [*train_arguments(place, row, run, rate), *extra], out)


def _timed(command, arguments: list[str], out: Path) -> float:
    """Run a training that is not there already; the seconds that it took, also when it was there."""
    seconds = out.with_suffix('.seconds')
    if not out.exists() or out.with_name(out.name + PARTIAL_SUFFIX).exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        command.main(arguments, standalone_mode=False)
        write_atomically(seconds, f'{time.perf_counter() - start:.2f}'.encode())
    return float(seconds.read_text())


def _score(place: Place, rates: Sequence[float], row: Row, run: int) -> dict:
    """Score a method's networks on the test set; what is there already is not done again."""
    first = place.out(row, run, rates[0])
    scores = first.with_name(f'{first.stem}-of-{len(rates)}.json')
    if not scores.exists():
        test = read_labeled(place.sources['test'], _task(place.sources))
        test = test.only(place.kind == 'classes', place.kind == 'keypoints')
        rate_of = {path: rate for rate in rates for path in checkpoints_of(place.out(row, run, rate))}
        result = score_by_folds(list(rate_of), test)
        chosen = [next(path for path in rate_of if path.name == fold['chosen']) for fold in result['folds']]
        training = [DownstreamModel.load(path, 'cpu').training for path in chosen]
        shares = [self_trained_share(record) for record in training]
        content = {
            'mean': result['mean'],
            'chosen': Counter(f'{rate_of[path]:g}' for path in chosen),
            'chosen_updates': float(np.mean([record['step'] for record in training])),
            'self_trained_share': None if None in shares else float(np.mean(shares)),
        }
        write_atomically(scores, json.dumps(content).encode())
    return json.loads(scores.read_text())


def run_curves(place: Place, rows: Sequence[Row], rate: float, run: Callable) -> dict:
    """How good each method's networks are after fewer updates, on all images of the test set.

    Args:
        place, rows: as `run_rows` trained them.
        rate: the one of the search that is shown.
        run: like `map`.

    Returns:
        For each method's title, mean and standard deviation of mIoU over the runs by the number of updates, as JSON.
    """
    pairs = list(product(rows, range(place.settings.runs)))
    curves = list(run(partial(_curve, place, rate), *zip(*pairs)))
    found = {}
    for row in rows:
        runs = [curve for (other, _), curve in zip(pairs, curves) if other is row]
        found[row.title] = _summary(runs)
    return found


def _curve(place: Place, rate: float, row: Row, run: int) -> dict[str, float]:
    """mIoU of a training's checkpoints by their updates; what is there already is not done again."""
    out = place.out(row, run, rate)
    path = out.with_name(f'{out.stem}-curve.json')
    if not path.exists():
        test = read_labeled(place.sources['test'], _task(place.sources)).only(classes=True, keypoints=False)
        curve = {}
        for checkpoint in checkpoints_of(out):
            score = Score.merged(scores_of(checkpoint, test).values()).segmentation
            curve[str(int(checkpoint.stem.rpartition('-step')[2]))] = score.mean_iou
        write_atomically(path, json.dumps(curve).encode())
    return json.loads(path.read_text())


def train_arguments(place: Place, row: Row, run: int, rate: float) -> list[str]:
    """The command line of a row, the same for all but for the data."""
    sources, settings = place.sources, place.settings
    arguments = [f'--data={sources[row.data]}', *_arguments(place, rate, run, place.out(row, run, rate))]
    shapes = settings.architecture == SMALL and row.pretrained != 'none'
    arguments.append(f'--pretrained={place.pretrained(run) if shapes else row.pretrained}')
    if row.data == 'labelled' and sources['labelled'] == DEMO_FOLDER / 'samples':
        arguments.append(f'--classes={DEMO_FOLDER / "task.json"}')
    if num := row.num or (round(row.share * settings.images) if row.share < 1 else None):
        arguments.append(f'--num={num}')
    if row.beside:
        arguments.append(f'--data={sources[row.beside]}:{SHARE_BESIDE}')
    if row.unlabeled:
        arguments.append(f'--unlabeled={sources[row.unlabeled]}')
    return arguments


def _arguments(place: Place, rate: float, run: int, out: Path) -> list[str]:
    settings = place.settings
    arguments = [
        f'--out={out}',
        f'--architecture={settings.architecture}',
        f'--lr={rate}',
        f'--steps={settings.steps}',
        f'--every={max(1, settings.steps // CHECKPOINTS)}',
        '--augment' if settings.augment else '--no-augment',
        '--val=0',
        '--keep-checkpoints',
        f'--seed={run}',
    ]
    return [*arguments, f'--size={settings.size}'] if settings.size else arguments


def _task(sources: dict[str, Path]) -> Task | None:
    """The test set's task where it does not say it itself."""
    generated = sources['generated'] / 'dataset.json'
    return Task.read(generated) if generated.is_file() else None


def _summary(runs: list[dict]) -> dict:
    """Mean and standard deviation over the runs of each figure."""
    found = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        if isinstance(values[0], dict):
            found[name] = _summary(values)
        else:
            found[name] = {'mean': None, 'std': None} if None in values else mean_and_std(values)
    return found
