"""Networks that leave: what onnxruntime computes is what we compute."""

import json

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext import export_model
from datasetgan_ext.core.task import Task
from datasetgan_ext.downstream.batches import normalize, to_input
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from tests.helpers.commands import invoke, output_of
from tests.helpers.photos import REAL, write_model

pytest.importorskip('onnx')
pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')

TASK = Task.read(DEMO_FOLDER / 'task.json')


def pictures(size_wh=None):
    for path in sorted((REAL / 'images').iterdir())[:3]:
        with PIL.Image.open(path) as image:
            yield np.asarray(image.convert('RGB') if size_wh is None else image.convert('RGB').resize(size_wh))


def ours(model, image):
    """Logits and heatmaps at the image's size, by our own prediction."""
    with torch.inference_mode():
        logits = model.logits(normalize(to_input(image, model.image_hw)[None]))
        logits = F.interpolate(logits, image.shape[:2], mode='bilinear', align_corners=False)
    classes, heats = model.split(logits)
    return classes.numpy(), heats.sigmoid().numpy()


def test_logits_on_real_pictures_of_any_number_and_size(tmp_path):
    model = write_model(tmp_path / 'm.safetensors', (64, 64))
    out = tmp_path / 'm.onnx'
    output = output_of(export_model.main, f'--model={tmp_path}/m.safetensors', f'--out={out}')
    assert f'with the outputs logits and heatmaps: {out}' in output
    session = onnxruntime.InferenceSession(out, providers=['CPUExecutionProvider'])
    for size_wh in (None, (64, 64), (41, 90), (200, 70)):
        images = list(pictures(size_wh))
        batch = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 255
        for chunk in (batch, batch[:1]):
            logits, heatmaps = session.run(['logits', 'heatmaps'], {'images': chunk})
            for index, (found, heats) in enumerate(zip(logits, heatmaps)):
                classes, expected = ours(model, images[index])
                assert np.abs(found - classes[0]).max() < 1e-3
                assert np.abs(heats - expected[0]).max() < 1e-3
    content = json.loads(session.get_modelmeta().custom_metadata_map['datasetgan'])
    assert content['classes'] == list(TASK.classes) and content['palette'][1] == list(TASK.palette[1])
    assert content['keypoints'] == list(TASK.keypoints) and content['present_peak'] == 0.2


def test_a_network_of_torchvision(tmp_path):
    torch.manual_seed(0)
    model = DownstreamModel.build('lraspp_mobilenet_v3_large', TASK.only(True, False), (64, 64))
    model.save(tmp_path / 'm.safetensors')
    output_of(export_model.main, f'--model={tmp_path}/m.safetensors', f'--out={tmp_path}/m.onnx')
    session = onnxruntime.InferenceSession(tmp_path / 'm.onnx', providers=['CPUExecutionProvider'])
    assert [output.name for output in session.get_outputs()] == ['logits']
    (image, *_) = pictures()
    (logits,) = session.run(None, {'images': image.transpose(2, 0, 1)[None].astype(np.float32) / 255})
    assert np.abs(logits - ours(model, image)[0]).max() < 1e-3


def test_a_file_that_is_there_stays(tmp_path):
    write_model(tmp_path / 'm.safetensors')
    (tmp_path / 'm.onnx').write_text('mine')
    result = invoke(export_model.main, f'--model={tmp_path}/m.safetensors', f'--out={tmp_path}/m.onnx')
    assert result.exit_code == 1 and 'exists; give another file, or --overwrite' in result.output
    assert (tmp_path / 'm.onnx').read_text() == 'mine'


def test_the_network_itself_is_never_replaced(tmp_path):
    write_model(tmp_path / 'm.safetensors')
    (tmp_path / 'linked.onnx').symlink_to('m.safetensors')
    before = (tmp_path / 'm.safetensors').read_bytes()
    for out in ('m.safetensors', 'linked.onnx'):
        result = invoke(
            export_model.main, f'--model={tmp_path}/m.safetensors', f'--out={tmp_path / out}', '--overwrite'
        )
        assert result.exit_code == 1 and 'is --model itself, which would be lost' in result.output
    assert (tmp_path / 'm.safetensors').read_bytes() == before
