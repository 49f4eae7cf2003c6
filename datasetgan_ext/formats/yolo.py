"""YOLO. Written: `images/{train,val}/`, `labels/{train,val}/` with a line per object, `data.yaml`.

Read: text files, one an image, with a line "class x y x y ..." for each outline, in shares of the image's sides. The
names of the classes are in a data.yaml, classes.txt or obj.names beside them or above. The files do not tell the
size of an image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE
from datasetgan_ext.core.class_names import is_background
from datasetgan_ext.core.errors import UserError, import_extra
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.markup import yaml
from datasetgan_ext.core.names import listed
from datasetgan_ext.core.notes import note
from datasetgan_ext.core.text import composed, read_text
from datasetgan_ext.formats.drawing import Drawing, Shape, image_name, reading
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record
from datasetgan_ext.formats.regions import ConnectedRegion, find_regions
from datasetgan_ext.formats.shapes import NoArea, Polygon, ShapeError, finite

FILES = ('images/{part}/{name}.{image}', 'labels/{part}/{name}.txt', 'data.yaml')


@dataclass(frozen=True)
class Yolo(Conversion):
    """For segmentation: class and outline of each region, larger regions first.

    An outline runs through the centres of the region's border pixels. It has no holes: what lies inside belongs to the
    region unless another region, later in the file, covers it. Classes count from 0 without the background.
    """

    name = 'yolo'
    files = FILES
    holds_ignore = False

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. A dataset without masks cannot be written."""
        if not dataset.task.classes:
            raise UserError('`format`=yolo holds masks, and this dataset has keypoints alone; use yolo-pose')
        cv2 = import_extra('cv2', 'formats')

        def lines(record: dict) -> Iterator[str]:
            height, width = dataset.hw_of(record)
            for region in sorted(find_regions(dataset.mask(record)), key=_box_area, reverse=True):
                yield _line(region.class_id - 1, (_outline(region, cv2) + 0.5) / (width, height))

        _write_samples(dataset, outdir, self.val, progress, lines)
        _write_description(outdir, {'names': dict(enumerate(dataset.task.classes[1:]))})


@dataclass(frozen=True)
class YoloPose(Conversion):
    """For pose estimation: the object's box, then x, y and visibility of each keypoint."""

    name = 'yolo-pose'
    files = FILES

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. A dataset without keypoints cannot be written."""
        task = dataset.task
        if not task.keypoints:
            raise UserError('`format`=yolo-pose holds keypoints, and this dataset has none; use yolo')

        def lines(record: dict) -> Iterator[str]:
            height, width = dataset.hw_of(record)
            x, y, box_width, box_height = record['box']
            points = np.reshape(record['keypoints'], (-1, 3)) / (width, height, 1)
            box = ((x + box_width / 2) / width, (y + box_height / 2) / height, box_width / width, box_height / height)
            if points[:, 2].any():
                yield _line(0, np.concatenate([box, points.reshape(-1)]))

        _write_samples(dataset, outdir, self.val, progress, lines)
        mirrored = list(range(len(task.keypoints)))
        for one, other in task.left_right_pairs:
            mirrored[one] = other
            mirrored[other] = one
        description = {
            'names': {0: 'object'},
            'kpt_shape': [len(task.keypoints), 3],
            'flip_idx': mirrored,
            'kpt_names': {0: list(task.keypoints)},
        }
        _write_description(outdir, description)


def _write_samples(
    dataset: FolderDataset, outdir: Path, val: float, progress: Progress, lines: Callable[[dict], Iterator[str]]
) -> None:
    for split in (TRAIN, VAL):
        for folder in ('images', 'labels'):
            (outdir / folder / split).mkdir(parents=True)
        for record in progress(dataset.kept(val, split)):
            name = name_of_record(record)
            dataset.copy_image(record, outdir / 'images' / split)
            (outdir / 'labels' / split / f'{name}.txt').write_text(''.join(lines(record)), encoding='utf-8')


def _write_description(outdir: Path, description: dict) -> None:
    rows = {'train': f'images/{TRAIN}', 'val': f'images/{VAL}', **description}
    text = ''.join(f'{name}: {_yaml(value)}\n' for name, value in rows.items())
    (outdir / 'data.yaml').write_text(text, encoding='utf-8')


def _outline(region: ConnectedRegion, cv2) -> np.ndarray:
    """Border pixels of a region in order: float [N, 2], x and y, at least three."""
    (outline, *_), _ = cv2.findContours(region.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = outline[:, 0] + np.array(region.box[:2], dtype=float)
    return points if len(points) > 2 else np.concatenate([points, np.repeat(points[-1:], 3 - len(points), axis=0)])


def _box_area(region: ConnectedRegion) -> int:
    """An outline is filled, so a region's own area says nothing: a thin ring must come before what is inside it."""
    return region.box[2] * region.box[3]


