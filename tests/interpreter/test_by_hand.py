"""Hand labels in an interpreter's file, and in the samples of a labeler."""

import base64
import itertools
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from datasetgan_ext.core.annotation import ABSENT, HAND, IGNORE, OCCLUDED, PARTLY_HAND, VISIBLE, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.png import read_image, read_mask
from datasetgan_ext.generator.latents import ProjectedLatents
from datasetgan_ext.interpreter.by_hand import HandLabel, digest, look_of
from datasetgan_ext.interpreter.interpreter import METADATA_KEY, Interpreter
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.interpreter.stream import LabeledImages
from tests.generation.test_keypoints import labeler as labeler_with_keypoints  # noqa: F401 (a fixture)


def test_the_look_of_an_image_is_the_mean_colors_of_its_squares():
    image = np.zeros((16, 24, 1), np.uint8)
    image[:8, 8:16] = 200
    image[8:, 16:, 0] = np.arange(8) * 10  # whose mean is 35
    assert look_of(image)[:, :, 0].tolist() == [[0, 200, 0], [0, 0, 35]]
    assert look_of(image[:3, :5]).shape == (1, 1, 1)


def test_training_keeps_the_labels(interpreter, samples, labels):
    assert sorted(interpreter.hand_labels) == [0, 1, 2, 3]
    for sample in samples.samples:
        label = interpreter.hand_labels[sample.seed]
        assert np.array_equal(label.mask, read_mask(labels / f'{sample.name}.png')) and label.keypoints is None
        image = read_image(samples.path(sample))
        assert label.is_of(image) and label.is_of(np.clip(image.astype(int) + 9, 0, 255).astype(np.uint8))
        others = [read_image(samples.path(other)) for other in samples.samples if other is not sample]
        assert not any(map(label.is_of, others)) and not label.is_of(image[:8])


def test_the_file_has_them(interpreter, tmp_path):
    keypoints = Keypoints(np.array([[0.5, 2.25], [0, 0]], np.float32), np.array([OCCLUDED, ABSENT], np.uint8))
    interpreter.hand_labels[1].mask[3, 4:6] = IGNORE
    interpreter.task = replace(interpreter.task, keypoints=('nose', 'tail'))
    interpreter.hand_labels[2] = replace(interpreter.hand_labels[2], mask=None, keypoints=keypoints)
    content = {seed: label.to_json() for seed, label in interpreter.hand_labels.items()}
    read = {
        seed: HandLabel.from_json(json.loads(json.dumps(label)), interpreter.task, (16, 16))
        for seed, label in content.items()
    }
    assert digest(read) == digest(interpreter.hand_labels) and read[1].mask[3, 3:6].tolist()[1:] == [IGNORE, IGNORE]
    assert read[2].mask is None and read[2].keypoints.visibility.tolist() == [OCCLUDED, ABSENT]
    assert read[2].keypoints.points.tolist() == [[0.5, 2.25], [0, 0]]
    assert np.array_equal(read[0].look, interpreter.hand_labels[0].look)
    interpreter.hand_labels[0].mask[0, 0] ^= 1
    assert digest(read) != digest(interpreter.hand_labels) and digest({}) is None


def with_label(path, change):
    """The interpreter's file with another hand label of seed 0."""
    with safe_open(path, 'pt') as file:
        content = json.loads(file.metadata()[METADATA_KEY])
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    change(content['hand_labels'])
    save_file(state, path, {METADATA_KEY: json.dumps(content)})


def packed(values) -> str:
    return base64.b64encode(zlib.compress(bytes(values))).decode()


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda labels: labels['0'].update(mask=packed([0] * 255)), 'has 255 values, not 256'),
        (lambda labels: labels['0'].update(mask=packed([0] * 10**7)), 'has 257 values, not 256'),
        (lambda labels: labels['0'].update(mask=packed([3] * 256)), 'classes that the task lacks'),
        (lambda labels: labels['0'].update(mask='AAAA'), 'cannot be unpacked'),
        (lambda labels: labels['0'].update(mask=3), 'TypeError'),
        (lambda labels: labels['0'].update(keypoints=[[[1, 2]], [2]]), 'keypoints that the task lacks'),
        (lambda labels: labels['0'].update(look=[[10**6, 10**6, 3], packed([0])]), 'the look of a hand label'),
        (lambda labels: labels['0'].pop('look'), 'KeyError'),
        (lambda labels: labels.update({'-1': labels['0']}), 'of no seed'),
        (lambda labels: labels.update(one=labels['0']), 'ValueError'),
    ],
)
def test_damaged_labels_are_told(interpreter, tmp_path, change, message):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    assert digest(Interpreter.load(path).hand_labels) == digest(interpreter.hand_labels)
    with_label(path, change)
    with pytest.raises(UserError, match=f'is damaged .*{message}'):
        Interpreter.load(path)


