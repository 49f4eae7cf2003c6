"""Which network a network is: its weights, and how it computes with them."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch

OWN_PACKAGE = __name__.partition('.')[0]
_SEPARATOR = '-'


def network_fingerprint(network: torch.nn.Module) -> str:
    """What tells networks apart: the sha256 (hex) of the weights, '-', and 32 hex digits of how they are used.

    The second part is over each module's class, the source code of the class, and the numbers and names that the
    module keeps, which are what its constructor was given: the same weights with another activation are another
    network. What these classes import is left out: our patches change upstream's torch_utils/ops so that they run on
    newer PyTorch, and labels of samples made before have to stay of use.
    """
    digest = hashlib.sha256()
    for line in _computation(network):
        digest.update(f'{line}\n'.encode())
    return f'{state_fingerprint(network)}{_SEPARATOR}{digest.hexdigest()[:32]}'


def same_network(found: object, now: str) -> bool:
    """Whether a fingerprint out of a file is that of a network. Older files know the first part alone.

    Args:
        found: from a file.
        now: from `network_fingerprint`.
    """
    return found == now or (isinstance(found, str) and found == now.partition(_SEPARATOR)[0])


def how_networks_differ(found: str, now: str) -> str:
    """In words, for two fingerprints that are not of the same network."""
    if found.partition(_SEPARATOR)[0] == now.partition(_SEPARATOR)[0]:
        return 'the weights are the same, but other settings or other code compute with them'
    return f'fingerprint {found[:12]}, here {now[:12]}'


def state_fingerprint(network: torch.nn.Module) -> str:
    """sha256 (hex) over the sorted state dict: each tensor's name, shape, dtype and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f'{name} {list(tensor.shape)} {tensor.dtype}\n'.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _computation(network: torch.nn.Module) -> Iterator[str]:
    """Text that differs between networks that make different images of the same weights."""
    for name, module in network.named_modules():
        kind: Any = type(module)
        yield f'{name} {getattr(kind, "_orig_class_name", kind.__name__)} {_code_of(kind)}'
        for key, value in sorted(vars(module).items()):
            if not key.startswith('_') and key != 'training':
                yield f'{name}.{key} = {_text(value)}'


def _text(value: object) -> str:
    """A module's attribute; of what is no plain data, its type."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(_text, value))}]'
    if isinstance(value, dict):
        return f'{{{", ".join(f"{key}: {_text(part)}" for key, part in value.items())}}}'
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    return type(value).__name__


@cache
def _code_of(kind: type) -> str:
    """Hash of the source code of the module that a class is from; of our own classes, their version."""
    package = kind.__module__.partition('.')[0]
    if package == 'torch':
        return 'torch'
    if package == OWN_PACKAGE:
        return getattr(sys.modules[kind.__module__], 'CODE_VERSION', '')
    source = getattr(kind, '_orig_module_src', None)  # upstream's classes keep theirs
    if source is None:
        try:
            source = inspect.getsource(sys.modules[kind.__module__])
        except (KeyError, OSError, TypeError):  # typed in, or without a source
            return 'unknown'
    return hashlib.sha256('\n'.join(source.splitlines()).encode()).hexdigest()
