"""Downloads are whole or not there, and come from the cache the second time."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.download import fetch_url

BODY = bytes(range(256)) * 5000
OTHER = BODY[::-1]


class Handler(BaseHTTPRequestHandler):
    """Answers from the server's `answers`: path -> (status, headers, body)."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers['Accept-Encoding']))
        status, headers, body = self.server.answers.get(self.path, (404, {}, b'not here'))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.asked = []
        self.answers = {}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path):
        return f'http://127.0.0.1:{self.server_port}{path}'

    def stop(self):
        self.shutdown()
        self.server_close()


@pytest.fixture
def server():
    server = Server()
    server.answers['/net.pkl'] = 200, {'Content-Length': len(BODY)}, BODY
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('DATASETGAN_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    return tmp_path / 'cache'


def files_in(folder):
    return sorted(path.name for path in folder.rglob('*') if path.is_file())


def test_whole_download(server, cache):
    path = fetch_url(server.url('/net.pkl'))
    digest = hashlib.sha256(BODY).hexdigest()
    assert path == cache / 'blobs' / f'{digest}.pkl'
    assert path.read_bytes() == BODY
    index = cache / 'urls' / f'{hashlib.sha256(server.url("/net.pkl").encode()).hexdigest()}.json'
    assert json.loads(index.read_text()) == {'url': server.url('/net.pkl'), 'sha256': digest, 'size': len(BODY)}
    assert files_in(cache) == sorted([path.name, index.name])
    assert server.asked == [('/net.pkl', 'identity')]


def test_hit_needs_no_server(server):
    path = fetch_url(server.url('/net.pkl'))
    server.stop()
    assert fetch_url(server.url('/net.pkl')) == path
    assert len(server.asked) == 1


def damage_content(cache, blob):
    blob.write_bytes(BODY[:-1] + b'x')


def cut_content(cache, blob):
    blob.write_bytes(BODY[:100])


def remove_blob(cache, blob):
    blob.unlink()


def damage_index(cache, blob):
    next((cache / 'urls').iterdir()).write_text('{"url": ')


def empty_index(cache, blob):
    next((cache / 'urls').iterdir()).write_text('[]')


@pytest.mark.parametrize('damage', [damage_content, cut_content, remove_blob, damage_index, empty_index])
def test_damaged_cache_is_downloaded_again(damage, server, cache):
    blob = fetch_url(server.url('/net.pkl'))
    damage(cache, blob)
    assert fetch_url(server.url('/net.pkl')) == blob
    assert blob.read_bytes() == BODY
    assert len(server.asked) == 2
    assert len(files_in(cache)) == 2


def test_same_content_is_kept_once(server, cache):
    server.answers['/same.pkl'] = server.answers['/net.pkl']
    server.answers['/other.pkl'] = 200, {'Content-Length': len(OTHER)}, OTHER
    assert fetch_url(server.url('/net.pkl')) == fetch_url(server.url('/same.pkl'))
    assert fetch_url(server.url('/other.pkl')).read_bytes() == OTHER
    assert len(files_in(cache / 'blobs')) == 2
    assert len(files_in(cache / 'urls')) == 3


@pytest.mark.parametrize(
    ('headers', 'body'),
    [
        ({}, BODY),  # no length: the end of the connection is the end of the body
        (
            {'Content-Encoding': 'gzip', 'Content-Length': len(gzip.compress(BODY, mtime=0))},
            gzip.compress(BODY, mtime=0),
        ),
        ({'Transfer-Encoding': 'chunked'}, b'%x\r\n%b\r\n0\r\n\r\n' % (len(BODY), BODY)),
    ],
)
def test_other_transfers(headers, body, server, monkeypatch):
    monkeypatch.setattr(Handler, 'protocol_version', 'HTTP/1.1')
    server.answers['/net.pkl'] = 200, {**headers, 'Connection': 'close'}, body
    assert fetch_url(server.url('/net.pkl')).read_bytes() == BODY


def test_redirects_are_followed(server):
    server.answers['/moved'] = 302, {'Location': '/net.pkl', 'Content-Length': 0}, b''
    assert fetch_url(server.url('/moved')).read_bytes() == BODY


@pytest.mark.parametrize(
    ('status', 'headers', 'body', 'message'),
    [
        (200, {'Content-Length': len(BODY)}, BODY[:-1], 'cannot download|broke off'),
        (200, {'Content-Length': len(BODY)}, b'', 'cannot download|broke off'),
        (200, {'Content-Length': 0}, b'', 'broke off after 0 of 0 bytes'),
        (200, {'Transfer-Encoding': 'chunked'}, b'ffff\r\nshort', 'cannot download'),
        (200, {'Content-Encoding': 'gzip'}, b'not gzip', 'cannot download'),
        (404, {}, b'gone', 'answers 404 Not Found'),
        (500, {}, b'', 'answers 500'),
        (200, {'Content-Type': 'text/html; charset=utf-8'}, b'virus scan warning', 'answers with a web page'),
        (200, {}, b'\n<!DOCTYPE html><html></html>', 'answers with a web page'),
        (302, {'Location': 'ftp://127.0.0.1/net.pkl'}, b'', 'cannot download'),
        (302, {'Location': '/bad.pkl'}, b'', 'cannot download'),
    ],
)
def test_failed_download_leaves_nothing(status, headers, body, message, server, cache, monkeypatch):
    monkeypatch.setattr(Handler, 'protocol_version', 'HTTP/1.1')
    server.answers['/bad.pkl'] = status, {**headers, 'Connection': 'close'}, body
    with pytest.raises(UserError, match=message) as caught:
        fetch_url(server.url('/bad.pkl'))
    assert server.url('/bad.pkl') in caught.value.message
    assert files_in(cache) == []


def test_short_body_is_noticed_without_urllib3s_help(server, cache, monkeypatch):
    """urllib3 compares the lengths itself only since version 2."""

    def get(*args, get=requests.get, **kwargs):
        response = get(*args, **kwargs)
        response.raw.enforce_content_length = False
        return response

    monkeypatch.setattr(requests, 'get', get)
    server.answers['/short.pkl'] = 200, {'Content-Length': len(BODY)}, BODY[:-1]
    with pytest.raises(UserError, match=f'broke off after {len(BODY) - 1} of {len(BODY)} bytes'):
        fetch_url(server.url('/short.pkl'))
    assert files_in(cache) == []


def test_interrupted_download_leaves_nothing(server, cache, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr('os.fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_url(server.url('/net.pkl'))
    assert files_in(cache) == []


def test_server_down(server):
    server.stop()
    with pytest.raises(UserError, match=r'cannot download http://127.0.0.1:\d+/net.pkl: .* Check the URL'):
        fetch_url(server.url('/net.pkl'))


@pytest.mark.parametrize('url', ['ftp://host/net.pkl', 'file:///etc/passwd', 'net.pkl', ''])
def test_only_http(url):
    with pytest.raises(UserError, match='is no http:// or https:// URL'):
        fetch_url(url)


@pytest.mark.parametrize('url', ['http://', 'http://[::1', 'https://:80/'])
def test_bad_urls(url):
    with pytest.raises(UserError, match='cannot download'):
        fetch_url(url)


def test_cache_folder_that_cannot_be_made(server, tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('DATASETGAN_CACHE', str(tmp_path / 'file' / 'cache'))
    with pytest.raises(UserError, match='cannot write to the cache folder .*DATASETGAN_CACHE'):
        fetch_url(server.url('/net.pkl'))


@pytest.mark.parametrize(
    ('variables', 'folder'),
    [
        ({'DATASETGAN_CACHE': 'here'}, 'here'),
        ({'DATASETGAN_CACHE': '', 'XDG_CACHE_HOME': 'xdg'}, 'xdg/datasetgan'),
        ({'DATASETGAN_CACHE': '', 'XDG_CACHE_HOME': ''}, 'home/.cache/datasetgan'),
    ],
)
def test_cache_folder(variables, folder, server, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, 'home', lambda: tmp_path / 'home')
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value else '')
    assert fetch_url(server.url('/net.pkl')).parent == tmp_path / folder / 'blobs'
