"""A person's labels, as an interpreter's file keeps them for the datasets that are made with it."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from datasetgan_ext.core.annotation import IGNORE, VISIBLE, Annotation, Keypoints
from datasetgan_ext.core.seeds import MAX_SEED
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import COMPARED_SIDE, TOLERATED_DIFFERENCE, Sample
from datasetgan_ext.generator.sampling import SamplingOptions


@dataclass(frozen=True)
class HandLabel:
    """A person's labels of the image of a seed.

    Attributes:
        mask: uint8 [H, W], class ids, IGNORE where there is no label; None = no mask.
        keypoints: None = no keypoints.
        look: uint8 [h, w, C], see `look_of`: tells whether an image is the one that was labelled.
    """

    mask: np.ndarray | None
    keypoints: Keypoints | None
    look: np.ndarray

    def is_of(self, image: np.ndarray) -> bool:
        """Whether this is of an image, uint8 [H, W, C], whatever another device does to its last bits."""
        found = look_of(image)
        return found.shape == self.look.shape and int(np.abs(found.astype(int) - self.look).max()) <= (
            TOLERATED_DIFFERENCE
        )

    def to_json(self) -> dict:
        """JSON-ready dict; `from_json` reads it back."""
        keypoints = None
        if self.keypoints is not None:
            keypoints = [self.keypoints.points.tolist(), self.keypoints.visibility.tolist()]
        return {
            'mask': None if self.mask is None else _packed(self.mask),
            'keypoints': keypoints,
            'look': [list(self.look.shape), _packed(self.look)],
        }

    @classmethod
    def from_json(cls, content: dict, task: Task, image_hw: tuple[int, int]) -> HandLabel:
        """Check what `to_json` writes.

        Args:
            content: what it wrote.
            task: classes and keypoints that there may be labels of.
            image_hw: height and width of the image.

        Raises:
            ValueError, KeyError or TypeError: it is anything else, or labels that do not suit task or size.
        """
        mask = keypoints = None
        if content['mask'] is not None:
            mask = _unpacked(content['mask'], image_hw)
            if not task.classes or ((mask >= len(task.classes)) & (mask != IGNORE)).any():
                raise ValueError('a hand label has classes that the task lacks')
        if content['keypoints'] is not None:
            points, visibility = content['keypoints']
            keypoints = Keypoints(np.array(points, np.float32), np.array(visibility, np.uint8))
            count = len(task.keypoints)
            if keypoints.points.shape != (count, 2) or keypoints.visibility.shape != (count,) or not count:
                raise ValueError('a hand label has keypoints that the task lacks')
            if not np.isfinite(keypoints.points).all() or keypoints.visibility.max() > VISIBLE:
                raise ValueError('the keypoints of a hand label are no numbers')
        height, width, channels = content['look'][0]
        if not (0 < height <= image_hw[0] and 0 < width <= image_hw[1] and channels in (1, 3)):
            raise ValueError('the look of a hand label has no size')
        return cls(mask, keypoints, _unpacked(content['look'][1], (height, width, channels)))


def look_of(image: np.ndarray) -> np.ndarray:
    """The mean colours of the squares of COMPARED_SIDE pixels of an image, uint8 [H, W, C]: uint8 [h, w, C]."""
    means = ndimage.uniform_filter(image.astype(np.float32), (COMPARED_SIDE, COMPARED_SIDE, 0))
    rows, columns = (slice(min(COMPARED_SIDE // 2, side - 1), None, COMPARED_SIDE) for side in image.shape[:2])
    return means[rows, columns].round().astype(np.uint8)


def hand_labels_of(
    generator: Generator, options: SamplingOptions, pairs: Sequence[tuple[Sample, Annotation]]
) -> dict[int, HandLabel]:
    """What an interpreter's file keeps of the labels that it was trained on, by seed.

    Args:
        generator, options: made the images, and make them again for their look.
        pairs: each labelled sample with its labels.
    """
    options = generator.check_options(options)
    return {
        sample.seed: HandLabel(
            annotation.mask,
            annotation.keypoints,
            look_of(generator.synthesize([sample.seed], options).images[0].cpu().numpy()),
        )
        for sample, annotation in pairs
        if sample.projection is None  # no seed makes the image of a photo
    }


def to_json(labels: Mapping[int, HandLabel]) -> dict:
    """Hand labels by seed as a JSON-ready dict; `from_json` reads it back."""
    return {str(seed): label.to_json() for seed, label in sorted(labels.items())}


def from_json(content: dict, task: Task, image_hw: tuple[int, int]) -> dict[int, HandLabel]:
    """Check what `to_json` writes; arguments and errors as of `HandLabel.from_json`."""
    labels = {int(seed): HandLabel.from_json(label, task, image_hw) for seed, label in content.items()}
    if any(not 0 <= seed <= MAX_SEED for seed in labels):
        raise ValueError('a hand label is of no seed')
    return labels


def digest(labels: Mapping[int, HandLabel]) -> str | None:
    """What tells sets of hand labels apart: a sha256 (hex); None where there are none."""
    if not labels:
        return None
    whole = hashlib.sha256()
    for seed, label in sorted(labels.items()):
        whole.update(json.dumps([seed, label.keypoints and label.to_json()['keypoints']]).encode())
        whole.update(b'' if label.mask is None else label.mask.tobytes())
    return whole.hexdigest()


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 9)).decode('ascii')


def _unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 of a shape; no more is unpacked than it has, whatever the text claims."""
    size = int(np.prod(shape))
    try:
        machine = zlib.decompressobj()
        content = machine.decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(f'a hand label cannot be unpacked ({error})') from error
    if len(content) != size:
        raise ValueError(f'a hand label has {len(content)} values, not {size}')
    return np.frombuffer(content, np.uint8).reshape(shape)
