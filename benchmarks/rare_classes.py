"""More of a rare class: what `generate --more-of` makes, against as many plain images.

No class of the demo is rare. So an interpreter learns four that are, from the labels of `demo/more`: a part of the car,
in that twentieth of the images in which it is largest or smallest. The last row is of the demo's own interpreter and
its smallest class. Realism is the sliced Wasserstein distance of demo_generator.py to drawings, of all images of a set.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

from benchmarks.demo.rebuild import FIRST_HELD_OUT, RESOLUTION
from benchmarks.demo.world import draw
from benchmarks.demo_generator import sliced_wasserstein
from benchmarks.measure import one_thread_each, write_result
from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generation.rare_classes import find_directions
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.directions import Direction, direction_of
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet

LABELED, PIXELS = range(3000, 3200), 512
SCORED, OTHERS = range(70_000, 70_400), range(80_000, 80_400)
RARE = {
    'large roof': ('roof', 1),
    'small window': ('window', -1),
    'large door': ('door', 1),
    'large light': ('light', 1),
}
"""Of each class: the demo's class of which it is a part, and whether in the largest (1) or the smallest (-1)."""
RARE_SHARE = 0.05
SMALLEST = 'handle'
SHARE = 0.4
SHOWN = 20
"""Pixels from which an image counts as one that shows a class."""
KEPT = 0.9
AT_ONCE = 50
"""Images that a process labels before it gives them back."""


def learn(path: Path) -> None:
    """Train and save an interpreter of the classes in `RARE`, the parts that these are taken from, and the rest."""
    generator = load_generator(DEMO, 'cpu')
    demo = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    labels = read_mask_folder(DEMO_FOLDER / 'more' / 'masks', demo)
    task = Task.from_names(['background', 'car', *(name for rare, (part, _) in RARE.items() for name in (part, rare))])
    masks = [(label.mask > 0).astype(np.uint8) for label in labels]
    for rare, (part, sign) in RARE.items():
        parts = [label.mask == demo.classes.index(part) for label in labels]
        sizes = sign * np.array([one.sum() for one in parts])
        cut = np.quantile(sizes, 1 - RARE_SHARE)
        for mask, one, size in zip(masks, parts, sizes):
            mask[one] = task.classes.index(rare if size >= cut else part)
    with tempfile.TemporaryDirectory() as folder:
        samples = generate_samples(
            generator, SamplingOptions(trunc=0.7), LABELED, Path(folder) / 'samples', progress=False
        )
        annotations = [Annotation(label.name, mask, label.source) for label, mask in zip(labels, masks)]
        pairs = samples.pair(annotations, task)
        options = options_from('default', pixels_per_image=PIXELS)
        training_set = TrainingSet(generator, samples, pairs, task, options, progress=False)
        train_interpreter(training_set, progress=False).save(path)


@dataclass(frozen=True)
class Seen:
    """An image as labelled; `pixels` is the number that each class id has."""

    seed: int
    image: np.ndarray
    pixels: np.ndarray
    uncertainty: float


def look(interpreter: str, seeds: Sequence[int], directions: tuple[Direction, ...] = ()) -> list[Seen]:
    """Images with their labels, by an interpreter's file."""
    labeler = Labeler(load_generator(DEMO, 'cpu'), load_interpreter(interpreter), directions=directions)
    return [
        Seen(sample.seed, sample.image, np.bincount(sample.mask.reshape(-1), minlength=256), sample.uncertainty)
        for sample in labeler(seeds)
    ]


def find(interpreter: str, shares: dict[str, float]) -> tuple[Direction, ...]:
    """See `find_directions`."""
    labeler = Labeler(load_generator(DEMO, 'cpu'), load_interpreter(interpreter))
    return find_directions(labeler, shares, progress=False)


def realism(drawings: np.ndarray, images: Sequence[np.ndarray]) -> float:
    """Mean over the levels; smaller is better."""
    return float(np.mean(list(sliced_wasserstein(drawings, np.stack(images)).values())))


def figures(images: Sequence[Seen], class_id: int) -> dict[str, float]:
    """How much there is of a class, in all images and in those that are certain enough to be kept."""
    pixels = np.array([one.pixels[class_id] for one in images])
    kept = np.argsort([one.uncertainty for one in images], kind='stable')[: round(KEPT * len(images))]
    return {
        'images': float((pixels >= SHOWN).mean()),
        'pixels': float(pixels.mean() / images[0].pixels.sum()),
        'images_kept': float((pixels[kept] >= SHOWN).mean()),
        'pixels_kept': float(pixels[kept].mean() / images[0].pixels.sum()),
    }


def measure(pool: Executor, interpreter: str, names: Sequence[str], share: float, drawings: np.ndarray) -> dict:
    """Figures of each class: of the plain images, and of the same number with steps towards it."""

    def in_parts(seeds: Sequence[int], *directions: Direction):
        parts = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
        return [pool.submit(look, interpreter, part, directions) for part in parts]

    directions = pool.submit(find, interpreter, dict.fromkeys(names, share / len(names)))
    of_plain = in_parts(SCORED)
    found = [replace(direction, share=share) for direction in directions.result()]
    of_classes = {one: in_parts([seed for seed in SCORED if direction_of(seed, [one])], one) for one in found}
    plain = {one.seed: one for part in of_plain for one in part.result()}
    classes = load_interpreter(interpreter).task.classes
    rows, distances = {}, {}
    for direction, parts in of_classes.items():
        stepping = {one.seed: one for part in parts for one in part.result()}
        images = list({**plain, **stepping}.values())
        class_id = classes.index(direction.name)
        rows[direction.name] = {
            'scanned': direction.scanned,
            'stepping': len(stepping) / len(images),
            'plain': figures(list(plain.values()), class_id),
            'more': figures(images, class_id),
        }
        distances[direction.name] = pool.submit(realism, drawings, [one.image for one in images])
    for name, distance in distances.items():
        rows[name]['sliced_wasserstein_1e3'] = distance.result()
        print(name, rows[name], flush=True)
    return rows


@click.command(help=__doc__)
@click.option('--share', type=float, default=SHARE, show_default=True, help='Of the images that take a step')
@click.option('--processes', type=int, help='At a time  [default: as many as there are cores]')
def main(share, processes):
    generator = load_generator(DEMO, 'cpu')
    options = load_interpreter(DEMO).options
    drawings = np.stack([draw(FIRST_HELD_OUT + index, RESOLUTION).image for index in range(len(SCORED))])
    with one_thread_each(processes) as pool, tempfile.TemporaryDirectory() as folder:
        distances = {
            name: pool.submit(
                realism, drawings, [generator.synthesize([seed], options).images[0].numpy() for seed in seeds]
            )
            for name, seeds in (('plain', SCORED), ('other plain', OTHERS))
        }
        learned = Path(folder) / 'interpreter.safetensors'
        pool.submit(learn, learned).result()
        rows = measure(pool, str(learned), list(RARE), share, drawings) | measure(
            pool, DEMO, [SMALLEST], share, drawings
        )
        distances = {name: distance.result() for name, distance in distances.items()}
    print(distances)
    write_result(
        'rare_classes',
        {'images': len(SCORED), 'share': share, 'classes': rows, 'plain_sliced_wasserstein_1e3': distances},
    )


if __name__ == '__main__':
    main()
