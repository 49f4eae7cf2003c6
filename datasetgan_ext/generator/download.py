"""Fetches networks by URL, once: whole files, kept by their content's hash."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import CHUNK, TEMPORARY_SUFFIX, file_sha256, move_whole, temporary_file
from datasetgan_ext.core.system_locks import hold
from datasetgan_ext.generator.pickle_machine import is_whole

_TIMEOUT_S = (10, 60)  # seconds to connect, seconds between two reads
YOUNG_S = 60
"""Seconds in which a file of a download that nobody holds is left alone."""
_BY_HAND = 'Or download it in a browser and pass the file'


def local_file(network: str) -> Path:
    """The file that a path, a file:// URL or an http(s) URL names, downloaded if need be.

    Raises:
        UserError: as from `fetch_url`, or a file:// URL of another machine.
    """
    scheme = network.partition('://')[0].lower()
    if scheme in ('http', 'https') and '://' in network:
        return fetch_url(network)
    if not network.lower().startswith('file:'):
        return Path(network)
    parts = urlsplit(network)
    if parts.netloc not in ('', 'localhost'):
        raise UserError(
            f'`network`={network} is on another machine, {parts.netloc}: give file:///PATH, or copy it here'
        )
    return Path(url2pathname(parts.path))


def without_secrets(network: str) -> str:
    """A path as it is, and a URL without user, password, query and fragment, for messages and records."""
    if '://' not in network:
        return network
    scheme, _, rest = network.partition('://')
    place, _, path = re.split('[?#]', rest, maxsplit=1)[0].partition('/')
    return f'{scheme}://{place.rpartition("@")[2]}/{path}'


def _masked(text: object) -> str:
    """A message without the user, password and query of any address in it, as of one that was redirected to."""
    return re.sub(r'//[^/@\s]*@', '//', re.sub(r'\?[^\s\'")]*', '?...', str(text)))


def fetch_url(url: str) -> Path:
    """The file behind an http(s) URL, from the cache where it is there and undamaged, else downloaded.

    The cache is `$DATASETGAN_CACHE`, else `$XDG_CACHE_HOME/datasetgan`, else `~/.cache/datasetgan`. A URL that it
    knows is not asked for again, so that it works offline. It keeps a hash of the URL alone, which may hold a password.

    Returns:
        Path of the file in the cache: `blobs/<sha256 of its content>.pkl`.

    Raises:
        UserError: the URL is not http(s), cannot be reached, answers with an error, a web page or anything else that
            is no whole pickle or zip archive; or the cache cannot be written.
    """
    shown = without_secrets(url)
    if not url.lower().startswith(('http://', 'https://')):
        raise UserError(f'{shown} is no http:// or https:// URL')
    cache = _cache_folder()
    index = cache / 'urls' / f'{hashlib.sha256(url.encode()).hexdigest()}.json'
    blob = _look_up(index, cache)
    if blob is not None:
        return blob
    _remove_leftovers(cache / 'blobs')

    try:
        with temporary_file(cache / 'blobs', 'download') as temporary:
            with temporary.open('wb') as file:
                _hold(file)
                digest = _stream(url, file)
            if not is_whole(temporary):
                raise UserError(
                    f'{shown}: what came is no whole network pickle ({temporary.stat().st_size} bytes). The connection '
                    f'may have broken off: try again; or give the link of the file itself. {_BY_HAND}'
                )
            blob = cache / 'blobs' / f'{digest}.pkl'
            move_whole(temporary, blob)
        _write_index(index, digest, blob.stat().st_size)
    except (requests.RequestException, UnicodeError) as error:  # the first is an OSError too, so it must come first
        raise UserError(
            f'cannot download {shown}: {_masked(error)}. Check the URL and the connection. {_BY_HAND}'
        ) from None
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
    """The blob that an index entry names, if both are there, and its content is whole and has the hash that it
    should."""
    try:
        entry = json.loads(index.read_bytes())
        digest = entry['sha256']
        if 'url' in entry:  # as older versions wrote it, with whatever secrets are in it
            with suppress(OSError):  # a cache that is only read
                _write_index(index, digest, entry['size'])
        blob = cache / 'blobs' / f'{digest}.pkl'
        return blob if file_sha256(blob) == digest and is_whole(blob) else None
    except (OSError, ValueError, KeyError, TypeError):  # not there, or a damaged entry: as good as not there
        return None


def _write_index(index: Path, digest: str, size: int) -> None:
    with temporary_file(index.parent, index.name) as temporary:
        temporary.write_text(json.dumps({'sha256': digest, 'size': size}, indent=1), encoding='utf-8')
        move_whole(temporary, index)


def _remove_leftovers(blobs: Path) -> None:
    """Delete what killed downloads left: files that no process holds any more."""
    for path in [*blobs.glob(f'.download.*{TEMPORARY_SUFFIX}'), *blobs.glob('*.part')]:
        with suppress(OSError):
            with path.open('rb') as file:
                # a young one may be about to be held
                abandoned = time.time() - path.stat().st_mtime > YOUNG_S and _hold(file)
            if abandoned:  # its name is of one download alone, so that nobody holds it from now on
                path.unlink()


def _hold(file: BinaryIO) -> bool:
    """Hold an open file for this process, and tell whether no other one does."""
    try:
        hold(file.fileno())
    except OSError:
        return False
    return True


def _stream(url: str, file: BinaryIO) -> str:
    """Writes the body of the URL's answer to `file`; returns its sha256. Raises UserError if it is no whole file."""
    shown = without_secrets(url)
    with requests.get(url, stream=True, timeout=_TIMEOUT_S, headers={'Accept-Encoding': 'identity'}) as response:
        if response.status_code >= 400:
            raise UserError(f'{shown} answers {response.status_code} {response.reason}: check the URL. {_BY_HAND}')
        chunks = response.iter_content(CHUNK)
        first = next(chunks, b'')
        if 'text/html' in response.headers.get('Content-Type', '').lower() or first.lstrip().startswith(b'<'):
            raise UserError(f'{shown} answers with a web page, not with the file: give the direct link. {_BY_HAND}')
        length = response.headers.get('Content-Length', '')
        total = int(length) if length.isdigit() else None
        digest = hashlib.sha256()
        with tqdm(total=total, desc=shown.rpartition('/')[2], unit='B', unit_scale=True, disable=None) as bar:
            for chunk in itertools.chain([first], chunks):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        # raw.tell() counts bytes as they were sent, which is what Content-Length counts
        if not file.tell() or total not in (None, response.raw.tell()):
            raise UserError(
                f'{shown}: the connection broke off after {file.tell()} of {length or "?"} bytes. Try again'
            )
    return digest.hexdigest()