def test_an_older_file_has_none(interpreter, tmp_path):
    path = tmp_path / 'interpreter.safetensors'
    interpreter.save(path)
    with_label(path, lambda labels: labels.clear())
    assert Interpreter.load(path).hand_labels == {}


def test_labeled_images_get_the_persons_labels(generator, interpreter):
    predicted = list(Labeler(generator, interpreter)(range(6)))
    given = list(Labeler(generator, interpreter, hand_labels=True)(range(6)))
    for sample, other in zip(given, predicted):
        assert np.array_equal(sample.image, other.image) and other.labels is None and other.uncertainty > 0
        if sample.seed < 4:
            assert np.array_equal(sample.mask, interpreter.hand_labels[sample.seed].mask)
            assert sample.labels == HAND and sample.uncertainty is None
        else:
            assert np.array_equal(sample.mask, other.mask)
            assert sample.labels is None and sample.uncertainty == other.uncertainty
    assert any((sample.mask != other.mask).any() for sample, other in zip(given, predicted))


def test_what_a_person_left_out_is_the_ensembles(generator, interpreter):
    mask = interpreter.hand_labels[0].mask
    mask[4:9] = IGNORE
    predicted = next(Labeler(generator, interpreter)([0]))
    given = next(Labeler(generator, interpreter, hand_labels=True)([0]))
    assert given.labels == PARTLY_HAND
    assert np.array_equal(given.mask[4:9], predicted.mask[4:9])
    assert np.array_equal(given.mask[:4], mask[:4]) and np.array_equal(given.mask[9:], mask[9:])
    assert 0 < given.uncertainty < predicted.uncertainty


def test_keypoints_of_a_person(labeler_with_keypoints):  # noqa: F811
    plain = labeler_with_keypoints
    labels = plain.interpreter.hand_labels
    predicted = next(plain([2]))
    given = next(Labeler(plain.generator, plain.interpreter, hand_labels=True)([2]))
    assert given.labels == HAND and given.uncertainty is None
    assert given.keypoints.visibility.tolist() == [VISIBLE, VISIBLE, ABSENT]
    assert given.keypoints.points[:2].tolist() == labels[2].keypoints.points[:2].tolist()
    assert given.keypoints.confidence.tolist() == [1, 1, 0] and given.keypoints.spread.tolist() == [0, 0, 0]
    if plain.interpreter.task.classes:
        plain.interpreter.hand_labels = {2: replace(labels[2], keypoints=None)}
        partly = next(Labeler(plain.generator, plain.interpreter, hand_labels=True)([2]))
        assert partly.labels == PARTLY_HAND and np.array_equal(partly.mask, labels[2].mask)
        assert partly.keypoints.points.tolist() == predicted.keypoints.points.tolist()
        assert 0 <= partly.uncertainty < predicted.uncertainty
    plain.interpreter.hand_labels = labels


@pytest.mark.parametrize('change', [{'trunc': 0.8}, {'trunc_cutoff': 2}, {'noise_mode': 'none'}])
def test_other_images_of_the_seeds_are_not_theirs(generator, interpreter, change):
    labeler = Labeler(generator, interpreter, replace(interpreter.options, **change), hand_labels=True)
    assert labeler.hand_labels == {} and next(labeler([0])).labels is None


def test_nor_are_mixed_or_projected_ones(generator, interpreter):
    mixing = Labeler(generator, interpreter, replace(interpreter.options, mix_styles=0.5), hand_labels=True)
    labels = [(sample.mixing is None, sample.labels) for sample in mixing(range(4))]
    assert set(labels) == {(True, HAND), (False, None)}
    ws = generator.ws([0], interpreter.options).numpy()
    projected = Labeler(generator, interpreter, latents=ProjectedLatents(ws), hand_labels=True)
    assert next(projected([0])).labels is None


def test_an_image_that_came_out_differently_is_told(generator, interpreter):
    label = interpreter.hand_labels[1]
    interpreter.hand_labels[1] = replace(label, look=label.look ^ 128)
    labeler = Labeler(generator, interpreter, hand_labels=True)
    assert next(labeler([0])).labels == HAND
    with pytest.raises(UserError, match='the image of seed 1 is not the one that was labelled by hand'):
        labeler.label([1])


def test_a_stream_keeps_them_however_uncertain_others_are(generator, interpreter):
    stream = LabeledImages(Labeler(generator, interpreter, hand_labels=True), max_uncertainty=-1)
    masks = [mask.numpy() for _, mask in itertools.islice(stream, 4)]
    assert all(np.array_equal(mask, interpreter.hand_labels[seed].mask) for seed, mask in enumerate(masks))
