"""What the pixels of a mask mean: the specification, and its tests over every lossless encoding.

What is looked at (of pixels that are there: unused entries of a palette do not count)
    colours   The picture: an RGB colour for each pixel, whatever the encoding. A palette is applied; grey is R = G = B
              (1, 2 and 4 bits scaled to 255, as every viewer shows them); alpha 0 is "no label", any other alpha below
              255 is an unknown colour. 16-bit grey is a colour where it is a multiple of 257, else an unknown one.
    numbers   What the file stores: the index of a palette PNG; the level of a grey picture, also where it is stored as
              RGB with R = G = B, with alpha, or in 16 bits (never cut to 8). Levels of 1, 2 and 4 bits are as shown.
    known     Colours with a meaning: those of the file's own name table (labelmap.txt, label_colors.txt beside the
              masks or beside SegmentationClass; class_names.txt, where line k has VOC's colour k); else those that the
              class file itself gives and, in a VOC folder, VOC's colours (id = VOC's index): the first of the two that
              has all colours of the file. (224, 224, 192) is "no label" in a VOC folder. Colours that the program makes
              up are for display, and never known.
    ids       Numbers are ids where each is below the number of classes, or 255 ("no label"). Beside labelmap.txt and
              label_colors.txt, which give colours alone, numbers are no ids.
    own form  A palette PNG as write_mask writes it, so also the page: 8 bits, 256 colours, of which the first (two at
              least) are the task's (given or made up, or the table's), the others black.

`mask_values`='auto'; the first row that fits a file
    | row | the file                                                       | is read                               |
    | 0   | is in our own form                                             | by number; 255 is "no label", though  |
    |     |                                                                | its colour is black; numbers that are |
    |     |                                                                | no ids are refused                    |
    | 1   | has known colours alone (in a palette PNG of ids: 255 not in   | by colour, in whatever order a        |
    |     | use, or of a colour that is "no label")                        | palette has them, and also in grey    |
    | 2   | is a palette PNG, has a known colour at another number than    | not at all: both readings             |
    |     | its id, and colours that are not known, or 255 in use          |                                       |
    | 3   | is black and white alone, and so are all files of the folder,  | not at all: white may be a class or   |
    |     | or its white is not 255                                        | "no label"; both readings             |
    | 4   | is a palette PNG of ids with VOC's colours, or those that we   | not at all: both readings             |
    |     | make up for this task, at other numbers; or of transparent ids |                                       |
    | 5   | is a palette PNG of several numbers that all have one colour   | not at all: the palette shows nothing |
    | 6   | has numbers that are ids                                       | by number                             |
    | 7   | has anything else                                              | not at all: unknown colours with      |
    |     |                                                                | their pixels; how to give a palette   |
    Row 5 comes before row 1. So a palette PNG of colours that nobody knows is read by index, and the same picture in
    RGB, which has no numbers, is refused; in every other case all encodings of one picture give one mask, or are
    refused. One folder is read in one way: it is refused where one file is read by colour against its numbers, and
    another by number.

`mask_values`='color'   Rows 1 and 7 alone. Without known colours: refused, give the class file a palette.
`mask_values`='index'   The stored number is the id (of 1, 2 and 4-bit grey as stored, not scaled). Numbers that are no
                        ids are refused, as are pictures in true colour. A name table still decides which class a number
                        is: line k of class_names.txt, or of labelmap.txt, is number k.
A refusal by rows 2 to 5 names the file, both readings (pixels of each class), and `mask_values`.
"""

from __future__ import annotations

import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest

from datasetgan_ext.core.palette import distinct_colors
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from tests.helpers.trial_pngs import (
    BLACK_AND_WHITE,
    GRAY,
    GRAYS,
    IN_ORDER,
    PALETTE,
    REORDERED,
    RGB_ALPHA,
    TRUE_COLOR,
    black_and_white_encodings,
    color_encodings,
    gray_encodings,
    palette_encodings,
    voc_color,
    with_alpha,
    write_png,
)
from tests.helpers.trials import (
    COLORS,
    NAMES,
    SEED0,
    SIDE,
    cases,
    json_classes,
    names_all,
    read,
    refusal,
    sample_set,
    text_classes,
    true_mask,
    write,
)

