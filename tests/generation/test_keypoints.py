"""Datasets with keypoints: manifest, COCO file, preview and card; with masks and without."""

import json

import numpy as np
import pytest

from datasetgan_ext.core.annotation import ABSENT, VISIBLE, Keypoints
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generation.curation import Curation
from datasetgan_ext.generation.run import Run
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.interpreter.stream import LabeledImages
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from datasetgan_ext.report.preview import draw_keypoints, keypoint_colors
from tests.helpers.networks import make_network
from tests.helpers.trees import manifest, tree

TASK = Task(
    ('background', 'dark', 'bright'),
    ((0, 0, 0), (255, 0, 0), (0, 255, 0)),
    ('peak', 'hole', 'ghost'),
    skeleton=((0, 1),),
)


@pytest.fixture(scope='module', params=['both heads', 'keypoints alone'])
def labeler(request, original_samples, original_labels) -> Labeler:
    generator = Generator(make_network(), 'tiny')
    samples = original_samples
    annotations = read_mask_folder(original_labels, TASK)
    for sample, annotation in zip(samples.samples, annotations):
        gray = np.asarray(png.PIL.Image.open(samples.folder / sample.image)).mean(axis=2)
        places = [np.unravel_index(pixel, gray.shape)[::-1] for pixel in (gray.argmax(), gray.argmin(), 0)]
        annotation.keypoints = Keypoints(
            np.array(places, np.float32) + 0.5, np.array([VISIBLE, VISIBLE, ABSENT], np.uint8)
        )
        if request.param == 'keypoints alone':
            annotation.mask = None
    task = TASK.only(classes=request.param == 'both heads', keypoints=True)
    options = options_from('default', models=2, max_steps=100)
    training_set = TrainingSet(generator, samples, samples.pair(annotations, task), task, options, progress=False)
    interpreter = train_interpreter(training_set, progress=False)
    return Labeler(generator, interpreter)


def test_dataset_with_keypoints(labeler, tmp_path):
    out = tmp_path / 'out'
    summary = Run(labeler, range(10), out, Curation(0.8))()
    records = manifest(out)
    assert (out / 'masks').exists() == bool(labeler.interpreter.task.classes)
    for record, sample in zip(records, labeler(range(10))):
        values = np.reshape(record['keypoints'], (-1, 3))
        assert values[:, 2].tolist() == sample.keypoints.visibility.tolist()
        assert values[:, :2] == pytest.approx(sample.keypoints.points, abs=0.01)
        assert len(record['keypoint_confidence']) == len(record['keypoint_spread']) == 3
        assert values[2].tolist() == [0, 0, 0]
    kept = [record for record in records if record['kept']]
    assert summary.keypoint_images == [sum(record['keypoints'][index] > 0 for record in kept) for index in (2, 5, 8)]

    # what is written can be read as labels again
    annotations = read_annotations(labeler.interpreter.task, None, out / 'keypoints.json')
    found = {annotation.name: annotation.keypoints for annotation in annotations}
    assert set(found) == {f'seed{record["seed"]:07d}' for record in kept}
    for record in kept:
        points = np.reshape(record['keypoints'], (-1, 3))[:, :2]
        assert found[f'seed{record["seed"]:07d}'].points == pytest.approx(points)
    content = json.loads((out / 'keypoints.json').read_text())
    assert content['categories'][0]['skeleton'] == [[1, 2]]
    for annotation in content['annotations']:
        x, y, width, height = annotation['bbox']
        assert 0 <= x <= x + width <= 16 and 0 <= y <= y + height <= 16
        assert annotation['num_keypoints'] == sum(value > 0 for value in annotation['keypoints'][2::3])

    card = (out / 'README.md').read_text()
    assert '3 keypoints' in card and '| peak |' in card and 'keypoints.json' in card
    assert ('masks/' in card) == bool(labeler.interpreter.task.classes)
    assert json.loads((out / 'dataset.json').read_text())['keypoints'] == ['peak', 'hole', 'ghost']


def test_stopped_and_continued(labeler, tmp_path, monkeypatch):
    Run(labeler, range(6), tmp_path / 'whole', Curation(0.8))()
    label, calls = Labeler.label, []

    def stop_at_the_fourth(self, seeds):
        calls.append(seeds)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return label(self, seeds)

    monkeypatch.setattr(Labeler, 'label', stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        Run(labeler, range(6), tmp_path / 'stopped', Curation(0.8))()
    Run(labeler, range(6), tmp_path / 'stopped', Curation(0.8))()
    assert tree(tmp_path / 'stopped') == tree(tmp_path / 'whole')


def test_stream_of_keypoints(labeler):
    item = next(iter(LabeledImages(labeler, first_seed=3)))
    sample = next(iter(labeler([3])))
    assert len(item) == (3 if labeler.interpreter.task.classes else 2)
    assert item[-1][:, :2].numpy() == pytest.approx(sample.keypoints.points)
    assert item[-1][:, 2].tolist() == sample.keypoints.visibility.tolist()


def test_drawn_keypoints_are_where_they_belong():
    image = png.PIL.Image.new('RGB', (80, 40))
    task = Task((), (), ('a', 'b', 'c'), skeleton=((0, 1), (0, 2)))
    draw_keypoints(
        image, Keypoints(np.array([[5, 5], [15, 5], [5, 9]], np.float32), np.array([2, 1, 0], np.uint8)), task, 4
    )
    pixels = np.asarray(image)
    colors = keypoint_colors(task)
    assert pixels[20, 20].tolist() == list(colors[0]) and pixels[20, 60].tolist() == list(colors[1])
    assert pixels[20, 40].tolist() == [255, 255, 255]
    assert not pixels[30:].any()
