"""A folder of images to be labelled, generated or projected photos, and the pairing of labels with them.

`samples.json` records how each image came about, so that training can make its features again. Images and labels are
paired by file name, never by position.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from datasetgan_ext.core.annotation import Annotation, factor_text, size_text
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import inside, is_inside, write_atomically
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.names import find_image, listed, nearest
from datasetgan_ext.core.seeds import format_seeds, sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.identity import how_networks_differ, same_network
from datasetgan_ext.generator.latents import Latents, ProjectedLatents, SeedLatents
from datasetgan_ext.generator.projections import Projection, pixel_sha256, read_pixels, wrong_pixels
from datasetgan_ext.generator.sampling import SamplingOptions

SAMPLES_FILE = 'samples.json'
FORMAT_VERSION = 1
PROJECTED_VERSION = 2
"""Of folders of projected photos, which programs that know version 1 alone cannot use."""
COMPARED_SIDE = 8
"""Side in pixels of the squares whose mean colours are compared: those of JPEG."""
TOLERATED_DIFFERENCE = 16
"""Levels (of 256) by which the mean of such a square may differ in the same image. Measured on the demo's images, the
largest of each: up to 11 when saved as JPEG or WebP of quality 75, 34 or more between two seeds."""


@dataclass(frozen=True)
class Sample:
    """One image to label.

    Attributes:
        seed: that it was made from; of a projected photo, its number in the folder.
        image: its file below the folder: what a person labels.
        sha256: of its pixels.
        folder: where samples.json is.
        projection: of a photo; None = the image was generated from its seed.
    """

    seed: int
    image: str
    sha256: str
    folder: Path
    projection: Projection | None = None

    @property
    def name(self) -> str:
        return Path(self.image).stem

    @property
    def is_trusted(self) -> bool:
        """Whether its labels may be learned: the network makes what a person labelled."""
        return self.projection is None or self.projection.trusted

    @property
    def ws_of(self) -> Callable[[Sequence[int]], torch.Tensor] | None:
        """What `Generator.synthesize` takes for the w vectors of `seed`; None = those of the seed."""
        if self.projection is None:
            return None
        w = torch.from_numpy(self.projection.w)
        return lambda ids: w.expand(len(ids), -1, -1)

    def to_json(self) -> dict:
        """JSON-ready; `from_json` reads it back."""
        fields = {'seed': self.seed, 'image': self.image, 'sha256': self.sha256}
        return fields if self.projection is None else {**fields, 'projection': self.projection.to_json()}

    @classmethod
    def from_json(cls, fields: dict, folder: Path, image_hw: tuple[int, int]) -> Sample:
        """What `to_json` gave; the errors of `Projection.from_json`."""
        fields = dict(fields)
        projection = fields.pop('projection', None)
        if projection is not None:
            projection = Projection.from_json(projection, folder, image_hw)
        return cls(**fields, folder=folder, projection=projection)


@dataclass(frozen=True)
class SampleSet:
    """A folder written by `datasetgan samples` or `datasetgan project`.

    Attributes:
        folder: where samples.json is.
        network: what `network` was.
        fingerprint: of that network.
        options: how the images were made.
        image_hw: height and width of the images.
        samples: in the order of the seeds given.
        projecting: how photos were projected, JSON-ready; None = the images were generated from seeds.
    """

    folder: Path
    network: str
    fingerprint: str
    options: SamplingOptions
    image_hw: tuple[int, int]
    samples: tuple[Sample, ...]
    projecting: dict | None = None

    def write(self) -> None:
        """Write samples.json (atomically)."""
        content = {
            'version': FORMAT_VERSION if self.projecting is None else PROJECTED_VERSION,
            'network': self.network,
            'fingerprint': self.fingerprint,
            'options': self.options.to_json(),
            'image_hw': list(self.image_hw),
            'samples': [sample.to_json() for sample in self.samples],
        }
        if self.projecting is not None:
            content['projecting'] = self.projecting
        write_atomically(self.folder / SAMPLES_FILE, (json.dumps(content, indent=1) + '\n').encode())

    @classmethod
    def read(cls, folder: str | Path) -> SampleSet:
        """Read a folder's samples.json.

        Raises:
            UserError: it is missing or malformed.
        """
        path = Path(folder) / SAMPLES_FILE
        if not path.is_file():
            raise UserError(
                f'`samples`={folder} holds no {SAMPLES_FILE}; give a folder that datasetgan samples or project wrote'
            )
        try:
            content = json.loads(path.read_text())
            if content['version'] not in (FORMAT_VERSION, PROJECTED_VERSION):
                raise UserError(
                    f'{path} has format version {content["version"]}, this program reads {FORMAT_VERSION} and '
                    f'{PROJECTED_VERSION}'
                )
            outside = [sample['image'] for sample in content['samples'] if not is_inside(sample['image'])]
            if outside:
                raise UserError(f'{path} names {outside[0]}, which leaves the folder; run datasetgan samples again')
            image_hw = tuple(content['image_hw'])
            return cls(
                Path(folder),
                content['network'],
                content['fingerprint'],
                SamplingOptions.from_json(content['options']),
                image_hw,
                tuple(Sample.from_json(sample, Path(folder), image_hw) for sample in content['samples']),
                content['projecting'] if content['version'] == PROJECTED_VERSION else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError, OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f'{path} is damaged ({type(error).__name__}: {error}); run datasetgan samples again'
            ) from error

    def path(self, sample: Sample) -> Path:
        """A sample's image, which may be missing.

        Raises:
            UserError: it is outside the folder.
        """
        return inside(sample.folder, sample.image)

    def projection_path(self, sample: Sample) -> Path:
        """The image that the network makes for a sample, which may be missing: that of a photo's w, or the sample's."""
        return self.path(sample) if sample.projection is None else inside(sample.folder, sample.projection.image)

    def holds(self, sample: Sample) -> bool:
        """Whether a sample's image is there, and its projection if it is a photo's, with the recorded pixels."""
        try:
            pictures = [(self.path(sample), sample.sha256)]
            if sample.projection is not None:
                pictures.append((self.projection_path(sample), sample.projection.sha256))
            return all(self._is_picture(path, sha256) for path, sha256 in pictures)
        except UserError:
            return False

    def _is_picture(self, path: Path, sha256: str) -> bool:
        with open_image(path) as image:
            return (image.height, image.width) == self.image_hw and pixel_sha256(np.asarray(image)) == sha256

    def latents(self, generator: Generator) -> Latents:
        """What the samples are made from, by their `seed`."""
        if self.projecting is None:
            return SeedLatents(generator, self.options)
        return ProjectedLatents(np.stack([sample.projection.w for sample in self.samples if sample.projection]))

    def check(self, generator: Generator, options: SamplingOptions) -> None:
        """Raises UserError when the images come from another network, or were made with other options."""
        self.check_network(generator)
        if self.options != options:
            raise UserError(
                f'`outdir`={self.folder} holds samples made with other options: {self.options}, '
                f'now {options}. Give another folder'
            )

    @classmethod
    def joined(cls, sets: Sequence[SampleSet]) -> SampleSet:
        """Several folders as one: the samples of all of them.

        Raises:
            UserError: they are of different networks, sizes, crops or noise, or generated with different options.
        """
        # of w vectors that are given, truncation and class have decided nothing
        first = next((one for one in sets if one.projecting is None), sets[0])
        for one in sets:
            if not (
                same_network(one.fingerprint, first.fingerprint) or same_network(first.fingerprint, one.fingerprint)
            ):
                raise UserError(
                    f'`samples`={one.folder} and {first.folder} are of two networks, {one.network} and '
                    f'{first.network} ({how_networks_differ(one.fingerprint, first.fingerprint)})'
                )
            decides = ('noise_mode', 'crop_hw') if one.projecting is not None else tuple(vars(first.options))
            differing = [name for name in decides if vars(one.options)[name] != vars(first.options)[name]]
            if differing:
                raise UserError(
                    f'`samples`={one.folder} and {first.folder} were made with different options: '
                    f'{", ".join(differing)}'
                )
        return replace(first, samples=tuple(sample for one in sets for sample in one.samples))

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
        path = self.projection_path(sample)
        made, sha256 = f'the image of seed {sample.seed}', sample.sha256
        if sample.projection is not None:
            made, sha256 = f'the projection of {sample.projection.file}', sample.projection.sha256
        if not path.exists():
            if pixel_sha256(regenerated) == sha256:
                return
            raise UserError(
                f'{path} is missing and its recorded hash does not match {made}; '
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
                f'{path} is {size_text(labeled_hw)}, {made} is '
                f'{size_text((height, width))} (height x width){resized}. At one size, it is '
                f'{"the same" if same else "another"} picture: {measured}. Delete the file and run '
                'datasetgan samples as before to have it at its size, and label it at that size'
            )
        if not same:
            raise UserError(
                f'{path} is not {made}: {measured}. Its labels would be learned '
                'on the wrong picture; was the file replaced or renamed?'
            )

    def wrong_pixels(self, sample: Sample) -> np.ndarray | None:
        """Where the network shows something else than a person labelled, see `wrong_pixels`; None = nowhere.

        Raises:
            UserError: a picture of a projected photo is missing.
        """
        if sample.projection is None:
            return None
        photo = read_pixels(self.path(sample))
        return wrong_pixels(photo, read_pixels(self.projection_path(sample)))


def content_difference(one: np.ndarray, other: np.ndarray) -> float:
    """How much two pictures differ, whatever a lossy file format does to single pixels.

    Args:
        one, other: uint8 [H, W, C].

    Returns:
        The largest difference, in levels, between the mean colours of squares of COMPARED_SIDE pixels.
    """
    difference = one.astype(np.float32) - other
    return float(np.abs(ndimage.uniform_filter(difference, (COMPARED_SIDE, COMPARED_SIDE, 0))).max())
