"""mIoU against the minutes that a person labels, by a robot with the demo's true labels and published times.

It draws polygons from nothing, works on the page as it was at commit 2babd44, and on the page of now: once with
suggestions renewed after each stroke, once between images alone (the page's key A). Writes results/labelling.json and
docs/labelling-minutes.png; `--ways=now --seeds=0 --images=4` does a part and writes nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

from benchmarks.measure import RESULTS, ROOT, import_pyplot, one_thread_each, write_result
from benchmarks.robot import costs
from benchmarks.robot.costs import KINDS, Clock
from benchmarks.robot.helpers import Anew, Live
from benchmarks.robot.pages import Between, OnKey, Page, Renewed
from benchmarks.robot.person import Person
from datasetgan_ext import load_generator
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.labeling.store import LabelStore, open_store
from datasetgan_ext.metrics.segmentation import SegmentationScore

PICTURE = ROOT / 'docs' / 'labelling-minutes.png'
WAYS = {
    'polygons': 'polygons from nothing',
    'earlier': 'the page at commit 2babd44',
    'now': 'the page now',
    'between': 'the page now, renewed between images alone',
}
IMAGES = {'polygons': 16, 'earlier': 20, 'now': 20, 'between': 20}
"""How many a person labels; the mIoU that 16 give by polygons is to be reached."""
COUNTS = (1, 2, 4, 8, 12, 16, 20)
"""Numbers of labelled images after which an interpreter is trained and scored."""
SEEDS = (0, 1, 2)
POOL, SCORED = range(3000, 3100), range(3100, 3150)
"""Seeds of the demo's images in `more/`; the first ones are labelled, the others scored on."""
TRAINING = options_from('default', models=3, batch=128, lr=3e-3, max_steps=1000)
"""Fewer members and shorter than `datasetgan train`, so that all trainings take minutes: a point of mIoU less."""


@dataclass(frozen=True)
class Point:
    """How far a person is after some images.

    Attributes:
        labelled: images.
        mean_iou: of an interpreter that has learned from them.
        wrong_pixels: share of the labelled images' pixels whose label is wrong.
        unlabeled_pixels: share that has none.
        seconds: that have been spent, by kind.
        operations: how many of each name.
    """

    labelled: int
    mean_iou: float
    wrong_pixels: float
    unlabeled_pixels: float
    seconds: dict[str, float]
    operations: dict[str, int]

    @property
    def minutes(self) -> float:
        return sum(self.seconds.values()) / 60


class World:
    """The demo with its true labels, and images to label."""

    def __init__(self, seed: int, images: int, folder: Path):
        options = SampleSet.read(DEMO_FOLDER / 'samples').options
        drawn = np.random.RandomState(seed).permutation(POOL)[:images].tolist()
        self.task = Task.read(DEMO_FOLDER / 'task.json')
        more = DEMO_FOLDER / 'more'
        self.truth = {one.name: one for one in read_annotations(self.task, more / 'masks', more / 'keypoints.json')}
        self.generator: Generator = load_generator(DEMO)
        self.samples = generate_samples(self.generator, options, drawn, folder / 'samples', progress=False)

    def mean_iou(self, store: LabelStore, seed: int) -> float:
        """Of an interpreter that learns from what is labelled, on the images to score."""
        task = self.task.only(classes=True, keypoints=False)
        pairs = self.samples.pair(store.annotations(), task)
        options = replace(TRAINING, seed=seed)
        training_set = TrainingSet(self.generator, self.samples, pairs, task, options, progress=False)
        fused = train_interpreter(training_set, progress=False).fused_for(self.generator)
        score = SegmentationScore(len(task.classes))
        for scored in SCORED:
            features = self.generator.synthesize([scored], self.samples.options).features
            score.add(self.truth[f'seed{scored:07}'].mask, fused(features).masks[0].numpy())
        return score.mean_iou


def page_of(way: str, world: World, store: LabelStore, clock: Clock) -> Page:
    if way == 'polygons':
        return Page(store, clock)
    if way == 'earlier':
        return OnKey(store, clock, Anew(world.generator, store))
    kind = {'now': Renewed, 'between': Between}[way]
    return kind(store, clock, Live(world.generator, store))


