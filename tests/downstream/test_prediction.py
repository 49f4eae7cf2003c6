"""What a network says of photos, at their own sizes."""

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.model import DownstreamModel, decide_classes
from datasetgan_ext.downstream.prediction import FailedPhoto, Photo, PhotoLabeler, averaged_logits, predict

HW = (16, 24)
TASK = Task(('background', 'body'), ((0, 0, 0), (200, 0, 0)), ('left', 'right', 'top'), left_right_pairs=((0, 1),))


class Channels(torch.nn.Module):
    """Logits that are the image's channels, as often as there are outputs; what it is given decides all."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, images):
        return images.repeat(1, 2, 1, 1)[:, : self.outputs] + self.nothing


def model_of(network=None, task=TASK):
    torch.manual_seed(0)
    model = DownstreamModel.build('small-unet', task, HW)
    return model if network is None else DownstreamModel(network, 'small-unet', task, HW)


def photo(height, width, seed=0):
    return np.random.RandomState(seed).randint(256, size=(height, width, 3), dtype=np.uint8)


def test_labels_have_the_size_of_each_photo():
    found = list(predict(model_of(), [photo(30, 50), photo(16, 24), photo(7, 5)], batch=2))
    assert [labeled.mask.shape for labeled in found] == [(30, 50), (16, 24), (7, 5)]
    assert [labeled.id for labeled in found] == [0, 1, 2]
    assert all(labeled.pixel_uncertainty.shape == HW and 0 <= labeled.uncertainty <= 1 for labeled in found)
    assert all(labeled.keypoints.points.shape == (3, 2) for labeled in found)


def test_masks_are_those_that_are_scored():
    model = model_of()
    photos = [photo(40, 31, seed) for seed in range(5)]
    scored = model.predict(photos)
    for labeled, other in zip(predict(model, photos), scored):
        assert np.array_equal(labeled.mask, other.mask)
        assert np.allclose(labeled.keypoints.points, other.keypoints.points, atol=1e-3)


def test_logits_are_upsampled_and_then_decided():
    logits = torch.tensor([[[0.0, 0.0]], [[-1.0, 3.0]]])  # class 1 from where -1 + 4 x is above 0
    mask = decide_classes(logits, (1, 8))
    x = (np.arange(8) + 0.5) / 4 - 0.5  # of the centres, in pixels of the logits
    expected = (-1 + 4 * np.clip(x, 0, 1) > 0).astype(np.uint8)
    assert mask.tolist() == [expected.tolist()] and expected.sum() == 5


def test_class_by_class_is_the_same_as_all_at_once():
    logits = torch.randn(5, 9, 7)
    full = F.interpolate(logits[None], (40, 33), mode='bilinear', align_corners=False)[0]
    assert torch.equal(decide_classes(logits, (40, 33)), full.argmax(dim=0).byte())
    sure = full.softmax(dim=0).amax(dim=0)
    mask = decide_classes(logits, (40, 33), 0.5)
    assert torch.equal(mask == IGNORE, sure < 0.5) and 0 < (mask == IGNORE).sum() < mask.numel()
    assert torch.equal(mask[sure >= 0.5], full.argmax(dim=0).byte()[sure >= 0.5])


@pytest.mark.parametrize('views', [2, 8])
def test_views_of_a_network_that_looks_at_single_pixels_agree(views):
    task = Task(('background', 'body', 'wheel'), ((0, 0, 0), (1, 0, 0), (2, 0, 0)))
    model = model_of(Channels(3), task)
    inputs = torch.randn(2, 3, *HW)
    assert torch.allclose(averaged_logits(model, inputs, views), inputs, atol=1e-6)


def test_mirrored_keypoints_change_sides():
    """Logits of 'left' are the red channel, those of 'right' the green one: the mean of both views mixes them."""
    model = model_of(Channels(5))
    inputs = torch.randn(1, 3, *HW)
    found = averaged_logits(model, inputs, 2)
    blue, red, green = inputs[:, 2], inputs[:, 0], inputs[:, 1]
    # outputs 0 and 1 are classes (red, green), 2 and 3 left and right (blue, red), 4 top (green)
    assert torch.allclose(found[:, 2], (blue + red) / 2, atol=1e-6)
    assert torch.allclose(found[:, 3], (red + blue) / 2, atol=1e-6)
    assert torch.allclose(found[:, 4], green, atol=1e-6)
    assert torch.allclose(found[:, 0], red, atol=1e-6)


def test_a_mirror_image_is_labelled_as_the_mirror_image():
    model = model_of()
    image = photo(*HW)
    one, other = predict(model, [image, np.ascontiguousarray(image[:, ::-1])], views=2)
    assert np.array_equal(one.mask, other.mask[:, ::-1])
    assert np.allclose(one.keypoints.points[[1, 0, 2], 0], HW[1] - other.keypoints.points[:, 0], atol=1e-3)


def test_uncertainty_is_the_entropy_of_the_foreground_or_of_the_most_uncertain_tenth():
    task = Task(('background', 'body'), ((0, 0, 0), (1, 0, 0)))

    class Sides(torch.nn.Module):
        """Sure of the first nine tenths of the columns, undecided in the last."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def forward(self, images):
            logits = torch.zeros(len(images), 2, 10, 10)
            logits[:, 0, :, :9] = 50.0
            logits[:, 1, :, : int(self.weight)] = 100.0
            return logits + 0 * self.weight

    model = DownstreamModel(Sides(), 'small-unet', task, (10, 10))
    (labeled,) = predict(model, [photo(10, 10)])
    assert labeled.uncertainty == pytest.approx(1)
    assert labeled.pixel_uncertainty[:, 9] == pytest.approx(1)
    assert labeled.pixel_uncertainty[:, :9] == pytest.approx(0, abs=1e-6)
    (labeled,) = predict(model, [photo(10, 10)], ignore_below=0.6)
    assert (labeled.mask[:, 9] == IGNORE).all() and (labeled.mask[:, :9] == 0).all()
    model.network.weight.data += 2  # two columns of a body, of which it is sure
    (labeled,) = predict(model, [photo(10, 10)])
    assert labeled.uncertainty == pytest.approx(0, abs=1e-6) and labeled.pixel_uncertainty[:, 9] == pytest.approx(1)


