"""Which pixels are too doubtful for a label."""

import numpy as np
import pytest
import torch

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.interpreter.doubt import Doubtful
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.interpreter.uncertainty import pixel_doubt
from tests.generation.test_keypoints import labeler as labeler_with_keypoints  # noqa: F401 (a fixture)


@pytest.mark.parametrize(
    'text, share, level', [('0.05', 0.05, None), ('.5', 0.5, None), ('above:0.8', None, 0.8), ('above:2', None, 2.0)]
)
def test_shares_and_levels(text, share, level):
    doubtful = Doubtful.parse(text)
    assert (doubtful.share, doubtful.level) == (share, level) and Doubtful.parse(str(doubtful)) == doubtful


@pytest.mark.parametrize('text', ['0', '1', '1.5', '-0.1', 'above:0', 'above:', 'above:-1', 'nan', '5%', '0.8nats', ''])
def test_other_texts(text):
    with pytest.raises(UserError, match=f'`ignore_pixels`={text} is neither a share'):
        Doubtful.parse(text)


def test_the_doubt_of_a_pixel():
    divergence, entropies = torch.tensor([0.0, 0.25, 0.01]), torch.tensor([0.0, 0.5, 0.3])
    assert pixel_doubt(divergence, entropies).tolist() == pytest.approx([0, 1.0, 0.4])
    assert pixel_doubt(divergence.numpy(), entropies.numpy()).tolist() == pytest.approx([0, 1.0, 0.4])


@pytest.mark.parametrize(
    'doubtful, expected',
    [
        (Doubtful(share=0.2), [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        (Doubtful(share=0.01), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (Doubtful(share=0.3), [0, 1, 0, 1, 1, 0, 0, 0, 0, 1]),  # the third is as doubtful as the fourth
        (Doubtful(share=0.95), [0, 1, 0, 1, 1, 0, 1, 0, 1, 1]),  # the others are sure
        (Doubtful(level=0.5), [0, 1, 0, 1, 1, 0, 0, 0, 0, 1]),
        (Doubtful(level=1.5), [0] * 10),
    ],
)
def test_doubtful_pixels(doubtful, expected):
    doubt = np.array([[0, 0.5, 0, 0.5, 0.7], [0, 0.1, 0, 0.2, 0.9]], np.float32)
    assert doubtful.of(doubt).astype(int).ravel().tolist() == expected


def test_samples_without_their_doubtful_pixels(generator, interpreter):
    plain = list(Labeler(generator, interpreter)(range(6)))
    ignoring = list(Labeler(generator, interpreter, ignore=Doubtful(share=0.1))(range(6)))
    for sample, other in zip(plain, ignoring):
        gone = other.mask == IGNORE
        assert gone.sum() == 26  # a tenth of 256 pixels, rounded up
        doubt = sample.pixel_entropy + np.sqrt(sample.pixel_uncertainty)
        assert doubt[gone].min() >= doubt[~gone].max() and np.array_equal(sample.mask[~gone], other.mask[~gone])
        assert sample.uncertainty == other.uncertainty


def test_what_a_person_labelled_is_not_in_doubt(generator, interpreter):
    interpreter.hand_labels[1].mask[2:6] = IGNORE
    labeler = Labeler(generator, interpreter, hand_labels=True, ignore=Doubtful(share=0.1))
    whole, partly = labeler([0, 1])
    assert np.array_equal(whole.mask, interpreter.hand_labels[0].mask)
    gone = partly.mask == IGNORE
    assert gone.sum() == 26 and gone[2:6].sum() == 26


def test_keypoints_alone_have_no_pixels(labeler_with_keypoints):  # noqa: F811
    parts = (labeler_with_keypoints.generator, labeler_with_keypoints.interpreter)
    if labeler_with_keypoints.interpreter.task.classes:
        assert (next(Labeler(*parts, ignore=Doubtful(share=0.1))([9])).mask == IGNORE).any()
    else:
        with pytest.raises(UserError, match='`ignore_pixels` is of no use'):
            Labeler(*parts, ignore=Doubtful(share=0.1))