def run(way: str, seed: int, images: int) -> list[Point]:
    """Label images in one way, and score at `COUNTS` and at the end."""
    points = []
    with tempfile.TemporaryDirectory() as folder:
        world = World(seed, images, Path(folder))
        clock = Clock()
        with open_store(world.samples, world.task, Path(folder) / 'labels') as store:
            person = Person(page_of(way, world, store, clock), seed)
            names = [sample.name for sample in world.samples.samples]
            for count, name in enumerate(names, 1):
                person.label(world.truth[name])
                if count not in COUNTS and count != images:
                    continue
                masks = [(store.mask(one), world.truth[one].mask) for one in names[:count]]
                points.append(
                    Point(
                        labelled=count,
                        mean_iou=world.mean_iou(store, seed),
                        wrong_pixels=float(np.mean([(mask != truth) & (mask != 255) for mask, truth in masks])),
                        unlabeled_pixels=float(np.mean([mask == 255 for mask, _ in masks])),
                        seconds=dict(clock.seconds),
                        operations=dict(clock.operations),
                    )
                )
                print(
                    f'{WAYS[way]}, seed {seed}, {count} images: {points[-1].minutes:.1f} min, '
                    f'mIoU {100 * points[-1].mean_iou:.1f} %',
                    flush=True,
                )
    return points


def minutes_to(target: float, curve: list[tuple[float, float]]) -> float | None:
    """Minutes at which an mIoU is reached first, on straight lines between the points (minutes, mIoU); None = never."""
    for (before, low), (after, high) in zip(curve, curve[1:]):
        if low < target <= high:
            return before + (after - before) * (target - low) / (high - low)
    return curve[0][0] if curve[0][1] >= target else None


def summary(runs: dict[str, list[list[Point]]]) -> dict:
    """Means over the seeds: the curve of each way, where its time goes, and its minutes to the target, which is the
    mIoU at the end of the polygons."""
    target = float(np.mean([points[-1].mean_iou for points in runs['polygons']]))
    ways = {}
    for way, seeds in runs.items():
        curve = []
        for points in zip(*seeds):
            row = {'labelled': points[0].labelled}
            for key in ('minutes', 'mean_iou', 'wrong_pixels', 'unlabeled_pixels'):
                values = [getattr(point, key) for point in points]
                row[key] = {'mean': float(np.mean(values)), 'std': float(np.std(values, ddof=1)) if values[1:] else 0.0}
            curve.append(row)
        ends = [points[-1] for points in seeds]
        total = sum(sum(end.seconds.values()) for end in ends)
        ways[way] = {
            'curve': curve,
            'minutes_to_target': minutes_to(target, _mean_curve(curve)),
            'shares': {kind: sum(end.seconds[kind] for end in ends) / total for kind in KINDS},
            'operations_of_an_image': {
                name: sum(end.operations.get(name, 0) for end in ends) / sum(end.labelled for end in ends)
                for name in sorted({name for end in ends for name in end.operations})
            },
        }
    return {'target': target, 'ways': ways}


def _mean_curve(curve: list[dict]) -> list[tuple[float, float]]:
    """Minutes and mIoU, means over the seeds."""
    return [(row['minutes']['mean'], row['mean_iou']['mean']) for row in curve]


def table(result: dict) -> str:
    """The minutes of each way, and where they go, for a page in Markdown."""
    ways = result['ways']
    rows = ['| | ' + ' | '.join(WAYS[way] for way in ways) + ' |', '|---' * (1 + len(ways)) + '|']
    minutes = {way: found['minutes_to_target'] for way, found in ways.items()}
    ends = {way: found['curve'][-1] for way, found in ways.items()}
    rows.append(
        f'| minutes to {100 * result["target"]:.1f} % mIoU | '
        + ' | '.join('not reached' if minutes[way] is None else f'{minutes[way]:.0f}' for way in ways)
        + ' |'
    )
    common = min(end['mean_iou']['mean'] for end in ends.values())
    rows.append(
        f'| minutes to {100 * common:.1f} %, which all reach | '
        + ' | '.join(f'{minutes_to(common, _mean_curve(found["curve"])):.0f}' for found in ways.values())
        + ' |'
    )
    for title, figure in (
        ('minutes an image', lambda end: f'{end["minutes"]["mean"] / end["labelled"]:.1f}'),
        (
            'labelled images, and mIoU after them',
            lambda end: f'{end["labelled"]}, {100 * end["mean_iou"]["mean"]:.1f} %',
        ),
        ('pixels labelled wrongly', lambda end: f'{100 * end["wrong_pixels"]["mean"]:.1f} %'),
    ):
        rows.append(f'| {title} | ' + ' | '.join(figure(ends[way]) for way in ways) + ' |')
    for kind, text in KINDS.items():
        rows.append(
            f'| of the time: {text} | '
            + ' | '.join(f'{100 * found["shares"][kind]:.0f} %' for found in ways.values())
            + ' |'
        )
    return '\n'.join(rows)


