"""What the pixels of masks mean: class ids by the colours that they show, or by the numbers that are stored.

`mask_values`='auto'; the first line that fits a file decides:

| | the file | is read |
|---|---|---|
| 0 | a palette PNG in the form of `write_mask`: 8 bits, 256 colours, the first those of the task, the others black | by number; 255 has no label |
| 1 | is a palette PNG whose numbers all have one colour | not at all |
| 2 | has colours with a known meaning alone | by colour, whatever its numbers |
| 3 | is a palette PNG with a known colour at another number than its id (known but for a few levels, or but for transparency), beside unknown ones or 255 | not at all |
| 4 | is black and white alone, as are all files of the folder | not at all: white is a class, or has no label |
| 5 | is a palette PNG of ids in VOC's or the made-up colours, at other numbers; or with transparent ids; or whose palette was made for this picture: black is not at 0, or another file has other colours | not at all |
| 6 | has numbers that are ids | by number |
| 7 | has anything else | not at all |

Numbers are ids where each is that of a class, or 255. 'color' reads by lines 2 and 7, 'index' the stored numbers.
What has two readings is refused with both.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.choices import MASK_VALUES
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.palette import distinct_colors, spread_colors
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.color_ids import Colors
from datasetgan_ext.formats.mask_pixels import (
    COLOR,
    GRAY,
    PALETTE,
    TRANSPARENT,
    MaskPixels,
    Rgb,
    counted,
    read_mask_pixels,
)
from datasetgan_ext.formats.name_tables import NameTable, voc_color

AUTO, INDEX, BY_COLOR = MASK_VALUES
MAX_LISTED = 10
"""Unknown colours that a message lists for one file."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
OWN_COLORS = 256
"""In the palettes that `write_mask` writes."""


@dataclass(frozen=True)
class Meaning:
    """What colours and numbers of a folder's masks may mean.

    Attributes:
        names: of the ids, from 0.
        known: colours with a meaning; the first that has all colours of a file is taken.
        own: palettes with which masks of `write_mask` may begin.
        familiar: colours that many masks have, but nobody has given a meaning here.
        numbers_are_ids: whether numbers may be ids where colours have no meaning.
    """

    names: Sequence[str]
    known: Sequence[Colors] = ()
    own: Sequence[Sequence[Rgb]] = ()
    familiar: Sequence[Colors] = ()
    numbers_are_ids: bool = True

    @classmethod
    def of(cls, task: Task, table: NameTable | None = None, in_voc: bool = False) -> Meaning:
        """The meaning that a class file, a tool's name table, or VOC's folders give.

        Args:
            task: the class file.
            table: lies beside the masks; ids are then its lines.
            in_voc: whether the masks lie as VOC's do.
        """
        void = {voc_color(IGNORE): IGNORE} if in_voc or table else {}
        if table is not None:
            return cls(
                names=table.names,
                known=[Colors(void | _ids(table.colors), str(table.path))],
                own=[table.colors],
                numbers_are_ids=table.has_numbers,
            )
        voc = Colors(_ids([voc_color(index) for index in range(256)]), "VOC's palette")
        made_up = distinct_colors(len(task.classes))
        earlier = spread_colors(len(task.classes))
        known = []
        if task.palette_is_given:
            known.append(Colors(void | _ids(task.palette), 'the palette of `classes`'))
        if in_voc:
            known.append(voc)
        return cls(
            names=task.classes,
            known=known,
            own=[task.palette, made_up, earlier],
            familiar=[
                voc,
                Colors(_ids(made_up), 'the made-up palette'),
                Colors(_ids(earlier), 'the made-up palette of earlier versions'),
            ],
        )


@dataclass
class _Folder:
    """What is found file by file and matters for the whole folder."""

    unknown: list[str] = field(default_factory=list)
    black_and_white: list[str] = field(default_factory=list)
    others: int = 0
    against_numbers: list[Path] = field(default_factory=list)
    by_number: list[Path] = field(default_factory=list)
    numbers: dict[Rgb, tuple[int, Path]] = field(default_factory=dict)
    colors: dict[int, tuple[Rgb, Path]] = field(default_factory=dict)


