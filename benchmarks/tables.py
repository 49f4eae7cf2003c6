"""The paper's tables in miniature: every method with the same network, updates and augmentation, scored by its folds.

On the demo's world unless folders are given: 16 labelled generated cars; labelled images that generator and interpreter
make; drawings, from which the generator learned, as the real training set; and drawings that nothing has seen as the
real test set, whose labels are true ones.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch

from benchmarks.demo import world
from benchmarks.demo.rebuild import FIRST_HELD_OUT
from benchmarks.measure import RESULTS, one_thread_each, write_result
from datasetgan_ext import gen_dataset, train_downstream, train_semi_supervised
from datasetgan_ext.core.annotation import Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.fitting import PARTIAL_SUFFIX, checkpoints_of
from datasetgan_ext.downstream.labeled_dataset import TASK_FILE, read_labeled
from datasetgan_ext.downstream.protocol import score_by_folds
from datasetgan_ext.formats.coco import flat_keypoints
from datasetgan_ext.formats.png import write_image, write_mask
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER, load_generator
from datasetgan_ext.options import joined, start_logging

FEW = 16
FIRST_GENERATED = 1000
CHECKPOINTS = 5
DISCRIMINATOR_WIDTH = 16
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
    """

    title: str
    data: str
    num: int | None = None
    unlabeled: str | None = None
    share: float = 1
    beside: str | None = None


@dataclass(frozen=True)
class Settings:
    """
    Attributes:
        images: generated ones.
        real: images of the real training set.
        test: of the real test set.
        steps: updates of every method.
        runs: trainings of each, with other seeds.
        architecture: of all downstream networks.
        lr: Adam's learning rate at the start, the highest at which the small network learns well.
        size: HxW at which networks see the images; None = as they are. Scored is at the images' own size.
    """

    images: int = 10_000
    real: int = 2000
    test: int = 200
    steps: int = 4000
    runs: int = 3
    architecture: str = 'small-unet'
    lr: float = 1e-2
    size: str | None = None


PRESETS = {
    'full': Settings(),
    'miniature': Settings(images=1000, real=1000, steps=600, size='64x64'),
    'smoke': Settings(images=6, real=16, test=6, steps=2, runs=1),
}
folder = click.Path(file_okay=False, path_type=Path)
table_options = joined(
    click.option('--smoke', 'preset', flag_value='smoke', help='Everything tiny: whether it runs at all'),
    click.option(
        '--miniature',
        'preset',
        flag_value='miniature',
        help='1000 generated and 1000 real images, 600 steps at 64x64: for two CPU cores',
    ),
    click.option('--images', type=click.IntRange(min=5), help='Generated images  [default: 10000]'),
    click.option('--real', type=click.IntRange(min=FEW), help='Images of the real training set  [default: 2000]'),
    click.option('--steps', type=click.IntRange(min=1), help='Updates of every method  [default: 4000]'),
    click.option('--runs', type=click.IntRange(min=1), help='Trainings with other seeds  [default: 3]'),
    click.option('--architecture', help='Downstream network  [default: small-unet]'),
    click.option(
        '--lr',
        type=click.FloatRange(min=0, min_open=True),
        help='Learning rate of every method  [default: 0.01; larger networks want 0.001]',
    ),
    click.option(
        '--jobs',
        type=click.IntRange(min=1),
        default=os.cpu_count(),
        show_default=True,
        help='Trainings at once, a thread each',
    ),
    click.option(
        '--work',
        type=folder,
        default=Path('out/tables'),
        show_default=True,
        help='Data and networks; the same command goes on with what is there',
    ),
    click.option('--labelled', type=folder, help=f"Images to take the first {FEW} of, in place of the demo's"),
    click.option('--generated', type=folder, help="Dataset of gen_dataset.py, in place of the demo's"),
    click.option('--real-train', type=folder, help='Real training set, in place of drawings'),
    click.option('--real-few', type=folder, help=f'{FEW} labelled images of it, in place of drawings'),
    click.option('--real-test', type=folder, help='Real test set, in place of drawings'),
    click.option(
        '--result',
        type=click.Path(path_type=Path),
        help='JSON to write  [default: in benchmarks/results; with --smoke: in --work]',
    ),
)


