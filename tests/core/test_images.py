"""Whatever is wrong with an image file, the user is told of the file."""

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
