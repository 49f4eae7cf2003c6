"""The training that comes after labelling, started from the page."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import datasetgan_ext
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import writing

LOG = '.train.log'
SHOWN_BYTES = 20_000
"""Of the end of the log."""
PATIENCE_SECONDS = 5
"""So long a process may take to end by itself."""


class Training:
    """Runs `datasetgan train`, at most once at a time, as a process of this Python without a shell. A context manager,
    which ends the process.

    Attributes:
        command: what is run, for a shell.
        log: file that has the process's output, hidden in the label folder.
    """

    def __init__(self, arguments: Sequence[str], folder: Path):
        """
        Args:
            arguments: of `datasetgan train`.
            folder: of the labels, where the log is kept.
        """
        self.command = shlex.join(['datasetgan', 'train', *arguments])
        self.log = folder / LOG
        self._arguments = list(arguments)
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._started = self._seconds = 0.0
        self._cancelled = False
        self._has_written = False

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *error) -> None:
        self.cancel()

    def start(self, cross_validate: bool = False) -> None:
        """Start it; returns at once. What an earlier start has written is replaced, nothing else.

        Args:
            cross_validate: also score the labels predicted for each image by an ensemble trained without it.

        Raises:
            UserError: it is running already, or the log cannot be written.
        """
        script = Path(datasetgan_ext.__file__).with_name('train_interpreter.py')
        command = [sys.executable, str(script), *self._arguments]
        with self._lock:
            if self._is_running():
                raise UserError('The training is running already; cancel it first')
            if cross_validate:
                command.append('--cross-validate')
            if self._has_written:
                command.append('--overwrite')
            with writing(self.log):
                log = self.log.open('wb')
            with log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                    start_new_session=True,  # Ctrl-C in the terminal is the server's
                )
            self._started = time.monotonic()
            self._cancelled = False

    def cancel(self) -> None:
        """End it, if it is running, and wait for that."""
        with self._lock:
            if not self._is_running():
                return
            self._cancelled = True
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def state(self) -> dict:
        """How it stands, JSON-ready: `phase`: none, running, done, failed or cancelled; `seconds` since the start,
        while it is running; `output`, the end of what it has printed; `log`, the file's path."""
        with self._lock:
            phase = self._phase()
            seconds = time.monotonic() - self._started if phase == 'running' else 0.0
        output = '' if phase == 'none' else self._output()
        return {'phase': phase, 'seconds': round(seconds), 'output': output, 'log': str(self.log)}

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _phase(self) -> str:
        if self._process is None:
            return 'none'
        if self._is_running():
            return 'running'
        if self._process.returncode == 0:
            self._has_written = True
            return 'done'
        return 'cancelled' if self._cancelled else 'failed'

    def _output(self) -> str:
        try:
            with self.log.open('rb') as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - SHOWN_BYTES))
                return file.read().decode('utf-8', 'replace')
        except OSError as error:
            return f'{self.log} cannot be read: {error.strerror or error}'
