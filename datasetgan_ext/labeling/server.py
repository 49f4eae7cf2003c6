"""The page's web server: the standard library's, for one person on one machine.

Every request needs the token that the command prints: in the page's address, then in a cookie. The name under which
the browser found the server, and the page that a request comes from, must be this server's own, so that no other site
can reach the labels. Clients name samples, never files.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import numpy as np

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.labeling.address import is_own_name, is_wildcard
from datasetgan_ext.labeling.description import describe_label_error, describe_task
from datasetgan_ext.labeling.exchange import (
    DISTANCE_STEPS,
    HEADERS,
    Followed,
    Refused,
    Reply,
    box_of,
    json_reply,
    place_of,
)
from datasetgan_ext.labeling.store import LabelStore, Outdated, keypoints_version, mask_version
from datasetgan_ext.labeling.suggest import Suggester
from datasetgan_ext.labeling.suggestion import Suggestion
from datasetgan_ext.labeling.training import Training

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name('page')
TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
}
FILES = {
    '/' if path.name == 'index.html' else f'/{path.name}': (path, TYPES[path.suffix])
    for path in PAGE.iterdir()
    if path.suffix in TYPES
}
JSON_BYTES = 64 * 1024
"""Longest body of a request other than a mask."""
IDLE_SECONDS = 60


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves one store until `shutdown`; a thread for each connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        host: str,
        port: int,
        store: LabelStore,
        suggester: Suggester | None,
        token: str = '',
        training: Training | None = None,
    ):
        """
        Args:
            host: name or address to listen on.
            port: 0 = one that is free.
            store: what is labelled.
            suggester: None = suggest nothing.
            token: that requests need; '' = a new one.
            training: that the page offers when all is labelled.

        Raises:
            UserError: the port is taken, or the host is not this machine.
        """
        self.host = host.lower()
        self.store = store
        self.suggester = suggester
        self.token = token or secrets.token_urlsafe()
        self.training = training
        self._ticket = ''
        self._ticket_lock = threading.Lock()
        if ':' in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise UserError(
                f'`host`={host} `port`={port} cannot be served ({error}); give a `port` that is free (0 '
                'finds one), and a `host` that is an address of this machine'
            ) from error

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        """The page's address, with the token; of 0.0.0.0, which no browser can go to, by way of this machine."""
        host = self.host
        if is_wildcard(host):
            host = socket.gethostname()
        if ':' in host:
            host = f'[{host}]'
        return f'http://{host}:{self.port}/?token={self.token}'

    def ticket_url(self) -> str:
        """The page's address with a token that serves once: programs' arguments can be read by all on the machine."""
        self._ticket = secrets.token_urlsafe()
        return self.url.replace(self.token, self._ticket)

    def take_ticket(self, text: str) -> bool:
        """Whether a text is the token that serves once; from then on it is not."""
        with self._ticket_lock:
            is_right = bool(self._ticket) and secrets.compare_digest(
                text.encode('utf-8', 'replace'), self._ticket.encode()
            )
            if is_right:
                self._ticket = ''
            return is_right

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # that is a browser that has gone away
            log.exception('A request failed')


