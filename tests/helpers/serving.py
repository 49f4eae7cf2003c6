"""The server as tests run it: in a thread of the test, or as the command in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import datasetgan_ext
from datasetgan_ext.core.files import LOCK_SUFFIX
from datasetgan_ext.labeling.server import Server
from datasetgan_ext.labeling.store import open_store
from datasetgan_ext.labeling.suggest import Suggester
from datasetgan_ext.labeling.training import Training

ROOT = Path(datasetgan_ext.__file__).parents[1]


def saved(folder: Path) -> set[str]:
    """Names of the files in a folder of labels; but not of that by which the server holds it."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(LOCK_SUFFIX)}


@contextlib.contextmanager
def serving(samples, task, folder, generator=None, host='127.0.0.1', arguments=None):
    """A running server; `arguments` are those of the training that it offers."""
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(open_store(samples, task, folder))
        suggester = stack.enter_context(Suggester(generator, store)) if generator else None
        training = None if arguments is None else stack.enter_context(Training(arguments, folder))
        server = stack.enter_context(Server(host, 0, store, suggester, training=training))
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def serving_process(*arguments):
    """The process of `datasetgan label` with the demo, its port and its token."""
    command = [sys.executable, ROOT / 'datasetgan_ext' / 'label.py', '--network=demo', *arguments]
    # a shell that runs the tests in the background has them ignore Ctrl-C
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            output = ''
            while not (found := re.search(r'http://[\w.]+:(\d+)/\?token=(\S+)', output)):
                line = process.stdout.readline()
                assert line, output + process.stderr.read()
                output += line
            yield process, int(found[1]), found[2]
        finally:
            process.kill()


class Client:
    """Asks one server; with its token unless told otherwise."""

    def __init__(self, port: int, token: str | None):
        self.port = port
        self.headers = {} if token is None else {'Cookie': f'datasetgan-label-{port}={token}'}

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers):
        """The reply's status, body and headers; a header of None is left out."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=20)
        named = {**self.headers, **{name.replace('_', '-'): value for name, value in headers.items()}}
        try:
            connection.putrequest(method, path, skip_host='Host' in named)
            if body is not None and 'Content-Length' not in named and 'Transfer-Encoding' not in named:
                named['Content-Length'] = str(len(body))
            for name, value in named.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            if body:
                connection.send(body)
            reply = connection.getresponse()
            return reply.status, reply.read(), dict(reply.getheaders())
        finally:
            connection.close()
