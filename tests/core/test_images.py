"""Whatever is wrong with an image file, the user is told of the file."""

import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import open_image, read_rgb


def test_any_mode_as_rgb(tmp_path):
    PIL.Image.fromarray(np.array([[0, 200]], np.uint8)).save(tmp_path / 'gray.png')
    assert read_rgb(tmp_path / 'gray.png').tolist() == [[[0, 0, 0], [200, 200, 200]]]


def test_bad_files(tmp_path, monkeypatch):
    (tmp_path / 'text.png').write_text('no image')
    PIL.Image.new('RGB', (9, 9)).save(tmp_path / 'cut.png')
    (tmp_path / 'cut.png').write_bytes((tmp_path / 'cut.png').read_bytes()[:-30])
    PIL.Image.new('L', (40, 40)).save(tmp_path / 'bomb.png')
    monkeypatch.setattr(PIL.Image, 'MAX_IMAGE_PIXELS', 700)
    for name in ('text.png', 'cut.png', 'bomb.png', 'nowhere.png'):
        with (
            pytest.raises(UserError, match=f'{name} cannot be read as an image: '),
            open_image(tmp_path / name) as image,
        ):
            image.load()


def test_a_picture_that_is_too_large_for_the_memory_is_told(tmp_path, monkeypatch):
    """A few bytes that unpack to gigabytes."""
    PIL.Image.new('L', (64, 64)).save(tmp_path / 'bomb.png')
    monkeypatch.setattr(PIL.Image, 'MAX_IMAGE_PIXELS', 1000)
    with pytest.raises(UserError, match='bomb.png cannot be read as an image: Image size'):
        read_rgb(tmp_path / 'bomb.png')


@pytest.mark.parametrize('error', [MemoryError, struct.error, zlib.error, KeyError, EOFError, OverflowError, TypeError])
def test_whatever_pillow_raises_is_told(tmp_path, monkeypatch, error):
    PIL.Image.new('L', (4, 4)).save(tmp_path / 'a.png')

    def fail(*arguments, **options):
        raise error('damaged')

    monkeypatch.setattr(PIL.Image.Image, 'convert', fail)
    with pytest.raises(UserError, match='a.png cannot be read as an image'):
        read_rgb(tmp_path / 'a.png')