def _line(class_id: int, values: np.ndarray) -> str:
    numbers = [f'{value:.6f}'.rstrip('0').rstrip('.') for value in np.ravel(values)]
    return f'{class_id} {" ".join(numbers)}\n'


def _yaml(value: object) -> str:
    """A mapping whose keys are numbers, or anything else."""
    if isinstance(value, dict):
        return '{' + ', '.join(f'{key}: {yaml(item)}' for key, item in value.items()) + '}'
    return yaml(value)


PATHS = 'DIR with data.yaml or classes.txt, and text files'
TOOL = 'YOLO'
TABLES = ('data.yaml', 'dataset.yaml', 'data.yml', 'classes.txt', 'obj.names')
MAX_NUMBER = 100
"""Letters of a class number, with what stands around it."""
FOLDERS_ABOVE = 3
"""How far above the labels the table of classes may lie."""
NUMBER = re.compile(r'[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?')


def is_label_text(text: str) -> bool:
    """Whether each line is a class number and coordinates."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(map(_is_object, lines))


def _is_object(line: str) -> bool:
    """Whether a line is a class and four numbers or more."""
    number, *values = line.split() or ['']
    return _class_id(number) is not None and len(values) >= 4 and all(map(NUMBER.fullmatch, values))


def _class_id(text: str) -> int | None:
    """A class number, also as NumPy's savetxt has it (0.000000e+00); None = it is none."""
    if len(text) > MAX_NUMBER or not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return int(number) if number >= 0 and number.is_integer() else None


def read(path: Path, argument: str = 'labels', background: str | None = None) -> Iterator[Drawing]:
    """The drawing of each text file, in the order of names, or of a single one.

    Args:
        path: a folder, or one text file.
        argument: name of the argument that gave it, for messages.
        background: what the class file calls the background, which a list of YOLO's classes mostly lacks.

    Raises:
        UserError: there is no table of classes, a class is not in it, or there are boxes or poses instead of outlines,
            or lines that may be either.
    """
    files = files_by_suffix(path, '.txt', below=True) if path.is_dir() else [path]
    table, names = _names(path, argument)
    texts, others = [], []
    for file in [file for file in files if file != table]:
        with reading(str(file), TOOL):
            text = read_text(file)
        if text.strip() and not is_label_text(text):
            others.append(file)
        elif file.name not in TABLES:
            texts.append((file, text))
    if others:
        note(f"{path}: text files in which not all lines are YOLO's are passed over: {listed(list(map(str, others)))}")
    lines = [line.split() for _, text in texts for line in text.splitlines() if line.strip()]
    if table.suffix.lower() not in ('.yaml', '.yml'):
        _check_background(table, names, {_class_id(number) for number, *_ in lines}, background)
        _check_outlines(table, names, [values for _, *values in lines])
    for file, text in texts:
        drawing = Drawing(image_name(file.stem, str(file)), file, shares=True)
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            where = f'{file} line {number}'
            with reading(where, TOOL):
                number_text, *values = line.split()
                class_id = _class_id(number_text)
                assert class_id is not None  # see `is_label_text`
                if class_id >= len(names):
                    raise ShapeError(f'its class is {class_id}; the table has {len(names)}, from 0: {", ".join(names)}')
                drawing.shapes.append(Shape(names[class_id], where, _region(values)))
        yield drawing


