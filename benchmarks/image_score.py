"""What predicts that a generated image's labels are wrong: scores of images against their true mIoU.

    python benchmarks/image_score.py --smoke

An interpreter is trained on 16 samples of the demo, and each score is compared with the true labels of images that no
training saw: on the 16 themselves by cross-validation and on the 200 of `demo/more`, which choose, and on the 24
held-out ones, which do not. Rank correlation with an image's mIoU (-1 is best), and what is gained in points of mIoU
when the images with the highest score are dropped.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch
from scipy.stats import rankdata

from benchmarks.demo.rebuild import MORE
from benchmarks.demo_accuracy import SCORED_ON, TRAINED_ON
from benchmarks.measure import check_parts, one_thread_each, write_result
from datasetgan_ext import load_generator
from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.inference import FusedEnsemble
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.interpreter.uncertainty import (
    divergence_and_entropy,
    foreground_mean,
    majority_vote,
    of_labels,
    of_paper,
    top_tenth,
)
from datasetgan_ext.metrics.segmentation import SegmentationScore

SEEDS = range(3)
FOLDS = 4
DROPPED = (0.05, 0.1, 0.2)
CHOSEN = 'entropy + distance, foreground'


class Maps:
    """What an ensemble says of one image.

    Attributes:
        mask: uint8 [1, H, W], its vote.
        divergence, entropy: float32 [1, H, W], of its members, and of their mean.
        members: uint8 [M, H * W], the members' own classes.
        classes: how many classes there are.
    """

    def __init__(self, fused: FusedEnsemble, features: list[torch.Tensor], classes: int):
        parts = []
        for outputs in fused.logit_tiles([maps[0] for maps in features]):
            probabilities = outputs.softmax(dim=1)
            divergence, entropy = divergence_and_entropy(probabilities)
            members = probabilities.argmax(dim=1).to(torch.uint8)
            parts.append((majority_vote(probabilities).to(torch.uint8), divergence, entropy, members))
        mask, divergence, entropy, self.members = (torch.cat(part, dim=-1) for part in zip(*parts))
        self.mask, self.divergence, self.entropy = (
            one.reshape(1, *fused.out_hw) for one in (mask, divergence, entropy)
        )
        self.classes = classes

    @property
    def one_hot(self) -> torch.Tensor:
        """float32 [M, K, P], which class each member gives each pixel."""
        return torch.nn.functional.one_hot(self.members.long(), self.classes).transpose(1, 2).float()


def mean_of_classes(maps: Maps) -> float:
    """The mean divergence of each class of the foreground, averaged over these classes, so that small parts count."""
    found = [maps.divergence[maps.mask == number].mean() for number in maps.mask.unique() if number]
    return float(torch.stack(found).mean()) if found else float(top_tenth(maps.divergence))


def members_iou(maps: Maps) -> float:
    """1 - the IoU of two members' masks, on the mean over all pairs and all classes that one of the two has."""
    shared = torch.einsum('mkp,nkp->kmn', maps.one_hot, maps.one_hot)
    own = shared.diagonal(dim1=1, dim2=2)
    union = own[:, :, None] + own[:, None] - shared
    pairs = torch.triu_indices(len(maps.members), len(maps.members), 1)
    shared, union = (values[:, pairs[0], pairs[1]] for values in (shared, union))
    of_classes = [(one[other > 0] / other[other > 0]).mean() for one, other in zip(shared, union) if (other > 0).any()]
    return 1 - float(torch.stack(of_classes).mean())


def members_classes(maps: Maps) -> float:
    """How much the members disagree on which classes there are: p (1 - p), summed over the classes."""
    share = (maps.one_hot.sum(dim=2) > 0).float().mean(dim=0)
    return float((share * (1 - share)).sum())


SCORES: dict[str, Callable[[Maps], float]] = {
    "divergence, most uncertain tenth of all pixels (the paper's)": lambda maps: float(
        of_paper(maps.mask, maps.divergence, maps.entropy)
    ),
    'entropy, most uncertain tenth of all pixels': lambda maps: float(top_tenth(maps.entropy)),
    'divergence, foreground': lambda maps: float(foreground_mean(maps.divergence, maps.mask)),
    'divergence, on the mean of the classes': mean_of_classes,
    'distance, foreground': lambda maps: float(foreground_mean(maps.divergence.sqrt(), maps.mask)),
    'entropy, foreground': lambda maps: float(foreground_mean(maps.entropy, maps.mask)),
    CHOSEN: lambda maps: float(of_labels(maps.mask, maps.divergence, maps.entropy)),
    "IoU of the members' masks": members_iou,
    "classes that the members' masks have": members_classes,
}
TRUE = 'the true error'


