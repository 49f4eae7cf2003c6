"""Images of nothing but background are images, too: none is lost in a format, nor when it is read back."""

import io
import tarfile

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from datasetgan_ext.formats.png import write_mask
from tests.helpers.datasets import TASK, converted, make_dataset


@pytest.fixture
def dataset(tmp_path):
    """Half of its images are background alone, as far as it is kept."""
    dataset = make_dataset(tmp_path / 'dataset', TASK.only(classes=True, keypoints=False))
    for path in sorted((tmp_path / 'dataset' / 'masks').iterdir())[::2]:
        write_mask(path, np.zeros(dataset.image_hw, np.uint8), TASK.flat_palette)
    return dataset


@pytest.fixture
def kept(dataset):
    return sorted(record['image'].split('/')[1][:-4] for record in dataset.records() if record['kept'])


def empty_ones(images):
    return sum(not image.mask.any() for image in images)


@pytest.mark.parametrize('name', ['folder', 'voc'])
def test_what_is_read_back(dataset, kept, name):
    images = read_labeled(dataset.folder if name == 'folder' else converted(dataset, name, val=0.0))
    assert [image.name for image in images] == kept
    assert empty_ones(images) == empty_ones(read_labeled(dataset.folder)) >= len(kept) // 2 - 1
    assert images.task.classes == Task.from_json(dataset.info, 'there').classes


def test_yolo_has_an_empty_file_of_each(dataset, kept):
    pytest.importorskip('cv2', reason='opencv is not installed')
    folder = converted(dataset, 'yolo', val=0.0)
    for kind in ('images', 'labels'):
        assert sorted(path.stem for path in (folder / kind / 'train').iterdir()) == kept
    empty = [path for path in (folder / 'labels' / 'train').iterdir() if not path.read_text()]
    assert len(empty) == empty_ones(read_labeled(dataset.folder))


def test_webdataset_has_a_mask_of_each(dataset, kept):
    folder = converted(dataset, 'webdataset', val=0.0)
    with tarfile.open(folder / 'train-000000.tar') as tar:
        masks = {
            member.name: np.asarray(PIL.Image.open(io.BytesIO(tar.extractfile(member).read())))
            for member in tar
            if member.name.endswith('.mask.png')
        }
    assert sorted(name.partition('.')[0] for name in masks) == kept
    assert sum(not mask.any() for mask in masks.values()) == empty_ones(read_labeled(dataset.folder))


def test_huggingface_has_a_mask_of_each(dataset, kept):
    parquet = pytest.importorskip('pyarrow.parquet', reason='pyarrow is not installed')
    folder = converted(dataset, 'huggingface', val=0.0)
    rows = parquet.read_table(folder / 'data' / 'train-00000.parquet').to_pylist()
    assert sorted(row['name'] for row in rows) == kept
    masks = [np.asarray(PIL.Image.open(io.BytesIO(row['mask']['bytes']))) for row in rows]
    assert sum(not mask.any() for mask in masks) == empty_ones(read_labeled(dataset.folder))
