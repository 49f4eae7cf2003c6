"""The GPU kernel; without a GPU, Triton's interpreter runs it (`conftest.py` sees to that)."""

import pytest
import torch
import torch.nn.functional as F

from datasetgan_ext.generator.features import Layer
from datasetgan_ext.generator.generator import default_device
from datasetgan_ext.interpreter import gpu, gpu_kernels, gpu_nodes
from datasetgan_ext.interpreter.differences import difference_count
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.gpu_nodes import TileNodes
from datasetgan_ext.interpreter.inference import FusedEnsemble, HeadLayout
from tests.interpreter.test_ensemble import make_ensemble

CHANNELS, SIZES = [20, 37, 37, 20, 9], [4, 8, 8, 16, 32]
LAYERS = [
    Layer(f'layer {index}', channels, (size, size)) for index, (channels, size) in enumerate(zip(CHANNELS, SIZES))
]
WHOLE = slice(0, 32)


def upsampled(nodes, maps, image_hw):
    """An image [h, w] of the sum of one channel's maps {side: [side, side]}, from the nodes of its tiles."""
    down, across = len(nodes.rows), len(nodes.columns)
    flat = torch.cat([one.flatten() for one in maps.values()])
    tiles = []
    for row, column in ((row, column) for row in range(down) for column in range(across)):
        place = nodes.rows_before + nodes.rows[row].minimum(nodes.sides - 1) * nodes.sides
        place += nodes.columns[column].minimum(nodes.sides - 1)
        tiles.append(nodes.weights[row, column].float() @ flat[place])
    image = torch.stack(tiles).reshape(down, across, gpu_nodes.TILE_HEIGHT, gpu_nodes.TILE_WIDTH).transpose(1, 2)
    return image.flatten(0, 1).flatten(1)[: image_hw[0], : image_hw[1]]


@pytest.mark.parametrize(
    ('sides', 'full'), [([4, 8, 16], 32), ([4, 8, 16, 32, 64, 128, 256, 512], 1024), ([4], 8), ([5, 12], 36)]
)
def test_nodes_of_tiles_upsample_as_interpolation_does(sides, full):
    torch.manual_seed(0)
    maps = {side: torch.randn(side, side) for side in sides}
    nodes = TileNodes.around_tiles(sides, (full, full), 'cpu')
    assert TileNodes.count(sides, (full, full)) <= len(nodes.sides) <= gpu.MOST_NODES
    expected = sum(
        F.interpolate(one[None, None], size=(full, full), mode='bilinear', align_corners=False)[0, 0]
        for one in maps.values()
    )
    assert torch.allclose(upsampled(nodes, maps, (full, full)), expected, atol=5e-3)


@pytest.mark.skipif(gpu_kernels.triton is None, reason='Triton is not installed')
@pytest.mark.parametrize(('rows', 'columns'), [(WHOLE, WHOLE), (slice(3, 30), slice(5, 23))], ids=['whole', 'crop'])
@pytest.mark.parametrize('difference_layers', [[], [2, 4]], ids=['features', 'differences too'])
@pytest.mark.parametrize(('classes', 'keypoints'), [(5, 0), (5, 3), (0, 4)])
def test_kernel_labels_as_the_plain_way_does(rows, columns, difference_layers, classes, keypoints):
    ensemble = make_ensemble(
        3, sum(CHANNELS) + difference_count(LAYERS, difference_layers), (32, 16), classes + keypoints
    )
    for weight in ensemble.weights:
        weight.data *= 0.2  # so that outputs are of the size of logits and heatmaps
    features = [torch.randn(2, channels, size, size) for channels, size in zip(CHANNELS, SIZES)]
    features[-2:] = [maps.half().contiguous(memory_format=torch.channels_last) for maps in features[-2:]]
    fused = FusedEnsemble(
        ensemble,
        LAYERS,
        (32, 32),
        rows,
        columns,
        heads=HeadLayout(classes, keypoints),
        difference_layers=difference_layers,
    )
    device = default_device()
    kernel = gpu.GpuEnsemble(ensemble, LAYERS, (32, 32), rows, columns, device, classes, keypoints, difference_layers)
    masks, divergences, entropies, heat = (
        part if part is None else part.cpu() for part in kernel([maps.to(device) for maps in features])
    )
    for index in range(2):
        plain = fused._label_by_tiles([maps[index : index + 1] for maps in features])
        if classes:
            assert (masks[index] == plain[0][0]).float().mean() > 0.995
            assert torch.allclose(divergences[index], plain[1][0], atol=2e-3)
            assert torch.allclose(entropies[index], plain[2][0], atol=5e-3)
        else:
            assert masks is None and divergences is None and entropies is None
        if keypoints:
            assert torch.allclose(heat[index], plain[3][0], atol=1e-2)
        else:
            assert heat is None


@pytest.mark.skipif(gpu_kernels.triton is None, reason='Triton is not installed')
def test_what_the_kernel_is_for():
    def works(layers=LAYERS, image_hw=(32, 32), members=3, hidden=(32, 16)):
        return gpu.GpuEnsemble.works_for(Ensemble(members, 8, hidden, 5), layers, image_hw)

    large = [Layer('small', 4, (512, 512)), Layer('large', 4, (1024, 1024))]
    assert works() and works(hidden=(128, 32)) and works(large, (1024, 1024))
    assert not works(hidden=(48, 16)) and not works(hidden=(32, 8))
    assert not works(image_hw=(64, 64)) and not works([*LAYERS, Layer('larger', 4, (64, 64))])
    assert not works(LAYERS[-1:]) and not works(large, (1024, 1024), members=90, hidden=(128, 16))


class Broken:
    """In place of the GPU kernel: wrong labels, or none."""

    images_at_once = 2

    def __init__(self, error=None):
        self.error = error

    def __call__(self, features):
        if self.error:
            raise self.error
        nothing = torch.zeros(len(features[0]), 32, 32)
        return torch.full((len(features[0]), 32, 32), 4, dtype=torch.uint8), nothing, nothing, None


@pytest.mark.parametrize(
    ('error', 'told'), [(None, 'labels differ'), (RuntimeError('no compiler\nat all'), 'RuntimeError: no compiler')]
)
def test_a_kernel_that_does_not_work_is_not_used(error, told, caplog):
    ensemble = make_ensemble(3, sum(CHANNELS), (32, 16), 5)
    features = [torch.randn(2, channels, size, size) for channels, size in zip(CHANNELS, SIZES)]
    fused = FusedEnsemble(ensemble, LAYERS, (32, 32), WHOLE, WHOLE)
    expected = fused(features).masks
    fused._gpu = Broken(error)
    assert torch.equal(fused(features).masks, expected) and fused._gpu is None
    assert told in caplog.text and 'at all' not in caplog.text


def test_full_memory_is_no_reason_to_give_the_kernel_up():
    fused = FusedEnsemble(make_ensemble(3, sum(CHANNELS), (32, 16), 5), LAYERS, (32, 32), WHOLE, WHOLE)
    fused._gpu = Broken(torch.cuda.OutOfMemoryError())
    with pytest.raises(torch.cuda.OutOfMemoryError):
        fused([torch.randn(1, channels, size, size) for channels, size in zip(CHANNELS, SIZES)])
    assert fused._gpu is not None
