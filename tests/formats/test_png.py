import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import png

MASK = np.array([[0, 1, 2], [2, 255, 0]], dtype=np.uint8)


def test_round_trip(tmp_path):
    png.write_mask(tmp_path / 'a.png', MASK, [0, 0, 0, 10, 20, 30, 40, 50, 60])
    assert np.array_equal(png.read_mask(tmp_path / 'a.png'), MASK)
    assert (tmp_path / 'a.png').read_bytes()[24] == 8, 'bits per pixel in the PNG header'
    with PIL.Image.open(tmp_path / 'a.png') as image:
        assert image.mode == 'P' and image.convert('RGB').getpixel((1, 0)) == (10, 20, 30)


def test_gray_and_black_and_white(tmp_path):
    PIL.Image.fromarray(MASK).save(tmp_path / 'a.png')
    assert np.array_equal(png.read_mask(tmp_path / 'a.png'), MASK)
    PIL.Image.fromarray(MASK > 0).save(tmp_path / 'b.png')
    assert np.array_equal(png.read_mask(tmp_path / 'b.png'), MASK > 0)


def rgb(path):
    PIL.Image.fromarray(np.zeros((2, 3, 3), dtype=np.uint8)).save(path)


def sixteen_bit(path):
    PIL.Image.fromarray(MASK.astype(np.uint16)).save(path)


def no_image(path):
    path.write_bytes(b'hello')


def cut_off(path):
    PIL.Image.fromarray(np.random.RandomState(0).randint(256, size=(99, 99), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:400])


@pytest.mark.parametrize(
    'make, message',
    [
        (rgb, 'has RGB pixels'),
        (sixteen_bit, 'has I;16 pixels'),
        (no_image, 'cannot be read as an image'),
        (cut_off, 'cannot be read as an image'),
    ],
)
def test_bad_files(tmp_path, make, message):
    make(tmp_path / 'bad.png')
    with pytest.raises(UserError, match='bad.png') as error:
        png.read_mask(tmp_path / 'bad.png')
    assert message in error.value.message