VOC_COLORS = [voc_color(index) for index in range(4)]
FOREIGN = [(10, 20, 30), (200, 100, 50), (1, 250, 3), (77, 77, 200)]
"""Colours that neither a class file nor a tool gives a meaning."""
BLACK_WHITE = [(0, 0, 0), (255, 255, 255)]


def picture(colors) -> dict:
    return palette_encodings(true_mask(), colors) | color_encodings(true_mask(), colors)


def mask_of(labels, classes, **options):
    masks = read(labels, classes, **options).masks
    assert list(masks) == [SEED0]
    return masks[SEED0]


def voc_folder(tmp_path, encoding: str, colors=VOC_COLORS, **tables: str):
    folder = tmp_path / 'voc'
    picture(colors)[encoding](folder / 'SegmentationClass' / f'{SEED0}.png')
    for name, text in tables.items():
        write(folder / f'{name}.txt', text)
    return folder


def labelmap(names, colors) -> str:
    rows = [f'{name}:{",".join(map(str, color))}::' for name, color in zip(names, colors)]
    return '\n'.join(['# label:color_rgb:parts:actions', *rows]) + '\n'


def exchanged(mask: np.ndarray) -> np.ndarray:
    """The mask with car and wheel in each other's place."""
    return np.array([0, 2, 1, 3], np.uint8)[mask]


# --------------------------------------------------------------------------------------------------- row 0: our own


@pytest.mark.parametrize('palette', [None, COLORS], ids=['no palette', 'palette'])
@pytest.mark.parametrize('count', [2, 4])
def test_our_own_masks_are_read_as_the_page_wrote_them(tmp_path, palette, count):
    """Number 255 has the colour of the background there, and a made-up palette has white as its second colour."""
    classes = json_classes(tmp_path, NAMES[:count], palette and palette[:count])
    mask = np.where(np.indices((SIDE, SIDE))[0] < 20, 255, np.minimum(true_mask(), count - 1)).astype(np.uint8)
    (tmp_path / 'masks').mkdir()
    png.write_mask(tmp_path / 'masks' / f'{SEED0}.png', mask, Task.read(classes).flat_palette)
    np.testing.assert_array_equal(mask_of(tmp_path / 'masks', classes), mask)


# ------------------------------------------------------------------------------------------- row 1: known colours


@pytest.mark.parametrize('encoding', cases(IN_ORDER + REORDERED + TRUE_COLOR))
@pytest.mark.parametrize('background', ['black', 'white'])
def test_colors_of_the_class_file_mean_the_same_in_every_encoding(tmp_path, encoding, background):
    colors = COLORS if background == 'black' else [(255, 255, 255), *COLORS[1:3], (0, 0, 0)]
    picture(colors)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    mask = mask_of(tmp_path / 'masks', json_classes(tmp_path, palette=colors))
    np.testing.assert_array_equal(mask, true_mask())


@pytest.mark.parametrize(
    'encoding',
    cases(BLACK_AND_WHITE),
)
def test_black_and_white_mean_what_the_class_file_says(tmp_path, encoding):
    white = true_mask() > 0
    black_and_white_encodings(white)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    mask = mask_of(tmp_path / 'masks', json_classes(tmp_path, NAMES[:2], BLACK_WHITE))
    np.testing.assert_array_equal(mask, white)


@pytest.mark.parametrize('encoding', cases(('palette-8', 'rgb-8', 'rgba-8')))
def test_what_is_transparent_has_no_label(tmp_path, encoding):
    mask = true_mask()
    opaque = np.where(np.arange(SIDE) < 64, 255, 0) * np.ones((SIDE, 1), int)
    pixels = np.asarray(COLORS)[mask]
    path = tmp_path / 'masks' / f'{SEED0}.png'
    if encoding == 'palette-8':
        write_png(path, mask + 4 * (opaque == 0), 8, PALETTE, COLORS * 2, [255] * 4 + [0] * 4)
    elif encoding == 'rgb-8':  # one colour of an RGB picture stands for "transparent"
        pixels[opaque == 0] = (1, 2, 3)
        write_png(path, pixels, 8, 2, alphas=[0, 1, 0, 2, 0, 3])
    else:
        write_png(path, with_alpha(pixels, opaque), 8, RGB_ALPHA)
    found = mask_of(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS))
    np.testing.assert_array_equal(found, np.where(opaque, mask, 255))


