"""Segmentation networks by name, torchvision beside a torch without CUDA, and pretrained weights from files."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.downstream import vision
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.networks import SMALL, build_network, network_names
from datasetgan_ext.downstream.weights import use_pretrained
from tests.helpers.squares import TASK

MOBILE = 'lraspp_mobilenet_v3_large'


@pytest.mark.parametrize('name, image_hw', [(SMALL, (17, 22)), (SMALL, (16, 16)), (MOBILE, (32, 48))])
def test_logits_have_the_images_size(name, image_hw):
    assert build_network(name, 5).eval()(torch.zeros(2, 3, *image_hw)).shape == (2, 5, *image_hw)


def test_names_are_those_of_torchvision():
    names = network_names()
    assert {SMALL, MOBILE, 'deeplabv3_resnet101', 'fcn_resnet50'} <= set(names)
    with pytest.raises(UserError) as error:
        build_network('unet', 3)
    assert all(name in error.value.message for name in names)


def test_torchvision_imports_in_a_fresh_process():
    """Whether its compiled operators load or not."""
    code = (
        'from datasetgan_ext.downstream.vision import import_segmentation as f; m = f(); import torchvision; '
        'assert m.fcn_resnet50 and f() is m'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_the_guard_answers_one_error_alone(monkeypatch):
    def fail(*_):
        raise RuntimeError('operator torchvision::roi_align does not exist')

    monkeypatch.setattr(vision, 'import_extra', fail)
    with pytest.raises(RuntimeError, match='roi_align'):
        vision.import_segmentation()


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision.models.segmentation', None)
    with pytest.raises(UserError, match=r'datasetgan-ext\[downstream\]'):
        network_names()


def test_a_backbones_file_as_torchvision_has_it(tmp_path, monkeypatch, caplog):
    """`auto` finds it in torch's folder of downloads under torchvision's name."""
    network, other = build_network(MOBILE, 3), build_network(MOBILE, 3)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert use_pretrained(network, MOBILE, 'auto') is None
    assert 'download.pytorch.org' in caplog.text and 'holds no weights' in caplog.text
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    (tmp_path / 'checkpoints').mkdir()
    prefix = 'network.backbone.'
    backbone = {
        name.removeprefix(prefix): tensor for name, tensor in other.state_dict().items() if name.startswith(prefix)
    }
    path = tmp_path / 'checkpoints' / 'lraspp_mobilenet_v3_large-d234d4ea.pth'
    torch.save({f'backbone.{name}': tensor for name, tensor in backbone.items()}, path)
    assert use_pretrained(network, MOBILE, 'auto') == str(path)
    after = network.state_dict()
    assert all(torch.equal(after[prefix + name], tensor) for name, tensor in backbone.items())
    assert use_pretrained(network, MOBILE, 'none') is None
    assert use_pretrained(network, MOBILE, 'coco') == str(path)
    with pytest.raises(UserError, match=r'does not hold .*download.pytorch.org.* \(ImageNet, its backbone\)'):
        use_pretrained(network, MOBILE, 'imagenet')
    with pytest.raises(UserError, match='no weights for small-unet'):
        use_pretrained(build_network(SMALL, 3), SMALL, 'coco')


def test_a_network_of_ours_with_other_classes(tmp_path):
    other = DownstreamModel.build(SMALL, TASK, (16, 16))
    other.save(tmp_path / 'other.safetensors')
    network = build_network(SMALL, 9)
    head = network.head.weight.clone()
    use_pretrained(network, SMALL, str(tmp_path / 'other.safetensors'))
    assert torch.equal(network.down[0][0].weight, other.network.down[0][0].weight)
    assert torch.equal(network.head.weight, head)


def test_refuses_weights(tmp_path):
    network = build_network(SMALL, 3)
    (tmp_path / 'text.pth').write_text('no weights')
    torch.save([1, 2], tmp_path / 'list.pth')
    save_file({'layer.weight': torch.zeros(3)}, tmp_path / 'strange.safetensors')
    for name, message in (
        ('text.pth', 'can be read'),
        ('list.pth', 'no state dict'),
        ('nowhere.pth', 'no such file'),
        ('strange.safetensors', 'is of another network: it lacks'),
    ):
        with pytest.raises(UserError) as error:
            use_pretrained(network, SMALL, str(tmp_path / name))
        assert message in error.value.message and name in error.value.message


SMP_NETWORK = 'smp:segformer/mit_b0'


@pytest.mark.parametrize('name', ['smp:unet/resnet18', SMP_NETWORK])
def test_networks_of_segmentation_models_take_any_size(name, monkeypatch):
    pytest.importorskip('segmentation_models_pytorch')
    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', None)  # nothing is downloaded
    network = build_network(name, 5).eval()
    assert network(torch.zeros(2, 3, 50, 70)).shape == (2, 5, 50, 70)


def test_a_network_of_segmentation_models_is_kept_in_a_file(tmp_path):
    pytest.importorskip('segmentation_models_pytorch')
    model = DownstreamModel.build(SMP_NETWORK, TASK, (32, 32))
    model.save(tmp_path / 'm.safetensors')
    loaded = DownstreamModel.load(tmp_path / 'm.safetensors', 'cpu')
    assert loaded.architecture == SMP_NETWORK and loaded.fingerprint() == model.fingerprint()
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded.logits(images), model.logits(images))


@pytest.mark.parametrize(
    'name, message',
    [
        ('smp:nope/resnet34', 'no such decoder; there are unet, '),
        ('smp:unet/nope', 'no such encoder; there are resnet18, '),
        ('smp:unet', 'no such encoder; '),
        ('smp:dpt/resnet34', 'dpt does not take this encoder: '),
    ],
)
def test_unknown_networks_of_segmentation_models(name, message):
    pytest.importorskip('segmentation_models_pytorch')
    with pytest.raises(UserError, match=message):
        build_network(name, 5)


def test_the_extra_of_segmentation_models_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'segmentation_models_pytorch', None)
    with pytest.raises(UserError, match=r'datasetgan-ext\[smp\]'):
        build_network(SMP_NETWORK, 5)
