"""Labels of photos: mask, keypoints and how sure a trained network is of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import Keypoints
from datasetgan_ext.core.choices import VIEWS
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.core.photo_files import read_content
from datasetgan_ext.downstream.batches import normalize, to_input
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.interpreter.uncertainty import foreground_mean

OFFSETS = ((0, 0), (4, 0), (-2, 3), (-2, -3))
"""Rows and columns by which the views are shifted, in pixels of the network's images; in all, they are not."""
DEFAULT_BATCH = {'cpu': 1, 'cuda': 16}
"""On a CPU one image at a time makes each independent of its neighbours, to the last bit."""
LOOK_HW = (4, 4)
"""Of the small copy that `look` is."""


@dataclass
class PhotoKeypoints(Keypoints):
    """Keypoints as the network finds them, each VISIBLE or ABSENT.

    Attributes:
        confidence: float32 [J], 0..1, height of the heatmap's peak.
    """

    confidence: np.ndarray


@dataclass
class LabeledPhoto:
    """A photo and its labels, all at the photo's own size, upright.

    Attributes:
        id: its number among the photos.
        image: uint8 [H, W, 3], RGB.
        mask: uint8 [H, W], class ids, IGNORE where the network is too unsure; None where it has no classes.
        keypoints: in pixels of the photo; None where the network has none.
        uncertainty: 0..1. Of classes, the mean over the pixels that are not background (of a photo without such, over
            the most uncertain tenth) of the entropy of the class probabilities, divided by the highest that can be;
            of keypoints, the mean entropy of whether each is there;
            where the network has both, the mean of the two.
        pixel_uncertainty: float32 [h, w], the entropy of each pixel, 0..1, at the network's size; None without classes.
        look: uint8 [4, 4, 3], RGB, a small copy.
        sha256: of the photo's file (hex); empty if there was none.
    """

    id: int
    image: np.ndarray
    mask: np.ndarray | None
    keypoints: PhotoKeypoints | None
    uncertainty: float
    pixel_uncertainty: np.ndarray | None
    look: np.ndarray
    sha256: str = ''


class Photo(NamedTuple):
    """A photo that is to be labelled.

    Attributes:
        id: its number.
        path: of its file.
        content: of the file, where the labeler's machine may not have it; None = it is read from `path`.
        image: uint8 [H, W, 3], where it has been read already.
        input: float32 [3, h, w] in 0..1, at the network's size, where it has been made already.
        problem: why it could not be read.
        sha256: of the file (hex), once it has been read.
    """

    id: int
    path: Path
    content: bytes | None = None
    image: np.ndarray | None = None
    input: torch.Tensor | None = None
    problem: str | None = None
    sha256: str = ''

    def read(self, image_hw: tuple[int, int]) -> Photo:
        """The same with its image and the network's input of that size, or with the problem that there is with it."""
        if self.input is not None:
            return self
        photo = self.with_content()
        if photo.image is not None:
            return photo._replace(input=to_input(photo.image, image_hw))
        if photo.content is None:
            return photo
        try:
            image = read_rgb(self.path, photo.content)
            sha256 = hashlib.sha256(photo.content).hexdigest()
            return self._replace(image=image, input=to_input(image, image_hw), sha256=sha256, content=None)
        except UserError as error:
            return self._failed(error.message)
        except MemoryError:
            return self._failed('is too large for the memory')

    def with_content(self) -> Photo:
        """The same with the content of its file, unless it has been read already; or with what is wrong with it."""
        if self.content is not None or self.image is not None or self.problem is not None:
            return self
        try:
            return self._replace(content=read_content(self.path))
        except UserError as error:
            return self._failed(error.message)

    def _failed(self, message: str) -> Photo:
        return self._replace(problem=message.removeprefix(f'{self.path} '), content=None)


class FailedPhoto(NamedTuple):
    """A photo that could not be read, and why."""

    id: int
    problem: str


