"""Keypoints as heatmaps: targets, sub-pixel places, uncertainty, threshold, and a head that learns them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE, Annotation, Keypoints
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.interpreter.differences import neighbor_differences
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.keypoints import (
    find_keypoints,
    heat_targets,
    heatmap_sigma,
    locate,
    near_keypoints,
    presence_confidence,
)
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet

SIGMA = 1.5


def keypoints(*rows) -> Keypoints:
    values = np.array(rows, dtype=np.float32).reshape(-1, 3)
    return Keypoints(values[:, :2], values[:, 2].astype(np.uint8))


def heatmap(x, y, hw=(16, 24), sigma=SIGMA) -> torch.Tensor:
    rows, columns = np.indices(hw)
    flat = heat_targets(keypoints((x, y, VISIBLE)), rows.reshape(-1), columns.reshape(-1), sigma)
    return torch.from_numpy(flat.reshape(hw))


def test_targets_are_gaussians_around_pixel_centers():
    targets = heat_targets(
        keypoints((2.5, 1.5, VISIBLE), (3.5, 1.5, OCCLUDED), (2.5, 1.5, ABSENT)),
        np.array([1, 1, 3]),
        np.array([2, 3, 2]),
        2.0,
    )
    assert targets.shape == (3, 3) and targets.dtype == np.float32
    assert targets[:, 0] == pytest.approx([1, np.exp(-1 / 8), np.exp(-4 / 8)])
    assert targets[:, 1] == pytest.approx([np.exp(-1 / 8), 1, np.exp(-5 / 8)])
    assert not targets[:, 2].any()


def test_pixels_near_keypoints():
    near = near_keypoints(keypoints((5.5, 4.5, VISIBLE), (20.5, 4.5, ABSENT)), (10, 24), 1.0)
    assert near[4, 5] and near[4, 7] and near[2, 5] and not near[4, 9] and not near[4, 20]
    assert not near_keypoints(keypoints((5, 5, ABSENT)), (10, 10), 1.0).any()


@pytest.mark.parametrize('x, y', [(7.5, 6.5), (7.9, 6.2), (8.0, 7.0), (11.31, 9.77), (0.6, 0.7), (23.4, 15.2)])
def test_places_are_found_to_a_fraction_of_a_pixel(x, y):
    found = locate(heatmap(x, y), SIGMA).numpy()
    inner = 3 < x < 20
    assert np.abs(found - (x, y)).max() < (0.02 if inner else 0.6)  # at the border the window lacks a side


def test_the_higher_of_two_peaks_is_taken():
    maps = torch.maximum(heatmap(5.5, 5.5) * 0.8, heatmap(18.5, 10.5))
    assert locate(maps[None, None], SIGMA)[0, 0].numpy() == pytest.approx((18.5, 10.5), abs=0.02)


def test_a_square_outweighs_a_single_pixel():
    maps = heatmap(16.5, 10.5) * 0.5
    maps[4, 5] = 0.9
    assert locate(maps, SIGMA).numpy() == pytest.approx((5.5, 4.5), abs=0.02)
    assert locate(maps, SIGMA, smooth=True).numpy() == pytest.approx((16.5, 10.5), abs=0.02)


@pytest.mark.parametrize('sigma', [1.5, 4.0, 9.0])
@pytest.mark.parametrize('place', [(0.5, 0.5), (30.5, 21.5), (60.5, 41.5), (62.5, 44.5)])
def test_the_highest_square_is_at_the_peak(place, sigma):
    """Also where the squares' steps do not divide the map, and at the borders, where the window lacks a side."""
    found = locate(heatmap(*place, (45, 63), sigma), sigma, smooth=True).numpy()
    assert np.abs(found - place).max() < 0.6 * sigma


def test_an_empty_map_has_a_place_too():
    assert torch.isfinite(locate(torch.zeros(1, 8, 8), SIGMA)).all()


