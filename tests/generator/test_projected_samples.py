"""Photos projected into a folder of samples: resumed, judged, and learned from."""

import json
import os
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import PIL.Image
import pytest

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.photo_files import find_photos
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import FORMATS
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.hand_labels import joined_labels, read_hand_labels, read_labels_of_sets
from datasetgan_ext.generator.inversion import Inversion
from datasetgan_ext.generator.latents import ProjectedLatents
from datasetgan_ext.generator.projected_samples import PhotoProjector
from datasetgan_ext.generator.projections import wrong_pixels
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.training_options import options_from
from datasetgan_ext.interpreter.training_set import TrainingSet
from tests.helpers.networks import CLASSES, make_network
from tests.helpers.trees import tree

TASK = Task.from_names(list(CLASSES))
HW = (40, 60)
"""Of the photos: the network's images are 16 x 16."""


@pytest.fixture(scope='module')
def generator():
    return Generator(make_network(), 'tiny.pkl')


@pytest.fixture(scope='module')
def inversion(generator):
    return Inversion(generator, SamplingOptions(), steps=3, encoder_images=0)


@pytest.fixture(autouse=True)
def explains_little(monkeypatch):
    """Three steps of a tiny network explain little of a photo."""
    monkeypatch.setattr('datasetgan_ext.generator.projected_samples.MIN_EXPLAINED', -1e9)


def photo_of(generator, seed):
    """A photo whose middle is what the network makes of a seed."""
    made = generator.synthesize([seed], SamplingOptions()).images[0].numpy()
    photo = np.zeros((*HW, 3), np.uint8)
    photo[:, 10:50] = np.asarray(PIL.Image.fromarray(made).resize((40, 40), PIL.Image.Resampling.NEAREST))
    return photo


@pytest.fixture
def photos(generator, tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for number, name in enumerate('abcde'):
        PIL.Image.fromarray(photo_of(generator, number)).save(folder / f'{name}.png')
    return folder


@pytest.fixture
def projector(inversion, photos, tmp_path):
    return PhotoProjector(
        inversion, find_photos([photos]), tmp_path / 'out', min_quality=0, max_strangeness=1e9, batch=2
    )


def test_the_folder_is_one_of_samples(generator, projector, photos):
    samples = projector(progress=False).samples
    assert SampleSet.read(projector.outdir) == samples
    assert [sample.name for sample in samples.samples] == list('abcde')
    assert [sample.seed for sample in samples.samples] == [0, 1, 2, 3, 4]
    for sample, projection in ((sample, sample.projection) for sample in samples.samples):
        assert projection.crop.box == (10, 0, 50, 40) and projection.crop.photo_hw == HW
        picture = np.asarray(PIL.Image.open(samples.path(sample)))
        photo = PIL.Image.open(photos / projection.file).crop((10, 0, 50, 40))
        assert np.array_equal(picture, np.asarray(photo.resize((16, 16), PIL.Image.Resampling.LANCZOS)))
        made = generator.synthesize([sample.seed], samples.options, sample.ws_of).images[0].numpy()
        assert np.array_equal(np.asarray(PIL.Image.open(samples.projection_path(sample))), made)
        samples.check_image(sample, made)
    rows = [json.loads(line) for line in (projector.outdir / 'projections.jsonl').read_text().splitlines()]
    assert [row['file'] for row in rows] == [f'{name}.png' for name in 'abcde']
    assert all(
        set(row) == {'file', 'name', 'psnr', 'perceptual', 'strangeness', 'trusted'} and row['trusted'] for row in rows
    )
    # as upstream's projector.py writes w
    latents = ProjectedLatents.read(projector.outdir / 'projected_w.npz', generator.num_ws, generator.w_dim)
    assert np.array_equal(latents.ws([3])[0].numpy(), samples.samples[3].projection.w)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(projector, tmp_path, monkeypatch):
    whole = replace(projector, outdir=tmp_path / 'whole')
    whole(progress=False)
    calls = []
    invert = Inversion.__call__

    def stops(self, pictures):
        calls.append(len(pictures))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return invert(self, pictures)

    monkeypatch.setattr(Inversion, '__call__', stops)
    with pytest.raises(KeyboardInterrupt):
        projector(progress=False)
    assert [sample.name for sample in SampleSet.read(projector.outdir).samples] == ['a', 'b']
    projector(progress=False)
    assert calls == [2, 2, 2, 1]
    assert tree(projector.outdir) == tree(whole.outdir)
    projector(progress=False)
    assert len(calls) == 4  # nothing is done again


def test_new_changed_and_deleted_photos(projector, photos, caplog):
    projector(progress=False)
    (photos / 'b.png').unlink()
    PIL.Image.open(photos / 'a.png').transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT).save(photos / 'c.png')
    PIL.Image.open(photos / 'a.png').save(photos / 'f.png')
    before = {sample.name: sample.projection for sample in SampleSet.read(projector.outdir).samples}
    samples = replace(projector, files=find_photos([photos]))(progress=False).samples
    after = {sample.name: sample.projection for sample in samples.samples}
    names = ['a', 'c-png', 'd', 'e', 'f', 'b', 'c']
    assert list(after) == names and [sample.seed for sample in samples.samples] == list(range(7))
    assert all(after[name].sha256 == before[name].sha256 for name in 'bcd')
    assert after['c-png'].sha256 != before['c'].sha256
    assert {path.stem for path in (projector.outdir / 'images').iterdir()} == set(names)
    assert len(np.load(projector.outdir / 'projected_w.npz')['w']) == 7
    assert '1 samples are of photos that are not among `images` now, and stay: b.png (b).' in caplog.text
    assert 'have changed since they were projected, or cannot be read: c.png (c).' in caplog.text
    again = replace(projector, files=find_photos([photos]))(progress=False).samples
    assert {sample.name: sample.projection.sha256 for sample in again.samples} == {
        name: projection.sha256 for name, projection in after.items()
    }
    samples = replace(projector, files=find_photos([photos]))(overwrite=True, progress=False).samples
    assert [sample.name for sample in samples.samples] == list('acdef')