def measure(
    name: str, rows: Sequence[Row], kind: str, options: dict, derive: Callable[[Path], dict[str, Path]] | None = None
) -> dict:
    """Run all rows and write the result.

    Args:
        name: of the table.
        rows: its methods.
        kind: 'classes' or 'keypoints'.
        options: of the command line.
        derive: makes further sources from the generated dataset.
    """
    start_logging()
    if options['real_train'] and not options['real_few']:
        raise UserError('--real-train takes --real-few too: a folder with some of its labelled images')
    preset = options['preset'] or 'full'
    settings = replace(
        PRESETS[preset], **{key: options[key] for key in asdict(PRESETS[preset]) if options.get(key) is not None}
    )
    work = options['work'] / preset
    given = {
        'labelled': options['labelled'],
        'generated': options['generated'],
        'train': options['real_train'],
        'few': options['real_few'],
        'test': options['real_test'],
    }
    _check_same(work / 'settings.json', {**asdict(settings), **{kind: str(path) for kind, path in given.items()}})
    sources = _sources(work, settings, given, options['jobs'])
    if derive is not None:
        sources |= derive(sources['generated'])
    tasks = [(row, run) for run in range(settings.runs) for row in rows]
    job = partial(_train_and_score, work=work / name, settings=settings, kind=kind, sources=sources)
    if options['jobs'] == 1:
        results = [job(*task) for task in tasks]
    else:
        with one_thread_each(options['jobs']) as pool:
            results = list(pool.map(job, *zip(*tasks)))
    found = {row.title: [result for (other, _), result in zip(tasks, results) if other is row] for row in rows}
    content = {
        'settings': {**asdict(settings), 'few': FEW, 'checkpoints': CHECKPOINTS},
        'preset': preset,
        'rows': {title: {'runs': runs, **_summary(runs)} for title, runs in found.items()},
    }
    if options['result']:
        write_atomically(options['result'], (json.dumps(content, indent=1) + '\n').encode())
    elif preset == 'smoke':
        write_atomically(work / f'{name}.json', (json.dumps(content, indent=1) + '\n').encode())
    else:
        write_result(name, content)
        print(f'{RESULTS / name}.json')
    return content


def show(value: dict, digits: int = 2, factor: float = 100) -> str:
    """Mean ± standard deviation over the runs."""
    if value['mean'] is None:
        return '–'
    spread = '' if value['std'] is None else f' ± {factor * value["std"]:.{digits}f}'
    return f'{factor * value["mean"]:.{digits}f}{spread}'


def _check_same(path: Path, settings: dict) -> None:
    """Note the settings, or refuse to go on with networks that were trained with others."""
    if path.exists() and json.loads(path.read_text()) != settings:
        raise UserError(f'--work={path.parent.parent}: {path} tells of other settings; give another folder')
    write_atomically(path, json.dumps(settings).encode())


def _sources(work: Path, settings: Settings, given: dict, jobs: int) -> dict[str, Path]:
    """The folder of each kind of images; those that are not given are made."""
    made = {'labelled': DEMO_FOLDER / 'samples'}
    if given['generated'] is None:
        made['generated'] = work / 'generated'
        last = FIRST_GENERATED + settings.images - 1
        if torch.cuda.is_available():
            jobs = torch.cuda.device_count()
        gen_dataset.main(
            [
                f'--network={DEMO}',
                f'--seeds={FIRST_GENERATED}-{last}',
                f'--outdir={made["generated"]}',
                f'--workers={jobs}',
            ],
            standalone_mode=False,
        )
    for kind, first, count in (('train', 0, settings.real), ('few', 0, FEW), ('test', FIRST_HELD_OUT, settings.test)):
        if given[kind] is None:
            made[kind] = write_drawings(work / f'real-{kind}', range(first, first + count))
    return {kind: path or made[kind] for kind, path in given.items()}


