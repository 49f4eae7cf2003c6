"""Random networks of the official shapes, with an interpreter each: what takes time does not depend on the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.png import read_image
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.generator.upstream import import_upstream
from datasetgan_ext.interpreter.differences import hypercolumn_length, layers_with_differences
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.trainer import hidden_sizes
from datasetgan_ext.interpreter.training_options import PRESETS

IMAGES, CLASSES = 16, 8


def make_generator(resolution: int, device: torch.device | str = 'cpu') -> Generator:
    """A generator as upstream's `train.py --cfg=auto` makes it: half as many channels below 512 pixels; on a GPU, the
    four largest sizes compute in half precision."""
    torch.manual_seed(0)
    channel_base = 32768 if resolution >= 512 else 16384
    network = import_upstream('training.networks').Generator(
        z_dim=512,
        c_dim=0,
        w_dim=512,
        img_resolution=resolution,
        img_channels=3,
        mapping_kwargs={'num_layers': 2},
        synthesis_kwargs={'channel_base': channel_base, 'channel_max': 512, 'num_fp16_res': 4, 'conv_clamp': 256},
    )
    return Generator(network, f'random {resolution}', device)


def make_stylegan3(config: str, resolution: int, device: torch.device | str = 'cpu', narrower: int = 1) -> Generator:
    """A generator as StyleGAN3's `train.py --cfg=stylegan3-t` or `-r` makes it, fewer channels if told; `config`
    is the last letter."""
    torch.manual_seed(0)
    radial = config == 'r'
    network = import_upstream('training.networks_stylegan3').Generator(
        z_dim=512,
        c_dim=0,
        w_dim=512,
        img_resolution=resolution,
        img_channels=3,
        mapping_kwargs={'num_layers': 2},
        channel_base=(65536 if radial else 32768) // narrower,
        channel_max=(1024 if radial else 512) // narrower,
        conv_kernel=1 if radial else 3,
        use_radial_filters=radial,
    )
    return Generator(network, f'random StyleGAN3-{config} {resolution}', device)


def make_interpreter(generator: Generator, members: int, classes: int, preset: str = 'reference') -> Interpreter:
    """Random members of a preset's shape for that generator; the input is standardised, so that their answers vary."""
    torch.manual_seed(1)
    options = PRESETS[preset]
    difference_layers = layers_with_differences(generator.layers) if options.differences else []
    channels = hypercolumn_length(generator.layers, difference_layers)
    ensemble = Ensemble(members, channels, hidden_sizes(classes, options.first_width), classes)
    for norm in ensemble.norms:
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return Interpreter(
        ensemble.eval().requires_grad_(False),
        Task.from_names([f'class {i}' for i in range(classes)]),
        generator.layers,
        SamplingOptions(),
        generator.image_hw,
        generator.source,
        generator.fingerprint,
        {'images': 0},
        difference_layers=difference_layers,
    )


def label_brightness(generator: Generator, folder: Path) -> tuple[SampleSet, list[tuple[Sample, Annotation]], Task]:
    """Samples of a generator, written to `folder`, with labels that can be learned: steps of brightness are classes."""
    task = Task.from_names([f'class {index}' for index in range(CLASSES)])
    samples = generate_samples(generator, SamplingOptions(), list(range(IMAGES)), folder, progress=False)
    paths = [samples.folder / sample.image for sample in samples.samples]
    annotations = [Annotation(path.stem, _brightness_classes(read_image(path)), path) for path in paths]
    return samples, samples.pair(annotations, task), task


def _brightness_classes(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W], equally many pixels of each class."""
    gray = image.mean(axis=2)
    return np.searchsorted(np.quantile(gray, np.arange(1, CLASSES) / CLASSES), gray).astype(np.uint8)