@dataclass
class UndecidedPhoto:
    """What the network says of a photo at its own size; what that means at the photo's size is decided apart, so that
    another thread can do it.

    Attributes:
        id: the photo's number.
        photo: it, with its image.
        model, ignore_below: see `PhotoLabeler`.
        classes: float32 [K, h, w], logits.
        heats: float32 [J, h, w], logits of heatmaps.
        look: see `LabeledPhoto`.
    """

    id: int
    photo: Photo
    model: DownstreamModel
    ignore_below: float
    classes: torch.Tensor
    heats: torch.Tensor
    look: np.ndarray

    def decide(self) -> LabeledPhoto:
        """The labels."""
        image = self.photo.image
        task = self.model.task
        with torch.inference_mode():
            pixels = _entropy(self.classes[None]) if task.classes else None
            masks = self.classes[None].argmax(dim=1) if task.classes else None
            uncertainty = _uncertainty(pixels, masks, self.heats[None] if task.keypoints else None).item()
            found = self.model.decide(self.classes, self.heats, image.shape[:2], self.ignore_below)
            keypoints = None
            if found.keypoints is not None:
                peaks = self.heats.sigmoid().flatten(1).amax(dim=1).cpu().numpy()
                keypoints = PhotoKeypoints(found.keypoints.points, found.keypoints.visibility, peaks)
        return LabeledPhoto(
            id=self.id,
            image=image,
            mask=found.mask,
            keypoints=keypoints,
            uncertainty=uncertainty,
            pixel_uncertainty=None if pixels is None else pixels[0].cpu().numpy(),
            look=self.look,
            sha256=self.photo.sha256,
        )


class PhotoLabeler:
    """Labels photos with a trained network.

    Example:
        >>> labeler = PhotoLabeler(DownstreamModel.load(Path('network.safetensors')))
        >>> (undecided,) = labeler.label([Photo(0, Path('photo.jpg'))])
        >>> labeled = undecided.decide()
    """

    def __init__(
        self, model: DownstreamModel, views: int = 1, ignore_below: float = 0.0, batch: int | None = None
    ) -> None:
        """
        Args:
            model: the network.
            views: 1; 2 = the photo and its mirror image, averaged; 8 = both also shifted three ways.
            ignore_below: pixels whose class has a lower probability get IGNORE; in [0, 1).
            batch: photos in one forward pass; None = 1 on a CPU, 16 on a GPU.

        Raises:
            UserError: there is no such number of views, the network does not take mirror images, or `ignore_below` is
                no such share, or of a network without classes.
        """
        if views not in VIEWS:
            raise UserError(f'`views`={views} is none of {", ".join(map(str, VIEWS))}')
        if views > 1 and model.training.get('mirror') is False:
            raise UserError(
                f'`views`={views} averages mirror images, and this network was trained without them (`mirror`): its '
                'classes may be left or right; give 1'
            )
        if not 0 <= ignore_below < 1:
            raise UserError(f'`ignore_below`={ignore_below} is not a probability; give a number from 0 to below 1')
        if ignore_below and not model.task.classes:
            raise UserError(
                f'`ignore_below`={ignore_below} is of classes, and this network has keypoints alone; give 0'
            )
        self.model = model
        self.views = views
        self.ignore_below = ignore_below
        self.batch = batch or DEFAULT_BATCH.get(model.device.type, 1)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.device

    def label(self, ids: Sequence[Photo]) -> list[UndecidedPhoto | FailedPhoto]:
        """What the network says of photos, from one forward pass of all that can be read, in their order."""
        photos = [photo.read(self.model.image_hw) for photo in ids]
        inputs = [photo.input for photo in photos if photo.input is not None]
        parts = iter(self._forward(torch.stack(inputs)) if inputs else ())
        return [
            FailedPhoto(photo.id, photo.problem)
            if photo.image is None
            else UndecidedPhoto(photo.id, photo, self.model, self.ignore_below, **next(parts))
            for photo in photos
        ]

    @contextmanager
    def same_sums(self) -> Iterator[None]:
        """One thread on a CPU: in several, some layers add in another order."""
        threads = torch.get_num_threads()
        if self.device.type == 'cpu':
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def _forward(self, inputs: torch.Tensor) -> Iterator[dict]:
        """What `UndecidedPhoto` has of each image; float32 [N, 3, *image_hw] in 0..1."""
        with torch.inference_mode():
            logits = averaged_logits(self.model, normalize(inputs.to(self.device)), self.views)
            classes, heats = self.model.split(logits)
            looks = (255 * F.adaptive_avg_pool2d(inputs, LOOK_HW)).round().byte().permute(0, 2, 3, 1).numpy()
        for index in range(len(inputs)):
            yield {
                'classes': classes[index],
                'heats': heats[index],
                'look': looks[index],
            }