def read_masks(paths: Iterable[Path], meaning: Meaning, mask_values: str = AUTO) -> Iterator[Annotation]:
    """The masks of a folder one after the other, in ids of `meaning`.

    Args:
        paths: of all masks of the folder.
        meaning: see there.
        mask_values: one of MASK_VALUES.

    Raises:
        UserError: a file cannot be read, or can be read in two ways that differ; or, after the last one, there are
            colours without a meaning, those of all files in one message; some files are to be read in one way, some in
            the other; or all are black and white alone.
    """
    check_mask_values(mask_values)
    if mask_values == BY_COLOR and not meaning.known:
        raise UserError(
            '`mask_values`=color: no colour has a meaning; give the class file a "palette" with a colour for each class'
        )
    folder = _Folder()
    for path in paths:
        yield _read(path, meaning, mask_values, folder)
    if folder.unknown:
        raise UserError(_unknown_text(folder.unknown, meaning))
    if folder.black_and_white and not folder.others:
        raise UserError(folder.black_and_white[0])
    if folder.against_numbers and folder.by_number:
        raise UserError(
            f'`labels`: {folder.against_numbers[0]} has known colours at other numbers than their ids, so it is to be '
            f'read by colour; {folder.by_number[0]} has unknown colours, so it is to be read by number. One folder is '
            'read in one way: say with `mask_values`=color or `mask_values`=index which it is'
        )


def read_one_mask(path: Path, meaning: Meaning, mask_values: str = AUTO) -> Annotation:
    """One mask of a folder that `read_masks` has gone through without an error.

    Raises:
        UserError: the file has changed since, and cannot be read or understood.
    """
    folder = _Folder()
    annotation = _read(path, meaning, mask_values, folder)
    if folder.unknown:
        raise UserError(_unknown_text(folder.unknown, meaning))
    return annotation


def check_mask_values(mask_values: str) -> None:
    if mask_values not in MASK_VALUES:
        raise UserError(f'`mask_values`={mask_values!r} is none of {", ".join(MASK_VALUES)}')


def _ids(colors: Sequence[Rgb]) -> dict[Rgb, int]:
    return {(red, green, blue): index for index, (red, green, blue) in enumerate(colors)}


def _read(path: Path, meaning: Meaning, mask_values: str, folder: _Folder) -> Annotation:
    pixels = read_mask_pixels(path)
    ids = _stored_ids(pixels, meaning) if mask_values == INDEX else _ids_of(pixels, meaning, mask_values, folder)
    return Annotation(path.stem, np.array(ids, np.uint8)[pixels.places], path)


def _ids_of(pixels: MaskPixels, meaning: Meaning, mask_values: str, folder: _Folder) -> list[int]:
    """The id of each distinct pixel; zeros where `folder` has taken up what is wrong."""
    numbers = _ids_of_numbers(pixels, meaning)
    are_ids = None not in numbers
    is_palette = pixels.kind == PALETTE
    is_bitonal = WHITE in pixels.opaque and pixels.opaque <= {BLACK, WHITE}
    if not is_bitonal and pixels.opaque != {BLACK}:
        folder.others += 1
    if mask_values == AUTO and is_palette:
        if _is_own(pixels, meaning):
            if not are_ids:
                raise UserError(_no_ids_text(pixels, numbers, meaning))
            return numbers
        if len(pixels.numbers) > 1 and len(set(pixels.colors)) == 1:
            raise UserError(
                f'{pixels.path} has {len(pixels.numbers)} numbers in its pixels that all have one colour in its '
                'palette, so a picture of it shows nothing; if the numbers are class ids, say so with '
                '`mask_values`=index'
            )
    for known in meaning.known:
        colors, hues = known.of(pixels.colors), known.nearly_of(pixels.hues)
        differs = any(hue not in (None, number) for hue, number in zip(hues, pixels.numbers))
        hides_no_label = (
            mask_values == AUTO
            and is_palette
            and are_ids
            and any(number == IGNORE and color != IGNORE for color, number in zip(colors, pixels.numbers))
        )
        if None not in colors and not hides_no_label:
            if are_ids and colors != numbers:
                folder.against_numbers.append(pixels.path)
            return colors
        if mask_values == AUTO and is_palette and differs and are_ids:
            raise UserError(_both_text(pixels, meaning, numbers, hues, known))
    if mask_values == AUTO and meaning.numbers_are_ids:
        if is_bitonal:
            text = _bitonal_text(pixels, meaning)
            is_one_bit = pixels.kind == GRAY and pixels.stored != pixels.numbers
            is_class = any(number != IGNORE for number, color in zip(numbers, pixels.colors) if color == WHITE)
            if not are_ids or is_one_bit or is_class:
                raise UserError(text)
            folder.black_and_white.append(text)
        if are_ids:
            if is_palette:
                _refuse_familiar(pixels, meaning, numbers)
                _refuse_own_order(pixels, folder)
            if meaning.known:
                folder.by_number.append(pixels.path)
            return numbers
        if pixels.kind != COLOR:
            raise UserError(_no_ids_text(pixels, numbers, meaning))
    folder.unknown.append(_unknown_colors(pixels, meaning))
    return [0] * len(pixels.numbers)


