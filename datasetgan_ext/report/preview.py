"""preview.png: a contact sheet of image, mask, overlay and uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Keypoints
from datasetgan_ext.core.files import save_atomically
from datasetgan_ext.core.palette import spread_colors
from datasetgan_ext.core.task import Task
from datasetgan_ext.interpreter.labeler import LabeledSample
from datasetgan_ext.report.strata import DROPPED

OVERLAY_SHARE = 0.6
HEAT_QUANTILE = 0.98
TILE = 160
GAP = 8
TEXT = 15
DOT = 3
BONE = (255, 255, 255)
INK = (25, 25, 25)
DIM = (110, 110, 110)
RED = (190, 30, 30)


def color_mask(mask: np.ndarray, task: Task) -> np.ndarray:
    """uint8 [H, W] class ids to uint8 [H, W, 3] colours, white where there is no label."""
    palette = np.full((IGNORE + 1, 3), 255, np.uint8)
    palette[: len(task.classes)] = task.palette
    return palette[mask]


def overlay(image: np.ndarray, mask: np.ndarray, task: Task) -> np.ndarray:
    """The mask's colours over the image, background left clear: uint8 [H, W, 3]."""
    share = np.where(mask == 0, 0, OVERLAY_SHARE)[..., None]
    return (share * color_mask(mask, task) + (1 - share) * image).round().astype(np.uint8)


def heat(values: np.ndarray, highest: float) -> np.ndarray:
    """float [H, W] in 0..highest to uint8 [H, W, 3]: black, red, yellow, white."""
    level = np.clip(values / max(highest, 1e-9), 0, 1)[..., None] * 3 - np.arange(3)
    return (255 * np.clip(level, 0, 1)).round().astype(np.uint8)


def draw_preview(path: Path, samples: Sequence[tuple[LabeledSample, str]], task: Task) -> None:
    """Draw a row a sample: image, mask, overlay and uncertainty, with the classes' colours below.

    Keypoints and skeleton are drawn on the overlay; without classes there are only the image and that.

    Args:
        path: PNG file to write.
        samples: samples and the name of each one's stratum, in the order of the rows.
        task: names and colours.
    """
    font = PIL.ImageFont.load_default(TEXT)
    height, width = samples[0][0].image.shape[:2]
    scale = TILE / max(height, width)
    if scale > 1:
        scale = round(scale)
    tile_wh = (round(width * scale), round(height * scale))
    # one scale for all tiles, on which a single odd image does not leave the others black
    highest = (
        float(np.quantile([sample.pixel_uncertainty for sample, _ in samples], HEAT_QUANTILE)) if task.classes else 0.0
    )
    tile_count = 4 if task.classes else 2
    columns = 2 if len(samples) > 4 else 1
    rows = math.ceil(len(samples) / columns)
    block = tile_count * (tile_wh[0] + GAP) + GAP
    line = TEXT + GAP
    legend, legend_height = place_legend(task, columns * block - GAP, font)
    sheet = PIL.Image.new(
        'RGB', (columns * block + GAP, line + rows * (tile_wh[1] + line + GAP) + legend_height + GAP), 'white'
    )
    draw = PIL.ImageDraw.Draw(sheet)
    for index, (sample, stratum) in enumerate(samples):
        left = (index // rows) * block + GAP
        top = line + (index % rows) * (tile_wh[1] + line + GAP)
        image = sample.image.repeat(3, axis=2) if sample.image.shape[2] == 1 else sample.image
        tiles = {'image': image, 'keypoints': image}
        if task.classes:
            tiles = {
                'image': image,
                'mask': color_mask(sample.mask, task),
                'overlay': overlay(image, sample.mask, task),
                'uncertainty': heat(sample.pixel_uncertainty, highest),
            }
        for column, (title, pixels) in enumerate(tiles.items()):
            x = left + column * (tile_wh[0] + GAP)
            if index % rows == 0:
                draw.text((x, GAP // 2), title, INK, font)
            resample = PIL.Image.Resampling.BOX if scale < 1 and title != 'mask' else PIL.Image.Resampling.NEAREST
            tile = PIL.Image.fromarray(pixels).resize(tile_wh, resample)
            if sample.keypoints is not None and title in ('overlay', 'keypoints'):
                draw_keypoints(tile, sample.keypoints, task, scale)
            sheet.paste(tile, (x, top))
        uncertainty = '' if sample.uncertainty is None else f' ({sample.uncertainty:.4f})'
        draw.text(
            (left, top + tile_wh[1] + 2),
            f'{stratum}: {sample.id_name} {sample.id}{uncertainty}',
            RED if stratum == DROPPED else DIM,
            font,
        )
    draw_legend(draw, legend, task, sheet.height - legend_height, font)
    save_atomically(path, lambda temporary: sheet.save(temporary, format='PNG'))


def draw_keypoints(image: PIL.Image.Image, keypoints: Keypoints, task: Task, scale: float) -> None:
    """Draw skeleton and points of the keypoints that are there onto an image that is `scale` times as large."""
    draw = PIL.ImageDraw.Draw(image)
    places = keypoints.points * scale
    there = keypoints.visibility != ABSENT
    for one, other in task.skeleton:
        if there[one] and there[other]:
            draw.line([tuple(places[one]), tuple(places[other])], fill=BONE, width=1)
    for index, ((x, y), color) in enumerate(zip(places, keypoint_colors(task))):
        if there[index]:
            draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill=color, outline=INK)


def keypoint_colors(task: Task) -> list[tuple[int, int, int]]:
    """A colour for each keypoint."""
    return spread_colors(len(task.keypoints) + 1)[1:]


def draw_legend(
    draw: PIL.ImageDraw.ImageDraw, legend: list[tuple], task: Task, top: int, font: PIL.ImageFont.FreeTypeFont
) -> None:
    """Draw what `place_legend` has placed, from `top` downwards: squares for classes, dots for keypoints."""
    for index, (position, name, color) in enumerate(legend):
        x = position[0] + GAP
        y = top + position[1]
        shape = draw.rectangle if index < len(task.classes) else draw.ellipse
        shape((x, y + 2, x + TEXT - 2, y + TEXT), fill=color, outline=DIM)
        draw.text((x + TEXT + 4, y), name, INK, font)


def place_legend(task: Task, width: int, font: PIL.ImageFont.FreeTypeFont) -> tuple[list[tuple], int]:
    """Where each class's and keypoint's name stands below the tiles, and the height that they need."""
    names = [*task.classes, *task.keypoints]
    colors = [*task.palette, *keypoint_colors(task)]
    entries = []
    x = y = 0
    for name, color in zip(names, colors):
        length = TEXT + 4 + math.ceil(font.getlength(name)) + 2 * GAP
        if x and x + length > width:
            x = 0
            y += TEXT + GAP
        entries.append(((x, y), name, color))
        x += length
    return entries, y + TEXT + GAP
