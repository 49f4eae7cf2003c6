"""mIoU on the demo's 24 held-out samples by the number of labelled images, for both presets.

Each training seed has its own order of the 16 training samples, of which the first are labelled; for more, images of
`demo/more` are added. All 16 are what demo_accuracy.py trains on, whose result is taken. Each training is kept in
--work as soon as it is done, and the same command goes on with the others; results/few_labels.json is written from
those that are there, with how many they are.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

from benchmarks.demo_accuracy import SCORED_ON, TRAINED_ON
from benchmarks.measure import RESULTS, ROOT, check_parts, import_pyplot, mean_and_std, one_thread_each, write_result
from datasetgan_ext import Labeler, load_generator
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import PRESETS, options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.metrics.segmentation import SegmentationScore

COUNTS = (1, 2, 4, 8, 16, 32)
SEEDS = range(3)
MORE = range(3000, 3200)


def labeled_seeds(count: int, seed: int) -> list[int]:
    """Seeds of the images that are labelled: those of a smaller count are among those of a larger one."""
    rng = np.random.RandomState(seed)
    return [*rng.permutation(TRAINED_ON).tolist(), *rng.permutation(MORE).tolist()][:count]


def score(preset: str, count: int, seed: int) -> float:
    """mIoU after so many labelled images. The reference preset runs without its label clean-up, as in
    demo_accuracy.py."""
    generator = load_generator(DEMO)
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    heldout = SampleSet.read(DEMO_FOLDER / 'samples')
    truth = {
        mask.name: mask for part in ('samples', 'more') for mask in read_mask_folder(DEMO_FOLDER / part / 'masks', task)
    }
    options = options_from(preset, seed=seed, min_class_pixels=0)
    with tempfile.TemporaryDirectory() as folder:
        labeled = generate_samples(
            generator, heldout.options, labeled_seeds(count, seed), Path(folder) / 'samples', progress=False
        )
        pairs = labeled.pair([truth[sample.name] for sample in labeled.samples], task)
        interpreter = train_interpreter(
            TrainingSet(generator, labeled, pairs, task, options, progress=False), progress=False
        )
    scored = SegmentationScore(len(task.classes))
    for sample, (_, annotation) in zip(
        Labeler(generator, interpreter)(SCORED_ON),
        heldout.pair([truth[one.name] for one in heldout.samples], task, list(SCORED_ON)),
    ):
        scored.add(annotation.mask, sample.mask)
    return scored.mean_iou


def score_into(work: Path, preset: str, count: int, seed: int) -> None:
    """Do a training whose file is not there yet."""
    path = work / f'{preset}-{count}-{seed}.json'
    if not path.exists():
        write_atomically(path, json.dumps(score(preset, count, seed)).encode())
    print(f'{preset}, {count} labelled, seed {seed}: mIoU {100 * json.loads(path.read_text()):.2f} %', flush=True)


def summary(work: Path) -> dict:
    """Of each preset and count, the scores that are there."""
    presets = {}
    for preset in PRESETS:
        presets[preset] = []
        for count in COUNTS:
            if count == len(TRAINED_ON):
                known = json.loads((RESULTS / 'demo_accuracy.json').read_text())
                row = {key: known['presets'][preset][key] for key in ('mean_iou', 'std')}
                presets[preset].append({'labelled': count, **row, 'runs': len(known['seeds'])})
                continue
            paths = [work / f'{preset}-{count}-{seed}.json' for seed in SEEDS]
            scores = [json.loads(path.read_text()) for path in paths if path.exists()]
            if scores:
                found = mean_and_std(scores)
                presets[preset].append(
                    {'labelled': count, 'mean_iou': found['mean'], 'std': found['std'], 'runs': len(scores)}
                )
    return presets


def plot(presets: dict, path: Path) -> None:
    """The curves of both presets."""
    pyplot = import_pyplot()
    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout='constrained')
    for (preset, rows), color in zip(presets.items(), ('#0b5cad', '#d1661c')):
        counts, scores = ([row[key] for row in rows] for key in ('labelled', 'mean_iou'))
        spread = [row['std'] or 0 for row in rows]
        axes.errorbar(counts, 100 * np.array(scores), 100 * np.array(spread), color=color, marker='o', label=preset)
    axes.set_xscale('log', base=2)
    axes.set_xticks(COUNTS, [str(count) for count in COUNTS])
    axes.set(xlabel='labelled images', ylabel='mIoU on 24 other images, %')
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(loc='lower right', frameon=False)
    figure.savefig(path, dpi=110)


@click.command(help=__doc__)
@click.option('--work', type=click.Path(path_type=Path), default='out/few-labels', show_default=True, help='Scores')
@click.option('--processes', type=int, help='At a time  [default: as many as there are cores]')
@click.option('--train/--no-train', default=True, help='Or only write what is there')
def main(work, processes, train):
    check_parts(work, 'few_labels')
    if train:
        jobs = [
            (work, preset, count, seed)
            for seed in SEEDS
            for count in COUNTS
            if count != len(TRAINED_ON)
            for preset in PRESETS
        ]
        with one_thread_each(processes) as pool:
            for _ in pool.map(score_into, *zip(*jobs)):
                pass
    presets = summary(work)
    rows = [row for rows in presets.values() for row in rows]
    whole = len(rows) == len(COUNTS) * len(PRESETS) and all(row['runs'] == len(SEEDS) for row in rows)
    write_result('few_labels', {'scored_on': list(SCORED_ON), 'presets': presets}, complete=whole)
    plot(presets, ROOT / 'docs' / 'few-labels.png')


if __name__ == '__main__':
    main()
