"""The paper's tables in miniature: every method with the same network, updates and search, scored by its folds.

On the demo's world unless folders are given: 16 labelled generated cars; labelled images that generator and interpreter
make; drawings, from which the generator learned, as the real training set; and drawings that nothing has seen as the
real test set, whose labels are true ones. Pictures of shapes stand for the data set of other things on which networks
are pretrained.

Each method is trained at each of a few learning rates, the same for all. Which of these networks is scored, after how
many updates, on four fifths of the test set, is decided by the other fifth, in turn.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch

from benchmarks.demo.rebuild import FIRST_HELD_OUT
from benchmarks.measure import RESULTS, one_thread_each, write_result
from benchmarks.table_data import write_drawings, write_shapes
from benchmarks.table_runs import CHECKPOINTS, Place, Row, Settings, run_curves, run_rows
from datasetgan_ext import gen_dataset
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.options import joined, start_logging

FEW = 16
FIRST_GENERATED = 1000


PRESETS = {
    'full': Settings(),
    'miniature': Settings(images=1000, real=1000, shapes=1000, steps=600, rates=(1e-2, 3e-2), size='64x64'),
    'smoke': Settings(images=6, real=20, test=6, shapes=4, steps=2, runs=1, size='32x32'),
}
folder = click.Path(file_okay=False, path_type=Path)
table_options = joined(
    click.option('--smoke', 'preset', flag_value='smoke', help='Everything tiny: whether it runs at all'),
    click.option(
        '--miniature',
        'preset',
        flag_value='miniature',
        help='1000 generated and 1000 real images, 600 steps at 64x64: for a few CPU cores',
    ),
    click.option('--images', type=click.IntRange(min=5), help='Generated images  [default: 10000]'),
    click.option('--real', type=click.IntRange(min=FEW + 1), help='Images of the real training set  [default: 2000]'),
    click.option('--steps', type=click.IntRange(min=1), help='Updates of every method  [default: 4000]'),
    click.option('--runs', type=click.IntRange(min=1), help='Trainings with other seeds  [default: 3]'),
    click.option('--architecture', help='Downstream network  [default: small-unet]'),
    click.option(
        '--lr',
        'rates',
        type=click.FloatRange(min=0, min_open=True),
        multiple=True,
        help='Learning rates of the search; give it several times  [default: 0.01, 0.003; miniature: 0.01, 0.03]',
    ),
    click.option('--augment/--no-augment', default=None, help='Change images at random  [default: augment]'),
    click.option(
        '--search/--no-search',
        default=True,
        show_default=True,
        help='Over the rates, or training at the first alone',
    ),
    click.option(
        '--jobs',
        type=click.IntRange(min=1),
        default=os.cpu_count(),
        show_default=True,
        help='Trainings at once, a thread each; on a GPU they share it',
    ),
    click.option(
        '--work',
        type=folder,
        default=Path('out/tables'),
        show_default=True,
        help='Data and networks; the same command goes on with what is there, and tables share what they share',
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
    name: str,
    rows: Sequence[Row],
    kind: str,
    options: dict,
    derive: Callable[[Path], dict[str, Path]] | None = None,
    search: bool = True,
    curves: bool = False,
) -> dict:
    """Run all rows and write the result.

    Args:
        name: of the table.
        rows: its methods.
        kind: 'classes' or 'keypoints'.
        options: of the command line.
        derive: makes further sources from the generated dataset.
        search: over the rates, unless the command line says otherwise; or train at the first alone.
        curves: measure mIoU by updates, too.
    """
    start_logging()
    takes_few = any('few' in (row.data, row.beside) for row in rows)
    if takes_few and options['real_train'] and not options['real_few']:
        raise UserError('--real-train takes --real-few too: a folder with some of its labelled images')
    preset = options['preset'] or 'full'
    changes = {key: options[key] for key in asdict(PRESETS[preset]) if options.get(key) not in (None, ())}
    settings = replace(PRESETS[preset], **changes)
    work = options['work'] / preset
    given = {
        'labelled': options['labelled'],
        'generated': options['generated'],
        'train': options['real_train'],
        'few': options['real_few'],
        'test': options['real_test'],
    }
    _check_same(work / 'settings.json', {**asdict(settings), **{source: str(path) for source, path in given.items()}})
    with ExitStack() as stack:
        run = map
        if options['jobs'] > 1:
            run = stack.enter_context(one_thread_each(options['jobs'])).map
        sources = _sources(work, settings, given, options['jobs'], takes_few, run)
        if derive is not None:
            sources |= derive(sources['generated'])
        rates = settings.rates if search and options['search'] else settings.rates[:1]
        place = Place(work, settings, kind, sources)
        content = {
            'settings': {
                **asdict(settings),
                'few': FEW,
                'checkpoints': CHECKPOINTS,
                'searched': [f'{rate:g}' for rate in rates],
            },
            'preset': preset,
            **run_rows(place, rows, rates, run),
        }
        if curves:
            content['curves'] = run_curves(place, rows, rates[0], run)
    if options['result']:
        write_atomically(options['result'], (json.dumps(content, indent=1) + '\n').encode())
    elif preset == 'smoke':
        write_atomically(work / f'{name}.json', (json.dumps(content, indent=1) + '\n').encode())
    else:
        write_result(name, content)
        print(f'{RESULTS / name}.json')
    return content


def generate_again(generated: Path, name: str, *options: str) -> Path:
    """The images of the demo's generated dataset once more, with other options of the command: a folder beside it."""
    folder = generated.with_name(name.replace(' ', '-'))
    last = FIRST_GENERATED + len((generated / 'manifest.jsonl').read_text().splitlines()) - 1
    arguments = [f'--network={DEMO}', f'--seeds={FIRST_GENERATED}-{last}', f'--outdir={folder}', *options]
    gen_dataset.main(arguments, standalone_mode=False)
    return folder


