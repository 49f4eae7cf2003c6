"""What reads our COCO: pycocotools' evaluation, torchvision's wrapper and the steps of its recipe, supervision,
Datumaro's importer, ultralytics' converter, and we.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from datasetgan_ext.downstream.vision import import_segmentation
from datasetgan_ext.formats.folder import TRAIN, VAL, FolderDataset, name_of_record
from datasetgan_ext.formats.labels import read_annotations
from tests.helpers.datasets import HW, TASK, converted, make_dataset


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> FolderDataset:
    return make_dataset(tmp_path_factory.mktemp('coco') / 'dataset')


@pytest.fixture(scope='module')
def folder(dataset) -> Path:
    return converted(dataset, 'coco')


def records(dataset, split=TRAIN) -> dict:
    return {name_of_record(record): record for record in dataset.kept(0.3, split)}


def torchvisions_datasets() -> tuple:
    """CocoDetection and its wrapper; torchvision is made to import beside a torch without its own operators."""
    pytest.importorskip('pycocotools')
    import_segmentation()
    from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2

    return CocoDetection, wrap_dataset_for_transforms_v2


def merged(masks: np.ndarray, labels: list[int]) -> np.ndarray:
    """Objects' masks as one of class ids."""
    mask = np.zeros(HW, np.uint8)
    for one, label in zip(masks, labels):
        mask[np.asarray(one) > 0] = label
    return mask


@pytest.mark.parametrize(
    'kind, task', [('instances', 'segm'), ('instances', 'bbox'), ('person_keypoints', 'keypoints')]
)
def test_predictions_equal_to_the_truth_have_an_average_precision_of_1(folder, kind, task):
    coco_module, evaluation = pytest.importorskip('pycocotools.coco'), pytest.importorskip('pycocotools.cocoeval')
    truth = coco_module.COCO(str(folder / 'annotations' / f'{kind}_train.json'))
    found = truth.loadRes([{**annotation, 'score': 1.0} for annotation in truth.anns.values()])
    score = evaluation.COCOeval(truth, found, task)
    if task == 'keypoints':
        score.params.kpt_oks_sigmas = np.full(3, 0.05)
    else:
        score.params.maxDets = [1000, 1000, 1000]
    score.evaluate()
    score.accumulate()
    precision = score.eval['precision']
    assert precision[precision > -1].size and precision[precision > -1].min() == 1


def test_torchvisions_wrapper_gives_the_masks(dataset, folder):
    CocoDetection, wrap_dataset_for_transforms_v2 = torchvisions_datasets()

    wanted = ('image_id', 'boxes', 'labels', 'masks')
    for split in (TRAIN, VAL):
        loaded = CocoDetection(folder / 'images' / split, folder / 'annotations' / f'instances_{split}.json')
        names = [Path(loaded.coco.loadImgs(number)[0]['file_name']).stem for number in loaded.ids]
        wrapped = wrap_dataset_for_transforms_v2(loaded, target_keys=wanted)
        for name, (image, target) in zip(names, wrapped):
            record = records(dataset, split)[name]
            assert np.array_equal(np.asarray(image), dataset.image(record))
            truth = dataset.mask(record)
            if truth.any():
                np.testing.assert_array_equal(merged(target['masks'].numpy(), target['labels'].tolist()), truth)
                assert target['boxes'].shape == (len(target['labels']), 4)


def test_torchvisions_wrapper_takes_keypoint_annotations(folder):
    CocoDetection, wrap_dataset_for_transforms_v2 = torchvisions_datasets()

    loaded = CocoDetection(folder / 'images' / TRAIN, folder / 'annotations' / 'person_keypoints_train.json')
    for _, target in wrap_dataset_for_transforms_v2(loaded, target_keys=('boxes', 'labels', 'masks')):
        assert target['masks'].shape == (1, *HW) and target['labels'].tolist() == [1]


def as_in_the_detection_recipe(
    annotations: list[dict], image_hw
) -> tuple[torch.Tensor, list[int], torch.Tensor | None]:
    """What a detection recipe does with an image's annotations: no crowds, polygons to masks, keypoints of each."""
    from pycocotools import mask as coco_mask

    kept = [annotation for annotation in annotations if annotation['iscrowd'] == 0]
    masks = []
    for annotation in kept:
        runs = coco_mask.frPyObjects(annotation['segmentation'], *image_hw)
        parts = coco_mask.decode(runs)
        masks.append(torch.as_tensor(parts if parts.ndim == 3 else parts[..., None]).any(dim=2))
    keypoints = None
    if kept and 'keypoints' in kept[0]:
        values = [annotation['keypoints'] for annotation in kept]
        keypoints = torch.as_tensor(values, dtype=torch.float32).reshape(len(kept), -1, 3)
    return torch.stack(masks), [annotation['category_id'] for annotation in kept], keypoints


@pytest.mark.parametrize('kind', ['instances', 'person_keypoints'])
def test_the_steps_of_torchvisions_recipe(dataset, folder, kind):
    coco_module = pytest.importorskip('pycocotools.coco')
    coco = coco_module.COCO(str(folder / 'annotations' / f'{kind}_train.json'))
    checked = 0
    for number, image in coco.imgs.items():
        annotations = coco.loadAnns(coco.getAnnIds(number))
        record = records(dataset)[Path(image['file_name']).stem]
        truth = dataset.mask(record)
        if annotations and truth.any():
            masks, labels, keypoints = as_in_the_detection_recipe(annotations, (image['height'], image['width']))
            if kind == 'instances':
                np.testing.assert_array_equal(merged(masks.numpy(), labels), truth)
            else:
                np.testing.assert_array_equal(masks[0].numpy(), truth > 0)
                assert keypoints.reshape(-1).tolist() == pytest.approx(record['keypoints'], abs=0.01)
            checked += 1
    assert checked > 5


