"""Training: it learns, goes on where it was stopped, stops early, and keeps what chooses apart from what trains."""

import math
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import TEMPORARY_SUFFIX
from datasetgan_ext.downstream import fitting, semi_supervised, training
from datasetgan_ext.downstream.batches import normalize, stack
from datasetgan_ext.downstream.fitting import checkpoints_of
from datasetgan_ext.downstream.labeled_dataset import read_labeled
from datasetgan_ext.downstream.learners import FitOptions, Supervised
from datasetgan_ext.downstream.losses import dice_loss, heatmap_errors, heatmap_loss, true_heatmaps
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.networks import SMALL
from datasetgan_ext.downstream.protocol import score_by_folds, scores_of
from datasetgan_ext.downstream.semi_supervised import (
    Discriminator,
    SemiSupervised,
    _true_maps,
    self_trained_share,
)
from datasetgan_ext.downstream.training import TrainingPlan
from tests.helpers.squares import write_world
from tests.helpers.trees import tree

OPTIONS = FitOptions(
    steps=6, batch=4, lr=3e-3, dice=1.0, every=2, patience=5, keep_checkpoints=False, workers=0, seed=0
)


@pytest.fixture
def world(tmp_path):
    return read_labeled(write_world(tmp_path / 'world', range(12)))


