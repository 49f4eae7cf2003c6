"""Time and peak memory of training an interpreter for 16 labelled images of 256 pixels."""
from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch

from benchmarks.measure import write_result
from benchmarks.random_networks import make_generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.optimization import options_from
from datasetgan_ext.interpreter.training import TrainingSet
from datasetgan_ext.labels.annotation import Annotation
from datasetgan_ext.labels.png import read_image
from datasetgan_ext.labels.samples import generate_samples
from datasetgan_ext.labels.task import Task

RESOLUTION, IMAGES, CLASSES = 256, 16, 8


def brightness_classes(image: np.ndarray) -> np.ndarray:
    """A mask that can be learned: uint8 [H, W], as many classes as steps of brightness."""
    grey = image.mean(axis=2)
    return np.searchsorted(np.quantile(grey, np.arange(1, CLASSES) / CLASSES), grey).astype(np.uint8)


def main():
    generator, task = make_generator(RESOLUTION), Task.from_names([f'class {index}' for index in range(CLASSES)])
    with tempfile.TemporaryDirectory() as folder:
        samples = generate_samples(generator, SamplingOptions(), list(range(IMAGES)), Path(folder), progress=False)
        paths = [samples.folder / sample.image for sample in samples.samples]
        annotations = [Annotation(path.stem, brightness_classes(read_image(path)), path) for path in paths]
        start = time.perf_counter()
        training_set = TrainingSet(generator, samples, samples.pair(annotations, task), task, options_from('default'))
        features = time.perf_counter()
        interpreter = training_set.train()
        end = time.perf_counter()
    result = {'resolution': RESOLUTION, 'images': IMAGES, 'classes': CLASSES, 'threads': torch.get_num_threads(),
              'features_seconds': features - start, 'training_seconds': end - features,
              'steps': interpreter.training['steps'], 'members': interpreter.training['models'],
              'pixels': interpreter.training['pixels'], 'heldout_accuracy': interpreter.training['heldout_accuracy'],
              'peak_mib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(result)
    write_result('training', result)


if __name__ == '__main__':
    main()
