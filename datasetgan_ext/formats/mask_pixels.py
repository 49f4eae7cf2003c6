"""What a PNG file of a mask holds: its distinct pixels, each with the number that is stored and the colour shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.ExifTags

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import open_image

PALETTE, GRAY, COLOR = 'palette', 'gray', 'color'
KINDS = {'1': GRAY, 'L': GRAY, 'LA': GRAY, 'I': GRAY, 'I;16': GRAY, 'P': PALETTE, 'RGB': COLOR, 'RGBA': COLOR}
"""Kind of pixels, by Pillow's mode."""
GRAY_WITH_ALPHA = 4
"""PNG's colour type; with 16 bits, Pillow reads the upper eight alone."""
MAX_PIXELS = 1 << 24
"""Of a mask; larger ones would fill the memory before anything is known of them."""
TRANSPARENT = ()
"""Stands for the colour of a pixel of which nothing is to be seen."""
Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class MaskPixels:
    """The distinct pixels of a mask, K of them.

    Attributes:
        path: the file.
        kind: PALETTE, GRAY or COLOR.
        places: int [H, W], which of the K a pixel is.
        counts: pixels of each.
        numbers: of each, the palette's index or the level of grey, also of a grey that is stored as RGB. Levels of 1, 2
            and 4 bits are scaled to 255, as they are shown; those of 16 bits are as stored. None: it is not grey.
        stored: the same as stored, without scaling; None: it is stored as a colour.
        colors: of each; TRANSPARENT; None: one that no 8-bit colour is equal to.
        texts: the colour of each, for messages.
        palette: all its colours, used or not; empty unless PALETTE.
    """

    path: Path
    kind: str
    places: np.ndarray
    counts: list[int]
    numbers: list[int | None]
    stored: list[int | None]
    colors: list[Rgb | tuple[()] | None]
    texts: list[str]
    palette: list[Rgb]

    @property
    def opaque(self) -> set:
        """The colours to be seen."""
        return set(self.colors) - {TRANSPARENT}

    @property
    def hues(self) -> list[Rgb | tuple[()] | None]:
        """The colour of each, partly transparent ones of a palette as if they were not."""
        return [
            self.palette[number] if color is None and number is not None and self.palette else color
            for number, color in zip(self.numbers, self.colors)
        ]


def read_mask_pixels(path: Path) -> MaskPixels:
    """
    Raises:
        UserError: the file is no PNG, damaged, an animation, to be turned when it is shown, or of 16 bits with grey and
            alpha, which nothing here can read whole.
    """
    with open_image(path) as image:
        file_format = image.format
        mode = image.mode
        width, height = image.size
        pixels = np.asarray(image) if width * height <= MAX_PIXELS else None
        palette = (image.getpalette('RGB') if mode == 'P' else None) or []
        transparency = image.info.get('transparency')
        turned = image.getexif().get(PIL.ExifTags.Base.Orientation, 1)
        frames = getattr(image, 'n_frames', 1)
    if file_format != 'PNG':
        raise UserError(
            f'{path} is a {file_format} file by its content, whatever its name says; other formats than PNG may change '
            'single pixels, and then they mean other classes. Save the mask as PNG in the tool that made it'
        )
    if turned != 1:
        raise UserError(
            f'{path} is to be turned when it is shown (its EXIF orientation is {turned}); save it upright, without that'
        )
    if frames > 1:
        raise UserError(
            f'{path} is an animation of {frames} pictures (APNG), of which only the first would be read; save the one '
            'that is the mask as a PNG of its own'
        )
    if pixels is None:
        raise UserError(f'{path} has {width} x {height} pixels; no image here is as large')
    with path.open('rb') as file:
        depth, color_type = file.read(26)[24:]
    if mode not in KINDS or (depth == 16 and color_type == GRAY_WITH_ALPHA):
        raise UserError(
            f'{path} has {depth}-bit pixels of the kind {mode}, which cannot be read whole here; save the mask with 8 '
            'bits, as grey, palette or RGB'
        )
    kind = KINDS[mode]
    if kind == PALETTE:
        return _of_palette(path, pixels, np.reshape(palette, (-1, 3)).tolist(), transparency)
    if depth == 16:
        channels = _sixteen_bits(path, pixels, kind).astype(np.uint64)
    else:
        channels = np.atleast_3d(pixels).astype(np.uint64) * (255 if pixels.dtype == bool else 1)
    return _of_channels(path, kind, channels, depth, transparency)