def test_uncertainty_is_the_spread_of_the_members():
    agreed = torch.stack([heatmap(8.5, 8.5)] * 3)[:, None]
    found = find_keypoints(agreed[None], SIGMA, 0.2)
    assert found.points.shape == (1, 1, 2) and float(found.confidence) == pytest.approx(1, abs=0.01)
    assert float(found.spread) == pytest.approx(0, abs=1e-4)
    apart = torch.stack([heatmap(8.5, 8.5), heatmap(8.5, 8.5), heatmap(14.5, 8.5)])[:, None]
    found = find_keypoints(apart[None], SIGMA, 0.2)
    assert float(found.spread) == pytest.approx(np.sqrt(36 / 3), abs=0.1)
    assert float(found.uncertainty) == pytest.approx((1 - np.exp(-36 / (2 * SIGMA**2))) / 3, abs=0.02)
    assert float(found.confidence) > 0.9  # to all of them it is somewhere
    # how sure of it the member is that sees it elsewhere does not count
    found = find_keypoints(apart[None] * torch.tensor([1, 1, 0.1]).view(3, 1, 1, 1), SIGMA, 0.2)
    assert float(found.uncertainty) == pytest.approx((1 - np.exp(-36 / (2 * SIGMA**2))) / 3, abs=0.02)
    # to all of them it is absent: places do not matter
    assert float(find_keypoints(apart[None] * 0.1, SIGMA, 0.2).uncertainty) == 0


def test_confidence_is_the_probability_that_it_is_there():
    def sure(maps, point):
        return float(presence_confidence(maps[None], torch.tensor([point]), SIGMA))

    whole = heatmap(12.3, 8.1, (32, 32))
    assert sure(whole, (12.3, 8.1)) == pytest.approx(1, abs=0.01)
    assert sure(0.3 * whole, (12.3, 8.1)) == pytest.approx(0.3, abs=0.01)
    # it is somewhere: the peak is lower, its sum is not
    here_or_there = (heatmap(11.5, 8.5, (32, 32)) + heatmap(14.5, 8.5, (32, 32))) / 2
    assert sure(here_or_there, (13, 8.5)) == pytest.approx(1, abs=0.02)
    # half of it is outside
    assert sure(heatmap(0, 8.1, (32, 32)), (0.5, 8.1)) == pytest.approx(0.5, abs=0.02)
    # other peaks do not count
    assert sure(torch.maximum(0.4 * whole, heatmap(28, 28, (32, 32))), (12.3, 8.1)) == pytest.approx(0.4, abs=0.01)
    assert sure(torch.ones(32, 32), (16, 16)) == 1


def test_heatmap_sigma_grows_with_the_image():
    assert heatmap_sigma((32, 32)) == 1.5 and heatmap_sigma((384, 512)) == pytest.approx(15.36)


@pytest.fixture
def keypoint_task() -> Task:
    return Task(
        ('background', 'dark', 'bright'), ((0, 0, 0), (255, 0, 0), (0, 255, 0)), ('peak', 'hole'), skeleton=((0, 1),)
    )


@pytest.fixture
def annotations(samples, labels, task) -> list[Annotation]:
    """Masks, the brightest pixel as one keypoint, and a second one that the last image lacks."""
    found = []
    for index, annotation in enumerate(read_mask_folder(labels, task)):
        gray = np.asarray(png.PIL.Image.open(samples.folder / samples.samples[index].image)).mean(axis=2)
        places = [np.unravel_index(pixel, gray.shape) for pixel in (gray.argmax(), gray.argmin())]
        annotation.keypoints = keypoints(*((x + 0.5, y + 0.5, VISIBLE) for y, x in places))
        found.append(annotation)
    found[-1].keypoints.visibility[1] = ABSENT
    return found


def train(generator, samples, annotations, task, **changes) -> Interpreter:
    options = options_from('default', **{'models': 3, 'max_steps': 200, **changes})
    training_set = TrainingSet(generator, samples, samples.pair(annotations, task), task, options, progress=False)
    return train_interpreter(training_set, progress=False)


