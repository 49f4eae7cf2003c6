"""Fetches networks by URL, once: whole files, kept by their content's hash."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from pathlib import Path
from typing import BinaryIO

import requests
from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import CHUNK, file_sha256, move_whole, temporary_file

_TIMEOUT_S = (10, 60)  # seconds to connect, seconds between two reads
_BY_HAND = 'Or download it in a browser and pass the file'


def fetch_url(url: str) -> Path:
    """The file behind an http(s) URL, from the cache where it is there and undamaged, else downloaded.

    The cache is `$DATASETGAN_CACHE`, else `$XDG_CACHE_HOME/datasetgan`, else `~/.cache/datasetgan`. A URL that it
    knows is not asked for again, so that it works offline.

    Returns:
        Path of the file in the cache: `blobs/<sha256 of its content>.pkl`.

    Raises:
        UserError: the URL is not http(s), cannot be reached, answers with an error or a web page, or breaks off; or
            the cache cannot be written.
    """
    if not url.lower().startswith(('http://', 'https://')):
        raise UserError(f'{url} is no http:// or https:// URL')
    cache = _cache_folder()
    index = cache / 'urls' / f'{hashlib.sha256(url.encode()).hexdigest()}.json'
    blob = _look_up(index, cache)
    if blob is not None:
        return blob

    try:
        with temporary_file(cache / 'blobs', 'download') as temporary:
            with temporary.open('wb') as file:
                digest = _stream(url, file)
            blob = cache / 'blobs' / f'{digest}.pkl'
            move_whole(temporary, blob)
        with temporary_file(index.parent, index.name) as temporary:
            content = {'url': url, 'sha256': digest, 'size': blob.stat().st_size}
            temporary.write_text(json.dumps(content, indent=1), encoding='utf-8')
            move_whole(temporary, index)
    except requests.RequestException as error:  # an OSError too, so it must come first
        raise UserError(f'cannot download {url}: {error}. Check the URL and the connection. {_BY_HAND}') from error
    except OSError as error:
        raise UserError(
            f'cannot write to the cache folder {cache}: {error.strerror}. Free some space, or set '
            'DATASETGAN_CACHE to another folder'
        ) from error
    return blob


def _cache_folder() -> Path:
    chosen = os.environ.get('DATASETGAN_CACHE')
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'datasetgan'


def _look_up(index: Path, cache: Path) -> Path | None:
    """The blob that an index entry names, if both are there and its content has the hash that it should."""
    try:
        digest = json.loads(index.read_bytes())['sha256']
        blob = cache / 'blobs' / f'{digest}.pkl'
        return blob if file_sha256(blob) == digest else None
    except (OSError, ValueError, KeyError, TypeError):  # not there, or a damaged entry: as good as not there
        return None


def _stream(url: str, file: BinaryIO) -> str:
    """Writes the body of the URL's answer to `file`; returns its sha256. Raises UserError if it is no whole file."""
    with requests.get(url, stream=True, timeout=_TIMEOUT_S, headers={'Accept-Encoding': 'identity'}) as response:
        if response.status_code >= 400:
            raise UserError(f'{url} answers {response.status_code} {response.reason}: check the URL. {_BY_HAND}')
        chunks = response.iter_content(CHUNK)
        first = next(chunks, b'')
        if 'text/html' in response.headers.get('Content-Type', '').lower() or first.lstrip().startswith(b'<'):
            raise UserError(f'{url} answers with a web page, not with the file: give the direct link. {_BY_HAND}')
        length = response.headers.get('Content-Length', '')
        total = int(length) if length.isdigit() else None
        digest = hashlib.sha256()
        with tqdm(total=total, desc=url.rpartition('/')[2], unit='B', unit_scale=True, disable=None) as bar:
            for chunk in itertools.chain([first], chunks):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        # raw.tell() counts bytes as they were sent, which is what Content-Length counts
        if not file.tell() or total not in (None, response.raw.tell()):
            raise UserError(f'{url}: the connection broke off after {file.tell()} of {length or "?"} bytes. Try again')
    return digest.hexdigest()