def write_drawings(folder: Path, seeds: range) -> Path:
    """Drawings with true labels as a plain labelled folder, if they are not there."""
    if len(list((folder / 'images').glob('*.png'))) == len(seeds) and (folder / TASK_FILE).is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ('images', 'masks'):
        (folder / kind).mkdir(parents=True)
    resolution = load_generator(DEMO, 'cpu').image_hw[0]
    images, annotations = [], []
    for seed in seeds:
        drawing, name = world.draw(seed, resolution), f'drawing{seed:08d}.png'
        write_image(folder / 'images' / name, drawing.image)
        write_mask(folder / 'masks' / name, drawing.mask, [value for color in world.PALETTE for value in color])
        images.append({'id': seed, 'file_name': name, 'height': resolution, 'width': resolution})
        annotations.append(
            {
                'id': seed,
                'image_id': seed,
                'category_id': 1,
                'keypoints': flat_keypoints(Keypoints(drawing.keypoints, drawing.visibility)),
            }
        )
    categories = [{'id': 1, 'name': 'car', 'keypoints': world.KEYPOINTS}]
    write_atomically(
        folder / 'keypoints.json',
        json.dumps({'images': images, 'annotations': annotations, 'categories': categories}).encode(),
    )
    task = {
        'classes': world.CLASSES,
        'palette': world.PALETTE,
        'keypoints': world.KEYPOINTS,
        'left_right_pairs': world.LEFT_RIGHT_PAIRS,
        'skeleton': world.SKELETON,
    }
    write_atomically(folder / TASK_FILE, json.dumps(task).encode())
    return folder


def _train_and_score(row: Row, run: int, work: Path, settings: Settings, kind: str, sources: dict[str, Path]) -> dict:
    """Train a method and score it on the test set; what is there already is not done again."""
    name = re.sub(r'[^a-z0-9]+', '-', row.title.lower()).strip('-')
    out, scores = work / f'{name}-{run}.safetensors', work / f'{name}-{run}.json'
    arguments = train_arguments(row, run, out, settings, sources)
    if not out.exists() or out.with_name(out.name + PARTIAL_SUFFIX).exists():
        command = train_semi_supervised if row.unlabeled else train_downstream
        command.main(arguments + ([] if row.unlabeled else [f'--only={kind}']), standalone_mode=False)
    if not scores.exists():
        test = read_labeled(sources['test'], _task(sources)).only(kind == 'classes', kind == 'keypoints')
        write_atomically(scores, json.dumps(score_by_folds(checkpoints_of(out), test)['mean']).encode())
    return json.loads(scores.read_text())


def train_arguments(row: Row, run: int, out: Path, settings: Settings, sources: dict[str, Path]) -> list[str]:
    """The command line of a row, the same for all but for the data."""
    arguments = [
        f'--data={sources[row.data]}',
        f'--out={out}',
        f'--architecture={settings.architecture}',
        f'--lr={settings.lr}',
        f'--steps={settings.steps}',
        f'--every={max(1, settings.steps // CHECKPOINTS)}',
        '--val=0',
        '--keep-checkpoints',
        f'--seed={run}',
    ]
    if row.data == 'labelled' and sources['labelled'] == DEMO_FOLDER / 'samples':
        arguments.append(f'--classes={DEMO_FOLDER / "task.json"}')
    if settings.size:
        arguments.append(f'--size={settings.size}')
    if num := row.num or (round(row.share * settings.images) if row.share < 1 else None):
        arguments.append(f'--num={num}')
    if row.beside:
        arguments.append(f'--data={sources[row.beside]}:{SHARE_BESIDE}')
    if row.unlabeled:
        arguments += [f'--unlabeled={sources[row.unlabeled]}', f'--discriminator-width={DISCRIMINATOR_WIDTH}']
    return arguments


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
            whole = None not in values
            found[name] = {
                'mean': float(np.mean(values)) if whole else None,
                'std': float(np.std(values, ddof=1)) if whole and len(values) > 1 else None,
            }
    return found
