"""Distances of pictures."""

import numpy as np
import pytest

from datasetgan_ext.metrics.pictures import explained, psnr, ssim


def test_of_pictures():
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    assert psnr(black, white) == 0 and psnr(white, black) == 0
    assert psnr(black, black + 1) == pytest.approx(20 * np.log10(255))
    assert np.isfinite(psnr(black, black))
    noise = np.random.RandomState(0).randint(0, 256, (16, 16, 3))
    assert ssim(noise, noise) == pytest.approx(1) and abs(ssim(noise, 255 - noise)) > 0.5 > ssim(noise, 255 - noise)


def test_what_a_picture_explains():
    picture = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype(np.uint8)
    flat = np.broadcast_to(picture.mean(axis=(0, 1)).round().astype(np.uint8), picture.shape)
    assert explained(picture, picture) == 1
    assert explained(picture, flat) == pytest.approx(0, abs=0.01)
    assert explained(picture, 255 - picture) < -1