def show(value: dict, digits: int = 2, factor: float = 100) -> str:
    """Mean ± standard deviation over the runs."""
    if value['mean'] is None:
        return '–'
    spread = '' if value['std'] is None else f' ± {factor * value["std"]:.{digits}f}'
    return f'{factor * value["mean"]:.{digits}f}{spread}'


def search_table(content: dict) -> str:
    """What was chosen for each method, and what the search cost, as Markdown."""
    rates = content['settings']['searched']
    lines = [
        f'| method | {" | ".join(f"{rate}: times chosen" for rate in rates)} | updates of the chosen | trainings '
        '| updates | minutes of a process |',
        '|---' * (5 + len(rates)) + '|',
    ]
    for title, row in content['rows'].items():
        if 'cost' in row:
            cost = row['cost']
            cells = [title, *(row['chosen'].get(rate, 0) for rate in rates), f'{row["chosen_updates"]:.0f}']
            cells += [cost['trainings'], cost['updates'], f'{cost["seconds"] / 60:.0f}']
            lines.append(f'| {" | ".join(map(str, cells))} |')
    return '\n'.join(lines)


def _check_same(path: Path, settings: dict) -> None:
    """Note the settings, or refuse to go on with networks that were trained with others."""
    text = json.dumps(settings)
    if path.exists() and json.loads(path.read_text()) != json.loads(text):
        raise UserError(f'--work={path.parent.parent}: {path} tells of other settings; give another folder')
    write_atomically(path, text.encode())


def _sources(work: Path, settings: Settings, given: dict, jobs: int, takes_few: bool, run: Callable) -> dict[str, Path]:
    """The folder of each kind of images; those that are not given are made."""
    made = {'labelled': DEMO_FOLDER / 'samples', 'shapes': write_shapes(work / 'shapes', range(settings.shapes), run)}
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
    drawn = {'train': (0, settings.real), 'test': (FIRST_HELD_OUT, settings.test)} | (
        {'few': (0, FEW)} if takes_few else {}
    )
    for kind, (first, count) in drawn.items():
        if given[kind] is None:
            made[kind] = write_drawings(work / f'real-{kind}', range(first, first + count), run)
    return made | {kind: path for kind, path in given.items() if path is not None}
