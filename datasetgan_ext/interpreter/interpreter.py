"""A trained Style Interpreter and its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import reading_tensors, write_atomically
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.checkpoint import DEMO, DEMO_FOLDER
from datasetgan_ext.generator.features import MAX_SIDE, Layer
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.identity import how_networks_differ, same_network, state_fingerprint
from datasetgan_ext.generator.sampling import SamplingOptions, center_crop
from datasetgan_ext.interpreter import by_hand
from datasetgan_ext.interpreter.by_hand import HandLabel
from datasetgan_ext.interpreter.differences import hypercolumn_length
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.inference import FusedEnsemble, HeadLayout
from datasetgan_ext.interpreter.keypoints import DEFAULT_THRESHOLD

METADATA_KEY = 'datasetgan_interpreter'
FORMAT_VERSION = 2
MAX_HIDDEN = 8
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 100
"""Hidden layers of an ensemble in a file; training makes two."""


@dataclass
class Interpreter:
    """An ensemble that reads one generator's features, and all that is needed to use it.

    Attributes:
        ensemble: the trained members.
        task: classes and palette.
        layers: the generator's layers in the order in which their channels make a hypercolumn.
        options: how the labelled images were made; the defaults for generating.
        image_hw: height and width of the labelled images and of the masks.
        network: where the generator came from.
        network_fingerprint: of that generator.
        training: options and results of the training, for the record.
        keypoint_threshold: confidence, in 0..1, from which a keypoint counts as present.
        difference_layers: indices of the layers whose differences end the hypercolumn.
        hand_labels: the labels that it was trained on, by seed; empty in files that were written before they were kept.
    """

    ensemble: Ensemble
    task: Task
    layers: list[Layer]
    options: SamplingOptions
    image_hw: tuple[int, int]
    network: str
    network_fingerprint: str
    training: dict
    keypoint_threshold: float = DEFAULT_THRESHOLD
    difference_layers: list[int] = field(default_factory=list)
    hand_labels: dict[int, HandLabel] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over all that decides the labels: the ensemble's state dict, the task, the heads and the
        differences."""
        heads = self._heads
        # the text stays as it is: fingerprints are in the files of datasets, and a later run compares them
        of_heads = (
            f'Heads(classes={heads.classes}, keypoints={heads.keypoints}, sigma={heads.sigma}, '
            f'threshold={heads.threshold})'
        )
        decisive = f'{state_fingerprint(self.ensemble)} {self.task} {of_heads} {self.difference_layers}'
        return hashlib.sha256(decisive.encode()).hexdigest()

    @property
    def temperature(self) -> float:
        """By which the logits of the classes are divided for probabilities and uncertainties, not for keypoints; 1 for
        interpreters that were trained before there was one."""
        return self.training.get('temperature', 1.0)

    @property
    def _heads(self) -> HeadLayout:
        if not self.task.keypoints:
            return HeadLayout(len(self.task.classes))
        return HeadLayout(
            len(self.task.classes), len(self.task.keypoints), self.training['sigma'], self.keypoint_threshold
        )

    def check_generator(self, generator: Generator) -> None:
        """Raises UserError when the interpreter was trained for another network."""
        if not same_network(self.network_fingerprint, generator.fingerprint) or self.layers != generator.layers:
            raise UserError(
                f'`interpreter` was trained for another network than `network`={generator.source}: for {self.network} '
                f'({how_networks_differ(self.network_fingerprint, generator.fingerprint)}). '
                'Train one for this network with datasetgan train'
            )

    @property
    def score(self) -> str:
        """What an image's uncertainty is unless told, a name in `uncertainty.SCORES`: the paper's for its preset."""
        return 'paper' if self.training.get('preset') == 'reference' else 'labels'

    def fused_for(self, generator: Generator, score: str | None = None) -> FusedEnsemble:
        """The ensemble made ready for a generator's feature maps, on its device; `score` in place of `self.score`."""
        self.check_generator(generator)
        ensemble = self.ensemble.sharpened(self.temperature, len(self.task.classes))
        return fuse(ensemble, generator, self.options, self._heads, self.difference_layers, score or self.score)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file: the ensemble's state dict, and all else as JSON in its metadata."""
        content = {
            'version': FORMAT_VERSION,
            **self.task.to_json(),
            'keypoint_threshold': self.keypoint_threshold,
            'difference_layers': self.difference_layers,
            'layers': [layer.to_json() for layer in self.layers],
            'options': self.options.to_json(),
            'image_hw': list(self.image_hw),
            'network': self.network,
            'network_fingerprint': self.network_fingerprint,
            'ensemble': {'members': self.ensemble.members, 'hidden': list(self.ensemble.hidden)},
            'training': self.training,
            'hand_labels': by_hand.to_json(self.hand_labels),
        }
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.ensemble.state_dict().items()}
        write_atomically(Path(path), save(state, metadata={METADATA_KEY: json.dumps(content)}))

    @classmethod
    def load(cls, path: str | Path) -> Interpreter:
        """Read an interpreter's file; 'demo' is the embedded one.

        Raises:
            UserError: the file is missing, damaged, or not an interpreter.
        """
        path = DEMO_FOLDER / 'interpreter.safetensors' if str(path) == DEMO else Path(path)
        with reading_tensors(path, 'interpreter', 'datasetgan train', METADATA_KEY, FORMAT_VERSION) as (content, state):
            task = Task.from_json(content, path)
            layers = [Layer.from_json(layer) for layer in content['layers']]
            difference_layers = content.get('difference_layers', [])
            _check_indices(difference_layers, len(layers))
            if len(content['ensemble']['hidden']) > MAX_HIDDEN:
                raise ValueError(f'more than {MAX_HIDDEN} hidden layers')
            arguments = (
                _size(content['ensemble']['members']),
                hypercolumn_length(layers, difference_layers),
                [_size(width) for width in content['ensemble']['hidden']],
                len(task.classes) + len(task.keypoints),
            )
            _check_shapes(arguments, state)
            with torch.random.fork_rng(devices=[]):
                ensemble = Ensemble(*arguments)
            ensemble.load_state_dict(state)
            image_hw = tuple(_size(side) for side in content['image_hw'])
            if len(image_hw) != 2:
                raise ValueError('no size of the images')
            interpreter = cls(
                ensemble=ensemble.eval().requires_grad_(False),
                task=task,
                layers=layers,
                options=SamplingOptions.from_json(content['options']),
                image_hw=image_hw,
                network=content['network'],
                network_fingerprint=content['network_fingerprint'],
                training=content['training'],
                keypoint_threshold=content.get('keypoint_threshold', DEFAULT_THRESHOLD),
                difference_layers=difference_layers,
                hand_labels=by_hand.from_json(content.get('hand_labels', {}), task, image_hw),
            )
            interpreter.check()
            return interpreter

    def check(self) -> None:
        """Make sure that what came from a file can be computed with.

        Raises:
            ValueError, KeyError or TypeError: a setting is of another type or out of its range, or the ensemble's
                results are no numbers.
        """
        texts = (self.network, self.network_fingerprint)
        if not all(type(text) is str for text in texts):
            raise ValueError('no network')
        if type(self.training) is not dict or type(self.training['images']) is not int:
            raise ValueError('no record of the training')
        if not 0 <= _number(self.keypoint_threshold) <= 1:
            raise ValueError(f'keypoint_threshold is {self.keypoint_threshold}, not in 0..1')
        if not MIN_TEMPERATURE <= _number(self.temperature) <= MAX_TEMPERATURE:
            raise ValueError(f'temperature is {self.temperature}, not in {MIN_TEMPERATURE}..{MAX_TEMPERATURE}')
        if self.task.keypoints and not _number(self.training['sigma']) > 0:
            raise ValueError('sigma is not above 0')
        if not all(bool(tensor.isfinite().all()) for layer in self.ensemble.folded() for tensor in layer):
            raise ValueError('the ensemble computes values that are no numbers')


