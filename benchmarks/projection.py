"""What labelled photos are worth beside labelled generated images: HandsOff's way (CVPR 2023) on the demo.

python benchmarks/projection.py    # an hour and a half of one CPU core

The drawings are those that the demo's network has never seen. They are projected into a folder, in which a run that was
stopped goes on. Interpreters learn from the true masks of some of them, and are scored on the
demo's held-out generated samples. Pictures of other things are projected, too: are they trusted?
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import PIL.Image
import PIL.ImageDraw

from benchmarks.measure import check_parts, write_result
from datasetgan_ext import load_generator
from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.choices import PROJECTION_BATCH
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.encoder import Encoder
from datasetgan_ext.generator.hand_labels import read_sample_labels
from datasetgan_ext.generator.inversion import Inversion
from datasetgan_ext.generator.projected_samples import ENCODER_FILE, PhotoProjector
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.metrics.keypoints import KeypointScore
from datasetgan_ext.metrics.segmentation import SegmentationScore

TUNED_ON = 16
"""The first drawings: constants of the projection and of training were chosen on them."""
SEEDS = range(3)
MEMBERS = 3
"""Of an ensemble, in place of 10: a point of mIoU less."""
GENERATED = range(16)
HELD_OUT = range(16, 40)
ROWS = {
    '16 generated images': (0, 16),
    '8 generated images': (0, 8),
    '16 drawings': (16, 0),
    '100 drawings': (100, 0),
    '16 drawings and 16 generated images': (16, 16),
    '16 drawings and 8 generated images': (16, 8),
}
"""Labelled drawings and labelled generated images that an interpreter learns from."""


def strangers(side: int = 512) -> dict[str, PIL.Image.Image]:
    """Pictures of anything but cars."""
    random = np.random.RandomState(11)
    pictures = {'noise': PIL.Image.fromarray(random.randint(0, 256, (side, side, 3)).astype(np.uint8))}
    face = PIL.Image.new('RGB', (side, side), (150, 160, 150))
    pen = PIL.ImageDraw.Draw(face)
    pen.ellipse((130, 70, 390, 460), fill=(200, 150, 120))
    pen.pieslice((115, 40, 405, 320), 180, 360, fill=(90, 60, 30))
    for x in (200, 320):
        pen.ellipse((x - 28, 220, x + 28, 252), fill='white')
        pen.ellipse((x - 11, 224, x + 11, 248), fill=(50, 70, 110))
    pen.polygon([(260, 255), (238, 330), (282, 330)], fill=(180, 130, 100))
    pen.ellipse((210, 365, 315, 400), fill=(160, 60, 60))
    pictures['face'] = face
    boat = PIL.Image.new('RGB', (side, side), (170, 210, 240))
    pen = PIL.ImageDraw.Draw(boat)
    pen.rectangle((0, 320, side, side), fill=(40, 90, 150))
    pen.polygon([(90, 310), (420, 310), (370, 390), (140, 390)], fill=(150, 60, 40))
    pen.polygon([(250, 80), (250, 300), (400, 300)], fill=(245, 245, 235))
    pictures['boat'] = boat
    chart = PIL.Image.new('RGB', (side, side), 'white')
    pen = PIL.ImageDraw.Draw(chart)
    for place, height in enumerate(random.randint(60, 400, 9)):
        pen.rectangle((30 + 52 * place, side - 40 - height, 66 + 52 * place, side - 40), fill=(60, 110, 180))
    pictures['chart'] = chart
    fruit = PIL.Image.new('RGB', (side, side), (120, 90, 60))
    pen = PIL.ImageDraw.Draw(fruit)
    for x, y, color in ((180, 300, (220, 60, 40)), (330, 280, (240, 170, 40)), (260, 180, (120, 170, 50))):
        pen.ellipse((x - 90, y - 90, x + 90, y + 90), fill=color)
    pictures['fruit'] = fruit
    return pictures


def project_strangers(generator, encoder: Encoder) -> dict:
    """PSNR, strangeness and trust of `strangers`."""
    inversion = Inversion(generator, SamplingOptions())
    inversion.use_encoder(encoder)
    with tempfile.TemporaryDirectory() as folder:
        photos, outdir = Path(folder, 'photos'), Path(folder, 'out')
        photos.mkdir()
        for name, picture in strangers().items():
            picture.save(photos / f'{name}.png')
        samples = PhotoProjector(inversion, find_photos([photos]), outdir)(progress=False).samples
    return {
        sample.name: {
            'psnr': sample.projection.psnr,
            'strangeness': sample.projection.strangeness,
            'trusted': sample.projection.trusted,
        }
        for sample in samples.samples
    }


def labeled_pairs(samples: SampleSet, task: Task, folder: Path) -> list[tuple[Sample, Annotation]]:
    """Those samples that have labels in a folder of `masks` and `keypoints.json`, with these."""
    read = read_sample_labels(samples, task, folder / 'masks', folder / 'keypoints.json')
    names = {sample.name for sample in samples.samples}
    return samples.pair([one for one in read.annotations if one.name in names], task)


class Demo:
    """The demo's labelled samples, and its labelled drawings projected."""

    def __init__(self, projected: SampleSet):
        self.generator = load_generator(DEMO)
        self.task = Task.read(DEMO_FOLDER / 'task.json')
        self.samples = SampleSet.read(DEMO_FOLDER / 'samples')
        self.projected = projected
        self.of_samples = labeled_pairs(self.samples, self.task, DEMO_FOLDER / 'samples')
        self.of_drawings = labeled_pairs(projected, self.task, DEMO_FOLDER / 'real')

    def score(self, drawings: int, generated: int, seed: int) -> dict:
        """mIoU and PCK on the held-out samples of an interpreter that has learned from some labels."""
        chosen = self.of_drawings[TUNED_ON : TUNED_ON + drawings]
        pairs = [pair for pair in chosen if pair[0].is_trusted]
        pairs += [pair for pair in self.of_samples if pair[0].seed in GENERATED[:generated]]
        options = replace(options_from('default', models=MEMBERS), seed=seed)
        joined = SampleSet.joined([self.projected, self.samples])
        training_set = TrainingSet(self.generator, joined, pairs, self.task, options, progress=False)
        fused = train_interpreter(training_set, progress=False).fused_for(self.generator)
        classes, keypoints = SegmentationScore(len(self.task.classes)), KeypointScore(self.samples.image_hw)
        for sample, annotation in self.of_samples:
            if sample.seed in HELD_OUT:
                found = fused(self.generator.synthesize([sample.seed], self.samples.options).features)
                classes.add(annotation.mask, found.masks[0].cpu().numpy())
                keypoints.add(annotation.keypoints, found.keypoint_labels(0), annotation.mask)
        return {
            'images': len(pairs),
            'mean_iou': classes.mean_iou,
            'pck': keypoints.to_json()['pck_at_2_of_64'],
            'wrong_share': training_set.wrong_share,
        }


