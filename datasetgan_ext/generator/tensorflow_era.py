"""Networks of the TensorFlow versions of StyleGAN2 and StyleGAN2-ADA, by the converter in upstream's legacy.py.

Only the converter is upstream's: the file is read by `safe_pickle`, and the source code of the network that each such
file carries (`build_module_src`) is dropped unread.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from types import SimpleNamespace

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.pickle_records import ArrayRecord, shown_error
from datasetgan_ext.generator.upstream import STYLEGAN3_URL, PlainCopy, check_arguments, import_upstream, memory_for

_OLDEST_VERSION = 4  # of the networks' format: StyleGAN2's first
_MAX_DEPTH = 4  # a generator has one level of components: mapping and synthesis


class TensorFlowNetwork:
    """Stands for `dnnlib.tflib.network.Network` in a pickle: keeps what it is given, and does nothing."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def build_converted(
    network: TensorFlowNetwork, source: str, root: Path | None = None, size: int = 2**40
) -> torch.nn.Module:
    """The PyTorch generator for a network of the TensorFlow era.

    Args:
        network: Record of the generator. Its state has version, static_kwargs, variables (pairs of name and value)
            and components (networks by name).
        source: Name of the file, for messages.
        root: folder of the checkout, as for `import_upstream`.
        size: of the file in bytes, which bounds that of the network.

    Returns:
        The checkout's StyleGAN2 generator on the CPU, in evaluation mode, without gradients. Torch's random state is
        left as it was.

    Raises:
        UserError: the record is no such network; it is of StyleGAN1 or older; upstream's converter does not know its
            kind (StyleGAN2's configurations A to D); or as for `import_upstream`.
    """
    legacy = import_upstream('legacy', root)
    try:
        description = _Reader(size).describe(network)
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(
            f'{source} is damaged, or no network of StyleGAN2 ({shown_error(error)}): copy or download it again'
        ) from error
    if description.version < _OLDEST_VERSION:
        raise UserError(
            f'{source} is a network of StyleGAN1 or older (format {description.version}), which has no '
            'PyTorch version: give one of StyleGAN2 or later'
        )
    try:
        check_arguments(description.static_kwargs)
        for part in description.components.values():
            check_arguments(part.static_kwargs)
        with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()), memory_for(size):
            return legacy.convert_tf_generator(description)
    except Exception as error:  # missing variables, other shapes, unknown arguments: nearly anything
        raise UserError(
            f"{source} cannot be converted by upstream's legacy.py ({shown_error(error)}), which knows StyleGAN2's "
            "configurations E and F and StyleGAN2-ADA's; StyleGAN3's knows a few more: clone "
            f'{STYLEGAN3_URL} and name the folder with `upstream`=DIR'
        ) from error


class _Reader:
    """Reads a network's record, as long as it is no larger than its file."""

    def __init__(self, size: int):
        self._bytes_left = size
        self._plain = PlainCopy(dict)

    def describe(self, network: object, depth: int = 0) -> SimpleNamespace:
        """What upstream's converter reads from a network, as plain data and numpy arrays; TypeError if it is none."""
        if type(network) is not TensorFlowNetwork or not isinstance(network.state, dict) or depth > _MAX_DEPTH:
            raise TypeError('no network')
        state = network.state
        variables, components = state['variables'], state['components']
        if type(state['version']) is not int or type(variables) is not list or not isinstance(components, dict):
            raise TypeError('a network without version, variables or components')
        return SimpleNamespace(
            version=state['version'],
            static_kwargs=self._plain.copy(state['static_kwargs']),
            variables=[(self._plain.copy(name), self._value(value)) for name, value in variables],
            components={self._plain.copy(name): self.describe(part, depth + 1) for name, part in components.items()},
        )

    def _value(self, value: object) -> object:
        if type(value) is not ArrayRecord:
            return self._plain.copy(value)
        self._bytes_left -= value.nbytes
        if self._bytes_left < 0:
            raise TypeError('a network that is larger than its file')
        return value.to_numpy()