def _size(value: object) -> int:
    if type(value) is not int or not 0 < value <= MAX_SIDE:
        raise ValueError(f'{str(value)[:20]} is no size in 1..{MAX_SIDE}')
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float):
        raise TypeError(f'{type(value).__name__} is no number')
    return value


def _check_indices(indices: object, count: int) -> None:
    """Raises ValueError unless something is a list of different indices of so many layers."""
    known = type(indices) is list and all(type(index) is int and 0 <= index < count for index in indices)
    if not known or len(set(indices)) < len(indices):
        raise ValueError('difference_layers are no indices of layers')


def _check_shapes(arguments: tuple, state: dict[str, torch.Tensor]) -> None:
    """Raises ValueError unless a file holds the weights of an ensemble of these arguments, so that it may be made."""
    members, channels, hidden, outputs = arguments
    sizes = [channels, *hidden, outputs]
    for depth, (size_in, size_out) in enumerate(zip(sizes, sizes[1:])):
        name = f'weights.{depth}'
        if name not in state or list(state[name].shape) != [members, size_out, size_in]:
            found = list(state[name].shape) if name in state else 'missing'
            raise ValueError(f'{name} is {found}, not {[members, size_out, size_in]}')
    if any(tensor.dtype not in (torch.float32, torch.int64) for tensor in state.values()):
        raise ValueError('weights of another type than float32')


def fuse(
    ensemble: Ensemble,
    generator: Generator,
    options: SamplingOptions,
    heads: HeadLayout,
    difference_layers: Sequence[int] = (),
    score: str = 'labels',
) -> FusedEnsemble:
    """An ensemble made ready for the feature maps of a generator, on its device; `options` say what is cropped,
    `difference_layers` which layers' differences it reads, and `score` what an image's uncertainty is."""
    rows, columns = center_crop(generator.image_hw, options.crop_hw)
    return FusedEnsemble(
        ensemble=ensemble,
        layers=generator.layers,
        full_hw=generator.image_hw,
        rows=rows,
        columns=columns,
        device=generator.device,
        heads=heads,
        difference_layers=difference_layers,
        score=score,
    )
