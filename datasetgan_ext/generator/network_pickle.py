"""From a network pickle to a generator: what is in the file is chosen, upstream's own class is built and filled."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.filling import HALF, TOLD_HALF, Pairs, check_size, fill, holds
from datasetgan_ext.generator.pickle_records import NetworkRecord, TensorRecord, shown, shown_error
from datasetgan_ext.generator.rosinality import load_rosinality
from datasetgan_ext.generator.safe_pickle import load_snapshot, open_snapshot
from datasetgan_ext.generator.tensorflow_era import TensorFlowNetwork, build_converted
from datasetgan_ext.generator.torch_archive import is_archive
from datasetgan_ext.generator.upstream import OTHER_CODE, build_network, import_upstream, what_upstream_imports

log = logging.getLogger(__name__)

SHOWN_DIFFERENCES = 10


def load_generator_pickle(
    path: str | Path, allow_pickle_code: bool = False, root: Path | None = None
) -> torch.nn.Module:
    """Loads the generator of a snapshot: its G_ema (Gs in TensorFlow's), or its G where it has no G_ema.

    Weights of 16 bits, as `.half()` makes them, are loaded as 32 bits, with a word.

    Args:
        path: `network-snapshot-*.pkl`, a dict of its networks without some of them, a pickle of nothing but a
            generator, or a pickle of the TensorFlow versions of StyleGAN2 and StyleGAN2-ADA; or a `.pt` of rosinality's
            stylegan2-pytorch.
        allow_pickle_code: Load with upstream's legacy.py, which runs the code that the file carries (and warn).
        root: folder of upstream's checkout, as for `import_upstream`.

    Returns:
        Upstream's own `Generator` (of `training.networks` in stylegan2-ada-pytorch; in StyleGAN3 of
        `training.networks_stylegan2` or `training.networks_stylegan3`) on the CPU, in evaluation mode, without
        gradients. With `allow_pickle_code`, whatever class the file defines.

    Raises:
        UserError: as for `load_snapshot`; or no generator is in the file, or none like upstream's: the names that
            differ are listed.
    """
    if is_archive(path):
        return load_rosinality(path, root)
    if allow_pickle_code:
        log.warning('`allow_pickle_code`: running whatever code %s carries', path)
        return _load_running_code(path, root)
    network = _choose_network(load_snapshot(path), path)
    if isinstance(network, TensorFlowNetwork):
        return build_converted(network, str(path), root, Path(path).stat().st_size)
    if network.class_name != 'Generator':
        raise UserError(
            f'{path} holds a network of class {shown(network.class_name)}, not Generator: give a '
            'network-snapshot-*.pkl of stylegan2-ada-pytorch or StyleGAN3'
        )
    return _build(network, _is_alias_free(network), root, path)


def load_discriminator_pickle(path: str | Path, root: Path | None = None) -> torch.nn.Module | None:
    """Loads the discriminator of a snapshot of upstream's train.py.

    Args:
        path, root: see `load_generator_pickle`.

    Returns:
        Upstream's own `Discriminator` on the CPU, in evaluation mode, without gradients; None where the file has none,
        or one of another kind.

    Raises:
        UserError: as for `load_snapshot`; or the network is not like upstream's.
    """
    if is_archive(path):
        return None
    content = load_snapshot(path)
    network = content.get('D') if isinstance(content, dict) else None
    if type(network) is not NetworkRecord or network.class_name != 'Discriminator':
        return None
    return _build(network, False, root, path)


def _build(network: NetworkRecord, alias_free: bool, root: Path | None, path: str | Path) -> torch.nn.Module:
    """A record's network, filled."""
    built = build_network(
        root=root,
        alias_free=alias_free,
        args=network.state.get('_init_args'),
        kwargs=network.state.get('_init_kwargs'),
        source=str(path),
        size=Path(path).stat().st_size,
        class_name=network.class_name,
    )
    fill(built, _match(built, network, path), path)
    return built


