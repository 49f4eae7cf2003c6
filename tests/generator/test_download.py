"""Downloads are whole or not there, and come from the cache the second time."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import TEMPORARY_SUFFIX
from datasetgan_ext.generator import download
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.download import fetch_url, local_file, without_secrets
from datasetgan_ext.generator.generated_samples import generate_samples
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.labeler import LabelerSpec
from tests.helpers.networks import make_network

BODY = pickle.dumps(bytes(range(256)) * 5000)
OTHER = pickle.dumps(bytes(range(256))[::-1] * 5000)


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
    assert json.loads(index.read_text()) == {'sha256': digest, 'size': len(BODY)}
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
        (200, {}, BODY[:-1], 'what came is no whole network pickle .1280\\d+ bytes.'),  # cut, and no length told
        (200, {}, BODY[:1000], 'what came is no whole network pickle .1000 bytes.'),
        (200, {}, b'\x89PNG' + BODY, 'what came is no whole network pickle'),
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


def test_a_cut_file_of_an_older_version_is_fetched_again(server, cache):
    """It kept what came of a connection that broke off, under the hash of what it had."""
    cut = BODY[:1000]
    digest = hashlib.sha256(cut).hexdigest()
    url = server.url('/net.pkl')
    blob = cache / 'blobs' / f'{digest}.pkl'
    index = cache / 'urls' / f'{hashlib.sha256(url.encode()).hexdigest()}.json'
    for path in (blob, index):
        path.parent.mkdir(parents=True)
    blob.write_bytes(cut)
    index.write_text(json.dumps({'url': url, 'sha256': digest, 'size': len(cut)}))
    assert fetch_url(url).read_bytes() == BODY
    assert len(server.asked) == 1
    assert 'url' not in json.loads(index.read_text())


def test_an_index_of_an_older_version_loses_its_url(server, cache):
    url = server.url('/net.pkl?token=hush')
    server.answers['/net.pkl?token=hush'] = server.answers['/net.pkl']
    blob = fetch_url(url)
    (index,) = (cache / 'urls').iterdir()
    index.write_text(json.dumps({'url': url, **json.loads(index.read_text())}))
    server.stop()
    assert fetch_url(url) == blob  # offline, too
    assert 'hush' not in index.read_text()


@pytest.mark.parametrize('name', [f'.download.0123456789abcdef{TEMPORARY_SUFFIX}', 'net123.part'])
def test_what_a_killed_download_left_is_removed(name, server, cache):
    blobs = cache / 'blobs'
    blobs.mkdir(parents=True)
    left, young, held, other = (blobs / name.replace('123', text) for text in ('a', 'b', 'c', 'd'))
    other = blobs / 'notes.txt'
    for path in (left, young, held, other):
        path.write_bytes(b'half')
        if path != young:
            os.utime(path, (1, 1))
    with held.open('rb') as file:
        assert download._hold(file)  # as the process that writes it does
        fetch_url(server.url('/net.pkl'))
    assert not left.exists()
    assert young.exists() and held.exists() and other.exists()


def test_a_file_is_held_while_it_is_written(server, cache, monkeypatch):
    seen = []

    def stream(url, file):
        with Path(file.name).open('rb') as again:
            seen.append(download._hold(again))
        return whole(url, file)

    whole = download._stream
    monkeypatch.setattr(download, '_stream', stream)
    fetch_url(server.url('/net.pkl'))
    assert seen == [False]


# ---- addresses


def test_forms_of_an_address(server, tmp_path):
    path = tmp_path / 'a net.pkl'
    path.write_bytes(BODY)
    uri = path.as_uri()
    assert '%20' in uri
    for start in ('file://', 'FILE://', 'file://localhost', 'file:'):
        assert local_file(uri.replace('file://', start)) == path
    assert local_file(str(path)) == path
    assert local_file(server.url('/net.pkl').replace('http', 'HTTP')).read_bytes() == BODY
    assert local_file('C:/net.pkl') == Path('C:/net.pkl') and local_file('http.pkl') == Path('http.pkl')
    with pytest.raises(UserError, match='is on another machine, elsewhere: give file:///PATH'):
        local_file('file://elsewhere/net.pkl')
    with pytest.raises(UserError, match='no such file'):
        load_generator((tmp_path / 'missing.pkl').as_uri(), 'cpu')


def test_a_network_for_other_machines_is_its_content(server, tmp_path):
    (tmp_path / 'net.pkl').write_bytes(BODY)
    for address in (server.url('/net.pkl').replace('http', 'Http'), (tmp_path / 'net.pkl').as_uri()):
        spec = LabelerSpec(address, 'demo').packed()
        assert spec.network == BODY and spec.interpreter == 'demo'


@pytest.mark.parametrize(
    ('address', 'shown'),
    [
        ('https://user:hush@host.org:8443/a/net.pkl?sig=hush&x=1#hush', 'https://host.org:8443/a/net.pkl'),
        ('https://us@er:hu@sh@host.org/net.pkl', 'https://host.org/net.pkl'),
        ('HTTP://host/net.pkl?a=b/c', 'HTTP://host/net.pkl'),
        ('https://host?token=hush/@', 'https://host/'),
        ('file:///data/net.pkl', 'file:///data/net.pkl'),
        ('/data/what?.pkl', '/data/what?.pkl'),
        ('user@host.pkl', 'user@host.pkl'),
        ('demo', 'demo'),
    ],
)
def test_secrets_of_an_address(address, shown):
    assert without_secrets(address) == shown
    assert 'hush' not in shown


def test_secrets_reach_no_file_and_no_message(server, cache, tmp_path, monkeypatch, caplog, capsys):
    caplog.set_level(logging.DEBUG, logger='datasetgan_ext')
    monkeypatch.setattr(
        'datasetgan_ext.generator.checkpoint.load_generator_pickle', lambda path, *arguments: make_network()
    )
    server.answers['/net.pkl?sig=hush'] = server.answers['/net.pkl']
    address = server.url('/net.pkl?sig=hush').replace('//', '//user:hush@')
    generator = load_generator(address, 'cpu')
    assert isinstance(generator, Generator) and generator.source == server.url('/net.pkl')
    generate_samples(generator, SamplingOptions(), [0], tmp_path / 'samples')
    for path in tmp_path.rglob('*'):
        assert not path.is_file() or b'hush' not in path.read_bytes(), path
    elsewhere = 'http://127.0.0.1:1/blob?signature=hush2'
    server.answers['/moved?sig=hush'] = 302, {'Location': elsewhere, 'Content-Length': 0}, b''
    server.answers['/cut?sig=hush'] = 200, {}, BODY[:-1]
    server.answers['/page?sig=hush'] = 200, {'Content-Type': 'text/html'}, b'<html>'
    for name in ('/moved', '/cut', '/page', '/missing'):
        with pytest.raises(UserError) as caught:
            fetch_url(server.url(f'{name}?sig=hush').replace('//', '//user:hush@'))
        assert name in caught.value.message and 'hush' not in caught.value.message
    server.stop()
    with pytest.raises(UserError) as caught:
        fetch_url(server.url('/other?sig=hush'))
    assert 'hush' not in caught.value.message + caplog.text + capsys.readouterr().err
