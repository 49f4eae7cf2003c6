"""Classes joined into coarser ones, as the paper scores Car-20's network on ADE-Car-12 (sec. 4.1)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import IGNORE
from datasetgan_ext.core.class_names import IGNORE_LABEL
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.task import Task
from datasetgan_ext.core.text import read_text

FORM = '{"background": ["background"], "car": ["door", "roof"]}'


@dataclass(frozen=True)
class ClassMap:
    """Which classes become one.

    Attributes:
        source: the file that says so, for messages.
        parts: of each new class, in the order of the new ids, the names of the classes that it takes together.
        ignored: names of the classes that become IGNORE.
    """

    source: Path
    parts: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> ClassMap:
        """Read JSON: an object with the new classes in their order, each with a list of the old ones; what stands under
        `__ignore__` gets no label.

        Raises:
            UserError: the file is missing or has another form, or names a class twice.
        """
        try:
            content = json.loads(read_text(path))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f'`merge_classes`={path} cannot be read ({error}); its form is {FORM}') from error
        if not isinstance(content, dict) or not all(
            isinstance(names, list) and names and all(isinstance(name, str) for name in names)
            for names in content.values()
        ):
            raise UserError(f'`merge_classes`={path} is no object of lists of class names; its form is {FORM}')
        twice = [name for name, count in Counter(sum(content.values(), [])).items() if count > 1]
        if twice:
            raise UserError(f'`merge_classes`={path}: {", ".join(twice)} stands there more than once')
        parts = {name: tuple(names) for name, names in content.items()}
        ignored = parts.pop(IGNORE_LABEL, ())
        if len(parts) < 2:
            raise UserError(f'`merge_classes`={path} has one class; it takes two at least, the first the background')
        Task.from_names(list(parts), None, path)
        return cls(path, parts, ignored)

    @property
    def classes(self) -> tuple[str, ...]:
        """The new ones."""
        return tuple(self.parts)

    def task_of(self, task: Task) -> Task:
        """A task with the new classes in place of its own; each has the colour of the first class in it.

        Raises:
            UserError: the file lacks a class of the task, or has one that the task lacks, or the background of the task
                is not in the first new class.
        """
        named = {*self.ignored, *(name for names in self.parts.values() for name in names)}
        lacking = [name for name in task.classes if name not in named]
        strangers = sorted(named.difference(task.classes))
        if lacking or strangers:
            what = f'lacks {", ".join(lacking)}' if lacking else f'names {", ".join(strangers)}, which the labels lack'
            raise UserError(
                f'`merge_classes`={self.source} {what}; the labels have {", ".join(task.classes)}, and each has to '
                f'stand there once, under "{IGNORE_LABEL}" if it is to have no label'
            )
        first, *_ = self.classes
        if task.classes[0] not in self.parts[first]:
            raise UserError(
                f'`merge_classes`={self.source}: the first class is {first}, and lacks {task.classes[0]}, the '
                'background of the labels; list the background first'
            )
        colors = dict(zip(task.classes, task.palette))
        return replace(task, classes=self.classes, palette=tuple(colors[names[0]] for names in self.parts.values()))

    def table(self, task: Task) -> np.ndarray:
        """The new id of each id of a task's classes, uint8 [256]; ids that the task lacks, and IGNORE, are IGNORE."""
        table = np.full(256, IGNORE, np.uint8)
        for new, names in enumerate(self.parts.values()):
            for name in names:
                table[task.classes.index(name)] = new
        return table
