"""Photos of many kinds, bad ones among them, and a small network with random weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import PIL.Image
import torch

from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER

REAL = DEMO_FOLDER / 'real'


def write_model(path: Path, image_hw: tuple[int, int] = (32, 32)) -> DownstreamModel:
    """A network for the demo's classes and keypoints."""
    torch.manual_seed(0)
    model = DownstreamModel.build('small-unet', Task.read(DEMO_FOLDER / 'task.json'), image_hw)
    model.save(path)
    return model


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3], smooth."""
    random = np.random.RandomState(seed)
    small = PIL.Image.fromarray(random.randint(256, size=(4, 5, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), PIL.Image.Resampling.BICUBIC))


def write_good_photos(folder: Path) -> list[str]:
    """Photos as cameras and people make them; their paths in the folder."""
    (folder / 'trip one').mkdir(parents=True)
    (folder / 'Überfahrt').mkdir()
    image = PIL.Image.fromarray(picture(30, 40))
    image.save(folder / 'a.jpg', quality=95)
    image.save(folder / 'a.png')
    image.save(folder / 'trip one' / 'a.jpg', quality=95)
    image.save(folder / 'Überfahrt' / 'größe 東京.webp', lossless=True)
    image.save(folder / 'b.tif')
    image.convert('L').save(folder / 'gray.png')
    image.convert('CMYK').save(folder / 'print.jpg')
    image.convert('P').save(folder / 'palette.png')
    alpha = image.copy()
    alpha.putalpha(128)
    alpha.save(folder / 'alpha.png')
    PIL.Image.fromarray(picture(30, 40)[:, :, 0].astype(np.uint16) * 257).save(folder / 'deep.png')
    PIL.Image.fromarray(picture(9, 61)).save(folder / 'LONG.PNG')
    (folder / 'notes.txt').write_text('no photo')
    (folder / '.hidden.png').write_text('no photo')
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and path.suffix != '.txt' and not path.name.startswith('.')
    )


def write_bad_photos(folder: Path) -> dict[str, str]:
    """Twelve files that are no photos, each of its own kind, and a part of what is said of each."""
    folder.mkdir(exist_ok=True)
    (folder / 'bad-empty.jpg').touch()
    (folder / 'bad-text.png').write_text('no image')
    PIL.Image.fromarray(picture(50, 50)).save(folder / 'bad-cut.png')
    (folder / 'bad-cut.png').write_bytes((folder / 'bad-cut.png').read_bytes()[:-300])
    PIL.Image.fromarray(picture(50, 50)).save(folder / 'bad-cut.jpg')
    (folder / 'bad-cut.jpg').write_bytes((folder / 'bad-cut.jpg').read_bytes()[:-300])
    # 1-bit images take little room: one above our bound, one above Pillow's
    PIL.Image.new('1', (13_000, 10_000)).save(folder / 'bad-large.png')
    PIL.Image.new('1', (20_000, 10_000)).save(folder / 'bad-huge.png')
    PIL.Image.fromarray(np.zeros((4, 4), np.float32)).save(folder / 'bad-float.tif')
    PIL.Image.fromarray(np.full((4, 4), 1 << 20, np.int32)).save(folder / 'bad-deep.tif')
    (folder / 'bad-link.jpg').symlink_to('nowhere.jpg')
    os.mkfifo(folder / 'bad-pipe.png')
    (folder / 'bad-page.jpg').write_text('<html>not found</html>')
    damaged = bytearray((folder / 'bad-cut.png').read_bytes())
    damaged[30:60] = bytes(30)
    (folder / 'bad-bytes.png').write_bytes(damaged)
    return {
        'bad-empty.jpg': 'is empty',
        'bad-text.png': 'no format that Pillow knows',
        'bad-cut.png': 'cannot be read as an image: ',
        'bad-cut.jpg': 'truncated',
        'bad-large.png': 'more than 120,000,000',
        'bad-huge.png': 'decompression bomb',
        'bad-float.tif': 'floating-point',
        'bad-deep.tif': 'more than 16 bits',
        'bad-link.jpg': 'a link to nothing',
        'bad-pipe.png': 'is no file',
        'bad-page.jpg': 'no format that Pillow knows',
        'bad-bytes.png': 'cannot be read as an image: ',
    }
