"""DatasetGAN for NVIDIA's stylegan2-ada-pytorch (arXiv 2104.06490): labelled datasets from a trained generator.

from datasetgan_ext import Labeler, load_generator, load_interpreter

labeler = Labeler(load_generator('demo'), load_interpreter('demo'))
for sample in labeler(range(8)):
    sample.image, sample.mask, sample.uncertainty
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.version import __version__

if TYPE_CHECKING:
    from datasetgan_ext.generator.checkpoint import load_generator
    from datasetgan_ext.generator.sampling import SamplingOptions
    from datasetgan_ext.interpreter.interpreter import Interpreter
    from datasetgan_ext.interpreter.labeler import LabeledSample, Labeler
    from datasetgan_ext.interpreter.stream import LabeledImages

    load_interpreter = Interpreter.load

__all__ = [
    'Interpreter',
    'LabeledImages',
    'LabeledSample',
    'Labeler',
    'SamplingOptions',
    'UserError',
    '__version__',
    'load_generator',
    'load_interpreter',
]

_MODULES = {
    'Interpreter': 'interpreter.interpreter',
    'LabeledImages': 'interpreter.stream',
    'LabeledSample': 'interpreter.labeler',
    'Labeler': 'interpreter.labeler',
    'SamplingOptions': 'generator.sampling',
    'load_generator': 'generator.checkpoint',
}
"""Where the names above come from that are imported at their first use, since torch comes with them."""


def __getattr__(name: str) -> Any:
    if name == 'load_interpreter':
        return __getattr__('Interpreter').load
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