def _ids_of_numbers(pixels: MaskPixels, meaning: Meaning) -> list[Any]:
    """Of each distinct pixel the id that its number is; None: it is none. Transparent ones have no label."""
    return [
        IGNORE if color == TRANSPARENT and pixels.kind != PALETTE else _id(number, meaning)
        for number, color in zip(pixels.numbers, pixels.colors)
    ]


def _id(number: int | None, meaning: Meaning) -> int | None:
    return number if number is not None and (number < len(meaning.names) or number == IGNORE) else None


def _stored_ids(pixels: MaskPixels, meaning: Meaning) -> list[int]:
    if pixels.kind == COLOR:
        raise UserError(
            f'{pixels.path} is a picture in true colour, which stores no class ids; `mask_values`=index reads grey and '
            'palette PNGs'
        )
    ids: list[Any] = [_id(number, meaning) for number in pixels.stored]
    if None in ids:
        raise UserError(_no_ids_text(pixels, ids, meaning))
    return ids


def _is_own(pixels: MaskPixels, meaning: Meaning) -> bool:
    """Whether a palette is one that `write_mask` writes, of a task that has perhaps been lengthened since."""
    for colors in meaning.own if len(pixels.palette) == OWN_COLORS else ():
        own = [tuple(color) for color in colors]
        alike = 0
        while alike < len(own) and pixels.palette[alike] == own[alike]:
            alike += 1
        if alike >= 2 and set(pixels.palette[alike:]) <= {BLACK}:
            numbers = [number for number in pixels.numbers if number is not None]
            return all(number < alike or number == IGNORE or number >= len(own) for number in numbers)
    return False


def _refuse_familiar(pixels: MaskPixels, meaning: Meaning, numbers: list[int]) -> None:
    """Raises UserError where a palette PNG of ids has other ids by familiar colours than by its numbers."""
    for familiar in meaning.familiar:
        colors = familiar.of(pixels.hues)
        if colors != numbers and None not in [color if color is None else _id(color, meaning) for color in colors]:
            raise UserError(_both_text(pixels, meaning, numbers, colors, familiar))
    hidden = [IGNORE if color == TRANSPARENT else number for number, color in zip(numbers, pixels.colors)]
    if hidden != numbers:
        raise UserError(_both_text(pixels, meaning, numbers, hidden, Colors({}, 'what is transparent')))


def _refuse_own_order(pixels: MaskPixels, folder: _Folder) -> None:
    """Raises UserError where a palette was made for one picture: then a number means something else in each file."""
    for color, number in zip(pixels.colors, pixels.numbers):
        if not color or number is None or number == IGNORE or pixels.colors.count(color) > 1:
            continue
        other, where = folder.numbers.setdefault(color, (number, pixels.path))
        unlike, there = folder.colors.setdefault(number, (color, pixels.path))
        if color == BLACK and tuple(pixels.palette[0]) != BLACK:
            fact = f'black is number {number} of its palette, and {tuple(pixels.palette[0])} is number 0'
        elif other != number:
            fact = f'the colour {color} is number {number} of its palette, and number {other} in {where}'
        elif unlike != color:
            fact = f'number {number} of its palette is {color}, and {unlike} in {there}'
        else:
            continue
        raise UserError(
            f'{pixels.path}: {fact}. Programs that make a palette for each picture put its colours in an order of '
            'their own. Give the class file a "palette" with the colour of each class; or, if the numbers are class '
            'ids after all, say so with `mask_values`=index'
        )


# --------------------------------------------------------------------------------------------------------- messages


def _named(class_id: int, meaning: Meaning) -> str:
    if class_id == IGNORE:
        return f'no label ({IGNORE})'
    return meaning.names[class_id] if class_id < len(meaning.names) else f'class id {class_id}'


