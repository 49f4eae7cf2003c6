"""How much of what the embedded interpreter labels wrongly lies at borders between two classes.

    python benchmarks/borders.py

On 100 images of `demo/more`, which no training saw. A pixel is at a border if one of its eight neighbours has another
class in the true mask.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import numpy as np
import torch
from scipy import ndimage

from benchmarks.demo.rebuild import MORE
from benchmarks.measure import write_result
from datasetgan_ext import load_generator, load_interpreter
from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.mask_folder import read_mask_folder
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet
from datasetgan_ext.metrics.segmentation import SegmentationScore

IMAGES = 100


@click.command(help=__doc__)
def main():
    generator, interpreter = load_generator(DEMO, 'cpu'), load_interpreter(DEMO)
    options = SampleSet.read(DEMO_FOLDER / 'samples').options
    task = Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False)
    truth = {one.name: one.mask for one in read_mask_folder(DEMO_FOLDER / 'more' / 'masks', task)}
    fused = interpreter.fused_for(generator)
    everywhere, within = (SegmentationScore(len(task.classes)) for _ in range(2))
    pixels = at_border = wrong = wrong_at_border = 0
    for seed in MORE[:IMAGES]:
        mask = truth[sample_name(seed)]
        with torch.inference_mode():
            found = fused(generator.synthesize([seed], options).features).masks[0].numpy()
        is_border = ndimage.maximum_filter(mask, 3) != ndimage.minimum_filter(mask, 3)
        everywhere.add(mask, found)
        within.add(np.where(is_border, np.uint8(IGNORE), mask), found)
        pixels += mask.size
        at_border += int(is_border.sum())
        wrong += int((found != mask).sum())
        wrong_at_border += int(((found != mask) & is_border).sum())
    content = {
        'images': IMAGES,
        'mean_iou': everywhere.mean_iou,
        'mean_iou_within': within.mean_iou,
        'pixels_at_borders': at_border / pixels,
        'wrong_pixels': wrong / pixels,
        'wrong_pixels_at_borders': wrong_at_border / wrong,
    }
    write_result('borders', content)
    print('\n'.join(f'{name}: {value:.4g}' for name, value in content.items()))


if __name__ == '__main__':
    main()
