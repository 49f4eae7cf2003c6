"""Runs a pickle, which is a program, at a cost that the size of its file bounds.

The standard library's unpickler lets a few bytes ask for gigabytes (an index in its memo) or for years (a dict's key
that is a tuple of tuples of tuples), and cannot be interrupted meanwhile. This one knows the opcodes of protocols 2 to
5 that networks are written with, counts them, hashes nothing but plain keys, and copies no more than a few times what
the file holds.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from datasetgan_ext.generator.pickle_records import Function, Mapping, Refused, check_key, shown

MAX_OPERATIONS = 2**21
"""Opcodes of a pickle; a snapshot of a network for 1024 x 1024 pixels has some ten thousands."""
MAX_ARGUMENTS = 16
"""Of a call; the longest that networks need has 7."""
MAX_LINE = 1000
"""Bytes of the name of a global."""
MAX_NUMBER_BYTES = 255
"""Of an integer."""
_GLOBALS_OF_PYTHON_2 = {'__builtin__': 'builtins', 'copy_reg': 'copyreg'}


class Budget:
    """What a file may cost. Pickles within pickles share it."""

    def __init__(self, size: int):
        """
        Args:
            size: of the file, in bytes.
        """
        self.operations = MAX_OPERATIONS
        self.copied = 4 * size + 2**20

    def operate(self) -> None:
        """One opcode more; raises Refused if there were too many."""
        self.operations -= 1
        if self.operations < 0:
            raise Refused(f'more than {MAX_OPERATIONS} steps')

    def copy(self, size: int) -> None:
        """So many bytes or objects more that are copied; raises Refused if there were too many."""
        self.copied -= size
        if self.copied < 0:
            raise Refused('the same data to be copied again and again')


class Bounded:
    """Reads from a file no more than there is: asking for more allocates nothing."""

    def __init__(self, file: BinaryIO):
        self._file = file
        here = file.tell()
        self.left = file.seek(0, io.SEEK_END) - here
        file.seek(here)

    def take(self, size: int) -> bytes:
        """So many bytes; raises EOFError if there are fewer."""
        self._spend(size)
        return self._file.read(size)

    def skip(self, size: int) -> None:
        """Pass over so many bytes; raises EOFError if there are fewer."""
        self._spend(size)
        self._file.seek(size, io.SEEK_CUR)

    def line(self) -> bytes:
        """Up to the end of a line, without it."""
        line = self._file.readline(MAX_LINE)
        self._spend(len(line))
        if not line.endswith(b'\n'):
            raise EOFError('a line without an end')
        return line[:-1]

    def _spend(self, size: int) -> None:
        if size > self.left:
            raise EOFError(f'{size} bytes are asked for, {self.left} are left')
        self.left -= size


class PickleMachine:
    """Runs one pickle."""

    def __init__(
        self,
        file: BinaryIO | memoryview,
        admitted: dict[tuple[str, str], Any],
        budget: Budget,
        persistent: Callable[[object], object] | None = None,
    ):
        """
        Args:
            file: at the pickle's first byte; after `load`, it is behind its last. Or the pickle itself.
            admitted: the globals that exist, by module and name.
            budget: see `Budget`.
            persistent: gives the object of a persistent id; None = there are none.
        """
        self._source = Bounded(io.BytesIO(file) if isinstance(file, memoryview) else file)
        self._admitted = admitted
        self._budget = budget
        self._persistent = persistent
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """What the pickle makes.

        Raises:
            Refused: it asks for more than a network needs.
            Exception: of nearly any kind, it is damaged.
        """
        while True:
            self._budget.operate()
            code = self._source.take(1)
            if code == b'.':
                return self._stack.pop()
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise ValueError(f'no opcode of a network: {code!r}')
            operation(self)

    def _number(self, layout: str) -> Any:
        (number,) = struct.unpack(layout, self._source.take(struct.calcsize(layout)))
        return number

    def _marked(self) -> list[Any]:
        items = self._stack
        self._stack = self._outer.pop()
        return items

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._marked()

    def _protocol(self) -> None:
        version = self._number('<B')
        if not 2 <= version <= 5:
            raise ValueError(f'no protocol of a network: {version}')

    def _push_integer(self, size: int) -> None:
        if size > MAX_NUMBER_BYTES:
            raise Refused('a number of many digits')
        self._stack.append(int.from_bytes(self._source.take(size), 'little', signed=True))

    def _push_text(self, layout: str) -> None:
        self._stack.append(self._source.take(self._number(layout)).decode('utf-8', 'surrogatepass'))

    def _push_bytes(self, layout: str) -> None:
        self._stack.append(self._source.take(self._number(layout)))

    def _push_string_of_python_2(self, layout: str) -> None:
        self._stack.append(self._source.take(self._number(layout)).decode('latin-1'))

    def _push_tuple(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise ValueError('a tuple of more than there is')
        self._stack[-count:] = [items]

    def _push_marked(self, kind: Callable[[list[Any]], object]) -> None:
        items = self._marked()
        self._stack.append(kind(items))

    def _append(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise Refused('items of something that is no list')
        self._stack[-1].extend(items)

    def _add(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not set:
            raise Refused('items of something that is no set')
        for item in items:
            check_key(item)
            self._stack[-1].add(item)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) not in (dict, Mapping) or len(items) % 2:
            raise Refused('items of something that is no dict')
        for key, value in zip(items[::2], items[1::2]):
            check_key(key)
            target[key] = value

    def _set_one(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def _remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _push_global(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError('a global whose name is no text')
        known = _GLOBALS_OF_PYTHON_2.get(module, module), name
        if known not in self._admitted:
            raise Refused(f'the global {shown(module)}.{shown(name)}')
        self._stack.append(self._admitted[known])

    def _push_global_of_lines(self) -> None:
        module, name = self._source.line().decode(), self._source.line().decode()
        self._push_global(module, name)

    def _push_global_of_stack(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._push_global(module, name)

    def _call(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if type(arguments) is not tuple or len(arguments) > MAX_ARGUMENTS:
            raise Refused('a call with unusual arguments')
        if not isinstance(function, Function) and not self._is_class(function):
            raise Refused('a call of something that is no function')
        self._stack.append(function(*arguments))

    def _make(self) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        if arguments != () or not self._is_class(kind):
            raise Refused('an object of an unusual class')
        self._stack.append(kind())

    def _is_class(self, value: object) -> bool:
        return isinstance(value, type) and any(value is known for known in self._admitted.values())

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, type) or not hasattr(type(target), '__setstate__'):
            raise Refused('attributes to be set')
        target.__setstate__(state)

    def _push_persistent(self) -> None:
        if self._persistent is None:
            raise Refused('a persistent id')
        self._stack.append(self._persistent(self._stack.pop()))


_OPERATIONS: dict[bytes, Callable[[PickleMachine], object]] = {
    b'\x80': PickleMachine._protocol,
    b'\x95': lambda machine: machine._source.take(8),  # the length of a frame: what is in it follows
    b'0': PickleMachine._pop,
    b'1': PickleMachine._marked,
    b'2': lambda machine: machine._stack.append(machine._stack[-1]),
    b'(': PickleMachine._mark,
    b'N': lambda machine: machine._stack.append(None),
    b'\x88': lambda machine: machine._stack.append(True),
    b'\x89': lambda machine: machine._stack.append(False),
    b'J': lambda machine: machine._stack.append(machine._number('<i')),
    b'K': lambda machine: machine._stack.append(machine._number('<B')),
    b'M': lambda machine: machine._stack.append(machine._number('<H')),
    b'\x8a': lambda machine: machine._push_integer(machine._number('<B')),
    b'\x8b': lambda machine: machine._push_integer(machine._number('<I')),
    b'G': lambda machine: machine._stack.append(machine._number('>d')),
    b'X': lambda machine: machine._push_text('<I'),
    b'\x8c': lambda machine: machine._push_text('<B'),
    b'\x8d': lambda machine: machine._push_text('<Q'),
    b'B': lambda machine: machine._push_bytes('<I'),
    b'C': lambda machine: machine._push_bytes('<B'),
    b'\x8e': lambda machine: machine._push_bytes('<Q'),
    b'\x96': lambda machine: machine._push_bytes('<Q'),  # a bytearray
    b'T': lambda machine: machine._push_string_of_python_2('<I'),
    b'U': lambda machine: machine._push_string_of_python_2('<B'),
    b']': lambda machine: machine._stack.append([]),
    b'}': lambda machine: machine._stack.append({}),
    b')': lambda machine: machine._stack.append(()),
    b'\x8f': lambda machine: machine._stack.append(set()),
    b'l': lambda machine: machine._push_marked(list),
    b't': lambda machine: machine._push_marked(tuple),
    b'\x85': lambda machine: machine._push_tuple(1),
    b'\x86': lambda machine: machine._push_tuple(2),
    b'\x87': lambda machine: machine._push_tuple(3),
    b'a': lambda machine: machine._append([machine._stack.pop()]),
    b'e': lambda machine: machine._append(machine._marked()),
    b'\x90': lambda machine: machine._add(machine._marked()),
    b's': PickleMachine._set_one,
    b'u': lambda machine: machine._set(machine._marked()),
    b'q': lambda machine: machine._remember(machine._number('<B')),
    b'r': lambda machine: machine._remember(machine._number('<I')),
    b'\x94': lambda machine: machine._remember(len(machine._memo)),
    b'h': lambda machine: machine._recall(machine._number('<B')),
    b'j': lambda machine: machine._recall(machine._number('<I')),
    b'c': PickleMachine._push_global_of_lines,
    b'\x93': PickleMachine._push_global_of_stack,
    b'R': PickleMachine._call,
    b'\x81': PickleMachine._make,
    b'b': PickleMachine._build,
    b'Q': PickleMachine._push_persistent,
}


def is_whole(path: Path) -> bool:
    """Whether a file is a pickle up to its last opcode, or a zip archive with its list of contents."""
    with path.open('rb') as file:
        if file.read(2) == b'PK':
            return zipfile.is_zipfile(path)
        file.seek(0)
        source = Bounded(file)
        try:
            if source.take(1) != b'\x80':
                return False
            source.skip(1)
            for _ in range(MAX_OPERATIONS):
                code = source.take(1)
                if code == b'.':
                    return True
                _skip_argument(source, code)
        except (EOFError, KeyError):
            return False
    return False


def _skip_argument(source: Bounded, code: bytes) -> None:
    """Pass over what belongs to an opcode."""
    argument = pickletools.code2op[code.decode('latin-1')].arg  # type: ignore[attr-defined]
    if argument is None:
        return
    if argument.n >= 0:
        source.skip(argument.n)
    elif argument.n == pickletools.UP_TO_NEWLINE:
        for _ in range(2 if code in (b'c', b'i') else 1):
            source.line()
    else:
        layout = _LENGTHS[argument.n]
        (length,) = struct.unpack(layout, source.take(struct.calcsize(layout)))
        source.skip(length)


_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: '<B',
    pickletools.TAKEN_FROM_ARGUMENT4: '<I',
    pickletools.TAKEN_FROM_ARGUMENT4U: '<I',
    pickletools.TAKEN_FROM_ARGUMENT8U: '<Q',
}
