"""Time and peak memory of training an interpreter for 16 labelled images of 256 pixels."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import click
import torch

from benchmarks.measure import peak_mib, write_result
from benchmarks.random_networks import CLASSES, IMAGES, label_brightness, make_generator
from datasetgan_ext.interpreter.training import train_interpreter
from datasetgan_ext.interpreter.training_options import TrainingOptions, options_from
from datasetgan_ext.interpreter.training_set import TrainingSet

RESOLUTION = 256


def measure(resolution: int, options: TrainingOptions, device: torch.device | str = 'cpu') -> dict:
    """Seconds of gathering and of training, what was learned, and the fingerprints of both networks."""
    generator = make_generator(resolution, device)
    with tempfile.TemporaryDirectory() as folder:
        labeled = label_brightness(generator, Path(folder))
        start = time.perf_counter()
        training_set = TrainingSet(generator, *labeled, options)
        features = time.perf_counter()
        interpreter = train_interpreter(training_set)
        end = time.perf_counter()
    return {
        'resolution': resolution,
        'images': IMAGES,
        'classes': CLASSES,
        'features_seconds': features - start,
        'training_seconds': end - features,
        'steps': interpreter.training['steps'],
        'members': interpreter.training['models'],
        'pixels': interpreter.training['pixels'],
        'heldout_accuracy': interpreter.training['heldout_accuracy'],
        'fingerprints': {'generator': generator.fingerprint, 'interpreter': interpreter.fingerprint},
    }


def main():
    result = measure(RESOLUTION, options_from('default'))
    result['threads'] = torch.get_num_threads()
    result['peak_mib'] = peak_mib()
    print(result)
    write_result('training', result)


if __name__ == '__main__':
    click.command(help=__doc__)(main)()
