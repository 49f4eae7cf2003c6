"""A folder of generated images to be labelled, and the pairing of labels with them.

`samples.json` records how each image came about, so that training can make its features again. Images and labels are
paired by file name, never by position.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from datasetgan_ext.core.annotation import Annotation, factor_text, size_text
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import (
    holds_files,
    inside,
    is_inside,
    remove_leftovers,
    save_atomically,
    write_atomically,
    writing,
)
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.locks import locked
from datasetgan_ext.core.names import find_image, listed, nearest
from datasetgan_ext.core.seeds import format_seeds, sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.png import write_image
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.identity import how_networks_differ, same_network
from datasetgan_ext.generator.sampling import SamplingOptions, center_crop

SAMPLES_FILE = 'samples.json'
FORMAT_VERSION = 1
COMPARED_SIDE = 8
"""Side in pixels of the squares whose mean colours are compared: those of JPEG."""
TOLERATED_DIFFERENCE = 16
"""Levels (of 256) by which the mean of such a square may differ in the same image. Measured on the demo's images, the
largest of each: up to 11 when saved as JPEG or WebP of quality 75, 34 or more between two seeds."""


@dataclass(frozen=True)
class Sample:
    """One image to label: its seed, its file (relative to the folder) and the sha256 of its pixels."""

    seed: int
    image: str
    sha256: str

    @property
    def name(self) -> str:
        return Path(self.image).stem


@dataclass(frozen=True)
class SampleSet:
    """A folder written by `datasetgan samples`.

    Attributes:
        folder: where samples.json is.
        network: what `network` was.
        fingerprint: of that network.
        options: how the images were made.
        image_hw: height and width of the images.
        samples: in the order of the seeds given.
    """

    folder: Path
    network: str
    fingerprint: str
    options: SamplingOptions
    image_hw: tuple[int, int]
    samples: tuple[Sample, ...]

    def write(self) -> None:
        """Write samples.json (atomically)."""
        content = {
            'version': FORMAT_VERSION,
            'network': self.network,
            'fingerprint': self.fingerprint,
            'options': self.options.to_json(),
            'image_hw': list(self.image_hw),
            'samples': [vars(sample) for sample in self.samples],
        }
        write_atomically(self.folder / SAMPLES_FILE, (json.dumps(content, indent=1) + '\n').encode())

    @classmethod
    def read(cls, folder: str | Path) -> SampleSet:
        """Read a folder's samples.json.

        Raises:
            UserError: it is missing or malformed.
        """
        path = Path(folder) / SAMPLES_FILE
        if not path.is_file():
            raise UserError(f'`samples`={folder} holds no {SAMPLES_FILE}; give a folder that datasetgan samples wrote')
        try:
            content = json.loads(path.read_text())
            if content['version'] != FORMAT_VERSION:
                raise UserError(f'{path} has format version {content["version"]}, this program reads {FORMAT_VERSION}')
            outside = [sample['image'] for sample in content['samples'] if not is_inside(sample['image'])]
            if outside:
                raise UserError(f'{path} names {outside[0]}, which leaves the folder; run datasetgan samples again')
            return cls(
                Path(folder),
                content['network'],
                content['fingerprint'],
                SamplingOptions.from_json(content['options']),
                tuple(content['image_hw']),
                tuple(Sample(**sample) for sample in content['samples']),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f'{path} is damaged ({type(error).__name__}: {error}); run datasetgan samples again'
            ) from error

    def path(self, sample: Sample) -> Path:
        """A sample's image, which may be missing.

        Raises:
            UserError: it is outside the folder.
        """
        return inside(self.folder, sample.image)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each image by its name, as the readers of labels take them."""
        return {sample.name: self.image_hw for sample in self.samples}

    def holds(self, sample: Sample) -> bool:
        """Whether a sample's image is there, with the recorded pixels."""
        try:
            with open_image(self.path(sample)) as image:
                return (image.height, image.width) == self.image_hw and (
                    pixel_sha256(np.asarray(image)) == sample.sha256
                )
        except UserError:
            return False

    def check(self, generator: Generator, options: SamplingOptions) -> None:
        """Raises UserError when the images come from another network, or were made with other options."""
        self.check_network(generator)
        if self.options != options:
            raise UserError(
                f'`outdir`={self.folder} holds samples made with other options: {self.options}, '
                f'now {options}. Give another folder'
            )

    def check_network(self, generator: Generator) -> None:
        """Raises UserError when the images come from another network."""
        if not same_network(self.fingerprint, generator.fingerprint):
            raise UserError(
                f'`network`={generator.source} is not the network that made `samples`={self.folder}: '
                f'that was {self.network} ({how_networks_differ(self.fingerprint, generator.fingerprint)})'
            )

    def pair(
        self, annotations: Iterable[Annotation], task: Task, seeds: list[int] | None = None
    ) -> list[tuple[Sample, Annotation]]:
        """Each label with its sample, in the order of the samples.

        Args:
            annotations: of this set's images.
            task: classes and keypoints.
            seeds: take the labels of these only; None = all.

        Raises:
            UserError: there are no labels; a label has no sample, another size, ids outside the class list or
                keypoints outside the image; or a seed has no label.
        """
        by_name = self._by_sample(annotations)
        for annotation in by_name.values():
            annotation.check(task, self.image_hw)
        pairs = [(sample, by_name[sample.name]) for sample in self.samples if sample.name in by_name]
        if seeds is None:
            return pairs
        unlabeled = sorted(set(seeds) - {sample.seed for sample, _ in pairs})
        if unlabeled:
            raise UserError(f'`seeds`: there is no label for seed {format_seeds(unlabeled)}')
        return [(sample, annotation) for sample, annotation in pairs if sample.seed in set(seeds)]

    def _by_sample(self, annotations: Iterable[Annotation]) -> dict[str, Annotation]:
        """Labels by the name of their sample.

        Raises:
            UserError: there are none, two of one sample, or some of an image that is no sample.
        """
        names = [sample.name for sample in self.samples]
        by_name: dict[str, Annotation] = {}
        strangers = []
        for annotation in annotations:
            name = find_image([annotation.name], names)
            if name is None:
                strangers.append(annotation)
            elif name in by_name:
                raise UserError(
                    f'`labels`: there are two labels of {name}, {by_name[name].source} and {annotation.source} '
                    f'({by_name[name].image or by_name[name].name} and {annotation.image or annotation.name}); keep one'
                )
            else:
                by_name[name] = annotation
        if strangers:
            found = [f'{one.image or one.name} (in {one.source})' for one in strangers]
            raise UserError(
                f'`labels`: {len(strangers)} of {len(strangers) + len(by_name)} labelled images are no samples of '
                f'{self.folder / SAMPLES_FILE}: {listed(found)}. Labels are paired with samples by file name; the '
                f'samples most like {strangers[0].name} are {", ".join(nearest(strangers[0].name, names))}. Rename '
                'the images in the labels, or leave those labels out'
            )
        if not by_name:
            raise UserError(
                '`labels` holds no labelled image; masks are PNG files named as the samples, '
                f'for example {sample_name(0)}.png'
            )
        return by_name

    def check_image(self, sample: Sample, regenerated: np.ndarray) -> None:
        """Make sure that what was labelled is what the network makes for the seed.

        The image file, if it is still there, is compared; else the recorded hash. A file that a tool has saved again,
        with some loss or in another mode, passes up to TOLERATED_DIFFERENCE.

        Args:
            sample: one of this set.
            regenerated: uint8 [H, W, C], the network's image for the sample's seed.

        Raises:
            UserError: they differ in size or content; the message has the measured difference.
        """
        path = self.path(sample)
        if not path.exists():
            if pixel_sha256(regenerated) == sample.sha256:
                return
            raise UserError(
                f'{path} is missing and its recorded hash does not match the image of seed {sample.seed}; '
                'bring the file back so that it can be compared'
            )
        height, width, channels = regenerated.shape
        with open_image(path) as image:
            labeled_hw = image.height, image.width
            labeled = np.asarray(image.convert('L' if channels == 1 else 'RGB').resize((width, height)))
        difference = content_difference(labeled.reshape(regenerated.shape), regenerated)
        measured = (
            f'the mean colours of {COMPARED_SIDE}x{COMPARED_SIDE} pixels differ by up to {difference:.0f} of '
            f'256 levels, {TOLERATED_DIFFERENCE} are tolerated'
        )
        same = difference <= TOLERATED_DIFFERENCE
        if labeled_hw != (height, width):
            resized = factor_text(labeled_hw, (height, width))
            raise UserError(
                f'{path} is {size_text(labeled_hw)}, the image of seed {sample.seed} is '
                f'{size_text((height, width))} (height x width){resized}. At one size, it is '
                f'{"the same" if same else "another"} picture: {measured}. Delete the file and run '
                'datasetgan samples as before to have it at its size, and label it at that size'
            )
        if not same:
            raise UserError(
                f'{path} is not the image of seed {sample.seed}: {measured}. Its labels would be learned '
                'on the wrong picture; was the file replaced or renamed?'
            )


