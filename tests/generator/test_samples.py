import io
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.annotation import IGNORE, Annotation, clean_up
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.locks import locked
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats import png
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import (
    TOLERATED_DIFFERENCE,
    SampleSet,
    content_difference,
    pixel_sha256,
)
from datasetgan_ext.generator.sampling import SamplingOptions
from tests.helpers.networks import CLASSES, make_network
from tests.helpers.trees import tree

TASK = Task.from_names(list(CLASSES))

HW = (16, 16)


def annotation(name: str, hw=HW, value: int = 0) -> Annotation:
    return Annotation(name, np.full(hw, value, dtype=np.uint8), Path(f'labels/{name}.png'))


def regenerate(generator, samples, index):
    return generator.synthesize([samples.samples[index].seed], samples.options).images[0].numpy()


def test_round_trip(samples):
    assert SampleSet.read(samples.folder) == samples
    assert [sample.image for sample in samples.samples][:2] == ['images/seed0000000.png', 'images/seed0000001.png']


def test_recorded_hash_is_of_the_pixels(samples):
    pixels = np.asarray(PIL.Image.open(samples.folder / samples.samples[1].image))
    assert pixel_sha256(pixels) == samples.samples[1].sha256


def test_more_seeds_later(generator, samples):
    more = generate_samples(generator, samples.options, [9, 2], samples.folder)
    assert [sample.seed for sample in more.samples] == [0, 1, 2, 3, 9]
    assert more.samples[:4] == samples.samples


def test_a_stopped_call_is_completed_and_whole_samples_stay(generator, samples, monkeypatch):
    images = samples.folder / 'images'
    before = (images / 'seed0000001.png').stat().st_mtime_ns
    (images / 'seed0000003.png').unlink()
    made = []
    synthesize = Generator.synthesize

    def dying(self, seeds, options):
        made.append(seeds[0])
        if seeds == [5]:
            raise KeyboardInterrupt
        return synthesize(self, seeds, options)

    monkeypatch.setattr(Generator, 'synthesize', dying)
    with pytest.raises(KeyboardInterrupt):
        generate_samples(generator, samples.options, [0, 1, 2, 3, 4, 5], samples.folder)
    monkeypatch.setattr(Generator, 'synthesize', synthesize)
    assert made == [3, 4, 5] and (images / 'seed0000001.png').stat().st_mtime_ns == before
    whole = generate_samples(generator, samples.options, [0, 1, 2, 3, 4, 5], samples.folder)
    assert [sample.seed for sample in whole.samples] == [0, 1, 2, 3, 4, 5] and whole.samples[:4] == samples.samples


