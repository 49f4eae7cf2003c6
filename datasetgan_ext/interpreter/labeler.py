"""Generator and interpreter together: labelled images from seeds."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from datasetgan_ext.core.annotation import Keypoints
from datasetgan_ext.core.seeds import MAX_SEED, projected_name, sample_name
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import Mixing, SamplingOptions, mixing_of
from datasetgan_ext.interpreter.inference import Prediction
from datasetgan_ext.interpreter.interpreter import Interpreter

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
        seed: what it was made from; of a projected image, its row in the file.
        name: of its files, without the suffix.
        image: uint8 [H, W, C], RGB (C = 3) or grey (C = 1).
        mask: uint8 [H, W], class ids; None where the interpreter has no classes.
        uncertainty: mean of the most uncertain tenth of the pixels, in nats, plus that of the keypoints.
        pixel_uncertainty: float32 [H, W], Jensen-Shannon divergence of the ensemble, in nats; None without classes.
        keypoints: None where the interpreter has none.
        mixing: the second seed that gave the styles of the later layers, if there was one.
    """

    seed: int
    name: str
    image: np.ndarray
    mask: np.ndarray | None
    uncertainty: float
    pixel_uncertainty: np.ndarray | None
    keypoints: FoundKeypoints | None
    mixing: Mixing | None


class Labeler:
    """Makes labelled images from seeds.

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
        projected: np.ndarray | None = None,
    ):
        """
        Args:
            generator: makes the images.
            interpreter: trained for this generator.
            options: how to make them; None = as the interpreter's training images were made. The crop is always the
                interpreter's.
            batch: images per forward pass; None = 1 on a CPU, 8 on a GPU.
            projected: float32 [N, num_ws, w_dim], w vectors to label in place of seeds (`sampling.read_projected`);
                what stands for a seed is then a row of it.

        Raises:
            UserError: the interpreter belongs to another network, or the options do not suit this one.
        """
        self.generator = generator
        self.interpreter = interpreter
        self.options = replace(
            generator.check_options(options or interpreter.options), crop_hw=interpreter.options.crop_hw
        )
        self.batch = batch or DEFAULT_BATCH.get(generator.device.type, 1)
        self.projected = projected
        self._fused = interpreter.fused_for(generator)

    def __call__(self, seeds: Iterable[int]) -> Iterator[LabeledSample]:
        """Labelled images of `seeds`, in their order; `batch` of them are held at once."""
        seeds = iter(seeds)
        while chunk := list(itertools.islice(seeds, self.batch)):
            yield from self.label(chunk)

    def label(self, seeds: list[int]) -> list[LabeledSample]:
        """Labelled images of `seeds` from one forward pass, or from smaller ones where the GPU's memory is too small.

        Raises:
            torch.cuda.OutOfMemoryError: it is too small for a single image.
        """
        try:
            return self._label(seeds)
        except torch.cuda.OutOfMemoryError:
            if len(seeds) == 1:
                raise
        log.warning(
            "The GPU's memory is full with %d images at once: going on with half as many; a smaller `batch` "
            'saves the attempt',
            len(seeds),
        )
        torch.cuda.empty_cache()
        half = len(seeds) // 2
        return self.label(seeds[:half]) + self.label(seeds[half:])

    def _label(self, seeds: list[int]) -> list[LabeledSample]:
        ws = None if self.projected is None else torch.from_numpy(self.projected[seeds])
        synthesis = self.generator.synthesize(seeds, self.options, ws)
        prediction = self._fused(synthesis.features)
        parts = (synthesis.images, prediction.masks, prediction.uncertainty, prediction.pixel_uncertainty)
        parts = [itertools.repeat(None) if part is None else part.cpu().numpy() for part in parts]
        return [
            LabeledSample(
                seed,
                self._name(seed),
                image,
                mask,
                float(uncertainty),
                pixel_uncertainty,
                self._keypoints(prediction, index),
                self._mixing(seed),
            )
            for index, (seed, image, mask, uncertainty, pixel_uncertainty) in enumerate(zip(seeds, *parts))
        ]

    @staticmethod
    def _keypoints(prediction: Prediction, index: int) -> FoundKeypoints | None:
        if prediction.keypoints is None:
            return None
        labels = prediction.keypoint_labels(index)
        return FoundKeypoints(
            labels.points,
            labels.visibility,
            prediction.keypoints.confidence[index].cpu().numpy(),
            prediction.keypoints.spread[index].cpu().numpy(),
        )

    def _name(self, seed: int) -> str:
        return sample_name(seed) if self.projected is None else projected_name(seed)

    def _mixing(self, seed: int) -> Mixing | None:
        if self.projected is not None:
            return None
        return mixing_of(seed, self.options.mix_styles, self.generator.num_ws)


def make_labeler(
    network: str,
    interpreter: str,
    options: SamplingOptions | None = None,
    batch: int | None = None,
    projected: np.ndarray | None = None,
    device: torch.device | str | None = None,
    allow_pickle_code: bool = False,
    upstream: str | Path | None = None,
) -> Labeler:
    """A labeler from files: see `load_generator`, `Interpreter.load` and `Labeler`."""
    generator = load_generator(network, device, allow_pickle_code, upstream)
    return Labeler(generator, Interpreter.load(interpreter), options, batch, projected)


class LabeledImages(torch.utils.data.IterableDataset):
    """An endless stream (four billion seeds) of images and labels for a DataLoader, with no disk in between.

    The workers of a DataLoader share the seeds out, none comes twice; in distributed training give each rank a
    `first_seed` of its own. Workers compute on the labeler's device: with a CUDA device use num_workers=0, or
    multiprocessing_context='spawn'.

    Example:
        >>> dataset = LabeledImages(Labeler(load_generator('demo'), load_interpreter('demo')))
        >>> images, masks = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
    """

    def __init__(
        self,
        labeler: Labeler,
        first_seed: int = 0,
        max_uncertainty: float | None = None,
        transform: Callable[..., object] | None = None,
    ):
        """
        Args:
            labeler: makes the samples.
            first_seed: seeds rise from here.
            max_uncertainty: samples above it are left out; `uncertainty_cut` in a dataset.json is a good value.
            transform: called with what would be yielded; its result is yielded instead.
        """
        super().__init__()
        self.labeler = labeler
        self.first_seed = first_seed
        self.max_uncertainty = max_uncertainty
        self.transform = transform

    def __iter__(self) -> Iterator:
        """Yields (image, mask), (image, mask, keypoints) or (image, keypoints), after what the interpreter has: uint8
        [C, H, W]; int64 [H, W], class ids; float32 [J, 3], x and y in pixels and visibility."""
        worker = torch.utils.data.get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for sample in self.labeler(range(self.first_seed + number, MAX_SEED + 1, step)):
            if self.max_uncertainty is None or sample.uncertainty <= self.max_uncertainty:
                image = torch.from_numpy(sample.image).permute(2, 0, 1).contiguous()
                item = [image]
                if sample.mask is not None:
                    item.append(torch.from_numpy(sample.mask).to(torch.int64))
                if sample.keypoints is not None:
                    item.append(
                        torch.from_numpy(
                            np.column_stack([sample.keypoints.points, sample.keypoints.visibility]).astype(np.float32)
                        )
                    )
                yield self.transform(*item) if self.transform else tuple(item)