def predict(
    model: DownstreamModel,
    images: Iterable[np.ndarray | Path | str],
    views: int = 1,
    ignore_below: float = 0.0,
    batch: int | None = None,
) -> Iterator[LabeledPhoto]:
    """Masks and keypoints of photos of any sizes, at each one's own size.

    Example:
        >>> model = DownstreamModel.load(Path('network.safetensors'))
        >>> for photo in predict(model, Path('photos').glob('*.jpg')):
        ...     print(photo.mask.shape, photo.uncertainty)

    Args:
        model: the network.
        images: files (see `core.images.read_rgb`), or uint8 [H, W, 3], RGB; taken as they are needed.
        views: see `PhotoLabeler`.
        ignore_below: see there.
        batch: see there.

    Yields:
        A labelled photo for each, in their order; `id` counts from 0.

    Raises:
        UserError: a file cannot be read; or as from `PhotoLabeler`.
    """
    labeler = PhotoLabeler(model, views, ignore_below, batch)
    return _each(labeler, enumerate(images))


def _each(labeler: PhotoLabeler, numbered: Iterator[tuple[int, np.ndarray | Path | str]]) -> Iterator[LabeledPhoto]:
    while chunk := list(itertools.islice(numbered, labeler.batch)):
        photos = [
            Photo(number, Path(f'image {number}'), image=_checked(image, number))
            if isinstance(image, np.ndarray)
            else Photo(number, Path(image))
            for number, image in chunk
        ]
        for photo, labeled in zip(photos, labeler.label(photos)):
            if isinstance(labeled, FailedPhoto):
                raise UserError(f'{photo.path} {labeled.problem}')
            yield labeled.decide()


def _checked(image: np.ndarray, number: int) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            f'`images`: image {number} is {image.dtype} {list(image.shape)}; give uint8 [height, width, 3], RGB'
        )
    return image


def averaged_logits(model: DownstreamModel, inputs: torch.Tensor, views: int) -> torch.Tensor:
    """The network's logits, averaged over views of the same images.

    A view is mirrored, shifted, or both; its logits are turned and shifted back. A shift repeats the border's pixels on
    one side and loses some on the other: where a view saw nothing of a pixel, the others count alone.

    Args:
        model: the network.
        inputs: float32 [N, 3, h, w], normalised.
        views: 1, 2 or 8.

    Returns:
        float32 [N, K + J, h, w].
    """
    if views == 1:
        return model.logits(inputs)
    total = weight = 0
    height, width = inputs.shape[2:]
    for mirrored in (False, True):
        for rows, columns in OFFSETS[: views // 2]:
            view = inputs.flip(3) if mirrored else inputs
            down, right = (torch.arange(side, device=inputs.device) for side in (height, width))
            # pixel (y, x) of the view shows pixel (y + rows, x + columns)
            view = view[:, :, (down + rows).clamp(0, height - 1)][..., (right + columns).clamp(0, width - 1)]
            logits = model.logits(view)
            logits = logits[:, :, (down - rows).clamp(0, height - 1)][..., (right - columns).clamp(0, width - 1)]
            seen_rows = (down - rows).clamp(0, height - 1) == down - rows
            seen_columns = (right - columns).clamp(0, width - 1) == right - columns
            seen = (seen_rows[:, None] & seen_columns).float()
            if mirrored:
                logits = logits.flip(3)[:, _mirrored_channels(model)]
                seen = seen.flip(1)
            total = total + logits * seen
            weight = weight + seen
    return total / weight


def _mirrored_channels(model: DownstreamModel) -> list[int]:
    """The channel that takes each one's place in a mirror image: left and right keypoints are exchanged."""
    channels = list(range(len(model.task.classes) + len(model.task.keypoints)))
    first = len(model.task.classes)
    for left, right in model.task.left_right_pairs:
        channels[first + left] = first + right
        channels[first + right] = first + left
    return channels


def _entropy(classes: torch.Tensor) -> torch.Tensor:
    """Logits [N, K, h, w] to entropy [N, h, w], as a share of the highest that can be."""
    logs = classes.log_softmax(dim=1)
    return -(logs.exp() * logs).sum(dim=1).clamp(max=0) / np.log(classes.shape[1])


def _uncertainty(pixels: torch.Tensor | None, masks: torch.Tensor | None, heats: torch.Tensor | None) -> torch.Tensor:
    """float32 [N]: see `LabeledPhoto`."""
    parts = []
    if pixels is not None:
        parts.append(foreground_mean(pixels, masks))
    if heats is not None:
        peaks = heats.sigmoid().flatten(2).amax(dim=2)
        both = torch.stack([peaks, 1 - peaks])
        parts.append((-torch.special.xlogy(both, both).sum(dim=0) / np.log(2)).mean(dim=1))
    return torch.stack(parts).mean(dim=0)