def test_stopped_before_the_first_image(generator, tmp_path, monkeypatch):
    monkeypatch.setattr(Generator, 'synthesize', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        generate_samples(generator, SamplingOptions(), [0], tmp_path / 'new')
    monkeypatch.undo()
    assert len(generate_samples(generator, SamplingOptions(), [0], tmp_path / 'new').samples) == 1


def test_other_options_in_the_same_folder_are_refused(generator, samples):
    with pytest.raises(UserError, match='other options') as error:
        generate_samples(generator, SamplingOptions(trunc=0.5), [0], samples.folder)
    assert 'trunc=0.7' in error.value.message and 'trunc=0.5' in error.value.message


def test_another_network_in_the_same_folder_is_refused(samples):
    with pytest.raises(UserError, match='is not the network'):
        generate_samples(Generator(make_network(seed=1), 'other'), samples.options, [0], samples.folder)


def test_a_folder_of_other_things_is_refused(generator, tmp_path):
    (tmp_path / 'thesis.txt').write_text('mine')
    with pytest.raises(UserError, match='is not empty and holds no samples.json'):
        generate_samples(generator, SamplingOptions(), [0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


def test_gray_images(tmp_path):
    gray = Generator(make_network(img_channels=1), 'grey')
    samples = generate_samples(gray, SamplingOptions(), [0], tmp_path / 'grey')
    with PIL.Image.open(samples.folder / samples.samples[0].image) as image:
        assert image.mode == 'L'
    samples.check_image(samples.samples[0], gray.synthesize([0], samples.options).images[0].numpy())


def test_pairs_by_name_in_the_order_of_the_samples(samples):
    pairs = samples.pair([annotation('seed0000003', value=2), annotation('seed0000001', value=1)], TASK)
    assert [(sample.seed, label.mask[0, 0]) for sample, label in pairs] == [(1, 1), (3, 2)]
    pairs = samples.pair([annotation('seed0000003'), annotation('seed0000001')], TASK, seeds=[3])
    assert [sample.seed for sample, _ in pairs] == [3]


@pytest.mark.parametrize(
    'annotations, seeds, message',
    [
        ([], None, '`labels` holds no labelled image'),
        ([annotation('seed0000000'), annotation('cat')], None, '1 of 2 labelled images are no samples of'),
        (
            [annotation('seed0000000', hw=(32, 16))],
            None,
            'labels/seed0000000.png is 32x16, its image is 16x16 (height x width; image seed0000000). Labels are not '
            'resized',
        ),
        (
            [annotation('seed0000000', hw=(24, 24))],
            None,
            'is 24x24, its image is 16x16 (height x width; image seed0000000), a copy resized by 1.5. Labels are not '
            'resized',
        ),
        ([annotation('seed0000000', value=3)], None, 'class id 3 is outside the class list'),
        ([annotation('seed0000000')], [0, 2], 'no label for seed 2'),
    ],
)
def test_bad_labels(samples, annotations, seeds, message):
    with pytest.raises(UserError) as error:
        samples.pair(annotations, TASK, seeds)
    assert message in error.value.message


def test_ignore_is_no_unknown_class(samples):
    assert len(samples.pair([annotation('seed0000000', value=IGNORE)], TASK)) == 1


def test_same_image_passes(generator, samples):
    for index in range(4):
        samples.check_image(samples.samples[index], regenerate(generator, samples, index))


def test_rounding_of_another_machine_passes(generator, samples):
    image = regenerate(generator, samples, 0).astype(int)
    samples.check_image(samples.samples[0], np.clip(image + 2, 0, 255).astype(np.uint8))


def as_jpeg(image, path):
    image.save(path, 'JPEG', quality=75)


def with_alpha(image, path):
    image.convert('RGBA').save(path)


def in_a_palette(image, path):
    image.quantize(256).save(path)


def with_a_touched_pixel(image, path):
    image.putpixel((4, 3), (255, 0, 0))
    image.save(path)


@pytest.mark.parametrize('save', [as_jpeg, with_alpha, in_a_palette, with_a_touched_pixel])
def test_an_image_that_a_tool_saved_again_passes(generator, samples, save):
    for index, sample in enumerate(samples.samples):
        path = samples.folder / sample.image
        with PIL.Image.open(path) as image:
            save(image.copy(), path)
        assert not samples.holds(sample) or save is with_alpha
        samples.check_image(sample, regenerate(generator, samples, index))


def test_content_difference():
    one, other = np.zeros((2, 24, 24, 3), np.uint8)
    other[8:16, 8:16, 1] = 80
    assert content_difference(one, other) == content_difference(other, one) == 80
    other[8:16, 8:12, 1] = 40
    assert content_difference(one, other) == 60


def test_demo_images_of_other_seeds_are_told_apart():
    """And those that were saved as JPEG are recognised; the figures that TOLERATED_DIFFERENCE is between."""
    images = [png.read_image(path) for path in sorted((DEMO_FOLDER / 'samples' / 'images').glob('*.png'))]
    for index, image in enumerate(images):
        buffer = io.BytesIO()
        PIL.Image.fromarray(image).save(buffer, 'JPEG', quality=75)
        assert content_difference(image, np.asarray(PIL.Image.open(buffer))) < TOLERATED_DIFFERENCE
        assert all(content_difference(image, other) > 2 * TOLERATED_DIFFERENCE for other in images[:index])


def swapped(samples):
    (samples.folder / samples.samples[1].image).replace(samples.folder / samples.samples[0].image)


def resized(samples):
    path = samples.folder / samples.samples[0].image
    PIL.Image.open(path).resize((32, 32)).save(path)


def swapped_and_resized(samples):
    swapped(samples)
    resized(samples)


def squeezed(samples):
    path = samples.folder / samples.samples[0].image
    PIL.Image.open(path).resize((32, 16)).save(path)


def painted(samples):
    path = samples.folder / samples.samples[0].image
    pixels = np.array(PIL.Image.open(path))
    pixels[4:12, 4:12] = 255 - pixels[4:12, 4:12]
    PIL.Image.fromarray(pixels).save(path)


def no_image(samples):
    (samples.folder / samples.samples[0].image).write_bytes(b'hello')


@pytest.mark.parametrize(
    'damage, message',
    [
        (swapped, 'is not the image of seed 0: the mean colours of 8x8 pixels differ by up to'),
        (painted, 'is not the image of seed 0'),
        (no_image, 'cannot be read as an image'),
        (
            resized,
            'is 32x32, the image of seed 0 is 16x16 (height x width), a copy resized by 2. At one size, '
            'it is the same picture',
        ),
        (
            swapped_and_resized,
            'is 32x32, the image of seed 0 is 16x16 (height x width), a copy resized by 2. At one size, '
            'it is another picture',
        ),
        (squeezed, 'is 16x32, the image of seed 0 is 16x16 (height x width). At one size'),
    ],
)
def test_an_image_that_is_not_of_its_seed_is_refused(generator, samples, damage, message):
    damage(samples)
    with pytest.raises(UserError, match='seed0000000.png') as error:
        samples.check_image(samples.samples[0], regenerate(generator, samples, 0))
    assert message in error.value.message


def test_without_the_file_the_hash_decides(generator, samples):
    (samples.folder / samples.samples[0].image).unlink()
    samples.check_image(samples.samples[0], regenerate(generator, samples, 0))
    with pytest.raises(UserError, match='is missing and its recorded hash does not match'):
        samples.check_image(samples.samples[0], regenerate(generator, samples, 1))


@pytest.mark.parametrize(
    'change, message',
    [
        ({'version': 99}, 'format version 99'),
        ({'samples': [{'seed': 0}]}, 'is damaged'),
        ({'options': {'trunc': 1}}, 'is damaged'),
        *[
            ({'samples': [{'seed': 0, 'image': image, 'sha256': ''}]}, 'leaves the folder')
            for image in ('/etc/passwd', '../other/seed0000000.png', 'images/../../a.png', r'C:\a.png', r'..\a.png')
        ],
        ({'samples': [{'seed': 0, 'image': 3, 'sha256': ''}]}, 'leaves the folder'),
    ],
)
def test_damaged_samples_json(samples, change, message):
    path = samples.folder / 'samples.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match='samples.json') as error:
        SampleSet.read(samples.folder)
    assert message in error.value.message


def test_broken_or_missing_samples_json(samples, tmp_path):
    (samples.folder / 'samples.json').write_text('{')
    with pytest.raises(UserError, match='is damaged'):
        SampleSet.read(samples.folder)
    with pytest.raises(UserError, match='holds no samples.json'):
        SampleSet.read(tmp_path)


def test_clean_up():
    mask = np.array([[0, 1, 1, 2, IGNORE]], dtype=np.uint8)
    assert clean_up(mask, 2).tolist() == [[0, 1, 1, 0, IGNORE]]
    assert clean_up(mask, 0).tolist() == mask.tolist()


def test_a_second_process_is_told_before_it_writes_anything(generator, samples):
    before = tree(samples.folder)
    with locked(samples.folder), pytest.raises(UserError, match='is being written by another process'):
        generate_samples(generator, samples.options, [9], samples.folder)
    assert tree(samples.folder) == before
    generate_samples(generator, samples.options, [9], samples.folder)
    assert [sample.seed for sample in SampleSet.read(samples.folder).samples] == [0, 1, 2, 3, 9]


def test_a_sample_that_is_a_link_is_not_followed(generator, samples, tmp_path):
    path = samples.folder / samples.samples[0].image
    shutil.copyfile(path, tmp_path / 'elsewhere.png')
    path.unlink()
    path.symlink_to(tmp_path / 'elsewhere.png')
    assert not samples.holds(samples.samples[0])
    with pytest.raises(UserError, match='leads out of this folder'):
        samples.path(samples.samples[0])
    generate_samples(generator, samples.options, [0], samples.folder)
    assert not path.is_symlink() and samples.holds(samples.samples[0])


def test_a_bomb_in_the_place_of_a_sample_is_replaced(generator, samples, monkeypatch):
    path = samples.folder / samples.samples[0].image
    before = path.read_bytes()
    PIL.Image.new('RGB', (64, 64)).save(path)
    monkeypatch.setattr(PIL.Image, 'MAX_IMAGE_PIXELS', 1000)
    image = generator.synthesize([0], samples.options).images[0].cpu().numpy()
    with pytest.raises(UserError, match='cannot be read as an image'):
        samples.check_image(samples.samples[0], image)
    generate_samples(generator, samples.options, [0], samples.folder)
    assert path.read_bytes() == before