@pytest.fixture
def others(tmp_path):
    return read_labeled(write_world(tmp_path / 'others', range(100, 110)))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Path of a network that learned, and its data; there are two checkpoints beside it."""
    folder = tmp_path_factory.mktemp('trained')
    data = read_labeled(write_world(folder / 'world', range(12)))
    options = replace(OPTIONS, steps=150, every=75, keep_checkpoints=True)
    make_plan(data, options).train(folder / 'm.safetensors')
    return folder / 'm.safetensors', data


def make_plan(data, options=OPTIONS, **changes) -> TrainingPlan:
    plan = TrainingPlan(
        data=data,
        selection=None,
        val=0.0,
        unlabeled=None,
        image_hw=None,
        architecture=SMALL,
        pretrained='none',
        mirror=False,
        options=options,
    )
    return replace(plan, **changes)


def test_it_learns_classes_and_keypoints(trained, others):
    path, data = trained
    model = DownstreamModel.load(path)
    score = model.score(others)
    assert score.segmentation.mean_iou > 0.7
    assert score.keypoints.pck(2) > 0.8
    assert model.task == data.task and model.training['data'] == data.fingerprint()


def test_a_written_network_predicts_what_it_predicted(others, tmp_path):
    model = DownstreamModel.build(SMALL, others.task, (16, 16))
    model.save(tmp_path / 'm.safetensors')
    again = DownstreamModel.load(tmp_path / 'm.safetensors', model.device)
    before, after = (network.predict([others[0].image])[0] for network in (model, again))
    assert (before.mask == after.mask).all() and len(np.unique(before.mask)) > 1
    assert (before.keypoints.points == after.keypoints.points).all()


@pytest.mark.parametrize('learner', [Supervised, SemiSupervised])
def test_a_stopped_run_goes_on_to_the_same_bytes(learner, world, others, tmp_path, monkeypatch):
    classes = world.only(classes=True, keypoints=False)
    made = make_plan(classes, mirror=True, unlabeled=others.without_labels() if learner is SemiSupervised else None)
    made.train(tmp_path / 'whole.safetensors', learner)
    steps = []

    def stop(self, batches, progress):
        if len(steps) == 5:
            raise KeyboardInterrupt
        steps.append(progress)
        return step(self, batches, progress)

    step = learner.step
    monkeypatch.setattr(learner, 'step', stop)
    with pytest.raises(KeyboardInterrupt):
        made.train(tmp_path / 'stopped.safetensors', learner)
    monkeypatch.setattr(learner, 'step', step)
    assert DownstreamModel.load(tmp_path / 'stopped.safetensors').training['step'] == 4
    with pytest.raises(UserError, match='begun there with other options: lr was 0.003, now 0.1'):
        replace(made, options=replace(OPTIONS, lr=0.1)).train(tmp_path / 'stopped.safetensors', learner)
    made.train(tmp_path / 'stopped.safetensors', learner)
    assert (tmp_path / 'stopped.safetensors').read_bytes() == (tmp_path / 'whole.safetensors').read_bytes()
    with pytest.raises(UserError, match='exists; give another file, or `overwrite`'):
        made.train(tmp_path / 'whole.safetensors', learner)


def test_the_best_checkpoint_is_kept_and_training_stops(world, others, tmp_path, monkeypatch):
    merits = iter([0.1, 0.5, 0.3, 0.4, 0.9])

    class Merit:
        def __init__(self):
            self.merit = next(merits)

    monkeypatch.setattr(DownstreamModel, 'score', lambda self, images: Merit())
    options = replace(OPTIONS, steps=100, patience=2, keep_checkpoints=True)
    model = make_plan(world, options, selection=others).train(tmp_path / 'm.safetensors')
    assert model.training['step'] == 4
    assert [path.name for path in checkpoints_of(tmp_path / 'm.safetensors')] == [
        f'm-step{step:06d}.safetensors' for step in (2, 4, 6, 8)
    ]


def test_what_trains_does_not_choose(world, tmp_path):
    with pytest.raises(UserError, match='must not choose the checkpoint'):
        make_plan(world, selection=world.take([3])).train(tmp_path / 'm.safetensors')
    trained, chosen = make_plan(world, val=0.25)._split(world.pictures())
    assert (len(trained), len(chosen)) == (9, 3) and not chosen.pictures().are_among(trained.pictures()).any()


def test_what_was_seen_is_not_scored(world, others, tmp_path):
    """Neither what trained, nor what chose the checkpoint, nor what was seen without its labels."""
    path, seen = tmp_path / 'm.safetensors', others.take(range(2))
    hidden = others.take(range(2, 4))
    make_plan(world.only(True, False), selection=seen, unlabeled=hidden.without_labels()).train(path, SemiSupervised)
    classes = others.only(True, False)
    for images, name in (
        (world.only(True, False).take([5]), 'square005'),
        (classes.take([1, 6]), 'square101'),
        (classes.take([2, 6]), 'square102'),
    ):
        with pytest.raises(UserError, match=f'{name} among them, trained this network or chose its checkpoint'):
            scores_of(path, images)
    assert len(scores_of(path, classes.take(range(4, 10)))) == 6
    with pytest.raises(UserError, match=r'knows the keypoints \(none\)'):
        scores_of(path, others.take(range(4, 10)))


def test_folds_of_checkpoints(trained, others):
    paths = checkpoints_of(trained[0])
    result = score_by_folds(paths, others)
    assert len(paths) == 2 and len(result['folds']) == 5
    assert all((fold['chosen_on'], fold['scored_on']) == (2, 8) for fold in result['folds'])
    values = [fold['mean_iou'] for fold in result['folds']]
    assert result['mean']['mean_iou'] == pytest.approx(np.mean(values))
    assert result['std']['keypoints']['l2'] == pytest.approx(
        np.std([fold['keypoints']['l2'] for fold in result['folds']], ddof=1)
    )


def test_images_of_other_sizes_are_scored_at_their_own(trained):
    """An image twice as large has a mask twice as large, and its distances count in pixels of the network's size."""
    path, data = trained
    model, image = DownstreamModel.load(path), data[0]
    large = replace(
        image,
        image=image.image.repeat(2, 0).repeat(2, 1),
        mask=image.mask.repeat(2, 0).repeat(2, 1),
        keypoints=replace(image.keypoints, points=image.keypoints.points * 2),
    )
    (_, small), (_, double) = model.score_each([image, large])
    assert model.predict([large.image])[0].mask.shape == (32, 32)
    assert double.segmentation.confusion.sum() == 4 * small.segmentation.confusion.sum()
    assert double.keypoints.found.max() == pytest.approx(small.keypoints.found.max(), abs=0.3)


def test_dice_loss():
    """Of class 0 half of the mass is right, of class 1 all; class 2 is not labelled, nor is the last pixel."""
    masks = torch.tensor([[[0, 0, 1, IGNORE]]])
    logits = torch.tensor([[0, 99, 0, 0], [-99, -99, 99, 0], [0, -99, -99, 99]], dtype=torch.float32).view(1, 3, 1, 4)
    assert dice_loss(logits, masks).item() == pytest.approx(1 - (2 * 1.5 / 3.5 + 1) / 2)


