"""What the page keeps beside the labels: keypoints said to be absent, doubts that are none, of which classes the masks
are, and where it was served."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import save_atomically
from datasetgan_ext.formats.mask_folder import PAGE_FILE

NO_NOTES = {'absent': [], 'kept': []}
LONGEST = 1000
"""Entries of one list of an image's notes."""


class Notes:
    """A hidden file in the label folder; readers of masks look at its classes.

    Attributes:
        port, token: of the server that was here last, so that an open page goes on after a crash; 0 and '' = none.
    """

    def __init__(self, folder: Path, classes: Sequence[str] = ()):
        """Read what is there.

        Args:
            folder: of the labels.
            classes: of the task, in the order of the ids that masks get from now on; none = those of before stay.

        Raises:
            UserError: the file is not one of these.
        """
        self._path = folder / PAGE_FILE
        self._classes = list(classes)
        self._lock = threading.Lock()
        try:
            content = json.loads(self._path.read_text(encoding='utf-8'))
            self._images = {name: _checked(notes) for name, notes in content['images'].items()}
            self.port = int(content['port'])
            self.token = str(content['token'])
            self._classes = self._classes or list(content.get('classes', ()))
        except FileNotFoundError:
            self._images = {}
            self.port = 0
            self.token = ''
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{self._path} is not the page's ({error}); delete it, which costs no label") from error

    def of(self, name: str) -> dict:
        """An image's notes: `absent`, indices of keypoints that a person has said not to be there; `kept`, doubts that
        are none, in the page's own words."""
        return self._images.get(name, NO_NOTES)

    def save(self, name: str, notes: object) -> None:
        """Replace an image's notes.

        Raises:
            ValueError: they are something else.
            UserError: the disk is full or the folder cannot be written.
        """
        with self._lock:
            self._images = {**self._images, name: _checked(notes)}
            self._write()

    def remember(self, port: int, token: str) -> None:
        """Keep where the page is served, for the next run."""
        with self._lock:
            self.port = port
            self.token = token
            self._write()

    def _write(self) -> None:
        images = {name: notes for name, notes in self._images.items() if notes != NO_NOTES}
        fields = {'port': self.port, 'token': self.token, 'classes': self._classes, 'images': images}
        content = json.dumps(fields)

        def write(path: Path) -> None:
            path.chmod(0o600)  # the token lets into the page
            path.write_text(content, encoding='utf-8')

        save_atomically(self._path, write)


def _checked(notes: object) -> dict:
    if not isinstance(notes, dict) or set(notes) != set(NO_NOTES):
        raise ValueError('notes are an object with "absent" and "kept"')
    for key, kind in (('absent', int), ('kept', str)):
        entries = notes[key]
        if not isinstance(entries, list) or len(entries) > LONGEST or not all(type(one) is kind for one in entries):
            raise ValueError(f'"{key}" is no list of at most {LONGEST} values of type {kind.__name__}')
    return notes