def _of_palette(path: Path, pixels: np.ndarray, palette: list, transparency: bytes | int | None) -> MaskPixels:
    found, places, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    if found.max(initial=0) >= len(palette):
        raise UserError(f'{path} is damaged: it has pixels beyond its palette')
    colors = [tuple(color) for color in palette]
    alphas = {transparency: 0} if isinstance(transparency, int) else dict(enumerate(transparency or b''))
    numbers = found.tolist()
    shown = [_color(colors[number], alphas.get(number, 255)) for number in numbers]
    texts = [_text(colors[number], alphas.get(number)) for number in numbers]
    return MaskPixels(
        path, PALETTE, places.reshape(pixels.shape), counts.tolist(), numbers, numbers, shown, texts, colors
    )


def _of_channels(path: Path, kind: str, channels: np.ndarray, depth: int, transparency: object) -> MaskPixels:
    """Of pixels [H, W, C] in 8 or 16 bits, with alpha where C is 2 or 4."""
    height, width, count = channels.shape
    shifts = (16 * np.arange(count)).astype(np.uint64)
    codes, places, counts = np.unique(
        (channels << shifts).sum(axis=2, dtype=np.uint64), return_inverse=True, return_counts=True
    )
    largest = 65535 if depth == 16 else 255
    scale = 255 // (2**depth - 1) if depth < 8 else 1
    if isinstance(transparency, int) and depth in (2, 4):
        transparency *= scale  # Pillow leaves it as stored, but scales the pixels
    numbers, colors, texts = [], [], []
    for values in (codes[:, None] >> shifts & np.uint64(0xFFFF)).tolist():
        has_alpha = len(values) in (2, 4)
        levels = tuple(values[:-1] if has_alpha else values)
        hidden = transparency is not None and (levels if len(levels) == 3 else levels[0]) == transparency
        alpha = 0 if hidden else values[-1] if has_alpha else largest
        is_level = len(set(levels)) == 1 and alpha in (0, largest)
        numbers.append(levels[0] if is_level else None)
        rgb = levels if len(levels) == 3 else levels * 3
        if depth == 16:
            exact = all(level % 257 == 0 for level in rgb)
            rgb = tuple(level // 257 for level in rgb) if exact else rgb
            texts.append(_text(rgb, alpha // 257 if has_alpha else None) + ('' if exact else ' of 16 bits'))
            colors.append(_color(rgb, alpha // 257) if exact or alpha == 0 else None)
        else:
            texts.append(_text(rgb, alpha if has_alpha else None))
            colors.append(_color(rgb, alpha))
    is_stored = kind == GRAY
    stored = [number // scale if is_stored and number is not None else None for number in numbers]
    return MaskPixels(path, kind, places.reshape(height, width), counts.tolist(), numbers, stored, colors, texts, [])


def _sixteen_bits(path: Path, pixels: np.ndarray, kind: str) -> np.ndarray:
    """All 16 bits of a PNG's channels [H, W, C]; of colours, Pillow has read the upper eight alone."""
    if kind == GRAY:
        return np.atleast_3d(pixels)
    with open_image(path) as image:
        # the bytes of each number the other way round: what Pillow takes for the upper ones are the lower ones
        image.tile = [(*tile[:3], tile[3].replace('16B', '16L')) for tile in image.tile]  # type: ignore[attr-defined]
        lower = np.asarray(image)
    return pixels.astype(np.uint16) << 8 | lower


def _color(rgb: Rgb, alpha: int) -> Rgb | tuple[()] | None:
    if alpha == 0:
        return TRANSPARENT
    return rgb if alpha == 255 else None


def _text(rgb: Rgb, alpha: int | None) -> str:
    return str(rgb if alpha is None else (*rgb, alpha))


def counted(names: Mapping[str, int], most: int, more: str) -> str:
    """ "car 300 pixels, ..." of the names with most pixels, at most `most` of them; `more` names the rest."""
    ordered = sorted(names.items(), key=lambda item: -item[1])
    listed = ', '.join(f'{name}: {count} pixels' for name, count in ordered[:most])
    return listed + (f' and {len(ordered) - most} more {more}' if len(ordered) > most else '')
