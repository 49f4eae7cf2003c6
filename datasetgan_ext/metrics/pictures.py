"""How alike two pictures are."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SSIM_SIGMA, SSIM_C1, SSIM_C2 = 1.5, 0.01**2, 0.03**2
"""Constants of Wang et al., Image Quality Assessment, 2004."""


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images, in dB; that of equal ones is that of half a level's error."""
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 0.25)))


def explained(picture: np.ndarray, other: np.ndarray) -> float:
    """Share of a picture's variance that another explains (R²): 1 = all, 0 = no more than the mean colour does.

    Args:
        picture, other: uint8 [H, W, C].
    """
    error = np.square(picture.astype(np.float64) - other).sum()
    variance = np.square(picture - picture.mean(axis=(0, 1), dtype=np.float64)).sum()
    return float(1 - error / max(variance, 1e-9))


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Structural similarity of two images (Wang et al. 2004), the mean over pixels and channels: 1 = equal.

    Args:
        one, other: [H, W, C], 0..255.
    """
    a, b = (image.astype(np.float64) / 255 for image in (one, other))

    def local(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, (SSIM_SIGMA, SSIM_SIGMA, 0))

    mean_a, mean_b = local(a), local(b)
    variance_a, variance_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + SSIM_C1) / (mean_a**2 + mean_b**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance_a + variance_b + SSIM_C2)
    return float((brightness * structure).mean())
