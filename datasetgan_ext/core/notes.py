"""What is passed over or assumed while labels are read: collected for whoever reads them, or else logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

log = logging.getLogger(__name__)

_collected: ContextVar[list[str] | None] = ContextVar('collected', default=None)


def note(message: str) -> None:
    """Tell a user, in one line, of something that is passed over or assumed. It is no error."""
    collected = _collected.get()
    if collected is None:
        log.warning('%s', message)
    elif message not in collected:
        collected.append(message)


@contextmanager
def collecting_notes() -> Iterator[list[str]]:
    """The notes of the block, each once, in their order; within the block they are not logged."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)