def generate_samples(
    generator: Generator, options: SamplingOptions, seeds: list[int], outdir: Path, progress: bool = True
) -> SampleSet:
    """Write an image per seed to `outdir`/images, and samples.json.

    Samples that are there already, with the pixels that samples.json tells of, stay as they are; so the same call
    completes one that was stopped.

    Raises:
        UserError: the folder holds other things, or samples of another network or other options.
    """
    rows, columns = center_crop(generator.image_hw, options.crop_hw)
    samples = SampleSet(
        outdir,
        generator.source,
        generator.fingerprint,
        options,
        (rows.stop - rows.start, columns.stop - columns.start),
        (),
    )
    with writing(outdir):
        outdir.mkdir(parents=True, exist_ok=True)
    with locked(outdir):
        if holds_files(outdir):
            if not (outdir / SAMPLES_FILE).exists():
                raise UserError(
                    f'`outdir`={outdir} is not empty and holds no {SAMPLES_FILE}; give an empty or new folder'
                )
            samples = SampleSet.read(outdir)
            samples.check(generator, options)
        for place in (outdir, inside(outdir, 'images')):
            remove_leftovers(place)
        samples.write()
        known = {sample.seed: sample for sample in samples.samples}
        for seed in tqdm(seeds, desc='samples', unit='image', disable=None if progress else True):
            if seed in known and samples.holds(known[seed]):
                continue
            image = generator.synthesize([seed], options).images[0].cpu().numpy()
            file = f'images/{sample_name(seed)}.png'
            save_atomically(outdir / file, partial(write_image, image=image))
            known[seed] = Sample(seed, file, pixel_sha256(image))
            samples = replace(samples, samples=tuple(known[seed] for seed in sorted(known)))
            samples.write()
    return samples


def pixel_sha256(image: np.ndarray) -> str:
    """sha256 (hex) of a uint8 [H, W, C] image's pixels, whatever file format they were in."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def content_difference(one: np.ndarray, other: np.ndarray) -> float:
    """How much two pictures differ, whatever a lossy file format does to single pixels.

    Args:
        one, other: uint8 [H, W, C].

    Returns:
        The largest difference, in levels, between the mean colours of squares of COMPARED_SIDE pixels.
    """
    difference = one.astype(np.float32) - other
    return float(np.abs(ndimage.uniform_filter(difference, (COMPARED_SIDE, COMPARED_SIDE, 0))).max())
