"""How a photo becomes an image of a network's size, and its labels with it, as upstream's dataset_tool.py does it.

A network is trained on images that were cropped and resized in one way; photos have to go the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import ABSENT, Annotation, Keypoints, size_text
from datasetgan_ext.core.choices import TRANSFORMS
from datasetgan_ext.core.errors import UserError


@dataclass(frozen=True)
class Crop:
    """The part of a photo that becomes an image.

    Attributes:
        photo_hw: height and width of the photo in pixels, upright.
        box: left, top, right and bottom of the part, in whole pixels of the photo.
        image_hw: height and width that the part is resized to.
    """

    photo_hw: tuple[int, int]
    box: tuple[int, int, int, int]
    image_hw: tuple[int, int]

    def picture(self, photo: np.ndarray, channels: int = 3) -> np.ndarray:
        """The image: cut out and resized with Lanczos' filter, as upstream's dataset_tool.py does.

        Args:
            photo: uint8 [H, W, 3] of `photo_hw`.
            channels: of the image: 3, or 1 for gray.

        Returns:
            uint8 [h, w, channels] of `image_hw`.
        """
        height, width = self.image_hw
        part = PIL.Image.fromarray(photo).crop(self.box).resize((width, height), PIL.Image.Resampling.LANCZOS)
        return np.array(part.convert('L' if channels == 1 else 'RGB')).reshape(height, width, channels)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A photo's mask as the image's: each pixel has the class at its centre.

        Args:
            mask: uint8 [H, W] of `photo_hw`.

        Returns:
            uint8 [h, w] of `image_hw`.
        """
        left, top, right, bottom = self.box
        height, width = self.image_hw
        rows = top + ((np.arange(height) + 0.5) * (bottom - top) / height).astype(int)
        columns = left + ((np.arange(width) + 0.5) * (right - left) / width).astype(int)
        return np.ascontiguousarray(mask[rows[:, None], columns])

    def keypoints(self, keypoints: Keypoints) -> Keypoints:
        """A photo's keypoints in pixels of the image; those outside it are absent."""
        left, top, right, bottom = self.box
        height, width = self.image_hw
        points = (keypoints.points - (left, top)) * (width / (right - left), height / (bottom - top))
        inside = ((points >= 0) & (points <= (width, height))).all(axis=1)
        visibility = np.where(inside, keypoints.visibility, ABSENT).astype(np.uint8)
        return Keypoints(points.astype(np.float32), visibility)

    def annotation(self, annotation: Annotation) -> Annotation:
        """A photo's labels as the image's.

        Raises:
            UserError: the mask is of another size than the photo.
        """
        mask = annotation.mask
        if mask is not None and mask.shape != self.photo_hw:
            raise UserError(
                f'{annotation.source} is {size_text(mask.shape)}, the photo {annotation.name} is '
                f'{size_text(self.photo_hw)} (height x width)'
            )
        return replace(
            annotation,
            mask=None if mask is None else self.mask(mask),
            keypoints=None if annotation.keypoints is None else self.keypoints(annotation.keypoints),
            image_hw=self.image_hw,
        )


def crop_of(transform: str, photo_hw: tuple[int, int], image_hw: tuple[int, int]) -> Crop:
    """The part of a photo that a transform takes.

    Args:
        transform: one of TRANSFORMS.
        photo_hw: height and width of the photo, upright.
        image_hw: height and width of the image that it becomes.

    Raises:
        UserError: the photo has no such part.
    """
    height, width = photo_hw
    image_height, image_width = image_hw
    if transform == 'stretch':
        rows, columns = height, width
    elif transform == 'center-crop':
        factor = min(height / image_height, width / image_width)
        rows = max(1, min(height, round(image_height * factor)))
        columns = max(1, min(width, round(image_width * factor)))
    elif transform == 'center-crop-wide':
        rows, columns = int(np.round(image_width * height / width)), width
        if width < image_width or not image_height <= rows <= height:
            raise UserError(
                f"the photo is {width} x {height} pixels: `transform`=center-crop-wide takes photos of the images' "
                f'width, {image_width}, and at least {image_height} high; resize it, or give `transform`=center-crop'
            )
    else:
        raise UserError(f'`transform`={transform} is none of {", ".join(TRANSFORMS)}')
    top, left = (height - rows) // 2, (width - columns) // 2
    return Crop(photo_hw, (left, top, left + columns, top + rows), image_hw)
