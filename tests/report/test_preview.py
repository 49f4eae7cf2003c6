import numpy as np

from datasetgan_ext.core.task import Task
from datasetgan_ext.report.preview import color_mask, heat, overlay

TASK = Task(('background', 'car'), ((0, 0, 0), (200, 100, 0)))


def test_overlay_leaves_the_background_clear():
    image = np.full((1, 2, 3), 100, dtype=np.uint8)
    mask = np.array([[0, 1]], dtype=np.uint8)
    assert color_mask(mask, TASK).tolist() == [[[0, 0, 0], [200, 100, 0]]]
    assert overlay(image, mask, TASK).tolist() == [[[100, 100, 100], [160, 100, 40]]]


def test_heat_goes_from_black_over_red_and_yellow_to_white():
    colors = heat(np.array([[0.0, 1.0, 2.0, 3.0]]), 3.0)
    assert colors.tolist() == [[[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255]]]
    assert heat(np.zeros((1, 1)), 0.0).tolist() == [[[0, 0, 0]]]
