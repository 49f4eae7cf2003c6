import numpy as np
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet


def test_pixels_of_an_image_do_not_depend_on_the_others(generator, samples, labels, task):
    pairs = samples.pair(read_mask_folder(labels, task), task)
    options = options_from('default', pixels_per_image=20)
    together = TrainingSet(generator, samples, pairs, task, options, progress=False).pixels
    alone = TrainingSet(generator, samples, pairs[2:3], task, options, progress=False).pixels
    assert torch.equal(together.select(together.images == 2).hypercolumns, alone.hypercolumns)
    assert len(alone) == 20


def test_clean_up_is_an_option(generator, samples, labels, task):
    pairs = samples.pair(read_mask_folder(labels, task), task)
    pairs[0][1].mask[:] = 0
    pairs[0][1].mask[0, :5] = 2
    pairs[0][1].mask[8:] = 1
    for minimum, count in ((5, 5), (6, 0)):
        options = options_from('default', min_class_pixels=minimum)
        pixels = TrainingSet(generator, samples, pairs[:1], task, options, progress=False).pixels
        assert (pixels.classes == 2).sum() == count


def test_a_class_without_labels_is_told(generator, samples, labels, task, caplog):
    pairs = samples.pair(read_mask_folder(labels, task), task)
    for _, annotation in pairs:
        annotation.mask[annotation.mask == 1] = 0
    TrainingSet(generator, samples, pairs, task, options_from('default'), progress=False)
    assert 'No labelled pixel of dark' in caplog.text


def test_crop_trains_on_the_cropped_part(generator, task, tmp_path):
    samples = generate_samples(generator, SamplingOptions(crop_hw=(12, 16)), [0], tmp_path / 'cropped')
    mask = (np.arange(12 * 16).reshape(12, 16) % 3).astype(np.uint8)
    pairs = samples.pair([Annotation(samples.samples[0].name, mask, tmp_path)], task)
    pixels = TrainingSet(
        generator, samples, pairs, task, options_from('reference', min_class_pixels=0), progress=False
    ).pixels
    features = generator.synthesize([0], SamplingOptions()).features
    full = torch.cat([F.interpolate(maps, size=(16, 16), mode='bilinear', align_corners=False)[0] for maps in features])
    assert torch.allclose(pixels.hypercolumns.float(), full[:, 2:14].flatten(1).T, rtol=1e-3, atol=1e-5)
    options = options_from('default', models=1, max_steps=20)
    interpreter = train_interpreter(TrainingSet(generator, samples, pairs, task, options, progress=False))
    assert interpreter.fused_for(generator).out_hw == (12, 16)


@pytest.mark.parametrize('value, message', [(255, 'the masks hold no class at all'), (0, 'the masks hold background')])
def test_labels_of_one_class_are_refused(generator, samples, labels, task, value, message):
    """A black-and-white mask of 0 and 255 too: 255 means "no label"."""
    pairs = samples.pair(read_mask_folder(labels, task), task)
    for _, annotation in pairs:
        annotation.mask[:] = np.where(annotation.mask == 2, 255, value)
    with pytest.raises(UserError) as error:
        TrainingSet(generator, samples, pairs, task, options_from('default'), progress=False)
    assert message in error.value.message and 'write the class id instead of 255' in error.value.message