def test_supervision_reads_the_masks(dataset, folder):
    supervision = pytest.importorskip('supervision')
    loaded = supervision.DetectionDataset.from_coco(
        str(folder / 'images' / TRAIN), str(folder / 'annotations' / 'instances_train.json'), force_masks=True
    )
    for path, _, found in loaded:
        truth = dataset.mask(records(dataset)[Path(path).stem])
        if not truth.any():
            continue
        names = [loaded.classes[number] for number in found.class_id]
        mask = merged(found.mask, [TASK.classes.index(name) for name in names])
        # supervision paints the polygons' border too
        highest = ndimage.maximum_filter(truth, 3)
        near = highest != ndimage.minimum_filter(truth, 3)
        assert not ((mask != truth) & ~near).any()


def painted(polygons: list[tuple[list[float], int]]) -> np.ndarray:
    """Polygons (x, y, x, y, ...), each with its class id, as one mask."""
    runs = pytest.importorskip('pycocotools.mask')
    return merged(
        [runs.decode(runs.frPyObjects([points], *HW))[..., 0] for points, _ in polygons], [c for _, c in polygons]
    )


def test_datumaro_imports_masks_keypoints_and_images(dataset, folder):
    datumaro = pytest.importorskip('datumaro')
    truths = records(dataset, TRAIN) | records(dataset, VAL)
    loaded = datumaro.Dataset.import_from(str(folder), 'coco_instances')
    labels = loaded.categories()[datumaro.AnnotationType.label]
    assert {item.id: item.subset for item in loaded} == {
        name: split for split in (TRAIN, VAL) for name in records(dataset, split)
    }
    for item in loaded:
        polygons = [
            (one.points, TASK.classes.index(labels[one.label].name))
            for one in item.annotations
            if one.type == datumaro.AnnotationType.polygon
        ]
        np.testing.assert_array_equal(painted(polygons), dataset.mask(truths[item.id]))
        assert np.array_equal(item.media.data[..., ::-1], dataset.image(truths[item.id]))
    loaded = datumaro.Dataset.import_from(str(folder), 'coco_person_keypoints')
    assert len(loaded) == len(truths)
    for item in loaded:
        for one in item.annotations:
            if one.type == datumaro.AnnotationType.points:
                points = np.column_stack([np.reshape(one.points, (-1, 2)), [seen.value for seen in one.visibility]])
                np.testing.assert_allclose(points.ravel(), truths[item.id]['keypoints'], atol=1e-4)


def test_ultralytics_converts_masks_and_keypoints(dataset, folder, tmp_path):
    converter = pytest.importorskip('ultralytics.data.converter')
    height, width = HW
    for kind, options in (('segments', {'use_segments': True}), ('keypoints', {'use_keypoints': True})):
        converter.convert_coco(str(folder / 'annotations'), str(tmp_path / kind), cls91to80=False, **options)
    for split in (TRAIN, VAL):
        for name, record in records(dataset, split).items():
            truth = dataset.mask(record)
            if not truth.any():
                continue
            lines = (tmp_path / 'segments' / 'labels' / split / f'{name}.txt').read_text().splitlines()
            numbers = [np.array(line.split(), dtype=float) for line in lines]
            polygons = [
                ((one[1:].reshape(-1, 2) * (width, height)).ravel().tolist(), int(one[0]) + 1) for one in numbers
            ]
            np.testing.assert_array_equal(painted(polygons), truth)
            text = (tmp_path / 'keypoints' / 'labels' / f'person_keypoints_{split}' / f'{name}.txt').read_text()
            points = np.array(text.split()[5:], dtype=float).reshape(-1, 3) * (width, height, 1)
            np.testing.assert_allclose(points.ravel(), record['keypoints'], atol=1e-3)


def test_keypoints_without_masks_have_the_polygon_of_their_box(tmp_path):
    dataset = make_dataset(tmp_path / 'dataset', TASK.only(classes=False, keypoints=True))
    content = json.loads((converted(dataset, 'coco') / 'annotations' / 'person_keypoints_train.json').read_text())
    for annotation in content['annotations']:
        x, y, width, height = annotation['bbox']
        right, bottom = x + width, y + height
        assert annotation['segmentation'] == [[x, y, right, y, right, bottom, x, bottom]]


def test_background_alone_survives_our_own_reader(dataset, folder):
    truth = {name: dataset.mask(record) for name, record in (records(dataset, TRAIN) | records(dataset, VAL)).items()}
    assert any(not mask.any() for mask in truth.values())
    found = {}
    for split in (TRAIN, VAL):
        labels = folder / 'annotations' / f'instances_{split}.json'
        found |= {one.name: one.mask for one in read_annotations(TASK.only(True, False), labels, None)}
    assert set(found) == set(truth)
    for name, mask in truth.items():
        np.testing.assert_array_equal(found[name], mask)


def test_our_keypoint_file_is_read_as_keypoints_alone(dataset, folder):
    labels = folder / 'annotations' / 'person_keypoints_train.json'
    for one in read_annotations(TASK, labels, None):
        assert one.mask is None
        expected = np.reshape(records(dataset)[one.name]['keypoints'], (-1, 3))
        np.testing.assert_allclose(one.keypoints.points, expected[:, :2], atol=0.01)