def test_both_heads_learn(generator, samples, annotations, keypoint_task):
    interpreter = train(generator, samples, annotations, keypoint_task)
    hits = []
    for sample, annotation in zip(Labeler(generator, interpreter)(range(4)), annotations):
        assert (sample.mask == annotation.mask).mean() > 0.9
        there = annotation.keypoints.visibility != ABSENT
        distance = np.linalg.norm(sample.keypoints.points - annotation.keypoints.points, axis=1)
        hits += (distance[there] < 1.5).tolist()
        assert sample.keypoints.confidence.shape == sample.keypoints.spread.shape == (2,)
    assert np.mean(hits) > 0.8
    assert 0 < interpreter.keypoint_threshold < 1


@pytest.mark.parametrize('preset', ['default', 'reference'])
def test_keypoints_alone(generator, samples, annotations, keypoint_task, preset, tmp_path):
    task = keypoint_task.only(classes=False, keypoints=True)
    for annotation in annotations:
        annotation.mask = None
    options = options_from(preset, models=3, max_steps=150)
    training_set = TrainingSet(generator, samples, samples.pair(annotations, task), task, options, progress=False)
    interpreter = train_interpreter(training_set, progress=False)
    samples_found = list(Labeler(generator, interpreter)(range(4)))
    distances = [
        np.linalg.norm(sample.keypoints.points[0] - annotation.keypoints.points[0])
        for sample, annotation in zip(samples_found, annotations)
    ]
    assert np.median(distances) < 1.5
    assert all(sample.mask is None and sample.pixel_uncertainty is None for sample in samples_found)

    interpreter.save(tmp_path / 'interpreter.safetensors')
    loaded = Interpreter.load(tmp_path / 'interpreter.safetensors')
    assert loaded.task == task and loaded.fingerprint == interpreter.fingerprint
    for one, other in zip(Labeler(generator, loaded)(range(4)), samples_found):
        assert np.array_equal(one.keypoints.points, other.keypoints.points)


def test_the_heads_are_the_same_through_the_shortcut_and_the_plain_way(generator, samples, annotations, keypoint_task):
    interpreter = train(generator, samples, annotations, keypoint_task, max_steps=60)
    options = samples.options
    features = generator.synthesize([2], options).features
    maps = [feature[0] for feature in features]
    maps += [neighbor_differences(maps[index]) for index in interpreter.difference_layers]
    columns = (
        torch.cat(
            [F.interpolate(one[None], size=(16, 16), mode='bilinear', align_corners=False) for one in maps],
            dim=1,
        )[0]
        .flatten(1)
        .T
    )
    outputs = interpreter.ensemble(columns.expand(3, -1, -1)).transpose(1, 2)
    found = find_keypoints(
        outputs[None, :, 3:].clamp(0, 1).unflatten(3, (16, 16)),
        interpreter.training['sigma'],
        interpreter.keypoint_threshold,
    )
    predicted = interpreter.fused_for(generator)(features).keypoints
    assert torch.allclose(predicted.points, found.points, atol=1e-3)
    assert torch.allclose(predicted.confidence, found.confidence, atol=1e-4)


def test_images_with_masks_only_and_with_keypoints_only(generator, samples, annotations, keypoint_task):
    annotations[0].keypoints = None
    annotations[1].mask = None
    interpreter = train(generator, samples, annotations, keypoint_task)
    sample = next(Labeler(generator, interpreter)([0]))
    assert (sample.mask == annotations[0].mask).mean() > 0.9


def test_labels_of_a_head_that_the_task_lacks_are_left_out(generator, samples, annotations, keypoint_task):
    for kept in ('classes', 'keypoints'):
        task = keypoint_task.only(classes=kept == 'classes', keypoints=kept == 'keypoints')
        assert train(generator, samples, annotations, task, max_steps=20).ensemble.outputs == len(getattr(task, kept))


def test_keypoints_that_no_image_shows(generator, samples, annotations, keypoint_task, caplog):
    for annotation in annotations:
        annotation.keypoints.visibility[1] = ABSENT
    train(generator, samples, annotations, keypoint_task, models=1, max_steps=20)
    assert 'No image shows hole' in caplog.text
    for annotation in annotations:
        annotation.keypoints.visibility[0] = ABSENT
    with pytest.raises(UserError, match='no keypoint is labelled'):
        train(generator, samples, annotations, keypoint_task)
