"""Each format is read with the library that its users read it with, and gives back the same labels."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner
from scipy import ndimage

from datasetgan_ext import cli
from datasetgan_ext.core import errors
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats import huggingface
from datasetgan_ext.formats.coco_dataset import Coco
from datasetgan_ext.formats.conversions import (
    CONVERSIONS,
    check_conversion,
    convert,
    files_of_conversion,
    make_conversion,
)
from datasetgan_ext.formats.folder import MANIFEST, TRAIN, VAL, FolderDataset, name_of_record
from datasetgan_ext.formats.regions import find_regions
from datasetgan_ext.formats.voc import Voc
from datasetgan_ext.formats.webdataset import Webdataset
from tests.helpers.datasets import HW, TASK, converted, make_dataset
from tests.helpers.trees import tree


@pytest.fixture
def dataset(tmp_path) -> FolderDataset:
    return make_dataset(tmp_path / 'dataset')


def records_by_name(dataset, split, val=0.3) -> dict:
    return {name_of_record(record): record for record in dataset.kept(val, split)}


def pixels(path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def test_the_splits_hold_each_kept_sample_once_and_stay_when_seeds_are_added(dataset):
    train, val = (records_by_name(dataset, split) for split in (TRAIN, VAL))
    assert len(train) + len(val) == 18 == len(train | val) and 1 < len(val) < 10
    assert records_by_name(dataset, VAL, val=0) == {}
    assert val.keys() <= records_by_name(dataset, VAL, val=0.6).keys()


def test_regions_together_are_the_mask(dataset):
    for record in dataset.records():
        mask = dataset.mask(record)
        again = np.zeros_like(mask)
        for region in find_regions(mask):
            x, y, width, height = region.box
            part = again[y : y + height, x : x + width]
            assert not part[region.pixels].any() and region.area == region.pixels.sum() > 0
            part[region.pixels] = region.class_id
            assert ndimage.label(region.pixels, np.ones((3, 3)))[1] == 1
            for edge in (region.pixels[0], region.pixels[-1], region.pixels[:, 0], region.pixels[:, -1]):
                assert edge.any()
        assert np.array_equal(again, mask)


@pytest.mark.parametrize('segmentation', ['rle', 'polygons'])
def test_coco(dataset, segmentation):
    coco_module = pytest.importorskip('pycocotools.coco')
    folder = converted(dataset, 'coco', segmentation=segmentation)
    for split in (TRAIN, VAL):
        records = records_by_name(dataset, split)
        coco = coco_module.COCO(str(folder / 'annotations' / f'instances_{split}.json'))
        assert [category['name'] for category in coco.loadCats(coco.getCatIds())] == ['body', 'wheel', 'window']
        assert len(coco.imgs) == len(records) and 0 not in coco.anns
        for image in coco.loadImgs(coco.getImgIds()):
            record = records[image['file_name'].removesuffix('.png')]
            assert np.array_equal(pixels(folder / 'images' / split / image['file_name']), dataset.image(record))
            mask = np.zeros(HW, np.uint8)
            for annotation in coco.loadAnns(coco.getAnnIds(image['id'])):
                assert isinstance(annotation['segmentation'], list) == (segmentation == 'polygons')
                region = coco.annToMask(annotation)
                mask[region > 0] = annotation['category_id']
                assert annotation['area'] == region.sum()
                x, y, width, height = annotation['bbox']
                assert region[y : y + height, x : x + width].sum() == region.sum()
            assert np.array_equal(mask, dataset.mask(record))
        coco = coco_module.COCO(str(folder / 'annotations' / f'person_keypoints_{split}.json'))
        assert coco.cats[1]['keypoints'] == ['left', 'right', 'top'] and coco.cats[1]['skeleton'] == [[1, 3]]
        for annotation in coco.anns.values():
            record = records[coco.imgs[annotation['image_id']]['file_name'].removesuffix('.png')]
            assert annotation['keypoints'] == record['keypoints']


def test_voc(dataset):
    folder = converted(dataset, 'voc')
    lists = folder / 'ImageSets' / 'Segmentation'
    for split in (TRAIN, VAL):
        records = records_by_name(dataset, split)
        assert (lists / f'{split}.txt').read_text().split() == list(records)
        for name, record in records.items():
            assert np.array_equal(pixels(folder / 'SegmentationClass' / f'{name}.png'), dataset.mask(record))
            image = pixels(folder / 'JPEGImages' / f'{name}.jpg')
            assert np.abs(image.astype(int) - dataset.image(record)).mean() < 5
    assert len((lists / 'trainval.txt').read_text().split()) == 18
    assert 'body:200,0,0::' in (folder / 'labelmap.txt').read_text().splitlines()


def read_yolo(folder, split, name) -> list[list[float]]:
    text = (folder / 'labels' / split / f'{name}.txt').read_text()
    return [[float(value) for value in line.split()] for line in text.splitlines()]


def test_yolo(dataset):
    cv2, yaml = pytest.importorskip('cv2'), pytest.importorskip('yaml')
    folder = converted(dataset, 'yolo')
    description = yaml.safe_load((folder / 'data.yaml').read_text())
    assert description == {'train': 'images/train', 'val': 'images/val', 'names': {0: 'body', 1: 'wheel', 2: 'window'}}
    for split in (TRAIN, VAL):
        for name, record in records_by_name(dataset, split).items():
            truth, mask = dataset.mask(record), np.zeros(HW, np.uint8)
            for class_id, *outline in read_yolo(folder, split, name):
                assert len(outline) >= 6
                # as Ultralytics paints outlines: scaled, cut off to whole pixels, filled with the border
                corners = (np.reshape(outline, (-1, 2)) * HW[::-1]).astype(np.int32)
                cv2.fillPoly(mask, [corners], int(class_id) + 1)
            assert np.array_equal(mask[truth > 0], truth[truth > 0])
            holes = (mask > 0) & (truth == 0)
            assert not (holes & ~ndimage.binary_fill_holes(truth > 0)).any()
            assert np.array_equal(pixels(folder / description[split] / f'{name}.png'), dataset.image(record))


@pytest.mark.parametrize('name', ['coco', 'voc', 'yolo', 'webdataset', 'huggingface'])
def test_a_missing_file_of_the_dataset_is_named(name, dataset):
    missing = next(record['image'] for record in dataset.records() if record['kept'])
    (dataset.folder / missing).unlink()
    with pytest.raises(UserError, match=f'dataset/{missing} is missing'):
        converted(dataset, name)
    assert not (dataset.folder.parent / name).exists()


def test_into_the_folder_one_is_in(dataset, tmp_path, monkeypatch):
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    convert(dataset, Webdataset(val=0.3, shard_size=4), Path('.'))
    assert list((tmp_path / 'here').glob('train-*.tar'))


def test_yolo_pose(dataset):
    yaml = pytest.importorskip('yaml')
    folder = converted(dataset, 'yolo-pose')
    description = yaml.safe_load((folder / 'data.yaml').read_text())
    assert description['kpt_shape'] == [3, 3] and description['flip_idx'] == [1, 0, 2]
    assert description['kpt_names'] == {0: ['left', 'right', 'top']}
    for name, record in records_by_name(dataset, TRAIN).items():
        lines = read_yolo(folder, TRAIN, name)
        expected = np.reshape(record['keypoints'], (-1, 3))
        assert len(lines) == int(expected[:, 2].any())
        for class_id, x, y, width, height, *points in lines:
            assert class_id == 0
            assert np.allclose(np.reshape(points, (-1, 3)) * (*HW[::-1], 1), expected, atol=1e-3)
            corner = ((x - width / 2) * HW[1], (y - height / 2) * HW[0])
            assert np.allclose([*corner, width * HW[1], height * HW[0]], record['box'], atol=1e-3)


def test_webdataset(dataset):
    webdataset = pytest.importorskip('webdataset')
    folder = converted(dataset, 'webdataset', shard_size=4)
    for split in (TRAIN, VAL):
        records = records_by_name(dataset, split)
        shards = sorted(map(str, folder.glob(f'{split}-*.tar')))
        assert len(shards) == -(-len(records) // 4)
        seen = []
        for item in webdataset.WebDataset(shards, shardshuffle=False):
            record = records[item['__key__']]
            seen.append(item['__key__'])
            assert np.array_equal(pixels(io.BytesIO(item['image.png'])), dataset.image(record))
            assert np.array_equal(pixels(io.BytesIO(item['mask.png'])), dataset.mask(record))
            label = json.loads(item['json'])
            assert (label['seed'], label['keypoints']) == (record['seed'], record['keypoints'])
        assert seen == list(records)


def test_webdataset_is_the_same_bytes_each_time(dataset, tmp_path):
    for name in ('one', 'other'):
        convert(dataset, Webdataset(val=0.0, shard_size=4), tmp_path / name)
    names = sorted(path.name for path in (tmp_path / 'one').iterdir())
    assert len(names) == 6 and names[:2] == ['dataset.json', 'train-000000.tar']
    assert all((tmp_path / 'one' / name).read_bytes() == (tmp_path / 'other' / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    'name, own',
    [
        ('coco', {'segmentation': 'polygons'}),
        ('voc', {}),
        ('yolo', {}),
        ('yolo-pose', {}),
        ('webdataset', {'shard-size': 7}),
        ('huggingface', {}),
    ],
)
def test_a_conversion_takes_its_own_options_and_notes_them(name, own):
    conversion = make_conversion(name, {'val': 0.2, 'shard_size': 7, 'segmentation': 'polygons', 'overwrite': True})
    assert conversion.settings() == {'format': name, 'val': 0.2, **own}
    assert make_conversion(name) == type(conversion)(val=0.1)


@pytest.mark.parametrize(
    'name, options, message',
    [
        ('cocoa', {}, '`format`=cocoa: no such format; there are coco, voc, yolo, yolo-pose, webdataset, huggingface'),
        ('voc', {'val': 1.0}, '`val`=1.0 is not a share'),
        ('voc', {'val': float('nan')}, '`val`=nan is not a share'),
        ('webdataset', {'shard_size': 0}, '`shard_size`=0 is too small'),
        ('coco', {'segmentation': 'boxes'}, '`segmentation`=boxes is none of polygons, rle'),
    ],
)
def test_bad_options(name, options, message):
    with pytest.raises(UserError, match=message):
        make_conversion(name, options)


def test_a_library_that_is_not_needed_is_not_asked_for(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycocotools.mask', None)
    check_conversion(Coco(), dataset.info, tmp_path / 'new')
    with pytest.raises(UserError, match='pycocotools is needed'):
        check_conversion(Coco(segmentation='rle'), dataset.info, tmp_path / 'new')


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'cache'))
    return pytest.importorskip('datasets')


def test_huggingface(dataset, tmp_path, datasets):
    folder = converted(dataset, 'huggingface')
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / 'cache'))
    for split, name in ((TRAIN, 'train'), (VAL, 'validation')):
        records = {record['seed']: record for record in dataset.kept(0.3, split)}
        assert loaded[name]['seed'] == list(records)
        for row in loaded[name]:
            record = records[row['seed']]
            assert row['name'] == name_of_record(record) and row['uncertainty'] == record['uncertainty']
            assert np.array_equal(np.asarray(row['image']), dataset.image(record))
            assert np.array_equal(np.asarray(row['mask']), dataset.mask(record))
            assert np.allclose(row['keypoints'], np.reshape(record['keypoints'], (-1, 3)))


def test_huggingface_begins_a_file_when_one_is_full(dataset, tmp_path, datasets, monkeypatch):
    image_bytes = (dataset.folder / 'images' / 'seed0000000.png').stat().st_size
    monkeypatch.setattr(huggingface, 'ROW_GROUP', 2)
    monkeypatch.setattr(huggingface, 'SHARD_BYTES', 4 * image_bytes)
    folder = converted(dataset, 'huggingface', val=0)
    assert sorted(path.name for path in (folder / 'data').iterdir()) == [
        f'train-{number:05d}.parquet' for number in range(5)
    ], '18 rows, four to a file'
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / 'cache'))
    assert loaded['train']['seed'] == [record['seed'] for record in dataset.kept(0, TRAIN)]
    assert list(loaded) == ['train']


@pytest.mark.parametrize('name', CONVERSIONS)
@pytest.mark.parametrize('classes', [True, False])
def test_every_format_has_the_kept_samples_or_says_why_not(tmp_path, name, classes):
    pytest.importorskip({'coco': 'pycocotools', 'yolo': 'cv2', 'huggingface': 'pyarrow'}.get(name, 'numpy'))
    dataset = make_dataset(tmp_path / 'dataset', TASK.only(classes=classes, keypoints=not classes))
    fits = {'voc': classes, 'yolo': classes, 'yolo-pose': not classes}.get(name, True)
    if fits:
        assert (converted(dataset, name, val=0) / 'dataset.json').exists()
    else:
        with pytest.raises(UserError, match=f'`format`={name} holds'):
            converted(dataset, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(['dataset'] + [name] * fits)


def test_a_missing_library_is_named_with_its_extra(dataset, monkeypatch):
    def missing(module):
        raise ImportError(f'No module named {module}')

    monkeypatch.setattr(errors.importlib, 'import_module', missing)
    with pytest.raises(UserError, match=r"pip install 'datasetgan-ext\[formats\]'"):
        converted(dataset, 'coco', segmentation='rle')
    assert not (dataset.folder.parent / 'coco').exists()


def test_a_conversion_that_was_killed_leaves_nothing_in_the_way(dataset, monkeypatch):
    def killed(self, dataset, outdir, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(Voc, 'write', killed)
    outdir = dataset.folder.parent / 'voc'
    with pytest.raises(KeyboardInterrupt):
        converted(dataset, 'voc')
    assert not outdir.exists()
    monkeypatch.undo()
    (outdir.parent / 'voc.datasetgan-tmp' / 'JPEGImages').mkdir(parents=True)
    assert (converted(dataset, 'voc') / 'labelmap.txt').exists()


def invoke(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def test_command_line(dataset, tmp_path):
    result = invoke('convert', f'--dataset={dataset.folder}', '--format=voc', f'--outdir={tmp_path / "voc"}')
    assert result.exit_code == 0, result.output
    assert '18 labelled images' in result.output
    for arguments, message in [
        ((f'--outdir={tmp_path / "voc"}',), 'not empty; give a new folder'),
        ((f'--outdir={tmp_path / "new"}', '--val=1'), '--val=1.0 is not a share'),
        ((f'--outdir={tmp_path / "new"}', f'--dataset={tmp_path}'), 'holds no dataset of ours'),
    ]:
        result = invoke('convert', f'--dataset={dataset.folder}', '--format=voc', *arguments)
        assert result.exit_code == 1 and message in result.output and not (tmp_path / 'new').exists()


def test_verify(dataset):
    result = invoke('verify', f'--dataset={dataset.folder}')
    assert result.exit_code == 0 and '20 labelled images' in result.output
    (dataset.folder / 'images' / 'seed0000003.png').unlink()
    damaged = dataset.folder / 'masks' / 'seed0000004.png'
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (dataset.folder / 'images' / 'seed0000099.png').write_bytes(b'')
    result = invoke('verify', f'--dataset={dataset.folder}')
    assert result.exit_code == 1
    for message in (
        'images/seed0000003.png: is missing',
        'masks/seed0000004.png: is not as it was written',
        'images/seed0000099.png: belongs to no sample of manifest.jsonl',
    ):
        assert message in result.output


def test_verify_misses_keypoints(dataset):
    (dataset.folder / 'keypoints.json').unlink()
    result = invoke('verify', f'--dataset={dataset.folder}')
    assert result.exit_code == 1 and 'keypoints.json: is missing' in result.output


def test_verify_compares_masks_and_manifest(dataset):
    lines = (dataset.folder / MANIFEST).read_text().splitlines()
    record = json.loads(lines[5])
    record['pixels_per_class'][0] += 1
    lines[5:7] = [json.dumps(record)]
    (dataset.folder / MANIFEST).write_text('\n'.join(lines) + '\n')
    result = invoke('verify', f'--dataset={dataset.folder}')
    assert 'its classes are not those of manifest.jsonl' in result.output
    assert '19 samples, but dataset.json tells of 20' in result.output


def test_an_unfinished_dataset_is_refused(dataset):
    (dataset.folder / 'manifest.partial.jsonl').write_text('')
    with pytest.raises(UserError, match='not finished'):
        FolderDataset(dataset.folder)


@pytest.mark.parametrize('name', CONVERSIONS)
def test_a_format_knows_its_own_files(dataset, name):
    folder = converted(dataset, name)
    names = {record['image'].split('/')[1][:-4] for record in dataset.records()}
    assert sorted(files_of_conversion(folder, names)) == sorted(tree(folder))
    (folder / '.env').write_text('secret')
    (folder / 'link.json').symlink_to(folder / 'dataset.json')
    assert '.env' not in files_of_conversion(folder, names) and 'link.json' not in files_of_conversion(folder, names)
    assert list(files_of_conversion(dataset.folder, names)) == []
