"""Labels of photos in every format, read back by our readers; photos differ in size, kind and turn."""

import json
import shutil
import urllib.parse

import numpy as np
import PIL.Image
import pytest
import torch

from datasetgan_ext.core.choices import DATASET_FORMATS
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.prediction import PhotoLabeler
from datasetgan_ext.formats.conversions import make_conversion
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.png import read_mask
from datasetgan_ext.generation.photo_run import PhotoRun
from tests.helpers.photos import write_good_photos, write_model
from tests.helpers.trees import manifest


@pytest.fixture(scope='module')
def outdir(tmp_path_factory):
    """Of a network whose classes are the brightest colours, and whose one keypoint has a fixed place."""
    task = Task(('background', 'red', 'green'), ((0, 0, 0), (200, 0, 0), (0, 200, 0)), ('tip', 'tail'))

    class Colors(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.zero = torch.nn.Parameter(torch.zeros(()))

        def forward(self, images):
            red, green, blue = images[:, 0], images[:, 1], images[:, 2]
            tip = torch.full_like(red, -5.0)
            tip[:, 3, 7] = 20.0
            return torch.stack([blue, red, green, tip, torch.full_like(red, -9.0)], dim=1) + self.zero

    folder = tmp_path_factory.mktemp('photos')
    write_good_photos(folder / 'photos')
    for name in ('gray.png', 'deep.png'):  # all background: a tool says of such that nothing was drawn
        (folder / 'photos' / name).unlink()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.open(folder / 'photos' / 'a.jpg').save(folder / 'photos' / 'turned.jpg', exif=exif)
    labeler = PhotoLabeler(DownstreamModel(Colors(), 'small-unet', task, (16, 16)))
    names = [name for name in DATASET_FORMATS if name not in ('huggingface',)]
    conversions = [make_conversion(name, {'val': 0.0}) for name in names]
    PhotoRun(labeler, find_photos([folder / 'photos']), folder / 'out', conversions=conversions)()
    return folder / 'out'


@pytest.mark.parametrize(
    'place', ['labelme/train', 'cvat/annotations.xml', 'label-studio/train', 'coco/annotations/instances_train.json']
)
def test_masks_are_read_back(outdir, place):
    task = Task.from_json(json.loads((outdir / 'dataset.json').read_text()), 'x').only(True, False)
    path = outdir / place
    if path.name == 'train' and place.startswith('label-studio'):
        tasks = json.loads((path / 'tasks.json').read_text())
        for task_of_tool in tasks:  # as the tool does with what a person accepts
            task_of_tool['annotations'] = task_of_tool.pop('predictions')
        path = path / 'export.json'
        path.write_text(json.dumps(tasks))
    found = {label.name: label for label in read_annotations(task, path, None)}
    records = manifest(outdir)
    assert set(found) == {record['mask'][6:-4] for record in records}
    for record in records:
        assert np.array_equal(found[record['mask'][6:-4]].mask, read_mask(outdir / record['mask'])), record['file']


def test_images_are_those_that_were_labelled(outdir):
    records = manifest(outdir)
    for folder in (
        'labelme/train',
        'cvat/images',
        'label-studio/images/train',
        'coco/images/train',
        'yolo/images/train',
    ):
        paths = {path.stem: path for path in (outdir / folder).iterdir() if path.suffix != '.json'}
        assert len(paths) == len(records)
        for record in records:
            with PIL.Image.open(paths[record['mask'][6:-4]]) as image:  # as a program that knows no EXIF sees it
                assert np.array_equal(np.asarray(image.convert('RGB')), read_rgb(outdir / record['image']))
    sizes = {image['file_name']: (image['height'], image['width']) for image in _coco(outdir)['images']}
    assert sizes['LONG.png'] == (9, 61) and sizes['turned.png'] == (40, 30)
    assert len(set(sizes.values())) == 3


def test_names_with_dots_stay_apart_in_webdataset(outdir, tmp_path):
    webdataset = pytest.importorskip('webdataset')
    names = ['2024.05.01', '2024.05.02', 'a%b', 'a%25b']
    (tmp_path / 'photos').mkdir()
    for name in names:
        shutil.copyfile(outdir.parent / 'photos' / 'a.png', tmp_path / 'photos' / f'{name}.png')
    labeler = PhotoLabeler(write_model(tmp_path / 'm.safetensors'))
    files = find_photos([tmp_path / 'photos'])
    PhotoRun(labeler, files, tmp_path / 'out', conversions=[make_conversion('webdataset', {'val': 0.0})])()
    items = list(webdataset.WebDataset(str(tmp_path / 'out/webdataset/train-000000.tar'), shardshuffle=False))
    assert sorted(urllib.parse.unquote(item['__key__']) for item in items) == sorted(names)
    assert {key for item in items for key in item if key[0] != '_'} == {'image.png', 'mask.png', 'json'}


def test_keypoints_have_their_place_at_each_size(outdir):
    for record in manifest(outdir):
        height, width = record['image_hw']
        x, y, seen = record['keypoints'][:3]
        assert (
            seen == 2
            and x == pytest.approx(7.5 * width / 16, abs=0.05)
            and y == pytest.approx(3.5 * height / 16, abs=0.05)
        )
        assert record['keypoints'][5] == 0
    content = json.loads((outdir / 'coco' / 'annotations' / 'person_keypoints_train.json').read_text())
    assert len(content['annotations']) == len(manifest(outdir))


def test_pixels_without_a_label_are_refused_where_they_cannot_be_told(outdir, tmp_path):
    model = DownstreamModel.build('small-unet', Task(('a', 'b'), ((0, 0, 0), (1, 1, 1))), (16, 16))
    files = find_photos([outdir.parent / 'photos'])
    for name in ('coco', 'yolo'):
        run = PhotoRun(
            PhotoLabeler(model, ignore_below=0.9), files, tmp_path / name, conversions=[make_conversion(name)]
        )
        with pytest.raises(UserError, match=f'`format`={name} cannot say of pixels that they have no label'):
            run()


def _coco(outdir):
    return json.loads((outdir / 'coco' / 'annotations' / 'instances_train.json').read_text())


@pytest.mark.parametrize('tool', ['labelme', 'cvat', 'label-studio'])
def test_what_was_corrected_in_a_tool_is_labelled_data(outdir, tmp_path, tool):
    """images/ are what the tool had, labels/ what it exports."""
    source = outdir / tool
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'images').mkdir()
    images = {'labelme': source / 'train', 'cvat': source / 'images', 'label-studio': source / 'images' / 'train'}[tool]
    for path in images.iterdir():
        if path.suffix != '.json':
            shutil.copyfile(path, tmp_path / 'images' / path.name)
    if tool == 'labelme':
        for path in (source / 'train').glob('*.json'):
            shutil.copyfile(path, tmp_path / 'labels' / path.name)
    elif tool == 'cvat':
        shutil.copyfile(source / 'annotations.xml', tmp_path / 'labels' / 'annotations.xml')
    else:
        tasks = json.loads((source / 'train' / 'tasks.json').read_text())
        for one in tasks:
            one['annotations'] = one.pop('predictions')
        (tmp_path / 'labels' / 'export.json').write_text(json.dumps(tasks))
    task = Task.from_json(json.loads((outdir / 'dataset.json').read_text()), 'x')
    found = read_labeled(tmp_path, task)
    expected = read_labeled(outdir)
    assert [image.name for image in found] == [image.name for image in expected]
    for one, other in zip(found, expected):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)
