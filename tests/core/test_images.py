"""Whatever is wrong with an image file, the user is told of the file."""

import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core import images
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import (
    BITS_PER_SAMPLE,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    UNSIGNED,
    WHITE_IS_ZERO,
    open_image,
    read_rgb,
    upright_hw,
)


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


def turned(pixels, orientation, path, **options):
    """A file whose pixels are turned and whose EXIF says so: a viewer shows `pixels`."""
    back = {
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, 1),
        7: lambda image: np.rot90(image.transpose(1, 0, 2), 2),
        8: lambda image: np.rot90(image, -1),
    }[orientation]
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(np.ascontiguousarray(back(pixels))).save(path, exif=exif, **options)


@pytest.mark.parametrize('orientation', range(2, 9))
def test_exif_orientation_is_applied(orientation, tmp_path):
    pixels = np.random.RandomState(0).randint(256, size=(5, 7, 3), dtype=np.uint8)
    for suffix in ('.png', '.webp', '.tif'):
        path = tmp_path / f'turned{suffix}'
        turned(pixels, orientation, path, **({'lossless': True} if suffix == '.webp' else {}))
        assert np.array_equal(read_rgb(path), pixels)
        assert upright_hw(path) == (5, 7)


def test_sixteen_bits_are_scaled(tmp_path):
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    for name in ('a.png', 'a.tif'):
        PIL.Image.fromarray(values).save(tmp_path / name)
        assert read_rgb(tmp_path / name)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_white_may_be_zero(tmp_path):
    """TIFF's photometric interpretation 0; Pillow writes 16 bits as they are."""
    image = PIL.Image.fromarray(np.array([[0, 100 * 257, 200 * 257]], np.uint16))
    image.save(tmp_path / 'a.tif', tiffinfo={PHOTOMETRIC: WHITE_IS_ZERO})
    assert read_rgb(tmp_path / 'a.tif')[0, :, 0].tolist() == [255, 155, 55]


def test_twelve_bits_are_scaled(tmp_path):
    """Two pixels in three bytes: 0x000, 0xfff."""
    PIL.Image.fromarray(np.array([[0, 0]], np.uint16)).save(tmp_path / 'a.tif')
    content = (tmp_path / 'a.tif').read_bytes()
    sixteen, twelve = (struct.pack('<HHIHH', BITS_PER_SAMPLE, 3, 1, bits, 0) for bits in (16, 12))
    assert content.count(sixteen) == 1
    (tmp_path / 'a.tif').write_bytes(content.replace(sixteen, twelve)[:-4] + b'\x00\x0f\xff\x00')
    assert read_rgb(tmp_path / 'a.tif')[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    'pixels, tags, said',
    [
        # as many tools write masks and depths: small numbers, which would come out black
        (np.array([[0, 100, 255]], np.int32), {}, 'more than 16 bits'),
        (np.array([[0, 100, 255]], np.int32), {SAMPLE_FORMAT: UNSIGNED}, 'more than 16 bits'),
        (np.array([[0, 100, 32767]], np.uint16), {SAMPLE_FORMAT: 2}, 'with a sign'),
    ],
)
def test_grey_of_an_unknown_range_is_refused(tmp_path, pixels, tags, said):
    PIL.Image.fromarray(pixels).save(tmp_path / 'a.tif', tiffinfo=tags)
    with pytest.raises(UserError, match=f'a.tif.*{said}.*save it'):
        read_rgb(tmp_path / 'a.tif')


def test_transparent_pixels_show_white(tmp_path):
    PIL.Image.fromarray(np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)).save(tmp_path / 'a.png')
    assert read_rgb(tmp_path / 'a.png').tolist() == [[[10, 20, 30], [255, 255, 255]]]
    palette = PIL.Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([9, 8, 7, 1, 2, 3])
    palette.save(tmp_path / 'b.png', transparency=1)
    assert read_rgb(tmp_path / 'b.png').tolist() == [[[9, 8, 7], [255, 255, 255]]]


def test_print_colors(tmp_path):
    PIL.Image.new('CMYK', (8, 8), (0, 255, 255, 0)).save(tmp_path / 'a.jpg', quality=100)
    red, green, blue = read_rgb(tmp_path / 'a.jpg')[4, 4].tolist()
    assert red > 240 and green < 15 and blue < 15


def test_what_nobody_could_label(tmp_path, monkeypatch):
    PIL.Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / 'float.tif')
    with pytest.raises(UserError, match='float.tif cannot be read as an image: its pixels are floating-point'):
        read_rgb(tmp_path / 'float.tif')
    monkeypatch.setattr(images, 'MAX_PIXELS', 100)
    PIL.Image.new('L', (11, 10)).save(tmp_path / 'large.png')
    with pytest.raises(UserError, match='large.png cannot be read as an image: it has 11 x 10 pixels, more than 100'):
        read_rgb(tmp_path / 'large.png')


def test_photos_of_phones_and_cameras_that_pillow_does_not_know(tmp_path):
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(100))
    for content in (None, (tmp_path / 'a.heic').read_bytes()):
        with pytest.raises(UserError, match=r"a.heic cannot be .*: it is in HEIC, Apple's format.* save it as JPEG"):
            read_rgb(tmp_path / 'a.heic', content)
    large, small = PIL.Image.new('RGB', (40, 30)), PIL.Image.new('RGB', (4, 3))
    small.save(tmp_path / 'a.dng', format='TIFF', save_all=True, append_images=[large], tiffinfo={254: 1})
    with pytest.raises(UserError, match='a.dng cannot be .* first picture is a small copy of another'):
        read_rgb(tmp_path / 'a.dng')
    large.save(tmp_path / 'b.tif', save_all=True, append_images=[small], tiffinfo={254: 0})
    assert read_rgb(tmp_path / 'b.tif').shape == (30, 40, 3)
