"""What the tests of the label formats share: a task, and masks as text."""

import json
from pathlib import Path

import numpy as np
import pytest

from datasetgan_ext.core.annotation import Annotation
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.labels import read_annotations

TASK = Task(('background', 'car', 'wheel'), ((0, 0, 0), (255, 0, 0), (0, 0, 255)), ('head', 'tail'))

CAR_AND_WHEEL = ['......', '......', '.ccc..', '.cww..', '......']
"""5 x 6 pixels: a car from (1, 2) to (4, 4), over it a wheel from (2, 3) to (4, 4)."""


def rows(mask: np.ndarray) -> list[str]:
    """A mask as text: background . car c wheel w, no label ?"""
    return [''.join({0: '.', 1: 'c', 2: 'w', 255: '?'}[value] for value in row) for row in mask.tolist()]


def ids(lines: list[str]) -> np.ndarray:
    """The mask of such text."""
    return np.array([['.cw'.find(letter) % 256 for letter in line] for line in lines], np.uint8)


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def one(path: Path, task: Task = TASK, **options) -> Annotation:
    """The only annotation of a label file, whose format is recognised."""
    (annotation,) = read_annotations(task, path, None, **options)
    return annotation


def refused(path: Path, message: str, **options) -> None:
    """Reading ends with an error that matches the message and names the file."""
    with pytest.raises(UserError, match=message) as error:
        read_annotations(TASK, path, None, **options)
    assert path.name in error.value.message
