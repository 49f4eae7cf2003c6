"""What is in a PNG file, pixel by pixel, beyond what test_trial_masks.py shows of whole masks."""

import numpy as np
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import mask_pixels
from datasetgan_ext.formats.mask_pixels import TRANSPARENT, read_mask_pixels
from tests.helpers.trial_pngs import GRAY, GRAY_ALPHA, PALETTE, RGB, RGB_ALPHA, with_alpha, write_png

IDS = np.array([[0, 1], [1, 3]])


@pytest.mark.parametrize('interlaced', [False, True])
def test_all_16_bits_of_a_color_count(tmp_path, interlaced):
    """Ids in 16-bit RGB: the upper eight bits, all that image libraries read, are black everywhere."""
    pixels = np.repeat(IDS[:, :, None], 3, axis=2)
    found = read_mask_pixels(write_png(tmp_path / 'a.png', pixels, 16, RGB, interlaced=interlaced))
    assert found.numbers == [0, 1, 3] and found.counts == [1, 2, 1]
    assert found.colors == [(0, 0, 0), None, None]
    assert found.texts[1] == '(1, 1, 1) of 16 bits'
    found = read_mask_pixels(write_png(tmp_path / 'a.png', with_alpha(pixels * 257, 65535), 16, RGB_ALPHA))
    assert found.colors == [(0, 0, 0), (1, 1, 1), (3, 3, 3)]


def test_16_bits_of_gray_with_alpha_are_refused(tmp_path):
    """Nothing reads the lower eight."""
    with pytest.raises(UserError, match='a.png has 16-bit pixels .* save the mask with 8 bits'):
        read_mask_pixels(write_png(tmp_path / 'a.png', with_alpha(IDS, 65535), 16, GRAY_ALPHA))


def test_alpha(tmp_path):
    alphas = np.array([[255, 0], [255, 7]])
    found = read_mask_pixels(write_png(tmp_path / 'a.png', with_alpha(IDS, alphas), 8, GRAY_ALPHA))
    assert set(zip(found.numbers, found.colors, found.texts)) == {
        (0, (0, 0, 0), '(0, 0, 0, 255)'),
        (1, TRANSPARENT, '(1, 1, 1, 0)'),
        (1, (1, 1, 1), '(1, 1, 1, 255)'),
        (None, None, '(3, 3, 3, 7)'),
    }


def test_a_level_of_a_few_bits_that_is_transparent(tmp_path):
    found = read_mask_pixels(write_png(tmp_path / 'a.png', IDS, 2, GRAY, alphas=[0, 1]))
    assert found.numbers == [0, 85, 255] and found.stored == [0, 1, 3]
    assert found.colors == [(0, 0, 0), TRANSPARENT, (255, 255, 255)]


def test_numbers_beyond_the_palette(tmp_path):
    with pytest.raises(UserError, match='a.png is damaged'):
        read_mask_pixels(write_png(tmp_path / 'a.png', IDS, 8, PALETTE, [(0, 0, 0), (1, 1, 1)]))


def test_more_pixels_than_any_image_has(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_pixels, 'MAX_PIXELS', 3)
    with pytest.raises(UserError, match='a.png has 2 x 2 pixels; no image here is as large'):
        read_mask_pixels(write_png(tmp_path / 'a.png', IDS, 8, GRAY))