def _region(values: list[str]) -> Polygon | NoArea:
    if len(values) == 4:
        return NoArea("it is a box, of YOLO's detection; masks take outlines: export YOLO segmentation, or COCO")
    if len(values) % 2 or _is_pose(values):
        raise ShapeError(
            f'it has {len(values)} numbers; an outline has x and y of each corner. Is it a pose? Export COCO '
            'keypoints. Is the last one the confidence of a prediction? Write them without (save_conf=False)'
        )
    corners = finite(values, (-1,)).reshape(-1, 2)
    if (np.abs(corners - 0.5) > 1).any():
        raise ShapeError(
            f'it reaches from {corners.min():g} to {corners.max():g}; YOLO has shares of the sides, from 0 to 1. Are '
            'these pixels, or a pose? Export YOLO segmentation, or COCO'
        )
    return Polygon(corners)


def _is_pose(values: list[str]) -> bool:
    """Whether numbers are a box in the image, and x, y and visibility of each of two keypoints or more."""
    if len(values) < 10 or len(values) % 3 != 1:
        return False
    numbers = finite(values, (len(values),))
    return _is_box(numbers[:2], numbers[2:4]) and bool(np.isin(numbers[6::3], (ABSENT, OCCLUDED, VISIBLE)).all())


def _is_box(center: np.ndarray, sides: np.ndarray) -> bool:
    """Whether two numbers each are a box in the image."""
    return bool(((sides > 0) & (center - sides / 2 > -0.01) & (center + sides / 2 < 1.01)).all())


def _may_be_pose(values: list[str]) -> bool:
    """Whether numbers may be a box in the image, and x and y of keypoints in it, without visibilities."""
    numbers = np.array(values, float)
    if len(values) < 6 or len(values) % 2 or not np.isfinite(numbers).all():
        return False
    center, sides, *points = numbers.reshape(-1, 2)
    near = [not point.any() or (np.abs(point - center) <= 0.6 * sides).all() for point in points]
    return _is_box(center, sides) and all(near)


def _check_outlines(table: Path, names: list[str], rows: list[list[str]]) -> None:
    """Raises UserError where each line may be an outline or a pose, and the table of names does not say which."""
    if rows and len({len(values) for values in rows}) == 1 and all(map(_may_be_pose, rows)):
        count = len(rows[0])
        raise UserError(
            f'{table}: the labels beside it have {count} numbers in each line: an outline of {count // 2} corners, or '
            f'the box of an object and {count // 2 - 2} keypoints in it? Outlines: say so in a data.yaml beside the '
            f'labels, "names: {yaml(names)}". Keypoints: export them as COCO'
        )


def _check_background(table: Path, names: list[str], used: set[int | None], background: str | None) -> None:
    """Raises UserError where a list of names begins with the background and labels do not show that it is counted."""
    is_known = background is not None and names and composed(names[0]).casefold() == composed(background).casefold()
    if not names or not (is_background(names[0]) or is_known):
        return
    if 0 in used or len(names) - 1 not in used:
        raise UserError(
            f'{table} begins with {names[0]!r}, and YOLO counts its classes from 0, mostly without the background: is '
            f'class 0 of the labels {names[0]}, or {", ".join(names[1:2])}? Say so in a data.yaml beside the labels: '
            f'"names: {yaml(names)}", or "names: {yaml(names[1:])}"'
        )