def named(projector, *photos):
    """Of each file that was projected, the name of its sample."""
    samples = replace(projector, files=find_photos(photos))(progress=False).samples.samples
    return {sample.projection.file: sample.name for sample in samples}


def test_photos_of_one_stem(projector, photos):
    """None of them has the bare stem, unless it had it before the others came: labels go by names."""
    picture = PIL.Image.open(photos / 'a.png')
    assert named(projector, photos)['a.png'] == 'a'
    picture.save(photos / 'a.bmp')
    (photos / 'trip').mkdir()
    for name in ('a.png', 'x.png'):
        picture.save(photos / 'trip' / name)
    for name in ('x.png', 'x.bmp'):
        picture.save(photos / name)
    found = named(projector, photos)
    assert found['a.png'] == 'a' and found['a.bmp'] == 'a-bmp' and found['trip/a.png'] == 'trip__a'
    assert found['x.png'] == 'x-png' and found['x.bmp'] == 'x-bmp' and found['trip/x.png'] == 'trip__x'
    assert named(projector, photos) == found and named(projector, photos / 'a.bmp') == found


def test_photos_that_were_moved_are_known(projector, photos, tmp_path):
    """By their content: another root, another name, and another photo in the place of one."""
    before = named(projector, photos)
    (tmp_path / 'more').mkdir()
    PIL.Image.open(photos / 'a.png').rotate(180).save(tmp_path / 'more' / 'a.png')
    after = named(projector, photos, tmp_path / 'more')
    assert {f'photos/{file}': name for file, name in before.items()} | {'more/a.png': 'more__a'} == after
    (photos / 'a.png').rename(photos / 'x.png')
    assert named(projector, photos, tmp_path / 'more')['photos/x.png'] == 'a'
    (tmp_path / 'other').mkdir()
    PIL.Image.open(photos / 'b.png').rotate(180).save(tmp_path / 'other' / 'b.png')
    pictures = {name: (projector.outdir / 'images' / f'{name}.png').read_bytes() for name in 'abcde'}
    assert named(projector, tmp_path / 'other')['b.png'] == 'b-png'
    for name, picture in pictures.items():
        assert (projector.outdir / 'images' / f'{name}.png').read_bytes() == picture


