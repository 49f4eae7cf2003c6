"""What `gpu.py` measures. Each stage is a function of that name that yields what it knows so far, as JSON; what it
yields last is the whole result. Without a GPU it all works on the CPU, for rehearsals.
"""

from __future__ import annotations

import copy
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import gpu_labels
from benchmarks import training as interpreter_training
from benchmarks.gpu_figures import compare, peak_mib, start_memory
from benchmarks.gpu_tests import MESSAGE_END, run_tests
from benchmarks.inference import BARE, work_of
from benchmarks.random_networks import make_generator, make_interpreter, make_stylegan3
from datasetgan_ext import Labeler, load_generator
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.generator import Generator, default_device
from datasetgan_ext.generator.inversion import Inversion
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.upstream import import_upstream
from datasetgan_ext.interpreter.training_options import options_from

MEMBERS, CLASSES = 10, 8
WORKERS = min(8, (os.cpu_count() or 1) // 2)
AGREED = 0.999
"""Share of the pixels that must have the same class on both devices."""
PLUGINS = ('bias_act', 'upfirdn2d', 'filtered_lrelu')
COMMAND = 'from datasetgan_ext.cli import main; main()'


class Skip(Exception):
    """There is nothing to measure here; says why."""


@dataclass(frozen=True)
class Sizes:
    """
    Attributes:
        tests: what pytest gets; StyleGAN3's first, as one of them compiles its kernels.
        other_tests: rooms whose tests `other_tests` runs.
        label_seeds: of the demo, labelled on both devices.
        cases: resolution, members, classes, images per forward pass.
        rounds: timed forward passes, after two that are not timed.
        resolution: of the other stages' networks.
        batch: images per forward pass there.
        stylegan3_narrower: divides the number of channels of StyleGAN3.
        trainings: resolutions at which an interpreter is trained.
        training_steps: of an interpreter; None = the preset's.
        architecture, downstream_steps, downstream_images: of the network trained on a dataset.
        run: images of a run with files.
        photos: drawings to project.
        inversion: what differs from the defaults of `Inversion`.
    """

    tests: tuple[str, ...]
    other_tests: tuple[str, ...]
    label_seeds: range
    cases: tuple[tuple[int, int, int, int], ...]
    rounds: int
    resolution: int
    batch: int
    stylegan3_narrower: int
    trainings: tuple[int, ...]
    training_steps: int | None
    architecture: str
    downstream_steps: int
    downstream_images: int
    run: int
    photos: int
    inversion: dict


FULL = Sizes(
    tests=('tests/generator/test_stylegan3.py', 'tests/generator', 'tests/interpreter'),
    other_tests=('downstream', 'commands', 'generation', 'labeling', 'metrics', 'report'),
    label_seeds=range(1000, 1128),
    cases=(
        (256, 10, 8, 8),
        (512, 10, 8, 8),
        (1024, 10, 8, 4),
        (256, 10, 8, 1),
        (512, 10, 8, 1),
        (256, 10, 8, 32),
        (256, 20, 8, 8),
        (256, 10, 34, 8),
    ),
    rounds=30,
    resolution=256,
    batch=8,
    stylegan3_narrower=1,
    trainings=(256, 512),
    training_steps=None,
    architecture='deeplabv3_resnet50',
    downstream_steps=100,
    downstream_images=64,
    run=2000,
    photos=16,
    inversion={},
)
TINY = Sizes(
    tests=('tests/generator/test_sampling.py', 'tests/interpreter/test_upsampling.py'),
    other_tests=('metrics',),
    label_seeds=range(1000, 1002),
    cases=((16, 10, 8, 2), (32, 2, 8, 1)),
    rounds=2,
    resolution=32,
    batch=2,
    stylegan3_narrower=32,
    trainings=(16,),
    training_steps=5,
    architecture='small-unet',
    downstream_steps=2,
    downstream_images=8,
    run=16,
    photos=2,
    inversion={'steps': 3, 'encoder_images': 64},
)


def plugins(sizes: Sizes) -> Iterator[dict]:
    """Compile NVIDIA's CUDA kernels; which are found out from the checkout in use."""
    if not torch.cuda.is_available():
        raise Skip('there is no GPU to compile for')
    folder = Path(import_upstream('torch_utils').__path__[0]) / 'ops'
    processes = {
        name: subprocess.Popen(
            [
                sys.executable,
                '-c',
                f'from benchmarks import gpu_stages; gpu_stages.compile_plugin({name!r})',
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in PLUGINS
        if (folder / f'{name}.py').is_file()
    }
    failed = {}
    for name, process in processes.items():
        text = process.communicate()[0]
        print(text)
        if process.returncode:
            failed[name] = text[-MESSAGE_END:]
    yield {'checkout': folder.parents[1].name, 'compiled': sorted(processes.keys() - failed), 'failed': failed}
    if failed:
        raise SystemExit(f'not compiled: {", ".join(failed)}')


def compile_plugin(name: str) -> None:
    """In a process of its own, so that all compile at once. It raises if that fails."""
    module = import_upstream(f'torch_utils.ops.{name}')
    built = module._init()
    # StyleGAN3's may be compiled, but not where it looks for it: see gpu.environment
    if not built and not any(Path(os.environ['TORCH_EXTENSIONS_DIR']).rglob(f'{name}_plugin*.so')):
        raise SystemExit(f'{name} could not be compiled')


def tests(sizes: Sizes) -> Iterator[dict]:
    """The tests of generator and interpreter."""
    yield from run_tests(list(sizes.tests), 'tests')


def other_tests(sizes: Sizes) -> Iterator[dict]:
    """The tests of other rooms."""
    yield from run_tests([f'tests/{room}' for room in sizes.other_tests], 'other_tests')


def labels(sizes: Sizes) -> Iterator[dict]:
    """The demo's labels on the CPU and here."""
    torch.set_num_threads(min(torch.get_num_threads(), 8))
    cases = {}
    for name, figures in gpu_labels.cases(default_device().type, sizes.label_seeds):
        cases[name] = figures
        yield {'cases': cases}
    if min(case['equal_pixels'] for case in cases.values()) < AGREED:
        raise SystemExit(f'Fewer than {AGREED:.1%} of the pixels have the same class')


def inference(sizes: Sizes) -> Iterator[dict]:
    """A labelled image with both presets against the bare generator and the plain algorithm."""
    rows = []
    for resolution, members, classes, batch in sizes.cases:
        generator = make_generator(resolution, default_device())
        rows += compare(generator, members, classes, batch, sizes.rounds)
        yield {'cases': rows}


def stylegan3(sizes: Sizes) -> Iterator[dict]:
    """The same for StyleGAN3's two configurations."""
    rows = []
    for config in ('t', 'r'):
        generator = make_stylegan3(config, sizes.resolution, default_device(), sizes.stylegan3_narrower)
        compared = compare(generator, MEMBERS, CLASSES, sizes.batch, sizes.rounds, plain=False)
        rows += [{'config': config, **row} for row in compared]
        yield {'cases': rows}


def training(sizes: Sizes) -> Iterator[dict]:
    """An interpreter, and a network on generated images."""
    trained = []
    for resolution in sizes.trainings:
        start_memory()
        options = options_from('default', max_steps=sizes.training_steps)
        trained.append(interpreter_training.measure(resolution, options, default_device()))
        trained[-1]['peak_mib'] = peak_mib()
        yield {'interpreters': trained}
    with tempfile.TemporaryDirectory() as folder:
        network, interpreter, _ = write_networks(sizes.resolution, Path(folder))
        data = Path(folder) / 'data'
        last = sizes.downstream_images - 1
        command(
            'generate', f'--network={network}', f'--interpreter={interpreter}', f'--outdir={data}', f'--seeds=0-{last}'
        )
        start_memory()
        seconds = {}
        for steps in (2, 2 + sizes.downstream_steps):
            seconds[steps] = command(
                'train-downstream',
                f'--data={data}',
                f'--out={folder}/{steps}.safetensors',
                f'--architecture={sizes.architecture}',
                '--pretrained=none',
                '--val=0',
                f'--steps={steps}',
                '--batch=8',
                f'--workers={WORKERS}',
            )
        few, many = seconds.values()
        downstream = {
            'architecture': sizes.architecture,
            'resolution': sizes.resolution,
            'batch': 8,
            'steps': sizes.downstream_steps,
            'seconds': many - few,
            'steps_per_second': sizes.downstream_steps / (many - few),
            'seconds_of_start': few,
            'peak_mib': peak_mib(),
        }
    yield {'interpreters': trained, 'downstream': downstream}


def run(sizes: Sizes) -> Iterator[dict]:
    """`datasetgan generate` with files, against images alone and labelled images alone."""
    with tempfile.TemporaryDirectory() as folder:
        network, interpreter, generator = write_networks(sizes.resolution, Path(folder))
        made = make_interpreter(generator, MEMBERS, CLASSES, 'default')
        result = {
            'images': sizes.run,
            'resolution': sizes.resolution,
            'batch': sizes.batch,
            'fingerprints': {'generator': generator.fingerprint, 'interpreter': made.fingerprint},
            'images_per_second': {},
        }
        bare, labeler = work_of(BARE, generator, None, sizes.batch), Labeler(generator, made, batch=sizes.batch)

        def images() -> None:
            for first in range(0, sizes.run, sizes.batch):
                bare(list(range(first, first + sizes.batch)))

        def labeled() -> None:
            for _ in labeler(range(sizes.run)):
                pass

        def files(outdir: str, process: bool) -> None:
            arguments = [f'--network={network}', f'--interpreter={interpreter}', f'--outdir={folder}/{outdir}']
            command('generate', *arguments, f'--seeds=0-{sizes.run - 1}', f'--batch={sizes.batch}', process=process)

        for name, work, warm_up in (
            ('bare generator', images, lambda: bare(list(range(sizes.batch)))),
            ('in-memory labeler', labeled, lambda: labeler.label(list(range(sizes.batch)))),
            ('files', lambda: files('here', process=False), None),
            ('files, a process from its start', lambda: files('process', process=True), None),
        ):
            if warm_up:
                warm_up()
            start_memory()
            start = time.perf_counter()
            work()
            result['images_per_second'][name] = sizes.run / (time.perf_counter() - start)
            result.setdefault('peak_mib', {})[name] = peak_mib()
            yield result
        written = [path.stat().st_size for path in Path(folder, 'here').rglob('*') if path.is_file()]
        yield {**result, 'files': len(written), 'bytes': sum(written), 'apart': apart(Path(folder))}


def apart(folder: Path) -> dict:
    """How the images and masks of the two runs with files differ, which should be equal to the byte."""
    levels = []
    for path in sorted(Path(folder, 'here').glob('*/*.png')):
        one, other = (
            np.asarray(Image.open(run / path.parent.name / path.name), int)
            for run in (folder / 'here', folder / 'process')
        )
        levels.append(int(np.abs(one - other).max()))
    return {'pictures': len(levels), 'differ': sum(map(bool, levels)), 'greatest_difference_in_levels': max(levels)}


def project(sizes: Sizes) -> Iterator[dict]:
    """`Inversion` of the demo's drawings on both devices, and of a larger network's own images here."""
    torch.set_num_threads(min(torch.get_num_threads(), 8))
    drawings = []
    for file in find_photos([DEMO_FOLDER / 'real' / 'images'])[: sizes.photos]:
        with open_image(file.path) as image:
            drawings.append(np.array(image.convert('RGB')))
    encoder, found = None, {}
    for device in dict.fromkeys((default_device().type, 'cpu')):
        inversion = Inversion(load_generator(DEMO, device), SamplingOptions(), **sizes.inversion)
        if encoder is not None:
            inversion.use_encoder(copy.deepcopy(encoder))
        found[device] = inverted(inversion, drawings, sizes.batch)
        encoder = inversion.encoder
        yield {'drawings': found}
    one, other = next(iter(found.values())), found['cpu']
    result = {
        'drawings': found,
        'median_psnr_apart': abs(one['median_psnr'] - other['median_psnr']),
        'greatest_psnr_apart': max(abs(a - b) for a, b in zip(one['psnr'], other['psnr'])),
    }
    yield result
    larger = []
    for resolution in sizes.trainings:
        generator = make_generator(resolution, default_device())
        inversion = Inversion(generator, SamplingOptions(), **sizes.inversion)
        photos = list(generator.synthesize(range(1000, 1000 + sizes.batch), SamplingOptions()).images.cpu().numpy())
        larger.append({'resolution': resolution, **inverted(inversion, photos, sizes.batch)})
        yield {**result, 'random_networks': larger}


def inverted(inversion: Inversion, photos: list[np.ndarray], batch: int) -> dict:
    """Figures of the inversion of photos, so many at once."""
    start_memory()
    start = time.perf_counter()
    has_encoder = inversion.encoder is not None
    learned = time.perf_counter()
    parts = [inversion(photos[first : first + batch]) for first in range(0, len(photos), batch)]
    psnr = [one.psnr for part in parts for one in part]
    return {
        'encoder': has_encoder,
        'seconds_of_encoder': learned - start,
        'seconds_of_a_photo': (time.perf_counter() - learned) / len(photos),
        'batch': batch,
        'steps': inversion.steps,
        'median_psnr': statistics.median(psnr),
        'psnr': psnr,
        'peak_mib': peak_mib(),
    }


def write_networks(resolution: int, folder: Path) -> tuple[Path, Path, Generator]:
    """A generator as upstream's `train.py` pickles it, and an interpreter for it."""
    generator = make_generator(resolution)
    with open(folder / 'network.pkl', 'wb') as file:
        pickle.dump({'G_ema': generator.network}, file)
    make_interpreter(generator, MEMBERS, CLASSES, 'default').save(folder / 'interpreter.safetensors')
    return folder / 'network.pkl', folder / 'interpreter.safetensors', make_generator(resolution, default_device())


def command(*arguments: str, process: bool = False) -> float:
    """Seconds of a command of `datasetgan`, in this process unless told."""
    start = time.perf_counter()
    if process:
        subprocess.run([sys.executable, '-c', COMMAND, *arguments], check=True)
    else:
        from datasetgan_ext.cli import main

        main(arguments, standalone_mode=False)
    return time.perf_counter() - start