def test_heatmap_loss():
    """Nothing when the heatmap is right, and keypoints of which nobody spoke do not count."""
    points = torch.tensor([[[4.5, 3.5], [1.0, 1.0]]])
    y, x = torch.meshgrid(torch.arange(8) + 0.5, torch.arange(8) + 0.5, indexing='ij')
    right = torch.exp(-((x - 4.5) ** 2 + (y - 3.5) ** 2) / (2 * 1.5**2)).clamp(1e-6, 1 - 1e-6).logit()
    silent = torch.full((8, 8), -20.0)
    maps = torch.stack([right, silent])[None]
    for said, expected in (([1, 0], 0), ([1, math.nan], 0), ([math.nan, 0], 0)):
        assert heatmap_loss(maps, points, torch.tensor([said]), 1.5).item() == pytest.approx(expected, abs=1e-3)
    assert heatmap_loss(maps, points, torch.tensor([[1.0, 1.0]]), 1.5).item() > 1


def test_errors_of_heatmaps():
    """Of a right map, an empty one whose keypoint is there, one that is half everywhere, and one that nobody knows."""
    points = torch.tensor([[[20.5, 15.5], [16.0, 16.0], [0.0, 0.0], [1.0, 1.0]]])
    present = torch.tensor([[1, 1, 0, math.nan]])
    right = true_heatmaps(points, present, 1.5, (32, 40))
    assert right.shape == (1, 4, 32, 40) and right[0, 0, 15, 20] == 1 and not right[0, 2:].any()
    maps = torch.stack([right[0, 0], torch.zeros(32, 40), torch.full((32, 40), 0.5), right[0, 3]])[None]
    errors = heatmap_errors(maps.clamp(1e-7, 1 - 1e-7).logit(), points, present, 1.5)[0].tolist()
    assert errors[:3] == pytest.approx([0, math.pi * 1.5**2 / (32 * 40), 0.25], abs=1e-6) and math.isnan(errors[3])


def test_scores_hold_the_errors_of_heatmaps(trained, others):
    model = DownstreamModel.load(trained[0])
    found = model.score(others.take(range(3))).keypoints.to_json()['heatmap_mse']
    batch = stack([others[index] for index in range(3)], (16, 16), others.task.keypoints)
    heats = model.split(model.logits(normalize(batch.images).to(model.device)))[1].cpu()
    assert found == pytest.approx(heatmap_errors(heats, batch.points, batch.present, model.sigma).mean().item())
    empty = math.pi * model.sigma**2 / 256
    assert 0 < found < empty, 'it learned something'


def test_true_maps_have_no_holes():
    masks = torch.tensor([[[0, 1, IGNORE]]])
    guesses = torch.tensor([0.2, 0.8]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    assert _true_maps(masks, guesses)[0, :, 0].T.tolist() == [[1, 0], [0, 1], pytest.approx([0.2, 0.8])]


def test_self_training_only_on_trusted_images():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).view(2, 2, 1, 1)
    trusted = SemiSupervised._self_training(logits, torch.tensor([True, False])).item()
    assert trusted == pytest.approx(math.log(1 + math.exp(-2)))
    assert SemiSupervised._self_training(logits, torch.tensor([False, False])).item() == 0


@pytest.mark.parametrize('threshold, of_history, in_all', [(-1.0, [0.5, 1, 1], 5 / 6), (1.0, [0, 0, 0], 0)])
def test_the_share_of_self_trained_images_is_told(threshold, of_history, in_all, world, others, tmp_path, monkeypatch):
    """All images, but for the first step, or none."""
    monkeypatch.setattr(semi_supervised, 'THRESHOLD', threshold)
    plan = make_plan(world.only(True, False), unlabeled=others.without_labels())
    model = plan.train(tmp_path / 'm.safetensors', SemiSupervised)
    assert [row['self_trained_share'] for row in model.training['history']] == of_history
    assert [row['self_training_steps'] for row in model.training['history']] == of_history
    assert self_trained_share(model.training) == pytest.approx(in_all)


def test_the_share_of_self_trained_images_by_hand():
    history = [{'step': 2, 'self_trained_share': 0.5}, {'step': 5, 'self_trained_share': 1.0}]
    assert self_trained_share({'history': history}) == pytest.approx((2 * 0.5 + 3 * 1) / 5)
    assert self_trained_share({'history': [{'step': 2}]}) is None