def test_a_photo_that_cannot_be_read_for_once_keeps_its_sample(projector, photos, caplog):
    before = named(projector, photos)
    content = (photos / 'a.png').read_bytes()
    (photos / 'a.png').write_bytes(content[:99])
    assert named(projector, photos) == before and 'cannot be read: a.png (a).' in caplog.text
    assert (projector.outdir / 'images' / 'a.png').exists()
    (photos / 'a.png').write_bytes(content)
    assert named(projector, photos) == before


def square_in(kind, label, folder):
    """A label file of a whole photo, as a tool writes it whose image is `label`."""
    corners = [[0, 0], [60, 0], [60, 40], [0, 40]]
    sizes = {'height': HW[0], 'width': HW[1]}
    stem, points = label.removesuffix('.png'), [value for corner in corners for value in corner]
    if kind == 'mask':
        path, content = folder / label, None
    elif kind == 'coco':
        shape = {'id': 1, 'image_id': 1, 'category_id': 1, 'segmentation': [points]}
        images = [{'id': 1, 'file_name': label, **sizes}]
        content = {'images': images, 'annotations': [shape], 'categories': [{'id': 1, 'name': CLASSES[1]}]}
        path = folder / 'l.json'
    elif kind == 'labelme':
        shape = {'label': CLASSES[1], 'points': corners, 'shape_type': 'polygon', 'group_id': None, 'flags': {}}
        content = {'version': '5.5.0', 'flags': {}, 'shapes': [shape], 'imagePath': label.rpartition('/')[2]}
        content |= {'imageData': None, 'imageHeight': HW[0], 'imageWidth': HW[1]}
        path = folder / f'{stem}.json'
    elif kind == 'supervisely':
        shape = {'classTitle': CLASSES[1], 'geometryType': 'polygon', 'points': {'exterior': corners, 'interior': []}}
        content = {'size': sizes, 'objects': [shape]}
        path = folder / PurePosixPath(label).parent / 'ann' / f'{PurePosixPath(label).name}.json'
    elif kind == 'datumaro':
        shape = {
            'id': 1,
            'type': 'polygon',
            'attributes': {},
            'group': 0,
            'label_id': 0,
            'points': points,
            'z_order': 0,
        }
        image = {'path': label.rpartition('/')[2], 'size': list(HW)}
        labels = [{'name': CLASSES[1], 'parent': '', 'attributes': []}]
        content = {'infos': {}, 'categories': {'label': {'labels': labels, 'attributes': []}}}
        content['items'] = [{'id': stem, 'annotations': [shape], 'image': image}]
        path = folder / 'default.json'
    else:
        value = {'points': [[0, 0], [100, 0], [100, 100], [0, 100]], 'polygonlabels': [CLASSES[1]]}
        shape = {'id': 'x', 'type': 'polygonlabels', 'from_name': 'l', 'to_name': 'i', 'image_rotation': 0}
        shape |= {'original_width': HW[1], 'original_height': HW[0], 'value': value}
        annotations = [{'id': 1, 'completed_by': 1, 'was_cancelled': False, 'result': [shape]}]
        content = [{'id': 1, 'annotations': annotations, 'data': {'image': f'/data/local-files/?d=photos/{label}'}}]
        path = folder / 'l.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        PIL.Image.fromarray(np.ones(HW, np.uint8)).save(path)
    else:
        path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    'label, sample, other',
    [
        ('a.png', 'a', None),
        ('x-bmp.png', 'x-bmp', None),
        ('trip__a.png', 'trip__a', None),
        ('trip/a.png', 'a', 'trip__a'),
        ('x.png', None, None),
        ('trip/x.png', None, None),
    ],
)
def test_labels_of_photos_of_one_stem(label, sample, other, projector, photos, tmp_path):
    """A label is of the sample that has its name, and refused where the photo that it names is another's."""
    named(projector, photos)
    (photos / 'trip').mkdir()
    for number, name in enumerate(('trip/a.png', 'x.png', 'x.bmp', 'trip/x.png')):
        PIL.Image.open(photos / 'b.png').rotate(number + 1).save(photos / name)
    named(projector, photos)
    samples = SampleSet.read(projector.outdir)
    for kind in ('mask', 'coco', 'labelme', 'supervisely', 'datumaro', 'label-studio'):
        square_in(kind, label, tmp_path / kind)
        if sample is not None and other is None:
            ((found, _),) = read_hand_labels(samples, TASK, tmp_path / kind, None).pairs
            assert found.name == sample, kind
        else:
            with pytest.raises(UserError, match=f'{sample}.*{other}' if sample else 'x-bmp|x-png|trip__x'):
                print(kind, read_hand_labels(samples, TASK, tmp_path / kind, None).pairs)