def plot(result: dict, path: Path) -> None:
    """The curves, and beside them where the time goes."""
    pyplot = import_pyplot()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.6), layout='constrained', width_ratios=(3, 2))
    for (way, found), color in zip(result['ways'].items(), ('#566173', '#d1661c', '#0b5cad', '#3a9a5b')):
        minutes, scores, spread = (
            np.array([row[key][what] for row in found['curve']])
            for key, what in (('minutes', 'mean'), ('mean_iou', 'mean'), ('mean_iou', 'std'))
        )
        left.plot(minutes, 100 * scores, 'o-', color=color, label=WAYS[way])
        left.fill_between(
            minutes, 100 * (scores - spread), 100 * (scores + spread), color=color, alpha=0.15, linewidth=0
        )
    left.axhline(100 * result['target'], color='#566173', linestyle='--', linewidth=1)
    left.set(xlabel='minutes of labelling', ylabel='mIoU, %', xlim=(0, None))
    left.legend(loc='upper left', bbox_to_anchor=(0, -0.18), frameon=False, fontsize=9)
    left.grid(alpha=0.3)
    ways = list(result['ways'])[::-1]
    start = np.zeros(len(ways))
    for kind, color in zip(KINDS, pyplot.get_cmap('tab10').colors):
        per_image = np.array(
            [
                found['shares'][kind] * found['curve'][-1]['minutes']['mean'] / found['curve'][-1]['labelled']
                for found in (result['ways'][way] for way in ways)
            ]
        )
        right.barh(
            [WAYS[way].replace(' at ', '\nat ').replace(', ', ',\n') for way in ways],
            per_image,
            left=start,
            color=color,
            label=kind,
        )
        start += per_image
    right.set(xlabel='minutes an image')
    right.legend(frameon=False, fontsize=9, ncols=4, loc='upper right', bbox_to_anchor=(1, -0.18))
    for axes in (left, right):
        axes.spines[['top', 'right']].set_visible(False)
    figure.savefig(path, dpi=110)


@click.command()
@click.option('--ways', default=','.join(WAYS), show_default=True, help='What is measured')
@click.option('--seeds', default=','.join(map(str, SEEDS)), show_default=True, help='Of the images and the trainings')
@click.option('--images', type=int, help='How many are labelled, at most')
@click.option('--redraw', is_flag=True, help='Draw the picture of the result that is there, and measure nothing')
def main(ways, seeds, images, redraw):
    if redraw:
        plot(json.loads((RESULTS / 'labelling.json').read_text()), PICTURE)
        return
    ways = ways.split(',')
    seeds = [int(seed) for seed in seeds.split(',')]
    jobs = [(way, seed, min(IMAGES[way], images or IMAGES[way])) for seed in seeds for way in ways[::-1]]
    with one_thread_each() as processes:
        done = list(processes.map(run, *zip(*jobs)))
    runs = {way: [points for (which, *_), points in zip(jobs, done) if which == way] for way in ways}
    if 'polygons' not in runs:
        return
    result = summary(runs)
    print(table(result))
    if images or set(ways) != set(WAYS) or len(seeds) < len(SEEDS):
        return
    names = ('KEY', 'POINT', 'BUTTON', 'THINK', 'SEGMENT', 'CENTIMETER', 'GLANCE', 'CENTIMETERS_OF_A_PIXEL')
    result |= {
        'seeds': seeds,
        'scored': len(SCORED),
        'training': TRAINING.to_json(),
        'seconds_of': {name.lower(): getattr(costs, name) for name in names},
        'runs': {way: [[asdict(point) for point in points] for points in of_way] for way, of_way in runs.items()},
    }
    write_result('labelling', result)
    plot(result, PICTURE)


if __name__ == '__main__':
    main()