class Handler(BaseHTTPRequestHandler):
    """One connection of a browser."""

    server: Server
    protocol_version = 'HTTP/1.1'
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self):
        self._answer(self._get)

    def do_PUT(self):
        self._answer(self._put)

    def do_POST(self):
        self._answer(self._post)

    def version_string(self):
        return 'datasetgan'

    def log_message(self, format, *arguments):
        log.debug(format, *arguments)

    def _answer(self, respond: Callable[[str], Reply]) -> None:
        cookie = False
        self._body_is_read = False
        try:
            cookie = self._check_sender()
            reply = respond(self._url().path)
        except Refused as error:
            self._pass_over_body()
            reply = Reply(f'{error}\n'.encode(), 'text/plain; charset=utf-8', error.status)
        except UserError as error:
            reply = Reply(f'{error.message}\n'.encode(), 'text/plain; charset=utf-8', HTTPStatus.INTERNAL_SERVER_ERROR)
        self.send_response(reply.status)
        headers = {
            **HEADERS,
            **reply.headers,
            'Content-Type': reply.content_type,
            'Content-Length': str(len(reply.body)),
        }
        if cookie:
            headers['Set-Cookie'] = f'{self._cookie_name}={self.server.token}; Path=/; HttpOnly; SameSite=Strict'
        if self.close_connection:
            headers['Connection'] = 'close'
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    @property
    def _cookie_name(self) -> str:
        return f'datasetgan-label-{self.server.port}'  # browsers share cookies among the ports of a machine

    def _check_sender(self) -> bool:
        """Whether the token is in the address and so has to be put into a cookie.

        Raises:
            Refused: the request is not from this server's page, or lacks the token.
        """
        host = self.headers.get('Host', '')
        try:
            own = is_own_name(urlsplit(f'http://{host}').hostname or '', self.server.host)
        except ValueError:
            own = False
        if not own:
            raise Refused(HTTPStatus.FORBIDDEN, 'This server does not go by that name')
        # the port may be another one than ours, that of a tunnel, but must be the same in both
        if self.headers.get('Origin', f'http://{host}') != f'http://{host}':
            raise Refused(HTTPStatus.FORBIDDEN, 'Requests of other sites are refused')
        url = self._url()
        given = parse_qs(url.query).get('token', [''])[0] if url.path == '/' else ''
        in_address = bool(given) and (self._is_token(given) or self.server.take_ticket(given))
        if not in_address and self.headers.get('Sec-Fetch-Site', 'same-origin') not in ('same-origin', 'none'):
            raise Refused(HTTPStatus.FORBIDDEN, 'Requests of other sites are refused')
        if not in_address and not self._is_token(self._cookie()):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                'The token is missing or of an earlier run; open the address that "datasetgan label" printed',
            )
        return in_address

    def _url(self) -> SplitResult:
        try:
            return urlsplit(self.path)
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, 'That is no address') from error

    def _cookie(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get('Cookie', '')).get(self._cookie_name)
        except CookieError:
            return ''
        return morsel.value if morsel else ''

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode('utf-8', 'replace'), self.server.token.encode())

    def _body(self, limit: int) -> bytes:
        """The request's body, of at most `limit` bytes."""
        length = self._body_length()
        if length is None:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, 'The length of the body is missing')
        if length > limit:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f'The body is longer than {limit} bytes')
        self._body_is_read = True
        body = self.rfile.read(length)
        if len(body) < length:
            raise Refused(HTTPStatus.BAD_REQUEST, 'The body ended too early')
        return body

    def _body_length(self) -> int | None:
        length = self.headers.get('Content-Length', '')
        if not re.fullmatch('[0-9]{1,12}', length) or 'Transfer-Encoding' in self.headers:
            return None
        return int(length)

    def _pass_over_body(self) -> None:
        """Before a refusal: a browser that is cut off while it sends never sees the reply. A larger body is cut off."""
        self.close_connection = True
        length = self._body_length()
        if length and not self._body_is_read and length <= max(self._mask_bytes, JSON_BYTES):
            self.rfile.read(length)

    @property
    def _mask_bytes(self) -> int:
        height, width = self.server.store.sample_set.image_hw
        return height * width

    def _json(self) -> object:
        try:
            return json.loads(self._body(JSON_BYTES))
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, 'The body is not JSON') from error

    def _of_sample(self, path: str) -> tuple[str, str]:
        """The sample's name and what is asked of it, out of /api/samples/NAME/WHAT."""
        parts = path.split('/')
        if len(parts) != 5 or parts[:3] != ['', 'api', 'samples'] or unquote(parts[3]) not in self.server.store.samples:
            raise Refused(HTTPStatus.NOT_FOUND, 'There is nothing of that name')
        return unquote(parts[3]), parts[4]

    def _get(self, path: str) -> Reply:
        store, suggester = self.server.store, self.server.suggester
        if path in FILES:
            file, content_type = FILES[path]
            return Reply(file.read_bytes(), content_type)
        if path == '/api/state':
            return json_reply(describe_task(store, suggester, self.server.training))
        if path == '/api/suggest' and suggester:
            return json_reply(suggester.state())
        if path == '/api/train' and self.server.training:
            return json_reply(self.server.training.state())
        name, what = self._of_sample(path)
        if what == 'image':
            return self._image(store.sample_set.path(store.samples[name]))
        if what == 'projection':
            return self._image(store.sample_set.projection_path(store.samples[name]))
        if what == 'mask':
            mask = store.mask(name)
            return Reply(mask.tobytes(), headers={'ETag': mask_version(mask)})
        if what == 'keypoints':
            points = store.keypoints(name)
            return json_reply(points, headers={'ETag': keypoints_version(points)})
        if what in ('suggestion', 'glance', 'suggested-keypoints') and suggester:
            return self._suggested(suggester.suggestion(name), what)
        if what == 'similar' and suggester:
            return self._similar(name, suggester)
        if what == 'doubts' and suggester:
            return json_reply({'doubts': [describe_label_error(error) for error in suggester.label_errors(name)]})
        raise Refused(HTTPStatus.NOT_FOUND, 'There is nothing of that name')

    def _suggested(self, suggestion: Suggestion | None, what: str) -> Reply:
        """A suggestion, or a part of it; its number is the version."""
        if not suggestion:
            raise Refused(HTTPStatus.NOT_FOUND, 'There is no suggestion')
        serial = {'ETag': str(suggestion.serial)}
        if what == 'suggested-keypoints':
            return json_reply({'points': suggestion.keypoints})
        if suggestion.mask is None:
            return Reply(headers=serial)
        if what == 'glance':
            return Reply(suggestion.glance.tobytes(), headers=serial)
        return Reply(suggestion.mask.tobytes() + suggestion.uncertainty.tobytes(), headers=serial)

    def _similar(self, name: str, suggester: Suggester) -> Reply:
        """How far the pixels of an image are from one of another, ?to=NAME&x=X&y=Y: a byte each, `DISTANCE_STEPS` for
        two pixels drawn at random; nothing if their maps are not there yet."""
        to, place = place_of(self._url().query, self.server.store.samples, self.server.store.sample_set.image_hw)
        distances = suggester.similar(to, place, name)
        if distances is None:
            return Reply()
        return Reply((distances * DISTANCE_STEPS).clip(0, 255).astype(np.uint8).tobytes())

    def _image(self, path: Path) -> Reply:
        try:
            return Reply(path.read_bytes(), 'image/png')
        except OSError as error:
            raise Refused(HTTPStatus.NOT_FOUND, f'{path} cannot be read: {error.strerror or error}') from error

    def _put(self, path: str) -> Reply:
        name, what = self._of_sample(path)
        try:
            return json_reply(self._save(name, what))
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f'Refused: {error}') from error
        except Outdated as error:
            raise Refused(HTTPStatus.PRECONDITION_FAILED, 'Someone else has changed these labels') from error

    def _save(self, name: str, what: str) -> dict:
        """Keep what is sent; what is replaced must have the version that If-Match names, if it names one."""
        store = self.server.store
        expected = self.headers.get('If-Match')
        if what == 'mask' and store.task.classes:
            version = store.save_mask(name, self._body(self._mask_bytes), expected, box_of(self._url().query))
            return {'version': version, 'share': store.labeled_share(name)}
        if what == 'keypoints' and store.task.keypoints:
            return {'version': store.save_keypoints(name, self._json(), expected)}
        if what == 'notes':
            store.notes.save(name, self._json())
            return {}
        raise Refused(HTTPStatus.NOT_FOUND, 'There is nothing of that name')

    def _post(self, path: str) -> Reply:
        suggester = self.server.suggester
        if path == '/api/train' and self.server.training:
            return self._train(self._json(), self.server.training)
        if path not in ('/api/suggest', '/api/follow', '/api/check') or not suggester:
            raise Refused(HTTPStatus.NOT_FOUND, 'There is nothing of that name')
        wish = self._json()
        store = self.server.store
        if path == '/api/check':
            try:
                suggester.check()
            except UserError as error:
                raise Refused(HTTPStatus.CONFLICT, error.message) from error
        else:
            followed = Followed.from_json(wish, store.samples, store.sample_set.image_hw)
            if path == '/api/suggest':
                suggester.ask(followed.name)
            else:
                suggester.follow(followed.name, followed.following, followed.box, followed.auto)
        return json_reply({}, HTTPStatus.ACCEPTED)

    def _train(self, wish: object, training: Training) -> Reply:
        """Start the training, {"cross_validate": true or false}, or end it, {"cancel": true}."""
        if wish == {'cancel': True}:
            training.cancel()
        elif wish in ({'cross_validate': True}, {'cross_validate': False}):
            try:
                training.start(wish['cross_validate'])
            except UserError as error:
                raise Refused(HTTPStatus.CONFLICT, error.message) from error
        else:
            raise Refused(HTTPStatus.BAD_REQUEST, 'A training is started with "cross_validate", ended with "cancel"')
        return json_reply(training.state(), HTTPStatus.ACCEPTED)
