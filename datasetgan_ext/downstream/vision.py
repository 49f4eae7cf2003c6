"""torchvision, imported where it is needed, also beside a torch without CUDA."""

from __future__ import annotations

import sys
from types import ModuleType

import torch

from datasetgan_ext.core.errors import import_extra

_DETECTION = ('nms', 'qnms')
_SCHEMA = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'


def import_segmentation() -> ModuleType:
    """`torchvision.models.segmentation`.

    Wheels of torchvision that were built for CUDA lack their compiled operators beside a torch for CPUs, and stop at
    `torchvision::nms`, which no segmentation network uses. On that error alone, the operators are declared (without a
    body), and the import is tried again.

    Raises:
        UserError: torchvision is not installed.
    """
    try:
        return import_extra('torchvision.models.segmentation', 'downstream')
    except RuntimeError as error:
        if 'torchvision::nms does not exist' not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
        del sys.modules[name]
    for name in _DETECTION:
        torch.library.define(f'torchvision::{name}', _SCHEMA)
    return import_extra('torchvision.models.segmentation', 'downstream')