def test_labels_of_pictures_in_the_folder_are_not_taken_for_those_of_photos(projector, photos, tmp_path):
    """images/a.png is the picture of a.bmp; the photo a.png came later."""
    (photos / 'a.png').rename(photos / 'a.bmp')
    assert named(projector, photos)['a.bmp'] == 'a'
    PIL.Image.open(photos / 'b.png').rotate(180).save(photos / 'a.png')
    assert named(projector, photos)['a.png'] == 'a-png'
    square_in('coco', 'a.png', tmp_path / 'labels')
    samples = SampleSet.read(projector.outdir)
    with pytest.raises(UserError, match='sample a, from the photo a.bmp, or of a-png, from a.png.*`labels_of`=samples'):
        read_hand_labels(samples, TASK, tmp_path / 'labels', None)
    path = tmp_path / 'labels' / 'l.json'
    path.write_text(path.read_text().replace(str(HW[0]), '16').replace(str(HW[1]), '16'))
    ((found, _),) = read_hand_labels(samples, TASK, tmp_path / 'labels', None, labels_of='samples').pairs
    assert found.name == 'a'
    ((found, _),) = read_hand_labels(samples, TASK, tmp_path / 'labels', None).pairs
    assert found.name == 'a'


def test_photos_below_the_quality_are_not_trusted(projector):
    psnr = [sample.projection.psnr for sample in projector(progress=False).samples.samples]
    limit = sorted(psnr)[2]
    samples = replace(projector, min_quality=limit)(progress=False).samples  # nothing is projected again
    assert [sample.is_trusted for sample in samples.samples] == [value >= limit for value in psnr]
    assert [sample.projection.psnr for sample in samples.samples] == psnr
    assert all(sample.projection.strangeness is None for sample in samples.samples)  # nothing judges it


def test_a_projection_that_explains_little_is_not_trusted(projector, monkeypatch):
    explained = [sample.projection.explained for sample in projector(progress=False).samples.samples]
    limit = sorted(explained)[2]
    monkeypatch.setattr('datasetgan_ext.generator.projected_samples.MIN_EXPLAINED', limit)
    judged = projector(progress=False).samples
    assert [sample.is_trusted for sample in judged.samples] == [value >= limit for value in explained]


def test_other_options_and_other_folders_are_refused(projector, generator, tmp_path):
    projector(progress=False)
    with pytest.raises(UserError, match='other options .transform: center-crop, now stretch.*`overwrite`'):
        replace(projector, transform='stretch')(progress=False)
    with pytest.raises(UserError, match='steps: 3, now 4'):
        replace(projector, inversion=Inversion(generator, SamplingOptions(), steps=4, encoder_images=0))(progress=False)
    other = Generator(make_network(seed=1), 'other.pkl')
    with pytest.raises(UserError, match='is not the network that made'):
        replace(projector, inversion=Inversion(other, SamplingOptions(), steps=3, encoder_images=0))(progress=False)
    anew = replace(projector, transform='stretch')(overwrite=True, progress=False).samples
    assert anew.samples[0].projection.crop.box == (0, 0, 60, 40)
    generate_samples(generator, SamplingOptions(), [0], tmp_path / 'generated', progress=False)
    with pytest.raises(UserError, match='holds generated samples; give another folder'):
        replace(projector, outdir=tmp_path / 'generated')(progress=False)
    with pytest.raises(UserError, match='holds projected photos; give another folder'):
        generate_samples(generator, SamplingOptions(), [9], projector.outdir, progress=False)
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'notes.txt').touch()
    with pytest.raises(UserError, match='is not empty'):
        replace(projector, outdir=tmp_path / 'mine')(overwrite=True, progress=False)
    assert (tmp_path / 'mine' / 'notes.txt').exists()