# ---------------------------------------------------------------------------------- rows 2 to 5: two readings differ


@pytest.mark.parametrize('encoding', cases(BLACK_AND_WHITE))
def test_black_and_white_without_a_meaning_is_refused_in_every_encoding(tmp_path, encoding):
    black_and_white_encodings(true_mask() > 0)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    message = refusal(tmp_path / 'masks', text_classes(tmp_path, NAMES[:2]))
    names_all(message, SEED0, 'mask_values', 'no label', 'car', 'palette')


@pytest.mark.parametrize(
    'encoding',
    cases(BLACK_AND_WHITE),
)
def test_white_canvas_is_no_class(tmp_path, encoding):
    black_and_white_encodings(true_mask() == 0)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path, NAMES[:2])), SEED0, 'mask_values')


def test_white_has_no_label_where_other_masks_of_the_folder_hold_ids(tmp_path):
    masks = tmp_path / 'masks'
    write_png(masks / 'seed0000000.png', np.where(true_mask(), 255, 0), 8, GRAY)
    write_png(masks / 'seed0000001.png', np.where(true_mask() == 3, 255, true_mask()), 8, GRAY)
    samples = sample_set(tmp_path / 'samples', 2)
    found = read(masks, text_classes(tmp_path), samples).masks
    np.testing.assert_array_equal(found['seed0000000'], np.where(true_mask(), 255, 0))
    np.testing.assert_array_equal(found['seed0000001'], np.where(true_mask() == 3, 255, true_mask()))


@pytest.mark.parametrize(
    'encoding',
    cases(('palette-8-turned', 'palette-8-reversed', 'palette-2-by-use')),
)
@pytest.mark.parametrize('colors', [VOC_COLORS, distinct_colors(4)], ids=['VOC', 'made up'])
def test_well_known_colors_at_other_indices_are_refused_with_both_readings(tmp_path, encoding, colors):
    picture(colors)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), SEED0, 'mask_values', 'index', 'colour|color')


@pytest.mark.parametrize('values', cases(('auto', 'color', 'index')))
def test_known_colors_at_other_indices_beside_unknown_ones(tmp_path, values):
    colors = [COLORS[0], COLORS[2], (9, 99, 9), COLORS[3]]
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, PALETTE, colors)
    classes = json_classes(tmp_path, palette=COLORS)
    if values == 'index':
        np.testing.assert_array_equal(mask_of(tmp_path / 'masks', classes, mask_values=values), true_mask())
    else:
        message = refusal(tmp_path / 'masks', classes, mask_values=values)
        names_all(message, SEED0, '9, 99, 9', 'mask_values' if values == 'auto' else 'palette')


def test_255_in_a_known_color_is_refused_with_both_readings(tmp_path):
    colors = [*COLORS, *FOREIGN, *[(0, 0, 0)] * 248]
    stored = np.where(np.indices((SIDE, SIDE))[0] < 20, 255, true_mask())
    write_png(tmp_path / 'masks' / f'{SEED0}.png', stored, 8, PALETTE, colors)
    names_all(refusal(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS)), SEED0, 'mask_values', '255')


def test_a_palette_of_one_color_shows_nothing(tmp_path):
    write_png(tmp_path / 'masks' / f'{SEED0}.png', true_mask(), 8, PALETTE, [(0, 0, 0)] * 256)
    names_all(refusal(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS)), SEED0, 'mask_values')
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), SEED0, 'mask_values')


RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)
PALETTES_OF_ONE = {
    # the palettes of the two files, the numbers in the second, and what the message tells
    'one colour, two numbers': (
        [(0, 0, 0), RED, GREEN, BLUE],
        [(0, 0, 0), GREEN, RED, BLUE],
        (0, 2, 1, 3),
        '(10, 200, 10) is number 1',
    ),
    'one number, two colours': ([(0, 0, 0), RED, GREEN, BLUE], [(0, 0, 0), BLUE], (0, 0, 0, 1), 'number 1 of its'),
    'black last': ([BLUE, GREEN, RED, (0, 0, 0)], [BLUE, GREEN, RED, (0, 0, 0)], (3, 2, 1, 0), 'black is number 3'),
}


@pytest.mark.parametrize('case', cases(PALETTES_OF_ONE))
def test_palettes_that_were_made_for_one_picture_are_refused(tmp_path, case):
    """As GIMP's optimum palette and Pillow's quantize make them; their numbers are ids of the class file by chance."""
    first, second, numbers, text = PALETTES_OF_ONE[case]
    masks, samples = tmp_path / 'masks', sample_set(tmp_path / 'samples', 2)
    stored = np.array(numbers)[true_mask()]
    write_png(masks / 'seed0000000.png', stored if case == 'black last' else true_mask(), 8, PALETTE, first)
    write_png(masks / 'seed0000001.png', stored, 8, PALETTE, second)
    message = refusal(masks, text_classes(tmp_path), samples)
    names_all(message, 'seed000000', text, 'mask_values', 'palette')
    found = read(masks, text_classes(tmp_path), samples, mask_values='index').masks
    np.testing.assert_array_equal(found['seed0000001'], stored)
    found = read(masks, json_classes(tmp_path, palette=[(0, 0, 0), RED, GREEN, BLUE]), samples).masks
    expected = np.where(true_mask() == 3, 3, 0) if case == 'one number, two colours' else true_mask()
    np.testing.assert_array_equal(found['seed0000001'], expected)


def test_a_mask_that_is_to_be_turned_is_refused(tmp_path):
    (tmp_path / 'masks').mkdir()
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = 6
    PIL.Image.fromarray(true_mask()).save(tmp_path / 'masks' / f'{SEED0}.png', exif=exif)
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), SEED0, 'EXIF orientation is 6', 'upright')


# --------------------------------------------------------------------------------------------- row 6: numbers are ids


@pytest.mark.parametrize('encoding', cases((*GRAYS, 'rgb-8', 'rgba-8', 'palette-8')))
@pytest.mark.parametrize('palette', [None, COLORS], ids=['no palette', 'palette'])
def test_levels_of_gray_are_ids_in_every_encoding(tmp_path, encoding, palette):
    levels = np.where(np.indices((SIDE, SIDE))[0] < 20, 255, true_mask())
    gray_encodings(levels)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    mask = mask_of(tmp_path / 'masks', json_classes(tmp_path, palette=palette))
    np.testing.assert_array_equal(mask, levels)


@pytest.mark.parametrize('palette', [None, COLORS], ids=['no palette', 'palette'])
def test_16_bit_numbers_are_ids_and_never_cut(tmp_path, palette):
    """Their upper eight bits are all black, which is the background's colour."""
    path = tmp_path / 'masks' / f'{SEED0}.png'
    write_png(path, true_mask(), 16, GRAY)
    np.testing.assert_array_equal(mask_of(tmp_path / 'masks', json_classes(tmp_path, palette=palette)), true_mask())


@pytest.mark.parametrize('value', cases(('256', '257', '511', '65535')))
def test_16_bit_numbers_that_are_no_ids_are_refused(tmp_path, value):
    write_png(
        tmp_path / 'masks' / f'{SEED0}.png', np.where(true_mask() == 3, int(value), true_mask().astype(int)), 16, GRAY
    )
    names_all(refusal(tmp_path / 'masks', text_classes(tmp_path)), SEED0, value)


@pytest.mark.parametrize('encoding', cases(IN_ORDER))
@pytest.mark.parametrize('colors', [FOREIGN, VOC_COLORS, distinct_colors(4)], ids=['foreign', 'VOC', 'made up'])
def test_a_palette_without_known_colors_is_read_by_index(tmp_path, encoding, colors):
    picture(colors)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    np.testing.assert_array_equal(mask_of(tmp_path / 'masks', text_classes(tmp_path)), true_mask())


