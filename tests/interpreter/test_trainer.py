import pytest
import torch

from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.pixels import PixelSet
from datasetgan_ext.interpreter.trainer import CHECK_STEPS, _split, _Trainer, hidden_sizes, train_ensemble
from datasetgan_ext.interpreter.training_options import options_from


def blobs(count: int = 600, classes: int = 3) -> PixelSet:
    """Pixels of `classes` clouds that overlap a little."""
    source = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, [count], generator=source)
    centers = 3 * torch.randn(classes, 8, generator=source)
    hypercolumns = centers[labels] + torch.randn(count, 8, generator=source)
    return PixelSet(hypercolumns.half(), labels, torch.zeros_like(labels), torch.zeros(count, 0))


@pytest.mark.parametrize('preset', ['default', 'reference'])
def test_learns(preset):
    pixels = blobs()
    ensemble, report = train_ensemble(pixels, 3, 0, options_from(preset, models=4, max_steps=400), progress=False)
    logits = ensemble(pixels.hypercolumns.float().expand(4, -1, -1))
    assert ((logits.argmax(dim=2) == pixels.classes).float().mean(dim=1) > 0.95).all()
    assert report.loss < 0.6
    assert not ensemble.training


def test_reports_held_out_pixels():
    _, report = train_ensemble(blobs(), 3, 0, options_from('default', models=2, max_steps=200), progress=False)
    assert report.pixels + report.heldout_pixels == 600 and report.heldout_pixels > 30
    assert report.heldout_accuracy > 0.9
    _, report = train_ensemble(blobs(), 3, 0, options_from('reference', models=2, max_steps=50), progress=False)
    assert (report.pixels, report.heldout_pixels, report.heldout_accuracy) == (600, 0, None)


@pytest.mark.parametrize('preset', ['default', 'reference'])
def test_same_seed_same_weights_and_torchs_own_state_is_left_alone(preset):
    first, _ = train_ensemble(blobs(), 3, 0, options_from(preset, models=2, max_steps=120), progress=False)
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    second, _ = train_ensemble(blobs(), 3, 0, options_from(preset, models=2, max_steps=120), progress=False)
    assert torch.equal(torch.random.get_rng_state(), state)
    other, _ = train_ensemble(blobs(), 3, 0, options_from(preset, models=2, max_steps=120, seed=1), progress=False)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    assert not torch.equal(first.weights[0], other.weights[0])


def test_members_differ():
    ensemble, _ = train_ensemble(blobs(), 3, 0, options_from('default', models=2, max_steps=20), progress=False)
    assert not torch.equal(ensemble.weights[0][0], ensemble.weights[0][1])


def test_reference_rule_stops_after_51_steps_without_a_lower_loss():
    """With equal pixels and a learning rate of 0 the loss never falls: the first counted step is the best."""
    pixels = PixelSet(torch.ones(64, 8), *torch.zeros(2, 64, dtype=torch.int64), torch.zeros(64, 0))
    _, report = train_ensemble(pixels, 3, 0, options_from('reference', models=2, lr=0.0), progress=False)
    # passes 0-3 (a step each) are not counted; then the best one, and 51 that are not better
    assert report.steps == 4 + 1 + 51


def test_default_rule_stops_and_keeps_the_best_weights():
    """With a learning rate of 0 nothing improves after the first check."""
    options = options_from('default', models=2, lr=0.0, patience=3)
    _, report = train_ensemble(blobs(), 3, 0, options, progress=False)
    assert report.steps == CHECK_STEPS * (1 + 3)


def test_each_member_keeps_its_own_best_weights(monkeypatch):
    """Member 0 is best at the first check, member 1 at the second, or at the third with an equal figure."""
    figures = iter([torch.tensor(row) for row in ([0.9, 0.5], [0.8, 0.7], [0.8, 0.7], [0.9, 0.7])])
    seen = []

    def errors(trainer, ensemble):
        seen.append([tensor.clone() for tensor in ensemble.member_tensors()])
        return 1 - next(figures), torch.zeros(2)

    monkeypatch.setattr(_Trainer, '_heldout_errors', errors)
    options = options_from('default', models=2, max_steps=3 * CHECK_STEPS)
    kept, report = train_ensemble(blobs(), 3, 0, options, progress=False)
    assert report.heldout_accuracy == pytest.approx(0.8)
    for tensor, first, third in zip(kept.member_tensors(), seen[0], seen[2]):
        assert torch.equal(tensor[0], first[0]) and torch.equal(tensor[1], third[1])


def test_widths_of_the_released_code():
    assert hidden_sizes(31) == (128, 32) and hidden_sizes(32) == (256, 128)


def test_fewer_pixels_than_a_batch():
    ensemble, report = train_ensemble(blobs(20), 3, 0, options_from('reference', models=2, max_steps=3), progress=False)
    assert report.pixels == 20 and torch.isfinite(ensemble.weights[0]).all()


@pytest.mark.parametrize('counts, heldout', [((100, 30, 5, 1), (10, 3, 0, 0)), ((3, 5, 1), (0, 1, 0))])
def test_held_out_pixels_leave_the_rarest_class_in_training(counts, heldout):
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    out, training = _split(classes, 0.1)
    assert classes[out].bincount(minlength=len(counts)).tolist() == list(heldout)
    assert sorted([*out.tolist(), *training.tolist()]) == list(range(len(classes)))
    assert len(_split(classes, 0.0)[0]) == 0


def test_pixels_far_from_keypoints_do_not_water_the_heatmaps_loss_down():
    options, ensemble = options_from('default', models=1), Ensemble(1, 8, (4, 4), 2)

    def weight(far: int) -> float:
        heat = torch.cat([torch.full((20, 2), 0.5), torch.full((5, 2), torch.nan), torch.zeros(far, 2)])
        pixels = PixelSet(torch.zeros(len(heat), 8), *torch.zeros(2, len(heat), dtype=torch.int64), heat)
        return _Trainer(ensemble, pixels, 0, torch.arange(len(heat)), torch.arange(0), options).heat_weight

    assert weight(180) == pytest.approx(10 * weight(0))


def test_training_goes_on_from_weights_and_ends_when_told():
    options = options_from('default', models=2, max_steps=100)
    pixels = blobs()
    start, report = train_ensemble(pixels, 3, 0, options, progress=False)
    before = [tensor.clone() for tensor in start.state_dict().values()]
    later, further = train_ensemble(pixels, 3, 0, options, progress=False, start=start)
    assert further.loss < report.loss  # the mean over all steps
    assert all(torch.equal(one, other) for one, other in zip(before, start.state_dict().values()))
    assert not torch.equal(later.weights[0], start.weights[0])

    asked = []
    stopped, report = train_ensemble(
        pixels, 3, 0, options, progress=False, start=start, should_stop=lambda: asked.append(1) or len(asked) == 7
    )
    assert report.steps == len(asked) == 7
    assert torch.equal(stopped.weights[0], start.weights[0])  # no better ones were known yet
