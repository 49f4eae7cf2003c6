"""Text files of other programs, in whatever encoding they were saved."""

from __future__ import annotations

import codecs
import logging
import unicodedata
from pathlib import Path

MARKS = (
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF32_LE, 'utf-32'),
    (codecs.BOM_UTF32_BE, 'utf-32'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
"""Byte order marks and what they say; UTF-32's begins with that of UTF-16."""
WINDOWS = 'cp1252'

log = logging.getLogger(__name__)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, in UTF-16 or UTF-32 (by its byte order mark, or by its zero bytes), or in cp1252.

    cp1252 is what Windows' editors write in western Europe; it is taken where a file is not UTF-8, and this is logged.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is in none of these encodings.
    """
    data = path.read_bytes()
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if data[1:2] == b'\0' and data[:1] != b'\0':
        return data.decode('utf-16-le')
    if data[:1] == b'\0' and data[1:2] != b'\0':
        return data.decode('utf-16-be')
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        if b'\0' in data:
            raise
        text = data.decode(WINDOWS)
        log.info('%s is not in UTF-8; read as %s', path, WINDOWS)
        return text


def composed(text: str) -> str:
    """The text with each letter in one piece (Unicode's form NFC); a Mac takes letters and accents apart."""
    return unicodedata.normalize('NFC', text)
