"""A trained segmentation or keypoint network and its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import nn
from tqdm import tqdm

from datasetgan_ext.core.annotation import ABSENT, IGNORE, VISIBLE, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import reading_tensors, write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.batches import normalize, stack, to_input
from datasetgan_ext.downstream.labeled_dataset import LabeledDataset, LabeledImage
from datasetgan_ext.downstream.losses import heatmap_errors
from datasetgan_ext.downstream.networks import build_network
from datasetgan_ext.downstream.recognition import Pictures, content_number
from datasetgan_ext.generator.generator import default_device
from datasetgan_ext.interpreter.keypoints import heatmap_sigma, locate
from datasetgan_ext.metrics.folds import Score
from datasetgan_ext.metrics.keypoints import KeypointScore
from datasetgan_ext.metrics.segmentation import SegmentationScore

METADATA_KEY = 'datasetgan_downstream'
FORMAT_VERSION = 1
SEEN, SEEN_THUMBNAILS = 'seen_images', 'seen_thumbnails'
PREDICT_BATCH = 16
SIGMA_SHARE = 0.01
"""Width of the heatmaps' Gaussians as a share of the image's longer side: many images allow narrow ones."""
PRESENT_PEAK = 0.2
"""Height of a heatmap's peak from which a keypoint counts as present."""
HEAT_PRIOR = -5.0
"""Added to the logits of heatmaps, most of whose pixels are near 0 from the start."""


class Predicted(NamedTuple):
    """Labels of an image: uint8 [H, W] class ids, and keypoints; None where the network has no such output."""

    mask: np.ndarray | None
    keypoints: Keypoints | None


