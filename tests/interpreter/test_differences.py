import pytest
import torch

from datasetgan_ext.generator.features import Layer
from datasetgan_ext.interpreter.differences import difference_count, layers_with_differences, neighbor_differences


def test_differences_of_a_small_map():
    along_x, along_y, from_mean = neighbor_differences(torch.tensor([[[1.0, 2, 5], [0, 4, 4]]]))
    assert along_x.tolist() == [[0.5, 2, 1.5], [2, 2, 0]]
    assert along_y.tolist() == [[-0.5, 1, -0.5], [-0.5, 1, -0.5]]
    # the corner's neighbours: itself to the left and above, 2 to the right, 0 below
    assert from_mean[0, 0] == (1 + 2 + 1 + 0) / 4 - 1
    assert from_mean[1, 1] == (0 + 4 + 2 + 4) / 4 - 4


@pytest.mark.parametrize(
    'rows, columns',
    [(slice(0, 3), slice(2, 9)), (slice(2, 8), slice(0, 4)), (slice(3, 4), slice(8, 9)), (slice(None), slice(None))],
)
def test_differences_of_a_part_are_those_of_the_whole(rows, columns):
    maps = torch.randn(4, 8, 9)
    assert torch.equal(neighbor_differences(maps, rows, columns), neighbor_differences(maps)[:, rows, columns])


def test_the_last_layer_of_each_larger_size_has_differences():
    layers = [
        Layer(f'layer {index}', channels, (size, size))
        for index, (channels, size) in enumerate(
            [(9, 4), (8, 8), (8, 8), (7, 16), (7, 16), (6, 32), (6, 32), (5, 64), (5, 64)]
        )
    ]
    assert layers_with_differences(layers) == [4, 6, 8]
    assert difference_count(layers, [4, 6, 8]) == 3 * (7 + 6 + 5)