def test_the_discriminator_drops_channels_after_the_first_three_layers_alone(monkeypatch):
    monkeypatch.setattr(semi_supervised, 'DROPOUT', 1.0)
    discriminator = Discriminator(3, 4).train()
    _, features = discriminator(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    bias = torch.nn.functional.leaky_relu(discriminator.convolutions[3].bias, 0.2)
    assert features.shape == (2, 32) and torch.allclose(features, bias.expand(2, -1))


def test_unlabelled_images_are_not_the_labelled_ones(world, tmp_path):
    classes = world.only(True, False)
    plan = make_plan(classes.take(range(4)), unlabeled=world.without_labels())
    model = plan.train(tmp_path / 'm.safetensors', SemiSupervised)
    assert model.training['unlabelled'] == world.take(range(4, 12)).without_labels().fingerprint()
    assert len(model.seen.numbers) == 12
    with pytest.raises(UserError, match='all of its 12 images have labels in `data`'):
        make_plan(classes, unlabeled=world.without_labels()).train(tmp_path / 'n.safetensors', SemiSupervised)


@pytest.mark.parametrize('augment, mirror, expected', [(True, True, 0.5), (True, False, 0), (False, True, None)])
def test_augmentation_can_be_switched_off(augment, mirror, expected, world, others, tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(training, 'fit', lambda learner, sources, *_: found.extend(sources))
    plan = make_plan(world.only(True, False), unlabeled=others.without_labels(), augment=augment, mirror=mirror)
    plan.train(tmp_path / 'm.safetensors', SemiSupervised)
    assert len(found) == 2
    for source in found:
        assert (None if source.augmentation is None else source.augmentation.mirror) == expected


def test_plain_gradient_descent(world):
    model = DownstreamModel.build(SMALL, world.task, (16, 16))
    learner = SemiSupervised(model, replace(OPTIONS, optimizer='sgd', lr=0.25))
    parameter = next(model.network.parameters())
    before = parameter.detach().clone()
    learner.update('network', 3 * parameter.sum())
    assert torch.allclose(parameter, before - 0.25 * (3 + 5e-4 * before)), 'the gradient, and the decay of weights'
    learner.update('network', 0 * parameter.sum())
    assert (parameter < before - 0.25 * (3 + 0.9 * 3) + 0.01).all(), 'momentum'
    assert isinstance(learner.optimizers['discriminator'], torch.optim.Adam)


def test_an_option_that_is_no_longer_given_is_another_training(world, others, tmp_path, monkeypatch):
    out = tmp_path / 'm.safetensors'
    with monkeypatch.context() as patch:
        stopping(patch, at=3)
        with pytest.raises(KeyboardInterrupt):
            make_plan(world, others=((others, 0.25),)).train(out)
    with pytest.raises(UserError, match='others was .*, now None'):
        make_plan(world).train(out)


def test_what_a_killed_training_left_half_written_is_deleted(world, tmp_path):
    for name in ('m.safetensors', 'm.safetensors.partial', 'm-step000002.safetensors', 'more.safetensors'):
        (tmp_path / f'.{name}.1{TEMPORARY_SUFFIX}').write_bytes(b'half')
    make_plan(world, replace(OPTIONS, steps=2)).train(tmp_path / 'm.safetensors')
    assert [path.name for path in tmp_path.glob('.*')] == [f'.more.safetensors.1{TEMPORARY_SUFFIX}'], "another's"


def test_damaged_state_is_named(world, tmp_path):
    path = tmp_path / f'm.safetensors{fitting.PARTIAL_SUFFIX}'
    path.write_bytes(b'nonsense')
    with pytest.raises(UserError, match='begun there cannot go on; start again with `overwrite`'):
        make_plan(world).train(tmp_path / 'm.safetensors')
    make_plan(world, replace(OPTIONS, steps=2)).train(tmp_path / 'm.safetensors', overwrite=True)


@pytest.mark.parametrize('content, message', [(None, 'no such file'), (b'nonsense', 'not a safetensors file')])
def test_bad_model_files(content, message, tmp_path):
    if content is not None:
        (tmp_path / 'm.safetensors').write_bytes(content)
    with pytest.raises(UserError, match=message):
        DownstreamModel.load(tmp_path / 'm.safetensors')


def stopping(monkeypatch, at: int) -> None:
    """Have a training stop itself at a step."""
    steps, step = [], Supervised.step

    def stop(self, batches, progress):
        if len(steps) == at:
            raise KeyboardInterrupt
        steps.append(progress)
        return step(self, batches, progress)

    monkeypatch.setattr(Supervised, 'step', stop)


@pytest.mark.parametrize(
    'change, message',
    [
        ({'selection': 'its own images'}, 'must not choose the checkpoint'),
        ({'pretrained': 'gone.safetensors'}, 'no such file'),
        ({'architecture': 'nonsense'}, 'nonsense'),
        ({'val': 0.99}, 'leaves none to train on'),
    ],
)
def test_with_overwrite_a_wrong_option_costs_nothing(world, tmp_path, change, message):
    options = replace(OPTIONS, keep_checkpoints=True)
    make_plan(world, options).train(tmp_path / 'm.safetensors')
    before = tree(tmp_path)
    if 'selection' in change:
        change = {'selection': world.take([3])}
    with pytest.raises(UserError, match=message):
        make_plan(world, options, **change).train(tmp_path / 'm.safetensors', overwrite=True)
    assert tree(tmp_path) == before


def test_with_overwrite_the_old_network_stays_until_the_first_checkpoint(world, tmp_path, monkeypatch):
    out = tmp_path / 'm.safetensors'
    make_plan(world, replace(OPTIONS, keep_checkpoints=True)).train(out)
    before = tree(tmp_path)
    other = make_plan(world, replace(OPTIONS, lr=1e-3))
    with monkeypatch.context() as patch:
        stopping(patch, at=1)
        with pytest.raises(KeyboardInterrupt):
            other.train(out, overwrite=True)
    assert tree(tmp_path) == before
    with monkeypatch.context() as patch:
        stopping(patch, at=3)
        with pytest.raises(KeyboardInterrupt):
            other.train(out, overwrite=True)
    assert checkpoints_of(out) == []
    other.train(out)
    other.train(tmp_path / 'unbroken.safetensors')
    assert out.read_bytes() == (tmp_path / 'unbroken.safetensors').read_bytes()


def test_two_trainings_do_not_write_one_network(world, tmp_path, monkeypatch):
    out = tmp_path / 'm.safetensors'
    met = []

    def meet(self, batches, progress):
        if not met:
            met.append(True)
            for overwrite in (False, True):
                with pytest.raises(UserError, match='`out`=.*is being written by another process'):
                    make_plan(world).train(out, overwrite=overwrite)
            make_plan(world, replace(OPTIONS, steps=1)).train(tmp_path / 'other.safetensors')
        return step(self, batches, progress)

    step = Supervised.step
    monkeypatch.setattr(Supervised, 'step', meet)
    make_plan(world).train(out)
    assert met and sorted(path.name for path in tmp_path.glob('*.s*')) == ['m.safetensors', 'other.safetensors']
    assert not list(tmp_path.glob('.*'))


def test_names_with_brackets(world, tmp_path, monkeypatch):
    out = tmp_path / 'm[0-9]*?.safetensors'
    options = replace(OPTIONS, keep_checkpoints=True)
    for name in ('m1.safetensors', 'm1-step000002.safetensors', f'.m1.safetensors.0f3a{TEMPORARY_SUFFIX}'):
        (tmp_path / name).write_bytes(b'of another training')
    (tmp_path / f'.{out.name}.0f3a{TEMPORARY_SUFFIX}').touch()
    make_plan(world, options).train(out)
    assert [path.name for path in checkpoints_of(out)] == [
        f'm[0-9]*?-step00000{step}.safetensors' for step in (2, 4, 6)
    ]
    assert not (tmp_path / f'.{out.name}.0f3a{TEMPORARY_SUFFIX}').exists()
    make_plan(world).train(out, overwrite=True)
    assert checkpoints_of(out) == []
    assert [path.read_bytes() for path in sorted(tmp_path.glob('*m1*'))] == [b'of another training'] * 3


def test_checkpoints_beyond_a_million_steps(tmp_path):
    for step in (1_000_000, 999_999, 2):
        fitting.checkpoint_path(tmp_path / 'm.safetensors', step).touch()
    assert [path.stem for path in checkpoints_of(tmp_path / 'm.safetensors')] == [
        'm-step000002',
        'm-step999999',
        'm-step1000000',
    ]


def test_a_state_runs_no_code(world, tmp_path):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / 'ran',))

    partial = tmp_path / 'm.safetensors.partial'
    partial.write_bytes(pickle.dumps(Code()))
    with pytest.raises(UserError, match='start again with `overwrite`'):
        make_plan(world).train(tmp_path / 'm.safetensors')
    torch.save(Code(), partial)
    with pytest.raises(UserError, match='start again with `overwrite`'):
        make_plan(world).train(tmp_path / 'm.safetensors')
    assert not (tmp_path / 'ran').exists()


