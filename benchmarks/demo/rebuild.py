"""Rebuild the embedded demo from nothing. Each command does a step; the later ones need what the earlier ones left.

\b
python -m benchmarks.demo.rebuild drawings     # what the generator learns from, and held-out drawings
python -m benchmarks.demo.rebuild generator    # upstream's training loop, an hour and a half on two CPU cores
python -m benchmarks.demo.rebuild annotator    # learns from drawings how to label
python -m benchmarks.demo.rebuild labels       # has it label generated images
python -m benchmarks.demo.rebuild interpreter  # trains the Style Interpreter on 16 of them
python -m benchmarks.demo.rebuild sheets       # contact sheets of drawings and of generated cars
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click
import numpy as np
import PIL.Image
from tqdm import tqdm

from benchmarks.demo import growing
from benchmarks.demo.annotator import Annotator, measure, train_annotator
from benchmarks.demo.world import CLASSES, KEYPOINTS, LEFT_RIGHT_PAIRS, PALETTE, SKELETON, draw
from datasetgan_ext import train_interpreter
from datasetgan_ext.core.annotation import Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.seeds import format_seeds, sample_name
from datasetgan_ext.formats.coco import flat_keypoints
from datasetgan_ext.formats.png import write_image, write_mask
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER, load_generator
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.options import start_logging

TRAINING_DRAWINGS = 20_000
HELD_OUT, FIRST_HELD_OUT = 200, 10_000_000
SAMPLES, TRAINED_ON, MORE = range(40), range(16), range(3000, 3200)
TRUNCATION = 0.7
SAMPLING = SamplingOptions(trunc=TRUNCATION)
RESOLUTION = growing.STAGES[-1].resolution
SHEET_SIDE = 8

work_option = click.option(
    '--work',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    default=Path('out/rebuild'),
    show_default=True,
    help='Where intermediate files are kept',
)


@click.group(help=__doc__)
def main():
    start_logging()


@main.command()
@work_option
def drawings(work):
    """Draw the training images, one zip for each resolution of the growing, and the held-out drawings with labels."""
    write_drawings(work, sorted({stage.resolution for stage in growing.STAGES}), TRAINING_DRAWINGS)
    folder, held_out = DEMO_FOLDER / 'real', _held_out()
    shutil.rmtree(folder, ignore_errors=True)
    names = [f'drawing{index:04d}' for index in range(HELD_OUT)]
    (folder / 'images').mkdir(parents=True)
    for name, drawing in zip(names, held_out):
        write_image(folder / 'images' / f'{name}.png', drawing.image)
    _write_labels(
        folder,
        names,
        [drawing.mask for drawing in held_out],
        [drawing.keypoints for drawing in held_out],
        [drawing.visibility for drawing in held_out],
    )


@main.command()
@work_option
def generator(work):
    """Train the generator on the drawings with upstream's training loop, and put it into the demo."""
    weights = growing.train_generator(work, work / 'training')
    growing.export_generator(weights, RESOLUTION, DEMO_FOLDER / 'generator.safetensors')


@main.command()
@work_option
def annotator(work):
    """Train the stand-in annotator, and write down its error on the held-out drawings."""
    network = train_annotator(RESOLUTION)
    network.save(work / 'annotator.safetensors')
    write_atomically(work / 'annotator.json', json.dumps(measure(network, _held_out()), indent=1).encode())


@main.command()
@work_option
def labels(work):
    """Generate the demo's samples, have the annotator label them and 200 more; WORK/labels.png shows what it did."""
    if not (work / 'annotator.safetensors').exists():
        raise UserError(f'--work={work} holds no annotator.safetensors; train the annotator first')
    folder = DEMO_FOLDER / 'samples'
    shutil.rmtree(folder, ignore_errors=True)
    network = load_generator(DEMO)
    samples = generate_samples(network, SAMPLING, list(SAMPLES), folder)
    images = np.stack([np.asarray(PIL.Image.open(folder / sample.image)) for sample in samples.samples])
    judge = Annotator.load(work / 'annotator.safetensors')
    said = judge.label(images)
    _write_labels(folder, [sample.name for sample in samples.samples], *said)
    task = {
        'classes': CLASSES,
        'palette': PALETTE,
        'keypoints': KEYPOINTS,
        'left_right_pairs': LEFT_RIGHT_PAIRS,
        'skeleton': SKELETON,
    }
    write_atomically(DEMO_FOLDER / 'task.json', (json.dumps(task, indent=1) + '\n').encode())
    more = DEMO_FOLDER / 'more'
    shutil.rmtree(more, ignore_errors=True)
    _write_labels(more, [sample_name(seed) for seed in MORE], *judge.label(np.stack(_generated(network, MORE))))
    write_sheet(
        work / 'labels.png', [tile for pair in zip(images, np.array(PALETTE, np.uint8)[said.masks]) for tile in pair]
    )