def test_the_encoder_is_kept(projector, generator, monkeypatch):
    first = Inversion(generator, SamplingOptions(), steps=3, encoder_images=64)
    samples = replace(projector, inversion=first)(progress=False).samples
    assert (projector.outdir / 'encoder.safetensors').exists()
    strangeness = [sample.projection.strangeness for sample in samples.samples]
    limit = sorted(strangeness)[2]
    judged = replace(projector, inversion=first, max_strangeness=limit)(progress=False).samples
    assert [sample.is_trusted for sample in judged.samples] == [value <= limit for value in strangeness]
    (projector.outdir / 'images' / 'a.png').unlink()

    def fails(*_, **__):
        raise AssertionError('it was trained again')

    monkeypatch.setattr('datasetgan_ext.generator.inversion.train_encoder', fails)
    again = Inversion(generator, SamplingOptions(), steps=3, encoder_images=64)
    assert replace(projector, inversion=again)(progress=False).samples == samples


def test_photos_that_cannot_be_read_are_rows(projector, photos, tmp_path):
    (photos / 'b.png').write_bytes(b'no image')
    (photos / 'f.png').touch()
    os.mkfifo(photos / 'g.png')  # which would wait for somebody to write into it
    projected = replace(projector, files=find_photos([photos]))(progress=False)
    assert [sample.name for sample in projected.samples.samples] == list('acde')
    assert projected.failed == [
        {'file': 'b.png', 'reason': 'cannot be read as an image: it is in no format that Pillow knows'},
        {'file': 'f.png', 'reason': 'is empty'},
        {'file': 'g.png', 'reason': 'is no file'},
    ]
    rows = (projector.outdir / 'failed.jsonl').read_text().splitlines()
    assert list(map(json.loads, rows)) == projected.failed
    for name in 'fg':
        (photos / f'{name}.png').unlink()
    for path in photos.iterdir():
        path.write_bytes(b'')
    unread = replace(projector, files=find_photos([photos]))
    projected = unread(progress=False)
    assert len(projected.failed) == 5 and [sample.name for sample in projected.samples.samples] == list('acde')
    with pytest.raises(UserError, match='not one of 5 photos could be projected; .* of the first: a.png: is empty'):
        replace(unread, outdir=tmp_path / 'new')(progress=False)


# ---- labels of photos