def test_weights_are_read_by_no_torch_that_could_run_code(world, tmp_path, monkeypatch):
    model = DownstreamModel.build(SMALL, world.task, (16, 16))
    model.save(tmp_path / 'weights.safetensors')
    torch.save(model.network.state_dict(), tmp_path / 'weights.pth')
    monkeypatch.setattr(torch, '__version__', '2.5.1+cu121')
    with pytest.raises(UserError, match='torch 2.5.1.* does not read such files safely; install torch 2.6'):
        make_plan(world, pretrained=str(tmp_path / 'weights.pth')).train(tmp_path / 'm.safetensors')
    for version, name in (('2.5.1+cu121', 'weights.safetensors'), ('2.10.0a0', 'weights.pth')):
        monkeypatch.setattr(torch, '__version__', version)
        make_plan(world, pretrained=str(tmp_path / name)).train(tmp_path / 'm.safetensors', overwrite=True)


def saved_again(data, folder, suffix, **options):
    """The dataset's images in another file format, beside their masks."""
    (folder / 'images').mkdir(parents=True)
    shutil.copytree(data.source / 'masks', folder / 'masks')
    shutil.copyfile(data.source / 'task.json', folder / 'task.json')
    for path in (data.source / 'images').iterdir():
        with PIL.Image.open(path) as image:
            image.convert('RGB').save(folder / 'images' / f'{path.stem}{suffix}', **options)
    return read_labeled(folder)