@main.command()
def interpreter():
    """Train the demo's Style Interpreter on the first sixteen samples."""
    samples = DEMO_FOLDER / 'samples'
    train_interpreter.main(
        [
            f'--network={DEMO}',
            f'--samples={samples}',
            f'--labels={samples / "masks"}',
            f'--keypoints={samples / "keypoints.json"}',
            f'--classes={DEMO_FOLDER / "task.json"}',
            f'--seeds={format_seeds(list(TRAINED_ON))}',
            f'--out={DEMO_FOLDER / "interpreter.safetensors"}',
            '--overwrite',
        ],
        standalone_mode=False,
    )


@main.command()
@click.option(
    '--outdir', type=click.Path(file_okay=False, path_type=Path), metavar='DIR', default=Path('docs'), show_default=True
)
def sheets(outdir):
    """Draw the contact sheets: drawings.png, and generated.png of as many random cars at the demo's truncation."""
    count = SHEET_SIDE**2
    write_sheet(outdir / 'drawings.png', [draw(FIRST_HELD_OUT + index, RESOLUTION).image for index in range(count)])
    write_sheet(outdir / 'generated.png', _generated(load_generator(DEMO), range(1000, 1000 + count)))


def write_drawings(folder: Path, resolutions: Sequence[int], count: int) -> None:
    """Write the drawings of seeds 0 .. count - 1 as training images for upstream, a zip for each resolution."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack, ProcessPoolExecutor() as pool:
        archives = [
            stack.enter_context(zipfile.ZipFile(growing.drawings_path(folder, size), 'w')) for size in resolutions
        ]
        encoded = pool.map(partial(_encode, resolutions=resolutions), range(count), chunksize=64)
        for seed, images in enumerate(tqdm(encoded, total=count, desc='drawings', unit='image')):
            for archive, image in zip(archives, images):
                archive.writestr(f'{seed // 1000:05d}/img{seed:08d}.png', image)


def write_sheet(path: Path, tiles: Sequence[np.ndarray]) -> None:
    """Write images of one size, uint8 [H, W, 3], as rows of `SHEET_SIDE`."""
    rows = [np.concatenate(tiles[start : start + SHEET_SIDE], axis=1) for start in range(0, len(tiles), SHEET_SIDE)]
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.concatenate(rows)).save(path, optimize=True)


def _encode(seed: int, resolutions: Sequence[int]) -> list[bytes]:
    """A drawing as PNG files of several sizes."""
    largest = PIL.Image.fromarray(draw(seed, max(resolutions)).image)
    encoded = []
    for size in resolutions:
        buffer = io.BytesIO()
        largest.resize((size, size), PIL.Image.Resampling.BOX).save(buffer, 'PNG', compress_level=1)
        encoded.append(buffer.getvalue())
    return encoded


def _generated(network: Generator, seeds: Iterable[int]) -> list[np.ndarray]:
    """The images of some seeds, uint8 [H, W, 3] each."""
    return [network.synthesize([seed], SAMPLING).images[0].numpy() for seed in seeds]


def _held_out():
    return [draw(FIRST_HELD_OUT + index, RESOLUTION) for index in range(HELD_OUT)]


def _write_labels(
    folder: Path,
    names: Sequence[str],
    masks: Iterable[np.ndarray],
    keypoints: Iterable[np.ndarray],
    visibility: Iterable[np.ndarray],
) -> None:
    """Write `masks/NAME.png`, and all keypoints as `keypoints.json` in COCO's format."""
    (folder / 'masks').mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index, (name, mask, points, seen) in enumerate(zip(names, masks, keypoints, visibility)):
        write_mask(folder / 'masks' / f'{name}.png', mask, [value for color in PALETTE for value in color])
        images.append({'id': index, 'file_name': f'{name}.png', 'height': mask.shape[0], 'width': mask.shape[1]})
        annotations.append(
            {
                'id': index,
                'image_id': index,
                'category_id': 1,
                'num_keypoints': int((seen > 0).sum()),
                'keypoints': flat_keypoints(Keypoints(points, seen)),
            }
        )
    category = {
        'id': 1,
        'name': 'car',
        'keypoints': KEYPOINTS,
        'skeleton': [[start + 1, end + 1] for start, end in SKELETON],
    }
    content = {
        'info': {'description': 'x and y in pixels; the centre of the first pixel is (0.5, 0.5)'},
        'images': images,
        'annotations': annotations,
        'categories': [category],
    }
    write_atomically(folder / 'keypoints.json', (json.dumps(content) + '\n').encode())


if __name__ == '__main__':
    main()
