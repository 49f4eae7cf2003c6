"""Folders of masks: which files are read, which are told of. What pixels mean is tested in test_trial_masks.py."""

import json
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.notes import collecting_notes
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png, voc
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.formats.name_tables import voc_color

TASK = Task.from_names(['background', 'car', 'wheel'])
MASK = np.array([[0, 1, 2], [2, 255, 0]], dtype=np.uint8)


def mask(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    png.write_mask(path, MASK, TASK.flat_palette)


def read(folder, task=TASK):
    with collecting_notes() as notes:
        return [annotation.name for annotation in read_mask_folder(folder, task)], notes


def test_in_order_without_hidden_files(tmp_path):
    for name in ('b.png', 'a.PNG', '.hidden.png', '.thumbnails/c.png'):
        mask(tmp_path / name)
    assert read(tmp_path) == (['a', 'b'], [])


def test_subfolders_and_what_is_passed_over(tmp_path):
    mask(tmp_path / 'monday' / 'a.png')
    mask(tmp_path / 'tuesday' / 'b.png')
    mask(tmp_path / 'SegmentationObject' / 'a.png')
    (tmp_path / 'keypoints.json').write_text('{}')
    (tmp_path / 'notes.md').write_text('')
    PIL.Image.fromarray(MASK).save(tmp_path / 'c.bmp')
    names, notes = read(tmp_path)
    assert names == ['a', 'b']
    assert notes == [
        f'1 files in {tmp_path}/**/SegmentationObject are passed over: they count objects',
        f'{tmp_path}: 2 files are no PNG masks and passed over: c.bmp, notes.md',
    ]


@pytest.mark.parametrize('inside', ['', 'inner'])
def test_two_masks_of_one_image(tmp_path, inside):
    mask(tmp_path / 'a.png')
    mask(tmp_path / inside / 'a.PNG')
    with pytest.raises(UserError, match=r'a\.(png|PNG) and \S+a\.(png|PNG) are both of the image a; keep one'):
        read(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match='`labels`=.*nowhere is not a folder'):
        read(tmp_path / 'nowhere')


def test_two_tables_of_names(tmp_path):
    mask(tmp_path / 'a.png')
    for name in ('labelmap.txt', 'class_names.txt'):
        (tmp_path / name).write_text('background')
    with pytest.raises(UserError, match=r'class_names.txt and \S+labelmap.txt both say what the masks mean'):
        read(tmp_path)


@pytest.mark.parametrize('first', ['__ignore__\n_background_', '_background_'])
def test_the_list_that_labelme2voc_is_given(tmp_path, first):
    """Its own list of labels begins with __ignore__, number -1; the file that it writes does not."""
    colors = [voc_color(index) for index in range(256)]
    (tmp_path / 'SegmentationClass').mkdir()
    image = PIL.Image.fromarray(MASK)
    image.putpalette([value for color in colors for value in color])
    image.save(tmp_path / 'SegmentationClass' / 'a.png')
    (tmp_path / 'class_names.txt').write_text(f'{first}\nwheel\ncar\n')
    (annotation,) = voc.read(tmp_path, TASK)
    assert annotation.mask.tolist() == [[0, 2, 1], [1, 255, 0]]


def test_lists_of_names_that_say_something_else(tmp_path):
    mask(tmp_path / 'SegmentationClass' / 'a.png')
    mask(tmp_path / 'SegmentationClass' / 'b.png')
    (tmp_path / 'SegmentationObject').mkdir()
    lists = tmp_path / 'ImageSets' / 'Segmentation'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('a\nc\n')
    with collecting_notes() as notes:
        assert [annotation.name for annotation in voc.read(tmp_path, TASK)] == ['a', 'b']
    assert notes == [
        f'{tmp_path}/SegmentationObject is passed over: its masks count objects, and training asks for classes',
        f'{lists} names images without a mask: c',
        f'{lists} leaves out, though they are read: b',
    ]


def test_a_class_added_later_leaves_our_own_masks_as_they_are(tmp_path):
    mask(tmp_path / 'a.png')
    for names in (['background', 'car', 'wheel', 'window'], ['background', 'car', 'wheel', 'window', 'roof']):
        (annotation,) = read_mask_folder(tmp_path, Task.from_names(names))
        assert np.array_equal(annotation.mask, MASK)
    with pytest.raises(UserError, match='class id 2 in the colour .* is outside the class list'):
        read_mask_folder(tmp_path, Task.from_names(['background', 'car']))


def drawn(folder, names):
    """A mask, and the note of the page that drew it."""
    mask(folder / 'a.png')
    (folder / '.page.json').write_text(json.dumps({'port': 0, 'token': '', 'classes': names, 'images': {}}))
    return folder


@pytest.mark.parametrize(
    'names, moved',
    [
        (['background', 'body', 'car', 'wheel'], 'number 1 would not be car'),
        (['background', 'wheel', 'car'], 'number 2 would not be wheel'),
        (['background', 'wheel', 'window'], 'number 2 would not be wheel'),
    ],
    ids=['put in between', 'in another order', 'taken out'],
)
def test_masks_of_the_page_whose_classes_have_moved_are_refused(tmp_path, names, moved):
    folder = drawn(tmp_path, ['background', 'car', 'wheel'])
    with pytest.raises(UserError, match=moved) as error:
        read_mask_folder(folder, Task.from_names(names))
    assert 'background, car, wheel' in error.value.message and 'at its end' in error.value.message
    with pytest.raises(UserError, match=moved):
        read_mask_folder(folder, Task.from_names(names), 'index')
    colors = dict(zip(['background', 'car', 'wheel'], TASK.palette), window=(1, 2, 3), body=(4, 5, 6))
    task = Task.from_json({'classes': names, 'palette': [list(colors[name]) for name in names]}, 'classes')
    if 'car' in names:
        (annotation,) = read_mask_folder(folder, replace(task, palette_is_given=True), 'color')
        assert (annotation.mask == names.index('car')).sum() == (MASK == 1).sum()


@pytest.mark.parametrize('names', [['background', 'car', 'wheel', 'roof'], ['background', 'auto', 'wheel']])
def test_classes_of_the_page_that_are_added_or_renamed(tmp_path, names):
    with collecting_notes() as notes:
        (annotation,) = read_mask_folder(drawn(tmp_path, ['background', 'car', 'wheel']), Task.from_names(names))
    assert np.array_equal(annotation.mask, MASK)
    renamed = f'{tmp_path}: number 1 was car when masks were drawn there, and is auto now'
    assert notes == ([renamed] if 'auto' in names else [])


@pytest.mark.parametrize('text', ['', '{"images": 3}', '{"classes": 3}', '[]'])
def test_a_note_of_the_page_that_tells_no_classes(tmp_path, text):
    drawn(tmp_path, [])
    (tmp_path / '.page.json').write_text(text)
    assert len(read_mask_folder(tmp_path, Task.from_names(['background', 'car', 'wheel', 'window']))) == 1


def test_white_of_one_bit_among_masks_of_ids_is_refused(tmp_path):
    """Stored is 1, a class; shown is white, no label."""
    mask(tmp_path / 'a.png')
    PIL.Image.fromarray(MASK > 0).save(tmp_path / 'b.png')
    with pytest.raises(UserError, match='b.png is black and white alone'):
        read_mask_folder(tmp_path, TASK)
    assert len(read_mask_folder(tmp_path, TASK, 'index')) == 2


def test_ids_stored_in_true_colour_of_which_one_is_black_and_white(tmp_path):
    """White is 255 there, no label, in whatever form the file has."""
    for name, ids in (('a', MASK), ('b', np.where(MASK == 1, 255, 0).astype(np.uint8))):
        PIL.Image.fromarray(np.repeat(ids[:, :, None], 3, axis=2)).save(tmp_path / f'{name}.png')
        PIL.Image.fromarray(ids).save(tmp_path / f'{name}-gray.png')
    found = {one.name: one.mask for one in read_mask_folder(tmp_path, TASK)}
    assert all((found[name] == found[f'{name}-gray']).all() for name in 'ab') and (found['a'] == MASK).all()