def _reading_text(pixels: MaskPixels, meaning: Meaning, ids: Sequence[int | None]) -> str:
    found: dict[str, int] = {}
    for class_id, count, text in zip(ids, pixels.counts, pixels.texts):
        name = f'the unknown colour {text}' if class_id is None else _named(class_id, meaning)
        found[name] = found.get(name, 0) + count
    return counted(found, MAX_LISTED, 'things')


def _both_text(
    pixels: MaskPixels, meaning: Meaning, numbers: Sequence[int], colors: Sequence[int | None], known: Colors
) -> str:
    if known in meaning.known:
        color_way = '`mask_values`=color'
    else:
        color_way = 'give the class file a "palette" with these colours'
    return (
        f'{pixels.path} can be read in two ways, which differ: by the numbers of its pixels '
        f'({_reading_text(pixels, meaning, numbers)}), or by the colours of its palette and {known.source} '
        f'({_reading_text(pixels, meaning, colors)}). Say which is right: `mask_values`=index for the numbers; for the '
        f'colours, {color_way}'
    )


def _bitonal_text(pixels: MaskPixels, meaning: Meaning) -> str:
    white = sum(count for color, count in zip(pixels.colors, pixels.counts) if color == WHITE)
    ids: list[Any] = [_id(number, meaning) for number in pixels.stored]
    if pixels.kind != COLOR and None not in ids:
        by_index = (
            f'`mask_values`=index takes the stored numbers as ids ({_reading_text(pixels, meaning, ids)}); '
            'to read it by colour'
        )
    else:
        by_index = '`mask_values`=index cannot read it; to read it by colour'
    return (
        f'{pixels.path} is black and white alone: white ({white} pixels) may mean class '
        f'{_named(min(1, len(meaning.names) - 1), meaning)}, the {_named(0, meaning)}, or no label. {by_index}, give '
        'the class file a "palette", for example [[0, 0, 0], [255, 255, 255]]'
    )


def _no_ids_text(pixels: MaskPixels, ids: Sequence[int | None], meaning: Meaning) -> str:
    wrong: dict[str, int] = {}
    scaled = pixels.stored != pixels.numbers
    for number, stored, class_id, count, text in zip(pixels.numbers, pixels.stored, ids, pixels.counts, pixels.texts):
        if class_id is None:
            shown = f'{number} (stored as {stored})' if scaled else str(stored if number is None else number)
            wrong[shown + (f' in the colour {text}' if pixels.kind == PALETTE else '')] = count
    hint = '; `mask_values`=index reads the numbers as they are stored' if scaled else ''
    return (
        f'{pixels.path}: class id {", ".join(list(wrong)[:MAX_LISTED])} is outside the class list '
        f'({counted(wrong, MAX_LISTED, "numbers")}), which has ids '
        f'0..{len(meaning.names) - 1} ({", ".join(meaning.names)}); {IGNORE} means "no label"{hint}. Masks in colours '
        'need a "palette" in the class file'
    )


def _unknown_colors(pixels: MaskPixels, meaning: Meaning) -> str:
    ids = meaning.known[0].of(pixels.colors) if meaning.known else [None] * len(pixels.colors)
    found: dict[str, int] = {}
    for class_id, text, count in zip(ids, pixels.texts, pixels.counts):
        if class_id is None:
            found[text] = found.get(text, 0) + count
    return f'{pixels.path} ({counted(found, MAX_LISTED, "colours")})'


def _unknown_text(unknown: Sequence[str], meaning: Meaning) -> str:
    files = '; '.join(unknown)
    soft = 'Many of them mean a brush with soft edges, or JPEG: paint with hard edges, save as PNG'
    if not meaning.known:
        return (
            f'`labels`: colours without a meaning, in {files}. Give the class file a "palette" with the colour of each '
            f'class, or save the masks as 8-bit PNG files whose pixels are class ids. {soft}'
        )
    lacking = ' and '.join(known.source for known in meaning.known)
    by_line = not meaning.numbers_are_ids and any(len(set(color)) > 1 for color in meaning.own[0])
    hint = '. If the numbers in the masks are its lines, from 0, say so with `mask_values`=index' if by_line else ''
    return (
        f'`labels`: colours that {lacking} {"lacks" if len(meaning.known) == 1 else "lack"}, in {files}. Add them to '
        f'the palette, or mend the masks. {soft}{hint}'
    )