def _match(module: torch.nn.Module, network: NetworkRecord, path: str | Path) -> Pairs:
    """A network's tensors, each with its record; raises UserError if the two do not fit."""
    pairs: Pairs = []
    differences = _compare(module, network, network.class_name[0], pairs)
    first = list(itertools.islice(differences, SHOWN_DIFFERENCES))
    if first:
        rest = sum(1 for _ in differences)
        more = f'; and {rest} more' if rest else ''
        raise UserError(f"{path} does not fit upstream's {network.class_name}: {'; '.join(first)}{more}. {OTHER_CODE}")
    check_size(pairs, path)
    return pairs


def _choose_network(content: Any, path: str | Path) -> NetworkRecord | TensorFlowNetwork:
    """The record of the generator that a file holds, the averaged one if there are two."""
    name = None
    if type(content) is tuple and len(content) == 3:
        content = content[2]
    elif isinstance(content, dict):
        name = 'G_ema' if content.get('G_ema') is not None else 'G'
        content = content.get(name)
    if type(content) not in (NetworkRecord, TensorFlowNetwork):
        raise UserError(f'{path} holds no generator (neither G_ema nor G): give a network-snapshot-*.pkl')
    if name == 'G':
        log.warning('%s holds no G_ema: its G is used, whose images are usually worse', path)
    return content


def _is_alias_free(network: NetworkRecord) -> bool:
    """Whether it is StyleGAN3's own kind: that begins with Fourier features, StyleGAN2 with a learned constant."""
    record: Any = network
    for name in ('synthesis', 'input'):
        modules = record.state.get('_modules') if type(record) is NetworkRecord else None
        record = modules.get(name) if isinstance(modules, dict) else None
    return type(record) is NetworkRecord and record.class_name == 'SynthesisInput'


def _compare(module: torch.nn.Module, record: Any, name: str, pairs: Pairs) -> Iterator[str]:
    """Yields what differs between a module and a record, in words; adds the tensors that agree to `pairs`."""
    if type(record) is not NetworkRecord or record.class_name != type(module).__name__:
        yield f'{name} is no {type(module).__name__}'
        return
    own = _members(vars(module))
    theirs = _members(record.state)
    for key in {**own, **theirs}:
        full = f'{name}.{shown(key)}'
        if key not in theirs:
            yield f'{full} is missing from the file'
        elif key not in own:
            yield f'{full} is only in the file'
        elif isinstance(own[key], torch.nn.Module):
            yield from _compare(own[key], theirs[key], full, pairs)
        elif type(theirs[key]) is not TensorRecord:
            yield f'{full} is no tensor'
        elif own[key].shape != theirs[key].shape or not holds(own[key].dtype, theirs[key].storage.dtype):
            yield (
                f'{full} is {list(theirs[key].shape)} {theirs[key].storage.dtype}, '
                f'not {list(own[key].shape)} {own[key].dtype}'
            )
        elif own[key].numel():  # of an empty one, there is nothing to copy
            pairs.append((own[key], theirs[key]))


def _members(state: dict) -> dict[Any, Any]:
    """Parameters, buffers and modules of a module's state, by name."""
    members = {}
    for section in ('_parameters', '_buffers', '_modules'):
        if isinstance(state.get(section), dict):
            members.update({key: value for key, value in state[section].items() if value is not None})
    return members


def _load_running_code(path: str | Path, root: Path | None) -> torch.nn.Module:
    with open_snapshot(path) as file:
        legacy = import_upstream('legacy', root)
        try:
            with what_upstream_imports():
                network = legacy.load_network_pkl(file)['G_ema'].eval().requires_grad_(False).cpu()
        except Exception as error:  # the file's own code runs here
            raise UserError(f'{path} cannot be loaded by legacy.py: {shown_error(error)}') from error
    if any(parameter.dtype in HALF for parameter in network.parameters()):
        log.warning(TOLD_HALF, path)
        network = network.float()
    return network
