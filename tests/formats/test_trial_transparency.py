"""Masks that show more or less than their colours: overlays that are half transparent, managed colours, animations."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from tests.helpers.trial_pngs import GRAY, PALETTE, RGB_ALPHA, voc_color, with_alpha, write_png
from tests.helpers.trials import (
    COLORS,
    SEED0,
    cases,
    json_classes,
    names_all,
    read,
    refusal,
    text_classes,
    true_mask,
    write,
)

OTHER = [0, 2, 1, 3]
"""Numbers of the classes in a palette in another order."""


def palette_of(colors) -> list:
    return [colors[OTHER.index(number)] for number in range(4)]


@pytest.mark.parametrize('alpha', [1, 128, 254])
@pytest.mark.parametrize('colors', ['given', 'voc'])
def test_an_overlay_in_another_order_is_no_mask_of_numbers(tmp_path, colors, alpha):
    """Colours do not lose their meaning by shining through: the same picture in RGBA is refused."""
    found = COLORS if colors == 'given' else [voc_color(index) for index in range(4)]
    classes = json_classes(tmp_path, palette=COLORS) if colors == 'given' else text_classes(tmp_path)
    path = tmp_path / 'labels' / f'{SEED0}.png'
    write_png(path, np.array(OTHER)[true_mask()], 8, PALETTE, palette_of(found), [255, alpha, alpha, alpha])
    names_all(refusal(tmp_path / 'labels', classes), SEED0, '3508', 'car', 'wheel', 'mask_values')
    np.testing.assert_array_equal(
        read(tmp_path / 'labels', classes, mask_values='index').masks[SEED0], np.array(OTHER)[true_mask()]
    )
    write_png(path, with_alpha(np.asarray(found)[true_mask()], alpha), 8, RGB_ALPHA)
    names_all(refusal(tmp_path / 'labels', classes), SEED0, str(alpha))


@pytest.mark.parametrize('alpha', [1, 128, 254])
def test_an_overlay_whose_numbers_and_colors_agree_is_read(tmp_path, alpha):
    path = tmp_path / 'labels' / f'{SEED0}.png'
    write_png(path, true_mask(), 8, PALETTE, COLORS, [255, alpha, alpha, alpha])
    found = read(tmp_path / 'labels', json_classes(tmp_path, palette=COLORS)).masks[SEED0]
    np.testing.assert_array_equal(found, true_mask())


@pytest.mark.parametrize('by', [1, 3])
def test_colors_that_a_program_has_changed_a_little(tmp_path, by):
    """As editors that manage colours do: at other numbers they are no numbers, at their own they are read."""
    found = [(red, green, abs(blue - by)) for red, green, blue in COLORS]
    classes = json_classes(tmp_path, palette=COLORS)
    path = tmp_path / 'labels' / f'{SEED0}.png'
    write_png(path, np.array(OTHER)[true_mask()], 8, PALETTE, palette_of(found))
    names_all(refusal(tmp_path / 'labels', classes), SEED0, '3508', 'car', 'wheel', 'mask_values')
    write_png(path, true_mask(), 8, PALETTE, found)
    np.testing.assert_array_equal(read(tmp_path / 'labels', classes).masks[SEED0], true_mask())


@pytest.mark.parametrize('kind', cases(('frames', 'picture before the animation')))
@pytest.mark.parametrize('mode', ['L', 'RGB', 'P'])
def test_an_animation_is_no_mask(tmp_path, kind, mode):
    """Layers that an editor has exported as frames: the first alone would be read."""
    (tmp_path / 'labels').mkdir()
    frames = [PIL.Image.fromarray(np.where(true_mask() == k, k, 0).astype(np.uint8)).convert(mode) for k in (1, 2, 3)]
    frames[0].save(
        tmp_path / 'labels' / f'{SEED0}.png',
        save_all=True,
        append_images=frames[1:],
        default_image=kind == 'picture before the animation',
    )
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), SEED0, 'animation', '3')


@pytest.mark.parametrize(
    'table, text',
    [
        ('labelmap.txt', 'background:0,0,0::\nwheel:128,0,0::\ncar:0,128,0::\nwindow:128,128,0::\n'),
        ('label_colors.txt', '0 0 0 background\n220 20 60 wheel\n0 120 255 car\n255 220 0 window\n'),
    ],
)
def test_numbers_beside_a_table_of_colors_are_told_how_to_be_read(tmp_path, table, text):
    """As in CVAT's KITTI: semantic/ holds numbers, the table is above."""
    write_png(tmp_path / 'labels' / f'{SEED0}.png', true_mask(), 8, GRAY)
    write(tmp_path / 'labels' / table, text)
    names_all(refusal(tmp_path / 'labels', text_classes(tmp_path)), table, 'mask_values', 'lines')
    found = read(tmp_path / 'labels', text_classes(tmp_path), mask_values='index').masks[SEED0]
    np.testing.assert_array_equal(found, np.array(OTHER)[true_mask()])
