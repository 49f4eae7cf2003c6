"""Generator and interpreter together: labelled images from seeds."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from datasetgan_ext.core.annotation import ABSENT, HAND, IGNORE, PARTLY_HAND, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import SEED
from datasetgan_ext.generator.checkpoint import DEMO, load_generator
from datasetgan_ext.generator.directions import Direction, Step
from datasetgan_ext.generator.download import local_file
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.latents import Latents, SeedLatents
from datasetgan_ext.generator.sampling import Mixing, SamplingOptions
from datasetgan_ext.interpreter.by_hand import HandLabel
from datasetgan_ext.interpreter.doubt import Doubtful
from datasetgan_ext.interpreter.inference import Prediction
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.uncertainty import pixel_doubt

log = logging.getLogger(__name__)

# On a CPU one image at a time is as fast as many for networks of 256 x 256 and more, and makes every image independent
# of its neighbours to the last bit.
DEFAULT_BATCH = {'cpu': 1, 'cuda': 8}


@dataclass
class FoundKeypoints(Keypoints):
    """Keypoints as the ensemble finds them, each VISIBLE or ABSENT.

    Attributes:
        confidence: float32 [J], 0..1, how sure the ensemble is that it is there.
        spread: float32 [J], root mean square distance of the members' own points from the ensemble's, in pixels.
    """

    confidence: np.ndarray
    spread: np.ndarray


@dataclass
class LabeledSample:
    """A generated image and its labels.

    Attributes:
        id: what it was made from: a seed; of a projected image, its row in the file.
        name: of its files, without the suffix.
        image: uint8 [H, W, C], RGB (C = 3) or grey (C = 1).
        mask: uint8 [H, W], class ids, IGNORE where it is too doubtful; None where the interpreter has no classes.
        uncertainty: see `Prediction`; of what the ensemble labelled alone, and None where a person labelled all.
        pixel_uncertainty: float32 [H, W], Jensen-Shannon divergence of the ensemble, in nats; None without classes.
        keypoints: None where the interpreter has none.
        mixing: the second seed that gave the styles of the later layers, if there was one.
        id_name: what `id` is, 'seed' or 'projection'.
        halved_batch: images in its forward pass, where the GPU's memory was too small for the batch; else None. Its
            last bits may be others than in a whole batch.
        labels: `HAND` or `PARTLY_HAND` where a person labelled the image or a part of it; else None.
        pixel_entropy: float32 [H, W], of the ensemble's mean class probabilities, in nats; None without classes.
        step: what its latent was moved by, towards a class, if it was.
    """

    id: int
    name: str
    image: np.ndarray
    mask: np.ndarray | None
    uncertainty: float | None
    pixel_uncertainty: np.ndarray | None
    keypoints: FoundKeypoints | None
    mixing: Mixing | None
    id_name: str = SEED
    halved_batch: int | None = None
    labels: str | None = None
    pixel_entropy: np.ndarray | None = None
    step: Step | None = None

    @property
    def seed(self) -> int:
        """What it was made from.

        Raises:
            AttributeError: it was not made from a seed.
        """
        if self.id_name != SEED:
            raise AttributeError(f'{self.name} was made from {self.id_name} {self.id}, not from a seed')
        return self.id


class Labeler:
    """Makes labelled images from seeds or other latents.

    Example:
        >>> labeler = Labeler(load_generator('demo'), load_interpreter('demo'))
        >>> for sample in labeler(range(8)):
        ...     print(sample.seed, sample.image.shape, sample.mask.max(), sample.uncertainty)
    """

    def __init__(
        self,
        generator: Generator,
        interpreter: Interpreter,
        options: SamplingOptions | None = None,
        batch: int | None = None,
        latents: Latents | None = None,
        hand_labels: bool = False,
        score: str | None = None,
        ignore: Doubtful | None = None,
        directions: tuple[Direction, ...] = (),
    ):
        """
        Args:
            generator: makes the images.
            interpreter: trained for this generator.
            options: how to make them; None = as the interpreter's training images were made. The crop is always the
                interpreter's.
            batch: images per forward pass; None = 1 on a CPU, 8 on a GPU.
            latents: what the images are made from; None = seeds.
            hand_labels: give the images that a person labelled that person's labels, from the interpreter's file, where
                `options` make these very images.
            score: what an image's uncertainty is, a name in `uncertainty.SCORES`; None = `interpreter.score`.
            ignore: which pixels get IGNORE in place of the ensemble's class; None = none of them.
            directions: in which some of the seeds' images go, towards a class; `latents` that are given have their own.

        Raises:
            UserError: the interpreter belongs to another network, or the options do not suit this one.
        """
        self.generator = generator
        self.interpreter = interpreter
        self.options = replace(
            generator.check_options(options or interpreter.options), crop_hw=interpreter.options.crop_hw
        )
        self.batch = batch or DEFAULT_BATCH.get(generator.device.type, 1)
        self.directions = () if latents else directions
        self.latents = latents or SeedLatents(generator, self.options, directions)
        self.hand_labels: dict[int, HandLabel] = {}
        if hand_labels and self._makes_labeled_images():
            self.hand_labels = interpreter.hand_labels
        if ignore is not None and not interpreter.task.classes:
            raise UserError('`ignore_pixels` is of no use: this interpreter has keypoints alone; leave it out')
        self.ignore = ignore
        self.score = score or interpreter.score
        self._fused = interpreter.fused_for(generator, self.score)

    def _makes_labeled_images(self) -> bool:
        """Whether a seed's image is that of the interpreter's samples, unless styles are mixed into it."""
        labeled = replace(self.interpreter.options, mix_styles=self.options.mix_styles)
        return isinstance(self.latents, SeedLatents) and all(
            replace(options, crop_hw=labeled.crop_hw) == labeled for options in (self.options, self.latents.options)
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.generator.device

    def __call__(self, ids: Iterable[int]) -> Iterator[LabeledSample]:
        """Labelled images of seeds, or of other ids of `latents`, in their order; `batch` of them are held at once."""
        ids = iter(ids)
        while chunk := list(itertools.islice(ids, self.batch)):
            yield from self.label(chunk)

    def label(self, ids: list[int]) -> list[LabeledSample]:
        """Labelled images of ids from one forward pass, or from smaller ones where the GPU's memory is too small.

        Raises:
            torch.cuda.OutOfMemoryError: it is too small for a single image.
        """
        try:
            return self._label(ids)
        except torch.cuda.OutOfMemoryError:
            if len(ids) == 1:
                raise
        log.warning(
            "The GPU's memory is full with %d images at once: going on with half as many; a smaller `batch` "
            'saves the attempt',
            len(ids),
        )
        torch.cuda.empty_cache()
        half = len(ids) // 2
        parts = (self.label(ids[:half]), self.label(ids[half:]))
        return [
            sample if sample.halved_batch is not None else replace(sample, halved_batch=len(part))
            for part in parts
            for sample in part
        ]

    def _label(self, ids: list[int]) -> list[LabeledSample]:
        synthesis = self.generator.synthesize(ids, self.options, self.latents.ws)
        prediction = self._fused(synthesis.features)
        images = synthesis.images.cpu().numpy()
        uncertainty = prediction.uncertainty.cpu().tolist()
        masks = _each(prediction.masks, len(ids))
        pixel_uncertainty = _each(prediction.pixel_uncertainty, len(ids))
        pixel_entropy = _each(prediction.pixel_entropy, len(ids))
        samples = [
            LabeledSample(
                id=number,
                name=self.latents.name(number),
                image=images[index],
                mask=masks[index],
                uncertainty=uncertainty[index],
                pixel_uncertainty=pixel_uncertainty[index],
                pixel_entropy=pixel_entropy[index],
                keypoints=_keypoints(prediction, index),
                mixing=self.latents.mixing(number),
                step=self.latents.step(number),
                id_name=self.latents.id_name,
            )
            for index, number in enumerate(ids)
        ]
        samples = [self._by_hand(sample, prediction, index) for index, sample in enumerate(samples)]
        return samples if self.ignore is None else [self._without_doubtful(sample) for sample in samples]

    def _by_hand(self, sample: LabeledSample, prediction: Prediction, index: int) -> LabeledSample:
        """A sample with a person's labels, if there are such of its image; what they leave out stays the ensemble's."""
        label = self.hand_labels.get(sample.id)
        if label is None or sample.mixing is not None or sample.step is not None:
            return sample
        if not label.is_of(sample.image):
            raise UserError(
                f'the image of seed {sample.id} is not the one that was labelled by hand, though network and options '
                'are the same: perhaps this device draws other noise. Give `no_hand_labels`, which predicts its labels '
                'too, or the `device` that the interpreter was trained on'
            )
        mask, keypoints, known = sample.mask, sample.keypoints, None
        if label.mask is not None:
            known = label.mask != IGNORE
            mask = np.where(known, label.mask, sample.mask)
        if label.keypoints is not None:
            present = label.keypoints.visibility != ABSENT
            keypoints = FoundKeypoints(
                points=label.keypoints.points * present[:, None],
                visibility=label.keypoints.visibility,
                confidence=present.astype(np.float32),
                spread=np.zeros(len(present), np.float32),
            )
        whole = (mask is None or (known is not None and known.all())) and (
            keypoints is None or label.keypoints is not None
        )
        return replace(
            sample,
            mask=mask,
            keypoints=keypoints,
            uncertainty=None if whole else prediction.uncertainty_beside(index, known, label.keypoints is not None),
            labels=HAND if whole else PARTLY_HAND,
        )

    def _without_doubtful(self, sample: LabeledSample) -> LabeledSample:
        """A sample whose doubtful pixels have no label, as far as a person gave them none."""
        doubt = pixel_doubt(sample.pixel_uncertainty, sample.pixel_entropy)
        label = self.hand_labels.get(sample.id) if sample.labels else None
        if label is not None and label.mask is not None:
            doubt = np.where(label.mask == IGNORE, doubt, 0)
        return replace(sample, mask=np.where(self.ignore.of(doubt), np.uint8(IGNORE), sample.mask))

    @contextmanager
    def same_sums(self) -> Iterator[None]:
        """One thread on a CPU: in several, some layers add in another order, which can change a pixel by one level."""
        threads = torch.get_num_threads()
        if self.generator.device.type == 'cpu':
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _each(values: torch.Tensor | None, count: int) -> Sequence[np.ndarray | None]:
    """The part of each of `count` images, None where there is nothing to share out."""
    return [None] * count if values is None else values.cpu().numpy()


def _keypoints(prediction: Prediction, index: int) -> FoundKeypoints | None:
    if prediction.keypoints is None:
        return None
    labels = prediction.keypoint_labels(index)
    return FoundKeypoints(
        points=labels.points,
        visibility=labels.visibility,
        confidence=prediction.keypoints.confidence[index].cpu().numpy(),
        spread=prediction.keypoints.spread[index].cpu().numpy(),
    )


@dataclass(frozen=True)
class LabelerSpec:
    """How to make a labeler, here or in a process elsewhere; picklable.

    Attributes:
        network: see `load_generator`; or the content of such a file.
        interpreter: see `Interpreter.load`; or the content of such a file.
        options, batch, latents, hand_labels, score, ignore, directions: see `Labeler`.
        device: where it computes; None = the first GPU, or the CPU where there is none.
        allow_pickle_code, upstream: see `load_generator`; `upstream` is an absolute path, the same on all machines.
    """

    network: str | bytes
    interpreter: str | bytes
    options: SamplingOptions | None = None
    batch: int | None = None
    latents: Latents | None = None
    hand_labels: bool = False
    score: str | None = None
    ignore: Doubtful | None = None
    directions: tuple[Direction, ...] = ()
    device: torch.device | str | None = None
    allow_pickle_code: bool = False
    upstream: Path | None = None

    def packed(self) -> LabelerSpec:
        """The same with the files' content, for machines that do not have them.

        Raises:
            UserError: the network's URL cannot be read.
        """
        network = self.network
        if isinstance(network, str) and network != DEMO:
            network = str(local_file(network))
        return replace(self, network=_content(network), interpreter=_content(self.interpreter))

    def make(self) -> Labeler:
        """The labeler.

        Raises:
            UserError: as from `load_generator`, `Interpreter.load` and `Labeler`.
        """
        with tempfile.TemporaryDirectory() as folder:
            network = _file(self.network, Path(folder, 'network.pkl'))
            interpreter = _file(self.interpreter, Path(folder, 'interpreter.safetensors'))
            return Labeler(
                load_generator(network, self.device, self.allow_pickle_code, self.upstream),
                Interpreter.load(interpreter),
                self.options,
                self.batch,
                self.latents,
                self.hand_labels,
                self.score,
                self.ignore,
                self.directions,
            )


def _content(source: str | bytes) -> str | bytes:
    """Content of a file; the demo stays a name, since every machine has it."""
    return source if isinstance(source, bytes) or source == DEMO else Path(source).read_bytes()


def _file(source: str | bytes, place: Path) -> str:
    """A name to load from; content is written to a place."""
    if isinstance(source, str):
        return source
    place.write_bytes(source)
    return str(place)
