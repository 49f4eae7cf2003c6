"""Pretrained weights, where they are on the disk: nothing is downloaded here."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.downstream.networks import SMALL, SMP
from datasetgan_ext.downstream.vision import import_segmentation

PREFIXES = ('', 'network.', 'network.backbone.')
"""Where a file's weights may belong: all names as they are, torchvision's network, or its backbone alone."""
OFFERS = {'coco': 'COCO, the whole network', 'imagenet': 'ImageNet, its backbone'}
"""What torchvision's weights were trained on, and what of a network they are."""
SAFE_TORCH = (2, 6)
"""From this version on, `torch.load(weights_only=True)` runs no code."""

log = logging.getLogger(__name__)


def use_pretrained(network: nn.Module, architecture: str, pretrained: str) -> str | None:
    """Load pretrained weights into a network; its last layer, which knows other classes, keeps its random ones.

    Args:
        network: of `networks.build_network`.
        architecture: its name.
        pretrained: 'none'; 'coco' or 'imagenet' for torchvision's file in torch's folder of downloads, 'auto' for the
            first of the two that is there; or a file: a state dict of the network or its backbone, as torch or
            safetensors save it, or a network of datasetgan train-downstream.

    Returns:
        The file that was used; None = none was, and a message of the log says why.

    Raises:
        UserError: the named file cannot be read, or is of another network; or what was asked for is not there.
    """
    if pretrained == 'none':
        return None
    if pretrained not in ('auto', *OFFERS):
        _check_torch(Path(pretrained))
        _load(network, Path(pretrained))
        return pretrained
    if pretrained != 'auto' and (architecture == SMALL or architecture.startswith(SMP)):
        raise UserError(
            f'`pretrained`={pretrained}: torchvision has no weights for {architecture}; give auto or a file'
        )
    if architecture == SMALL:
        return None
    if architecture.startswith(SMP):
        log.warning('`pretrained`=auto: %s begins with random weights; `pretrained`=FILE gives it others', architecture)
        return None
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    offers = {name: url for name, url in _offers(architecture).items() if pretrained in ('auto', name)}
    for name, url in offers.items():
        path = folder / url.rpartition('/')[2]
        if path.is_file():
            _load(network, path)
            log.info('`pretrained`=%s: begins with %s (%s)', pretrained, path, OFFERS[name])
            return str(path)
    wanted = ' or '.join(f'{url} ({OFFERS[name]})' for name, url in offers.items())
    if pretrained != 'auto':
        raise UserError(f'`pretrained`={pretrained}: {folder} does not hold {wanted}; put it there')
    log.warning(
        '`pretrained`=auto: %s holds no weights for %s, so it begins with random ones, and needs more images and '
        'steps. To have it begin as in the paper, put into that folder %s',
        folder,
        architecture,
        wanted,
    )
    return None


def _offers(architecture: str) -> dict[str, str]:
    """The address of what torchvision has for a network, by the names of `OFFERS`."""
    module = import_segmentation()
    import torchvision.models

    own = torchvision.models.get_model_weights(getattr(module, architecture))
    backbone = next(name for name in ('resnet101', 'resnet50', 'mobilenet_v3_large') if architecture.endswith(name))
    encoder = torchvision.models.get_model_weights(backbone)
    return {'coco': next(iter(own)).url, 'imagenet': encoder.IMAGENET1K_V1.url}


def _check_torch(path: Path) -> None:
    """Raises UserError where this torch could be made to run code that is in such a file (CVE-2025-32434).

    Files that torchvision has downloaded are not asked about: it loads them in the same way.
    """
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if path.suffix != '.safetensors' and version < SAFE_TORCH:
        raise UserError(
            f'`pretrained`={path}: torch {torch.__version__} does not read such files safely; install torch '
            f'{SAFE_TORCH[0]}.{SAFE_TORCH[1]} or newer, or give the weights as .safetensors'
        )


def _load(network: nn.Module, path: Path) -> None:
    found = _read(path)
    own = network.state_dict()
    fitting: dict[str, torch.Tensor] = {}
    for prefix in PREFIXES:
        named = {prefix + name: tensor for name, tensor in found.items()}
        fits = {name: tensor for name, tensor in named.items() if name in own and own[name].shape == tensor.shape}
        fitting = max(fitting, fits, key=len)
    backbone = [name for name in own if name.startswith(('network.backbone.', 'down.'))]
    missing = [name for name in backbone if name not in fitting]
    if missing:
        raise UserError(
            f'`pretrained`={path} is of another network: it lacks {len(missing)} of the {len(backbone)} '
            f"tensors of this one's backbone, for example {missing[0]}"
        )
    network.load_state_dict(fitting, strict=False)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """A state dict; one of ours without its own prefix."""
    if not path.is_file():
        raise UserError(f'`pretrained`={path}: no such file; give auto, none, or a file of weights')
    try:
        if path.suffix == '.safetensors':
            state = load_file(path)
        else:
            state = torch.load(path, map_location='cpu', weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f'`pretrained`={path} holds no weights that can be read: {error}') from error
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise UserError(f'`pretrained`={path} is no state dict (names and tensors)')
    if 'seen_images' in state:  # one of ours
        return {name.removeprefix('network.'): tensor for name, tensor in state.items()}
    return state