@pytest.mark.parametrize('suffix, options', [('.jpg', {'quality': 95, 'subsampling': 0}), ('.bmp', {})])
def test_images_that_were_seen_are_known_in_other_formats(trained, others, tmp_path, suffix, options):
    path, data = trained
    again = saved_again(data, tmp_path / 'again', suffix, **options)
    with pytest.raises(UserError, match='12 of its 12 images'):
        scores_of(path, again)
    assert len(scores_of(path, saved_again(others, tmp_path / 'unseen', suffix, **options))) == len(others)
    with pytest.raises(UserError, match='must not choose the checkpoint'):
        make_plan(data, selection=again).train(tmp_path / 'm.safetensors')


def test_a_network_of_before_there_were_thumbnails_knows_its_own_images(trained, tmp_path):
    path, data = trained
    model = DownstreamModel.load(path)
    content = load_file(path)
    del content['seen_thumbnails']
    with safe_open(path, 'pt') as file:
        save_file(content, tmp_path / 'old.safetensors', file.metadata())
    with pytest.raises(UserError, match='12 of its 12 images'):
        scores_of(tmp_path / 'old.safetensors', data)
    assert (model.seen.numbers == DownstreamModel.load(tmp_path / 'old.safetensors').seen.numbers).all()


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_twins_do_not_part(world, tmp_path, suffix):
    for kind in ('images', 'masks'):
        for path in list((world.source / kind).iterdir()):
            ending = suffix if kind == 'images' else '.png'
            options = {'quality': 95, 'subsampling': 0} if ending == '.jpg' else {}
            with PIL.Image.open(path) as image:
                image.save(path.with_name(f'a{path.stem}{ending}'), **options)
    (world.source / 'keypoints.json').unlink()
    doubled = read_labeled(world.source)
    for seed in range(20):
        plan = make_plan(doubled, val=0.5, options=replace(OPTIONS, seed=seed))
        try:
            training, choosing = plan._split(doubled.pictures())
        except UserError:
            continue
        names = [{image.name.removeprefix('a') for image in part} for part in (training, choosing)]
        assert not names[0] & names[1] and len(training) + len(choosing) == 24
