"""Pascal VOC's folders: masks as PNG files in SegmentationClass, beside a labelmap.txt in CVAT's exports.

Without labelmap.txt the palette's index is the class id and 255 means "no label"; masks in RGB have VOC's own colours.
With it, colours stand for the names that it gives them, and those are looked up in the class file.

Written: `JPEGImages/`, `SegmentationClass/`, lists of names in `ImageSets/Segmentation/`, `labelmap.txt`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import IGNORE, Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import open_image
from datasetgan_ext.core.names import check_names
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.formats.folder import TRAIN, VAL, Conversion, FolderDataset, Progress, name_of_record

PATHS = 'DIR with SegmentationClass'
MASKS, LABEL_MAP = 'SegmentationClass', 'labelmap.txt'
QUALITY = 95


def voc_color(index: int) -> tuple[int, int, int]:
    """VOC's colour of a class: the bits of its id, three by three from the lowest, are the highest bits of R, G, B."""
    red, green, blue = (
        sum((index >> 3 * place + channel & 1) << 7 - place for place in range(3)) for channel in range(3)
    )
    return red, green, blue


def read(folder: Path, task: Task) -> list[Annotation]:
    """Every mask, in the order of names.

    Raises:
        UserError: the folder has another form; a colour or a name is unknown, all of them in one message.
    """
    if not (folder / MASKS).is_dir():
        raise UserError(f'`labels`={folder} holds no folder {MASKS}; give the folder that does')
    paths = [path for path in sorted((folder / MASKS).glob('*.png')) if not path.name.startswith('.')]
    if not (folder / LABEL_MAP).is_file():
        colors = {voc_color(index): index for index in range(256)}
        return png.annotations(paths, lambda path: png.read_ids(path, colors), "VOC's palette")
    names = _read_label_map(folder / LABEL_MAP)
    labels = list(dict.fromkeys(names.values()))
    colors = {voc_color(255): IGNORE}
    colors.update((rgb, labels.index(name)) for rgb, name in names.items())
    annotations = png.annotations(paths, lambda path: _by_colors(path, colors), str(folder / LABEL_MAP))
    places = {}
    for annotation in annotations:
        for index in np.unique(annotation.mask[annotation.mask != IGNORE]):
            places.setdefault(labels[index], []).append(str(annotation.source))
    # CVAT calls what no shape covers "background"
    check_names(
        f'`labels`={folder / LABEL_MAP}',
        {name: where for name, where in places.items() if name != 'background'},
        task.classes,
        'class',
        task.keypoints,
    )
    ids = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(labels):
        ids[index] = task.classes.index(name) if name in task.classes else 0
    for annotation in annotations:
        annotation.mask = ids[annotation.mask]
    return annotations


def _by_colors(path: Path, colors: png.Colors) -> tuple[np.ndarray, dict]:
    mode, pixels, palette = png.read_pixels(path)
    if mode == 'P':
        if pixels.max(initial=0) >= len(palette):
            raise UserError(f'{path} is damaged: it has pixels beyond its palette')
        pixels = palette[pixels]
    elif mode in ('L', '1'):
        pixels = np.repeat(pixels.astype(np.uint8)[:, :, None] * (255 if mode == '1' else 1), 3, axis=2)
    elif mode not in ('RGB', 'RGBA'):
        raise UserError(f'{path} has {mode} pixels; a VOC mask is a palette or RGB PNG')
    return png.ids_of_colors(pixels, colors)


def _read_label_map(path: Path) -> dict[tuple[int, int, int], str]:
    """The name of each colour, from lines "name:red,green,blue:parts:actions"; # starts a comment."""
    names = {}
    try:
        for line in path.read_text(encoding='utf-8-sig').splitlines():
            if line.strip() and not line.startswith('#'):
                name, numbers = line.split(':')[:2]
                red, green, blue = (int(number) for number in numbers.split(','))
                if (red, green, blue) in names:
                    raise UserError(f'{path}: {name!r} and {names[red, green, blue]!r} have the same colour')
                names[red, green, blue] = name
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read ({error}); its lines have the form "name:red,green,blue::"') from error
    if len(names) >= IGNORE:
        raise UserError(f'{path} lists {len(names)} classes; a mask takes {IGNORE} at most')
    return names


@dataclass(frozen=True)
class Voc(Conversion):
    """Images become JPEG files, because VOC's readers look for these; masks stay as they are."""

    name = 'voc'
    files = (
        'JPEGImages/{name}.jpg',
        'SegmentationClass/{name}.png',
        'ImageSets/Segmentation/{part}.txt',
        'labelmap.txt',
    )

    def write(self, dataset: FolderDataset, outdir: Path, progress: Progress) -> None:
        """See `Conversion.write`. A dataset without masks cannot be written."""
        if not dataset.task.classes:
            raise UserError('`format`=voc holds masks, and this dataset has keypoints alone; use coco or yolo-pose')
        unfit = [name for name in dataset.task.classes if ':' in name or name.startswith('#') or name != name.strip()]
        if unfit:
            raise UserError(
                f'`format`=voc: its {LABEL_MAP} has colons between its columns and comments after "#", so it cannot '
                f'hold the class {unfit[0]!r}; rename the class, or use coco'
            )
        images, masks, lists = outdir / 'JPEGImages', outdir / MASKS, outdir / 'ImageSets' / 'Segmentation'
        for folder in (images, masks, lists):
            folder.mkdir(parents=True)
        for split in (TRAIN, VAL):
            with (lists / f'{split}.txt').open('w', encoding='utf-8') as file:
                for record in progress(dataset.kept(self.val, split)):
                    name = name_of_record(record)
                    with open_image(dataset.folder / record['image']) as image:
                        picture = image.copy()
                    picture.save(images / f'{name}.jpg', quality=QUALITY, subsampling=0)
                    shutil.copyfile(dataset.folder / record['mask'], masks / f'{name}.png')
                    file.write(f'{name}\n')
        both = [(lists / f'{split}.txt').read_text(encoding='utf-8') for split in (TRAIN, VAL)]
        (lists / 'trainval.txt').write_text(''.join(both), encoding='utf-8')
        rows = ['# label:color_rgb:parts:actions\n']
        for name, (red, green, blue) in zip(dataset.task.classes, dataset.task.palette):
            rows.append(f'{name}:{red},{green},{blue}::\n')
        (outdir / LABEL_MAP).write_text(''.join(rows), encoding='utf-8')
