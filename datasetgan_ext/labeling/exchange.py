"""What goes to and fro between page and server, beside labels."""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs

DISTANCE_STEPS = 200
HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
}


@dataclass(frozen=True)
class Reply:
    """What is sent back."""

    body: bytes = b''
    content_type: str = 'application/octet-stream'
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that is not served: its status, and why."""

    def __init__(self, status: HTTPStatus, reason: str):
        super().__init__(reason)
        self.status = status


def json_reply(content: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Reply:
    return Reply(json.dumps(content).encode(), 'application/json', status, headers or {})


def box_of(query: str) -> tuple[int, int, int, int] | None:
    """The part of a mask that is sent, ?box=LEFT,UPPER,RIGHT,LOWER; None = all of it."""
    given = parse_qs(query).get('box')
    if not given:
        return None
    if not re.fullmatch(r'[0-9]{1,5}(,[0-9]{1,5}){3}', given[0]):
        raise Refused(HTTPStatus.BAD_REQUEST, 'A box is four numbers with commas between them')
    left, upper, right, lower = map(int, given[0].split(','))
    return left, upper, right, lower


def place_of(query: str, samples: Container[str], image_hw: tuple[int, int]) -> tuple[str, tuple[float, float]]:
    """A sample and a place in it, ?to=NAME&x=X&y=Y."""
    given = {key: values[0] for key, values in parse_qs(query).items()}
    height, width = image_hw
    if not _is_sample(given.get('to'), samples):
        raise Refused(HTTPStatus.NOT_FOUND, 'There is no image of that name')
    try:
        x, y = float(given.get('x', '')), float(given.get('y', ''))
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, 'A place is two numbers') from error
    if not (0 <= x < width and 0 <= y < height):
        raise Refused(HTTPStatus.BAD_REQUEST, 'The place is outside the image')
    return given['to'], (x, y)


@dataclass(frozen=True)
class Followed:
    """What the page has open: see `Suggester.follow`."""

    name: str
    following: list[str]
    box: tuple[int, int, int, int] | None
    auto: bool

    @classmethod
    def from_json(cls, wish: object, samples: Container[str], image_hw: tuple[int, int]) -> Followed:
        """Check what the page sends: `name`, and perhaps `next`, `box` and `auto`."""
        if not isinstance(wish, dict) or not _is_sample(wish.get('name'), samples):
            raise Refused(HTTPStatus.NOT_FOUND, 'There is no image of that name')
        following, box = wish.get('next', []), wish.get('box')
        if not isinstance(following, list) or not all(_is_sample(name, samples) for name in following):
            raise Refused(HTTPStatus.BAD_REQUEST, '"next" is no list of images')
        if box is not None:
            if not isinstance(box, list) or len(box) != 4 or not all(type(side) is int for side in box):
                raise Refused(HTTPStatus.BAD_REQUEST, '"box" is no list of four whole numbers')
            left, upper, right, lower = box
            if not (0 <= left < right <= image_hw[1] and 0 <= upper < lower <= image_hw[0]):
                raise Refused(HTTPStatus.BAD_REQUEST, '"box" is outside the image')
            box = left, upper, right, lower
        return cls(wish['name'], following, box, wish.get('auto') is not False)


def _is_sample(name: object, samples: Container[str]) -> bool:
    return isinstance(name, str) and name in samples
