"""Choose the colours of datasetgan_ext/core/palette.py, and print how well they can be told apart.

Colours lie over a picture at the page's 55 % opacity. Each is as far as can be from all before it, in CIEDE2000, for
the eye that can tell it least from them: a normal one, or one without the red (protanopia) or the green (deuteranopia)
cones. Sources: CIEDE2000 by Sharma, Wu & Dalal 2005; both kinds of colour blindness by Machado, Oliveira & Fernandes
2009, severity 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np

OPACITY = 0.55
GROUND = 128
"""Grey value of the picture beneath."""
LEVELS = 12
"""Values of red, green and blue that are tried."""
DARKEST = 60
"""Least value of a colour's strongest part: darker ones look like the background's black."""
COUNT = 40
NORMAL = 0.85
"""Weight of a difference for the normal eye: most people have it, so that it gets the larger differences."""
EYES = {
    'normal': np.eye(3),
    'protan': np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    'deutan': np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def lab(srgb: np.ndarray, eye: str = 'normal') -> np.ndarray:
    """CIELAB (white point D65) as an eye has it, of sRGB colours 0..255 [..., 3]."""
    value = np.asarray(srgb, dtype=float) / 255
    linear = np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    linear = (linear @ EYES[eye].T).clip(0, 1)
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.transpose(matrix) / (0.95047, 1, 1.08883)
    x, y, z = np.moveaxis(np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differences of CIELAB colours [..., 3], in the names of Sharma, Wu & Dalal 2005, equations 2 to 22."""
    light1, a1, b1 = np.moveaxis(np.asarray(one, dtype=float), -1, 0)
    light2, a2, b2 = np.moveaxis(np.asarray(other, dtype=float), -1, 0)
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    scale = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    chroma1, chroma2 = np.hypot(scale * a1, b1), np.hypot(scale * a2, b2)
    hue1, hue2 = np.arctan2(b1, scale * a1), np.arctan2(b2, scale * a2)
    turn = (hue2 - hue1 + np.pi) % (2 * np.pi) - np.pi
    turn = np.where(chroma1 * chroma2 == 0, 0, turn)
    hue = (hue1 + turn / 2) % (2 * np.pi)
    hue = np.where(chroma1 * chroma2 == 0, hue1 + hue2, hue)
    d_light, d_chroma = light2 - light1, chroma2 - chroma1
    d_hue = 2 * np.sqrt(chroma1 * chroma2) * np.sin(turn / 2)
    light, chroma = (light1 + light2) / 2, (chroma1 + chroma2) / 2
    t = (
        1
        - 0.17 * np.cos(hue - np.radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6))
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )
    s_light = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_chroma = 1 + 0.045 * chroma
    s_hue = 1 + 0.015 * chroma * t
    bend = np.radians(30) * np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))
    rotation = -np.sin(2 * bend) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    parts = d_light / s_light, d_chroma / s_chroma, d_hue / s_hue
    return np.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2])


def shown(colors: np.ndarray) -> np.ndarray:
    """Colours as they lie over the picture."""
    return OPACITY * np.asarray(colors, dtype=float) + (1 - OPACITY) * GROUND


def differences(colors: np.ndarray, others: np.ndarray, eye: str) -> np.ndarray:
    """CIEDE2000 of each colour [N] and each of the others [M], as an eye sees them over a picture: [N, M]."""
    return ciede2000(lab(shown(colors), eye)[:, None], lab(shown(others), eye)[None])


def least_difference(colors: np.ndarray, eye: str) -> float:
    """CIEDE2000 of the two that are most alike."""
    found = differences(colors, colors, eye)
    return float(found[~np.eye(len(found), dtype=bool)].min())


def choose(count: int) -> np.ndarray:
    """Black for the background, then colours each as far as can be from all before it, for the worst of the eyes."""
    levels = np.linspace(0, 255, LEVELS).round()
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), axis=-1).reshape(-1, 3)
    candidates = candidates[candidates.max(axis=1) >= DARKEST]
    chosen = [np.zeros(3)]
    nearest = np.full(len(candidates), np.inf)
    while len(chosen) < count:
        for eye in EYES:
            weight = NORMAL if eye == 'normal' else 1
            nearest = np.minimum(nearest, weight * differences(candidates, chosen[-1][None], eye)[:, 0])
        chosen.append(candidates[nearest.argmax()])
    return np.array(chosen).astype(int)


def main():
    colors = choose(COUNT)
    print(' '.join('{:02x}{:02x}{:02x}'.format(*color) for color in colors))
    for count in (5, 10, 14, 20, 34, 40):
        print(count, {eye: round(least_difference(colors[:count], eye), 1) for eye in EYES})


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
