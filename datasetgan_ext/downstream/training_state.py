"""What a training goes on from, as a file that runs no code: tensors, and JSON that says where each belongs."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from datasetgan_ext.core.files import reading_tensors, write_atomically

METADATA_KEY = 'datasetgan_training'
FORMAT_VERSION = 1
TENSOR, PAIRS = 'tensor', 'pairs'


def save_state(path: Path, learned: dict, state: dict) -> None:
    """Write a training's state.

    Args:
        path: file to write.
        learned: dicts and lists of tensors and numbers, as networks and optimizers give them.
        state: the rest, as JSON.
    """
    tensors: dict[str, torch.Tensor] = {}
    content = {'version': FORMAT_VERSION, 'learned': _described(learned, tensors), 'state': state}
    write_atomically(path, save(tensors, metadata={METADATA_KEY: json.dumps(content)}))


def load_state(path: Path) -> tuple[dict, dict]:
    """What `save_state` was given, to the last bit; the tensors are on the CPU.

    Raises:
        UserError: the file is damaged, or of another kind.
    """
    with reading_tensors(path, 'out', 'datasetgan train-downstream', METADATA_KEY, FORMAT_VERSION) as (
        content,
        tensors,
    ):
        return _restored(content['learned'], tensors), content['state']


def _described(value: object, tensors: dict[str, torch.Tensor]) -> object:
    """A value as JSON, in which a mapping is its pairs; its tensors are put aside."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {TENSOR: name, 'channels_last': _is_channels_last(value)}
    if isinstance(value, dict):
        return {PAIRS: [[key, _described(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_described(item, tensors) for item in value]
    return value


def _restored(value: object, tensors: dict[str, torch.Tensor]) -> object:
    if isinstance(value, dict) and TENSOR in value:
        tensor = tensors[value[TENSOR]]
        return tensor.contiguous(memory_format=torch.channels_last) if value['channels_last'] else tensor
    if isinstance(value, dict):
        return {key: _restored(item, tensors) for key, item in value[PAIRS]}
    if isinstance(value, list):
        return [_restored(item, tensors) for item in value]
    return value


def _is_channels_last(tensor: torch.Tensor) -> bool:
    return tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
