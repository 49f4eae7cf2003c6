"""sheet.png of datasetgan check-labels: picture, mask and outline of each labelled image, for a person to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.files import save_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.report.preview import DIM, GAP, INK, RED, TEXT, draw_keypoints, draw_legend, place_legend

TILE = 200
"""Pixels of a tile's longer side."""
MAX_IMAGES = 120
"""On a sheet; labels.json has them all."""
ASPECT = 1.5
"""Of the sheet's width to its height, as near as the tiles allow."""
OUTLINE = 1
"""Pixels of an outline's width, on the tile."""
CHECKS = (150, 190)
"""Levels of the chequered pattern that stands for "no label"."""
CHECK = 6
"""Side of a square of that pattern, in pixels of the tile."""


@dataclass(frozen=True)
class SheetRow:
    """What is drawn of one image.

    Attributes:
        name: of the image.
        picture: uint8 [H, W, 3].
        annotation: its labels.
        caption: below the tiles.
        is_wrong: whether the caption tells of something that is wrong.
    """

    name: str
    picture: np.ndarray
    annotation: Annotation
    caption: str
    is_wrong: bool = False


def draw_label_sheet(path: Path, rows: Sequence[SheetRow], task: Task) -> None:
    """Draw the picture, the mask and the picture with outlines of each image, with the classes' colours above.

    Args:
        path: PNG file to write.
        rows: of at least one image; MAX_IMAGES of them are drawn.
        task: names and colours.
    """
    font = PIL.ImageFont.load_default(TEXT)
    shown = rows[:MAX_IMAGES]
    titles = ['picture', 'mask', 'outline'] if task.classes else ['picture', 'keypoints']
    longest = max(max(row.picture.shape[:2]) for row in shown)
    scale = TILE / longest
    cell_width = max(math.ceil(row.picture.shape[1] * scale) for row in shown)
    cell_height = max(math.ceil(row.picture.shape[0] * scale) for row in shown)
    line = TEXT + GAP
    block = len(titles) * (cell_width + GAP) + 2 * GAP
    block_height = cell_height + line + GAP
    columns = max(1, min(len(shown), round(math.sqrt(ASPECT * len(shown) * block_height / block))))
    lines = math.ceil(len(shown) / columns)
    width = columns * block
    legend, legend_height = place_legend(task, width - GAP, font)
    top = GAP + legend_height + line
    rest = f'{len(rows) - len(shown)} more images are not shown' if len(rows) > len(shown) else ''
    height = top + lines * block_height + (line if rest else 0)
    sheet = PIL.Image.new('RGB', (width, height), 'white')
    draw = PIL.ImageDraw.Draw(sheet)
    draw_legend(draw, legend, task, GAP, font)
    for index, row in enumerate(shown):
        left = (index // lines) * block + GAP
        y = top + (index % lines) * block_height
        for column, (title, tile) in enumerate(zip(titles, _tiles(row, task, scale))):
            x = left + column * (cell_width + GAP)
            if index % lines == 0:
                draw.text((x, top - line), title, INK, font)
            sheet.paste(tile, (x, y))
        caption = _shortened(f'{row.name}: {row.caption}', block - 2 * GAP, font)
        draw.text((left, y + cell_height + 2), caption, RED if row.is_wrong else DIM, font)
    if rest:
        draw.text((GAP, height - line), rest, INK, font)
    save_atomically(path, lambda temporary: sheet.save(temporary, format='PNG'))


def _tiles(row: SheetRow, task: Task, scale: float) -> list[PIL.Image.Image]:
    height, width = row.picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smooth = PIL.Image.Resampling.BOX if scale < 1 else PIL.Image.Resampling.NEAREST
    picture = PIL.Image.fromarray(row.picture).resize(size, smooth)
    tiles = [picture]
    outlined = picture.copy()
    if task.classes:
        mask = row.annotation.mask
        if mask is None:
            mask = np.full((height, width), IGNORE, np.uint8)
        mask = np.asarray(PIL.Image.fromarray(mask).resize(size, PIL.Image.Resampling.NEAREST))
        tiles.append(PIL.Image.fromarray(_colored(mask, task)))
        outlined = PIL.Image.fromarray(_outlined(np.asarray(picture), mask, task))
    if row.annotation.keypoints is not None:
        draw_keypoints(outlined, row.annotation.keypoints, task, scale)
    return [*tiles, outlined]


def _colored(mask: np.ndarray, task: Task) -> np.ndarray:
    """uint8 [H, W, 3] of class ids; where there is no label, chequered."""
    rows, columns = np.indices(mask.shape) // CHECK
    colors = np.full((256, 3), CHECKS[0], np.uint8)
    colors[: len(task.palette)] = task.palette
    found = colors[mask]
    found[(mask == IGNORE) & ((rows + columns) % 2 == 0)] = CHECKS[1]
    return found


def _outlined(picture: np.ndarray, mask: np.ndarray, task: Task) -> np.ndarray:
    """The picture with a line in its colour inside each region that is not background; no label: mixed with grey."""
    found = picture.copy()
    unlabeled = mask == IGNORE
    found[unlabeled] = (found[unlabeled].astype(int) + _colored(mask, task)[unlabeled]) // 2
    border = np.zeros(mask.shape, bool)
    wide = np.pad(mask, OUTLINE, mode='edge')
    height, width = mask.shape
    for down in range(-OUTLINE, OUTLINE + 1):
        for right in range(-OUTLINE, OUTLINE + 1):
            shifted = wide[OUTLINE + down : OUTLINE + down + height, OUTLINE + right : OUTLINE + right + width]
            border |= shifted != mask
    border &= (mask != 0) & ~unlabeled
    found[border] = _colored(mask, task)[border]
    return found


def _shortened(text: str, width: int, font: PIL.ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '…') > width:
        text = text[:-1]
    return text + '…'