@dataclass
class DownstreamModel:
    """A network with a channel for each class and one, a heatmap, for each keypoint.

    Attributes:
        network: maps images to logits.
        architecture: its name.
        task: classes and keypoints.
        image_hw: size to which images are resized for it.
        seen: the images that trained it or chose it, which must not score it.
        training: options and results, for the record.
    """

    network: nn.Module
    architecture: str
    task: Task
    image_hw: tuple[int, int]
    seen: Pictures = field(default_factory=Pictures.none)
    training: dict = field(default_factory=dict)

    @classmethod
    def build(cls, architecture: str, task: Task, image_hw: tuple[int, int]) -> DownstreamModel:
        """One with random weights, from torch's random state."""
        network = build_network(architecture, len(task.classes) + len(task.keypoints))
        return cls(network.to(memory_format=torch.channels_last), architecture, task, image_hw)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def sigma(self) -> float:
        """Width of the heatmaps' Gaussians in pixels of `image_hw`."""
        return heatmap_sigma(self.image_hw, SIGMA_SHARE)

    def split(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's output [N, K + J, H, W] as logits of classes [N, K, H, W] and of heatmaps [N, J, H, W]."""
        count = len(self.task.classes)
        return logits[:, :count], logits[:, count:] + HEAT_PRIOR

    def predict(self, images: Sequence[np.ndarray]) -> list[Predicted]:
        """Labels of images of any sizes, uint8 [H, W, 3], at their own sizes."""
        return self._decided(images, *self._outputs(images))

    def _outputs(self, images: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = normalize(torch.stack([to_input(image, self.image_hw) for image in images]).to(self.device))
        return self.split(self.logits(inputs))

    def _decided(self, images: Sequence[np.ndarray], classes: torch.Tensor, heats: torch.Tensor) -> list[Predicted]:
        with torch.inference_mode():
            return [self.decide(classes[index], heats[index], image.shape[:2]) for index, image in enumerate(images)]

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """float32 [N, K + J, *image_hw] of normalised images [N, 3, *image_hw], without gradients."""
        self.network.eval()
        with torch.inference_mode():
            return self.network(inputs.contiguous(memory_format=torch.channels_last)).float()

    def score_each(self, images: Iterable[LabeledImage], progress: str | None = None) -> Iterator[tuple[int, Score]]:
        """The content number of each image, and its score alone. Distances of keypoints are in pixels of `image_hw`."""
        images = tqdm(images, desc=progress, unit='image', disable=None if progress else True, mininterval=0.5)
        chunk = []
        for image in images:
            chunk.append(image)
            if len(chunk) == PREDICT_BATCH:
                yield from self._score_chunk(chunk)
                chunk = []
        if chunk:
            yield from self._score_chunk(chunk)

    def score(self, images: LabeledDataset) -> Score:
        """Over all images."""
        return Score.merged(score for _, score in self.score_each(images))

    def check_unseen(self, images: LabeledDataset, source: str) -> None:
        """Raises UserError when one of the images trained or chose this network, be it in another file format."""
        known = images.pictures().are_among(self.seen)
        if known.any():
            name = images[int(np.argmax(known))].name
            raise UserError(
                f'{source}: {int(known.sum())} of its {len(images)} images, {name} among them, trained '
                'this network or chose its checkpoint; a score on them says nothing'
            )

    def fingerprint(self) -> str:
        """sha256 (hex) of all that decides its predictions: network, weights, task and size."""
        what = {'architecture': self.architecture, **self.task.to_json(), 'image_hw': list(self.image_hw)}
        digest = hashlib.sha256(json.dumps(what).encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f'{name} {tensor.dtype} {list(tensor.shape)}'.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write a safetensors file: the weights, the images seen, and all else as JSON in its metadata."""
        content = {
            'version': FORMAT_VERSION,
            'architecture': self.architecture,
            **self.task.to_json(),
            'image_hw': list(self.image_hw),
            'training': self.training,
        }
        state = {
            f'network.{name}': tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()
        }
        state[SEEN] = torch.from_numpy(self.seen.numbers)
        state[SEEN_THUMBNAILS] = torch.from_numpy(self.seen.thumbnails)
        write_atomically(path, save(state, metadata={METADATA_KEY: json.dumps(content)}))

    @classmethod
    def load(cls, path: Path, device: torch.device | str | None = None, argument: str = 'model') -> DownstreamModel:
        """
        Raises:
            UserError: the file is missing, damaged, or not one that `save` wrote.
        """
        with reading_tensors(path, argument, 'datasetgan train-downstream', METADATA_KEY, FORMAT_VERSION) as (
            content,
            state,
        ):
            with torch.random.fork_rng(devices=[]):
                model = cls.build(content['architecture'], Task.from_json(content, path), tuple(content['image_hw']))
            numbers = state.pop(SEEN).numpy()
            # files of earlier versions know their images by their pixels alone
            thumbnails = state.pop(SEEN_THUMBNAILS, torch.from_numpy(Pictures.none().thumbnails)).numpy()
            model.seen = Pictures(numbers, thumbnails)
            model.training = content['training']
            model.network.load_state_dict({name.removeprefix('network.'): tensor for name, tensor in state.items()})
        model.network.to(device or default_device())
        return model

    def decide(
        self, classes: torch.Tensor, heats: torch.Tensor, image_hw: tuple[int, int], ignore_below: float = 0.0
    ) -> Predicted:
        """Labels of an image, at its own size.

        Args:
            classes: logits [K, h, w].
            heats: logits of heatmaps [J, h, w].
            image_hw: height and width of the image.
            ignore_below: pixels whose class has a lower probability get IGNORE.
        """
        mask = keypoints = None
        if self.task.classes:
            mask = decide_classes(classes, image_hw, ignore_below).cpu().numpy()
        if self.task.keypoints:
            heatmaps = heats.sigmoid()
            (height, width), (full_height, full_width) = self.image_hw, image_hw
            points = locate(heatmaps, self.sigma).cpu().numpy() * (full_width / width, full_height / height)
            there = heatmaps.flatten(1).amax(dim=1).cpu().numpy() >= PRESENT_PEAK
            keypoints = Keypoints(points.astype(np.float32), np.where(there, VISIBLE, ABSENT).astype(np.uint8))
        return Predicted(mask, keypoints)

    def _heatmap_errors(self, images: list[LabeledImage], heats: torch.Tensor) -> np.ndarray:
        """float [N, J] of heatmaps' logits [N, J, *image_hw]; nan where an image's keypoints are not known."""
        batch = stack(images, self.image_hw, self.task.keypoints).to(heats.device)
        return heatmap_errors(heats, batch.points, batch.present, self.sigma).cpu().numpy()

    def _score_chunk(self, images: list[LabeledImage]) -> Iterator[tuple[int, Score]]:
        pictures = [image.image for image in images]
        classes, heats = self._outputs(pictures)
        if self.task.keypoints:
            errors = self._heatmap_errors(images, heats)
        for index, (true, found) in enumerate(zip(images, self._decided(pictures, classes, heats))):
            segmentation = keypoints = None
            if true.mask is not None and found.mask is not None:
                segmentation = SegmentationScore(len(self.task.classes))
                segmentation.add(true.mask, found.mask)
            if true.keypoints is not None and found.keypoints is not None:
                keypoints = KeypointScore(self.image_hw)
                keypoints.add_heatmaps(errors[index])
                factor = max(self.image_hw) / max(true.image.shape[:2])
                keypoints.add(
                    _scaled(true.keypoints, factor),
                    _scaled(found.keypoints, factor),
                    None if true.mask is None else _resized(true.mask, factor),
                )
            yield content_number(true.image), Score(segmentation, keypoints)


def decide_classes(logits: torch.Tensor, image_hw: tuple[int, int], ignore_below: float = 0.0) -> torch.Tensor:
    """The most probable class of each pixel, after logits were upsampled; one class at a time, so that an image of many
    pixels and classes fits into the memory.

    Args:
        logits: float32 [K, h, w].
        image_hw: height and width to which they are upsampled.
        ignore_below: pixels whose class has a lower probability get IGNORE.

    Returns:
        uint8 [*image_hw], class ids; of equally probable classes the first.
    """
    best = mask = total = None
    for index, plane in enumerate(logits):
        plane = F.interpolate(plane.contiguous()[None, None], image_hw, mode='bilinear', align_corners=False)[0, 0]
        if best is None:
            best = plane
            mask = torch.zeros(image_hw, dtype=torch.uint8, device=logits.device)
            total = torch.ones_like(plane) if ignore_below else None
            continue
        better = plane > best
        highest = torch.maximum(best, plane)
        if total is not None:  # the sum of exp(logit - highest logit), so far
            total = total * (best - highest).exp() + (plane - highest).exp()
        mask.masked_fill_(better, index)
        best = highest
    if total is not None:
        mask.masked_fill_(1 / total < ignore_below, IGNORE)
    return mask


def _scaled(keypoints: Keypoints, factor: float) -> Keypoints:
    return Keypoints(keypoints.points * factor, keypoints.visibility)


def _resized(mask: np.ndarray, factor: float) -> np.ndarray:
    rows, columns = (
        np.minimum(np.arange(max(1, round(side * factor))) / factor, side - 1).astype(int) for side in mask.shape
    )
    return mask[rows[:, None], columns]