def write_masks(folder, hw, names='abc'):
    """Bright above, dark below, in the middle of the picture alone."""
    folder.mkdir()
    for name in names:
        mask = np.zeros(hw, np.uint8)
        height, width = hw
        mask[: height // 2, width // 4 : width // 2] = 2
        mask[height // 2 :, width // 4 : width // 2] = 1
        PIL.Image.fromarray(mask).save(folder / f'{name}.png')
    return folder


def test_masks_of_photos_are_carried_through_the_crop(projector, tmp_path):
    samples = projector(progress=False).samples
    found = read_hand_labels(samples, TASK, write_masks(tmp_path / 'masks', HW), None)
    mask = found.pairs[0][1].mask
    expected = np.zeros((16, 16), np.uint8)
    # columns 15 to 29 of the photo are 5 to 19 of the part, whose pixels become 0.4 of one
    expected[:8, 2:8] = 2
    expected[8:, 2:8] = 1
    assert np.array_equal(mask, expected)


def test_masks_of_the_parts_are_taken_as_they_are(projector, tmp_path):
    samples = projector(progress=False).samples
    found = read_hand_labels(samples, TASK, write_masks(tmp_path / 'masks', (16, 16)), None)
    assert np.array_equal(found.pairs[0][1].mask[:8, 4:8], np.full((8, 4), 2))
    with pytest.raises(UserError, match='labels of a are of 16x17, which is not the photo a.png, 40x60, or its part'):
        read_hand_labels(samples, TASK, write_masks(tmp_path / 'other', (16, 17)), None)
    with pytest.raises(UserError, match='labels of a are of 16x16, which is not'):
        read_hand_labels(samples, TASK, tmp_path / 'masks', None, labels_of='photos')


def labelme(folder, hw, shapes):
    folder.mkdir()
    content = {
        'version': '5.4.1',
        'flags': {},
        'imagePath': 'a.png',
        'imageData': None,
        'imageHeight': hw[0],
        'imageWidth': hw[1],
        'shapes': [{'flags': {}, 'group_id': None, **shape} for shape in shapes],
    }
    (folder / 'a.json').write_text(json.dumps(content))
    return folder


def test_polygons_and_points_of_photos(projector, tmp_path):
    samples = projector(progress=False).samples
    task = replace(TASK, keypoints=('nose', 'tail'))
    shapes = [
        {'label': 'bright', 'shape_type': 'polygon', 'points': [[30, 0], [50, 0], [50, 40], [30, 40]]},
        {'label': 'nose', 'shape_type': 'point', 'points': [[20, 30]]},
        {'label': 'tail', 'shape_type': 'point', 'points': [[55, 30]]},
    ]
    found = read_hand_labels(samples, task, labelme(tmp_path / 'labelme', HW, shapes), None)
    ((sample, annotation),) = found.pairs
    assert sample.name == 'a' and (annotation.mask[:, 8:] == 2).all() and (annotation.mask[:, :8] == 0).all()
    assert annotation.keypoints.points[0].tolist() == [4, 12]  # 10 and 30 of 40 pixels that become 16
    assert annotation.keypoints.visibility.tolist() == [2, 0]  # the tail is outside the part


def test_labels_that_do_not_tell_their_size_are_asked_about(projector, tmp_path):
    samples = projector(progress=False).samples
    folder = tmp_path / 'yolo'
    (folder / 'labels').mkdir(parents=True)
    (folder / 'labels' / 'a.txt').write_text('2 0.5 0 1 0 1 1 0.5 1\n')
    (folder / 'data.yaml').write_text('names: [background, dark, bright]\n')
    with pytest.raises(UserError, match=r'does not tell the size .*a.png, 40x60, or its part .*, 16x16'):
        read_hand_labels(samples, TASK, folder, None)
    photo = read_hand_labels(samples, TASK, folder, None, labels_of='photos').pairs[0][1].mask
    part = read_hand_labels(samples, TASK, folder, None, labels_of='samples').pairs[0][1].mask
    assert (photo[:, 8:] == 2).all() and (photo[:, :8] == 0).all() and np.array_equal(photo, part)
    (folder / 'labels' / 'a.txt').write_text('2 0 0 0.5 0 0.5 1 0 1\n')
    photo = read_hand_labels(samples, TASK, folder, None, labels_of='photos').pairs[0][1].mask
    assert (photo[:, :8] == 2).all() and (photo[:, 8:] == 0).all()
    assert set(FORMATS) >= {'yolo'}


def test_labels_of_doubtful_photos_are_not_learned(projector, tmp_path):
    samples = projector(progress=False).samples
    psnr = sorted(sample.projection.psnr for sample in samples.samples[:3])
    samples = replace(projector, min_quality=psnr[1])(progress=False).samples
    masks = write_masks(tmp_path / 'masks', HW)
    found = read_labels_of_sets([samples], TASK, [masks], [])
    assert any('1 images have a projection that is not to be trusted' in note for note in found[0].notes)
    _, pairs = joined_labels(TASK, found)
    assert len(pairs) == 2 and all(sample.is_trusted for sample, _ in pairs)
    samples = replace(projector, min_quality=99)(progress=False).samples
    with pytest.raises(UserError, match='not one of the labelled photos can be trusted'):
        joined_labels(TASK, read_labels_of_sets([samples], TASK, [masks], []))


def test_photos_and_generated_images_are_learned_together(generator, projector, tmp_path):
    projected = projector(progress=False).samples
    generated = generate_samples(generator, SamplingOptions(trunc=0.7), [7, 8], tmp_path / 'generated', progress=False)
    sets = [projected, generated]
    folders = [
        write_masks(tmp_path / 'photo-masks', HW),
        write_masks(tmp_path / 'masks', (16, 16), [sample.name for sample in generated.samples]),
    ]
    found = read_labels_of_sets(sets, TASK, folders, [])
    task, pairs = joined_labels(TASK, found)
    joined = SampleSet.joined(sets)
    assert joined.options.trunc == 0.7  # truncation has no part in the photos' images
    training_set = TrainingSet(
        generator, joined, pairs, task, options_from('default', pixels_per_image=50), progress=False
    )
    assert [sample.name for sample, _ in training_set.pairs] == ['a', 'b', 'c', 'seed0000007', 'seed0000008']
    assert 0 < training_set.wrong_share < 1
    # a pixel of the second photo has the features that the network computes for its w
    sample, annotation = training_set.pairs[1]
    wrong = projected.wrong_pixels(sample)
    count = int((training_set.pixels.images == 1).sum())
    assert 0 < count <= (~wrong).sum()
    with pytest.raises(UserError, match='`labels` is given 1 times and `samples` 2 times'):
        read_labels_of_sets(sets, TASK, folders[:1], [])
    with pytest.raises(UserError, match='`seeds`: projected photos have none'):
        read_labels_of_sets([projected], TASK, folders[:1], [], seeds=[0])


def test_folders_of_different_options_are_not_joined(generator, projector, tmp_path):
    projected = projector(progress=False).samples
    cropped = generate_samples(generator, SamplingOptions(crop_hw=(8, 16)), [7], tmp_path / 'cropped', progress=False)
    with pytest.raises(UserError, match='different options: crop_hw'):
        SampleSet.joined([projected, cropped])
    other = generate_samples(
        Generator(make_network(seed=1), 'other.pkl'), SamplingOptions(), [7], tmp_path / 'other', progress=False
    )
    with pytest.raises(UserError, match='are of two networks, '):
        SampleSet.joined([projected, other])


def test_wrong_pixels_are_where_the_pictures_differ():
    photo = np.full((20, 20, 3), 100, np.uint8)
    projected = photo.copy()
    projected[5:15, 5:15] = 200
    projected[2, 10] = 255  # one pixel is noise
    wrong = wrong_pixels(photo, projected)
    assert wrong[7:13, 7:13].all() and not wrong[:2].any() and not wrong[:, :2].any()


def test_wrong_pixels_teach_nothing(generator, projector, tmp_path, monkeypatch):
    samples = projector(progress=False).samples
    wrong = np.zeros((16, 16), bool)
    wrong[:8] = True
    monkeypatch.setattr(SampleSet, 'wrong_pixels', lambda self, sample: wrong)
    task = replace(TASK, keypoints=('nose', 'tail'))
    folder = write_masks(tmp_path / 'masks', (16, 16))
    points = {
        'images': [{'id': 1, 'file_name': 'a.png', 'height': 16, 'width': 16}],
        'categories': [{'id': 1, 'name': 'object', 'keypoints': ['nose', 'tail']}],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'keypoints': [5, 4, 2, 9, 12, 2]}],
    }
    (folder / 'keypoints.json').write_text(json.dumps(points))
    found = read_hand_labels(samples, task, folder, None)
    training_set = TrainingSet(
        generator, samples, found.pairs, task, options_from('default', pixels_per_image='all'), progress=False
    )
    assert training_set.wrong_share == 0.5
    assert len(training_set.pixels) == 3 * 8 * 16
    # the classes of the lower half alone
    assert set(training_set.pixels.classes.tolist()) == {0, 1} and IGNORE not in training_set.pixels.classes