def test_what_cannot_be_read_is_told_apart(tmp_path):
    PIL.Image.fromarray(photo(8, 8)).save(tmp_path / 'good.png')
    (tmp_path / 'bad.png').write_text('no image')
    found = PhotoLabeler(model_of()).label([Photo(3, tmp_path / 'bad.png'), Photo(4, tmp_path / 'good.png')])
    assert found[0] == FailedPhoto(3, 'cannot be read as an image: it is in no format that Pillow knows')
    labeled = found[1].decide()
    assert labeled.id == 4 and labeled.mask.shape == (8, 8) and len(labeled.sha256) == 64
    with pytest.raises(UserError, match='bad.png cannot be read as an image'):
        list(predict(model_of(), [tmp_path / 'bad.png']))


@pytest.mark.parametrize(
    'options, message',
    [({'views': 3}, '`views`=3 is none of 1, 2, 8'), ({'ignore_below': 1.0}, '`ignore_below`=1.0 is not a')],
)
def test_options_are_checked(options, message):
    with pytest.raises(UserError, match=message):
        predict(model_of(), [], **options)
    with pytest.raises(UserError, match=r'image 0 is float64 \[2, 2\]'):
        list(predict(model_of(), [np.zeros((2, 2))]))


def test_no_probability_of_classes_for_a_network_without():
    model = model_of()
    model.task = model.task.only(classes=False, keypoints=True)
    with pytest.raises(UserError, match='`ignore_below`=0.5 is of classes, and this network has keypoints alone'):
        predict(model, [], ignore_below=0.5)


def test_no_mirror_images_for_a_network_that_was_trained_without():
    model = model_of()
    model.training = {'mirror': False}
    with pytest.raises(UserError, match='left or right; give 1'):
        predict(model, [], views=2)