def table(content: dict) -> str:
    """The interpreters as Markdown."""
    rows = ['| learned from | mIoU | PCK at 2 px of 64 |', '|---|---|---|']
    for title, runs in content['rows'].items():
        figures = []
        for name in ('mean_iou', 'pck'):
            values = [100 * run[name] for run in runs]
            figures.append(f'{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}')
        rows.append(f'| {title} | {" | ".join(figures)} |')
    found = content['projections']
    return '\n'.join(
        [
            *rows,
            '',
            f'{found["photos"]} drawings were projected, {found["trusted"]} of them are trusted; their PSNR is '
            f'{found["median_psnr"]:.1f} dB in the median, {found["tenth_psnr"]:.1f} at the lowest tenth.',
            '',
            '| picture | PSNR, dB | strangeness | trusted |',
            '|---|---|---|---|',
            *(
                f'| {name} | {one["psnr"]:.1f} | {one["strangeness"]:.1f} | {"yes" if one["trusted"] else "no"} |'
                for name, one in content['strangers'].items()
            ),
        ]
    )


@click.command(help=__doc__)
@click.option('--projected', type=click.Path(path_type=Path), metavar='DIR', default='out/projected', show_default=True)
@click.option('--drawings', type=click.IntRange(min=TUNED_ON + 100), default=200, show_default=True, metavar='N')
def main(projected, drawings):
    check_parts(projected, 'projection')
    folder = projected / 'samples'
    inversion = Inversion(load_generator(DEMO), SamplingOptions())
    files = find_photos([DEMO_FOLDER / 'real' / 'images'])[:drawings]
    start = time.monotonic()
    batch = 4 * PROJECTION_BATCH if inversion.generator.device.type == 'cuda' else PROJECTION_BATCH
    samples = PhotoProjector(inversion, files, folder, batch=batch)().samples
    print(f'{time.monotonic() - start:.0f} s', flush=True)
    psnr = sorted(sample.projection.psnr for sample in samples.samples)
    content = {
        'projecting': samples.projecting,
        'projections': {
            'photos': len(psnr),
            'trusted': sum(sample.is_trusted for sample in samples.samples),
            'median_psnr': statistics.median(psnr),
            'tenth_psnr': psnr[len(psnr) // 10],
            'median_psnr_of_those_not_tuned_on': statistics.median(
                sample.projection.psnr for sample in samples.samples[TUNED_ON:]
            ),
            'strangeness': sorted(sample.projection.strangeness for sample in samples.samples),
        },
        'members': MEMBERS,
        'seeds': list(SEEDS),
        'rows': {},
    }
    demo = Demo(samples)
    content['strangers'] = project_strangers(demo.generator, Encoder.load(folder / ENCODER_FILE))
    for title, (drawings, generated) in ROWS.items():
        content['rows'][title] = [demo.score(drawings, generated, seed) for seed in SEEDS]
        print(title, content['rows'][title], flush=True)
        write_result('projection', content, complete=len(content['rows']) == len(ROWS))
    print(table(content))


if __name__ == '__main__':
    main()
