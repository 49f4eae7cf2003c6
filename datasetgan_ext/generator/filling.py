"""Filling a network with a file's tensors, whose sizes are checked beforehand."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.pickle_records import TensorRecord

log = logging.getLogger(__name__)

HALF = (torch.float16, torch.bfloat16)
TOLD_HALF = '%s holds a network of 16-bit numbers: it is loaded as one of 32 bits, in which images are computed here'

Pairs = list[tuple[torch.Tensor, TensorRecord]]
"""A network's tensors, each with its record in the file."""


def holds(own: torch.dtype, theirs: torch.dtype) -> bool:
    """Whether values of a file's type are values of the network's: the same, or of half its precision."""
    return own == theirs or (own == torch.float32 and theirs in HALF)


def check_size(pairs: Pairs, path: str | Path) -> None:
    """Raises UserError if the tensors are more than the file holds, as where many share a few bytes of it."""
    total = sum(record.nbytes for _, record in pairs)
    size = Path(path).stat().st_size
    if total > size:
        raise UserError(f'{path}: its tensors are {total} bytes, and the file {size}; copy or download it again')


def warn_of_half(records: Iterable[TensorRecord], path: str | Path) -> None:
    """Say so where tensors are of half the precision that they are loaded with."""
    if any(record.storage.dtype in HALF for record in records):
        log.warning(TOLD_HALF, path)


def fill(network: torch.nn.Module, pairs: Pairs, path: str | Path) -> None:
    """Copy the records into a network's tensors, and say so where they are of half the precision."""
    warn_of_half([record for _, record in pairs], path)
    for own, record in pairs:
        own.copy_(record.to_torch())