def measure(
    trained_on: Sequence[int], scored_on: Sequence[int], seed: int, steps: int | None, kept: Path | None
) -> list[tuple]:
    """Of each image: its confusion matrix, and its scores by name; `kept` is where the interpreter is, or will be."""
    generator = load_generator(DEMO, 'cpu')
    samples = SampleSet.read(DEMO_FOLDER / 'samples')
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    annotations = read_mask_folder(DEMO_FOLDER / 'samples' / 'masks', task)
    truth = {one.name: one.mask for one in [*annotations, *read_mask_folder(DEMO_FOLDER / 'more' / 'masks', task)]}
    if kept is not None and kept.is_file():
        interpreter = Interpreter.load(kept)
    else:
        options = options_from('default', seed=seed, max_steps=steps)
        pairs = samples.pair(annotations, task, list(trained_on))
        training_set = TrainingSet(generator, samples, pairs, task, options, progress=False)
        interpreter = train_interpreter(training_set, progress=False)
        if kept is not None:
            interpreter.save(kept)
    assert interpreter.training['seeds'] == list(trained_on) and interpreter.training['seed'] == seed, kept
    fused = interpreter.fused_for(generator)
    found = []
    with torch.inference_mode():
        for number in scored_on:
            maps = Maps(fused, generator.synthesize([number], samples.options).features, len(task.classes))
            score = SegmentationScore(len(task.classes))
            score.add(truth[sample_name(number)], maps.mask[0].numpy())
            found.append((score.confusion, {name: of(maps) for name, of in SCORES.items()}))
    return found


def mean_iou(confusions: Sequence[np.ndarray]) -> float:
    """mIoU of some images together."""
    score = SegmentationScore(len(confusions[0]))
    score.confusion = np.sum(confusions, axis=0)
    return score.mean_iou


def worth(confusions: Sequence[np.ndarray], scores: Sequence[float]) -> dict:
    """What a score is worth on some images: its rank correlation with their mIoU (nan if it is the same for all), and
    the points gained by dropping."""
    own = [mean_iou([confusion]) for confusion in confusions]
    order = np.argsort(scores, kind='stable')
    everything = mean_iou(confusions)
    gains = {}
    for share in DROPPED:
        kept = order[: math.ceil((1 - share) * len(order) - 1e-9)]
        gains[str(share)] = 100 * (mean_iou([confusions[index] for index in kept]) - everything)
    alike = len(set(scores)) == 1
    correlation = math.nan if alike else float(np.corrcoef(rankdata(scores), rankdata(own))[0, 1])
    return {'correlation': correlation, 'gain': gains}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def summary_of(runs: Sequence[list[tuple]]) -> dict:
    """Mean and standard deviation over the training seeds of what each score is worth; None where it is nan for one."""
    rows = {}
    for name in (*SCORES, TRUE):
        found = []
        for run in runs:
            confusions = [confusion for confusion, _ in run]
            values = [scores.get(name, -mean_iou([confusion])) for confusion, scores in run]
            found.append(worth(confusions, values))
        flat = {'correlation': [one['correlation'] for one in found]}
        flat |= {share: [one['gain'][share] for one in found] for share in map(str, DROPPED)}
        rows[name] = {
            key: {'mean': _number(np.mean(values)), 'std': _number(np.std(values, ddof=1)) if len(values) > 1 else None}
            for key, values in flat.items()
        }
    return rows


@click.command(help=__doc__)
@click.option('--smoke', is_flag=True, help='One seed, a few steps and images; writes nothing')
@click.option(
    '--interpreters',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    help='Keep the trained interpreters there, and take those that are there: trying another score takes minutes',
)
def main(smoke, interpreters):
    """Measure, show and write."""
    if interpreters:
        check_parts(interpreters, 'image_score')
    seeds, folds = (SEEDS[:1], range(1)) if smoke else (SEEDS, range(FOLDS))
    more = MORE[:6] if smoke else MORE
    numbers = list(TRAINED_ON)
    jobs = [(TRAINED_ON, [*more, *SCORED_ON], seed, f'seed{seed}') for seed in seeds]
    for seed, fold in itertools.product(seeds, folds):
        left_out = numbers[fold::FOLDS]
        jobs.append((sorted(set(numbers).difference(left_out)), left_out, seed, f'seed{seed}-fold{fold}'))
    trained, scored, used, names = zip(*jobs)
    places = [interpreters and interpreters / f'{name}.safetensors' for name in names]
    with one_thread_each() as pool:
        results = list(pool.map(measure, trained, scored, used, itertools.repeat(20 if smoke else None), places))
    whole, folded = results[: len(seeds)], iter(results[len(seeds) :])
    sets = {
        'cross-validation': [list(itertools.chain.from_iterable(itertools.islice(folded, len(folds)))) for _ in seeds],
        'more': [run[: len(more)] for run in whole],
        'held out': [run[len(more) :] for run in whole],
    }
    rows = {name: summary_of(runs) for name, runs in sets.items()}
    for name, of_set in rows.items():
        print(f'{name}: {len(sets[name][0])} images')
        for score, row in of_set.items():
            gains = ', '.join(f'{row[str(share)]["mean"]:+.2f}' for share in DROPPED)
            correlation = row['correlation']['mean']
            print(f'  {score}: {"the same for all" if correlation is None else f"{correlation:.3f}"}; {gains}')
    if not smoke:
        images = {name: len(runs[0]) for name, runs in sets.items()}
        write_result('image_score', {'seeds': list(seeds), 'images': images, 'chosen': CHOSEN, 'sets': rows})


if __name__ == '__main__':
    main()