def _names(path: Path, argument: str) -> tuple[Path, list[str]]:
    """The table of classes, and the names in it."""
    folders = [path if path.is_dir() else path.parent]
    folders += list(folders[0].resolve().parents)[:FOLDERS_ABOVE]
    found = [folder / name for folder in folders for name in TABLES if (folder / name).is_file()]
    if path.is_dir() and not found:
        found = files_by_suffix(path, '.yaml', '.yml', '.names', below=True)
    if not found:
        raise UserError(
            f'`{argument}`={path} holds text files of YOLO, and no table of their classes; put {TABLES[0]} or '
            f'{TABLES[3]} beside them, or export again, as COCO'
        )
    names = _names_in(found[0])
    # a classes.txt above the labels may be the class file of the training
    for other in [one for one in found[1:] if one.parent == found[0].parent or one.name != 'classes.txt']:
        if _names_in(other) != names:
            raise UserError(
                f'{found[0]} lists {", ".join(names)}, and {other} lists {", ".join(_names_in(other))}: which of '
                'the two says what the numbers of the labels are? Keep that one, and move the other away'
            )
    return found[0], names


def _names_in(path: Path) -> list[str]:
    """The names in a table."""
    with reading(str(path), TOOL):
        text = read_text(path)
    if path.suffix.lower() not in ('.yaml', '.yml'):
        return [line.strip() for line in text.splitlines() if line.strip()]
    if re.search(r'^kpt_shape\s*:', text, re.MULTILINE):
        raise UserError(f'{path} is of YOLO poses, which are not read; export COCO keypoints instead')
    if len(re.findall(r'^names\s*:', text, re.MULTILINE)) > 1:
        raise UserError(f'{path} has "names" twice; keep those that the numbers of the labels mean')
    try:
        names = _names_in_yaml(text)
    except ValueError:  # quotes that do not end
        names = []
    if not names:
        raise UserError(
            f'{path} has no "names" that can be read; write them as "names: [car, wheel]", the first for number 0'
        )
    count = re.search(r'^nc\s*:\s*(\d+)', text, re.MULTILINE)
    if count and int(count[1]) != len(names):
        raise UserError(f'{path} says nc: {count[1]}, and lists {len(names)} names; mend the one that is wrong')
    return names


def _names_in_yaml(text: str) -> list[str]:
    """The list or mapping "names", in one line or in many; numbers count from 0."""
    match = re.search(r'^names\s*:[ \t]*(.*(?:\n[ \t]+.*|\n[ \t]*-.*|\n(?=[\]}]).*)*)', text, re.MULTILINE)
    if match is None:
        return []
    body = match[1].strip()
    if body[:1] in ('[', '{'):
        entries = _split(body[1:])
        entries[-1] = entries[-1].rstrip('}] \n')
    else:
        entries = [line.strip().removeprefix('- ').strip() for line in body.splitlines()]
    found = {}
    for place, entry in enumerate(entry for entry in entries if entry and not entry.startswith('#')):
        number = re.match(r'(["\']?)(\d+)\1\s*:\s*', entry)
        name = entry[number.end() :] if number else entry
        found[int(number[2]) if number else place] = _unquoted(name)
    return [found[index] for index in range(len(found))] if set(found) == set(range(len(found))) else []


def _split(body: str) -> list[str]:
    """The entries between commas; what is in quotes stays whole, what is in a comment is left out."""
    entries: list[list[str]] = [[]]
    quote, before, in_comment = '', ' ', False
    for letter in body:
        in_comment = (in_comment or letter == '#' and before.isspace() and not quote) and letter != '\n'
        if letter == ',' and not quote and not in_comment:
            entries.append([])
        elif not in_comment:
            begins = before == letter or re.fullmatch(
                r'\s*(["\']?\d+["\']?\s*:\s*)?', ''.join(entries[-1][: MAX_NUMBER + 1])
            )
            if letter == quote and not (quote == '"' and before == '\\'):
                quote = ''
            elif letter in '"\'' and not quote and begins:
                quote = letter
            entries[-1].append(letter)
        before = letter
    return [''.join(entry).strip() for entry in entries]


def _unquoted(name: str) -> str:
    """A name without its quotes, or without the comment after it."""
    if name[:1] == '"':
        return json.JSONDecoder(strict=False).raw_decode(name)[0]
    if name[:1] == "'":
        text, _, _ = name[1:].replace("''", '\0').partition("'")
        return text.replace('\0', "'")
    return re.sub(r'\s#.*', '', name).strip()