@pytest.mark.parametrize('encoding', cases(IN_ORDER))
def test_a_palette_whose_known_colors_agree_is_read_by_index(tmp_path, encoding):
    picture([COLORS[0], *FOREIGN[1:]])[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    np.testing.assert_array_equal(mask_of(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS)), true_mask())


# ------------------------------------------------------------------------------------------------- row 7: no meaning


@pytest.mark.parametrize('encoding', cases(TRUE_COLOR))
def test_colors_that_the_program_made_up_mean_nothing(tmp_path, encoding):
    picture(distinct_colors(4))[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    for classes in (text_classes(tmp_path), json_classes(tmp_path)):
        names_all(refusal(tmp_path / 'masks', classes), SEED0, 'palette', ', '.join(map(str, distinct_colors(4)[1])))


@pytest.mark.parametrize('encoding', cases(TRUE_COLOR))
@pytest.mark.parametrize('colors', [FOREIGN, VOC_COLORS], ids=['foreign', 'VOC'])
def test_colors_without_a_meaning_are_refused(tmp_path, encoding, colors):
    picture(colors)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    for classes in (text_classes(tmp_path), json_classes(tmp_path)):
        names_all(refusal(tmp_path / 'masks', classes), SEED0, 'palette', ', '.join(map(str, colors[1])))


def test_unknown_colors_are_listed_with_their_pixels(tmp_path):
    picture([*COLORS[:3], (9, 99, 9)])['rgb-8'](tmp_path / 'masks' / f'{SEED0}.png')
    message = refusal(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS))
    names_all(message, SEED0, '9, 99, 9', '700')  # 14 rows of 50 pixels


@pytest.mark.parametrize('encoding', cases(TRUE_COLOR))
def test_index_is_no_way_to_read_true_color(tmp_path, encoding):
    picture(COLORS)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    message = refusal(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS), mask_values='index')
    names_all(message, SEED0, 'mask_values')


# -------------------------------------------------------------------------------------------------- the user's word


@pytest.mark.parametrize('encoding', cases(('palette-8', 'palette-8-turned', 'palette-8-reversed')))
def test_index_takes_the_stored_numbers(tmp_path, encoding):
    picture(COLORS)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    expected = {
        'palette-8': true_mask(),
        'palette-8-turned': (true_mask() - 1) % 4,
        'palette-8-reversed': 3 - true_mask(),
    }
    mask = mask_of(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS), mask_values='index')
    np.testing.assert_array_equal(mask, expected[encoding])


@pytest.mark.parametrize('encoding', cases(('gray-1', 'gray-8', 'palette-1', 'palette-1-reversed')))
def test_index_decides_what_white_is(tmp_path, encoding):
    white = true_mask() > 0
    black_and_white_encodings(white)[encoding](tmp_path / 'masks' / f'{SEED0}.png')
    mask = mask_of(tmp_path / 'masks', text_classes(tmp_path, NAMES[:2]), mask_values='index')
    expected = {'gray-8': np.where(white, 255, 0), 'palette-1-reversed': ~white}
    np.testing.assert_array_equal(mask, expected.get(encoding, white))


def test_an_unknown_way_is_refused(tmp_path):
    picture(COLORS)['palette-8'](tmp_path / 'masks' / f'{SEED0}.png')
    message = refusal(tmp_path / 'masks', json_classes(tmp_path, palette=COLORS), mask_values='numbers')
    names_all(message, 'mask_values', 'numbers', 'auto', 'index', 'color')


def test_one_folder_is_read_in_one_way(tmp_path):
    """One file's colours are known at other indices, another's are not known at all and its numbers are ids."""
    masks = tmp_path / 'masks'
    picture(COLORS)['palette-8-turned'](masks / 'seed0000000.png')
    write_png(masks / 'seed0000001.png', true_mask(), 8, PALETTE, FOREIGN)
    message = refusal(masks, json_classes(tmp_path, palette=COLORS), sample_set(tmp_path / 'samples', 2))
    names_all(message, 'seed0000000', 'seed0000001', 'mask_values')
