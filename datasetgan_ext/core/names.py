"""Names in label files against those of the class file, and names of images against those that were labelled.

Names are compared in one Unicode form, so that a letter with an accent is one letter, however a program stored it.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.text import composed

MAX_PLACES = 10
"""Places that a message lists for one name."""
NEAREST = 3
"""Names that a message suggests for one image."""
SUFFIXES = (
    '.png',
    '.jpg',
    '.jpeg',
    '.webp',
    '.bmp',
    '.tif',
    '.tiff',
    '.gif',
    '.jpe',
    '.jfif',
    '.mpo',
    '.dib',
    '.heic',
    '.heif',
    '.avif',
    '.jp2',
    '.jxl',
    '.tga',
    '.dng',
)
"""Of files of images. What stands behind another point in a name belongs to the name."""
ROBOFLOW = re.compile(r'(.+?)(?:[._](?:png|jpe?g|webp|bmp|tiff?|gif))?\.rf\.[0-9A-Za-z]{8,}(?:_mask)?', re.IGNORECASE)
"""A file name that Roboflow made: the old name, its suffix, "rf", and a hash; of a mask also the word."""
UPLOADED = re.compile(r'[0-9a-f]{8}-(.+)')
"""A file name that Label Studio made of an uploaded file: eight letters of its own before the old one."""


def index_of(name: str, known: Sequence[str]) -> int | None:
    """The place of a name among those that are right; None = it is not there."""
    if name in known:
        return known.index(name)
    forms = [composed(right) for right in known]
    return forms.index(composed(name)) if composed(name) in forms else None


def check_names(
    source: str, places: Mapping[str, Sequence[str]], known: Sequence[str], kind: str, others: Sequence[str] = ()
) -> None:
    """Raises one UserError for all the names that the class file lacks, each with the nearest that it has.

    Args:
        source: what the names came from, as the user gave it.
        places: of each name, where it stands.
        known: the names that are right, case-sensitively.
        kind: of thing that is named: class or keypoint.
        others: names of the class file that stand for something else.
    """
    unknown = {name: where for name, where in places.items() if index_of(name, known) is None}
    if not unknown:
        return
    lines = [f'{name!r}{_hint(name, known, others)}, at {listed(where)}' for name, where in unknown.items()]
    raise UserError(
        f'{source}: no {kind} of that name: ' + '; '.join(lines) + f'. The class file lists {", ".join(known)}'
    )


def image_stem(path: str) -> str:
    """The name without folders and suffix of an image's path or address, on whatever system it was written.

    >>> image_stem('D:\\\\pictures\\\\seed0000000.png'), image_stem('shot.2')
    ('seed0000000', 'shot.2')
    """
    if '://' in path:
        path = unquote(urlsplit(path).path)
    file = PurePosixPath(path.replace('\\', '/'))
    return composed(file.stem if file.suffix.lower() in SUFFIXES else file.name)


def find_image(names: Iterable[str], known: Iterable[str]) -> str | None:
    """Which of the labelled images is meant; None = none of them.

    Args:
        names: that a label file has for the image, the first before the others; after all of them, what is left of each
            without what Roboflow and Label Studio add to it.
        known: names of the labelled images.
    """
    forms = {composed(name): name for name in known}
    own = [composed(name) for name in names]
    for name in [*own, *(shorter for long in own for shorter in _without_additions(long))]:
        if name in forms:
            return forms[name]
    return None


def _without_additions(name: str) -> Iterator[str]:
    exported = ROBOFLOW.fullmatch(name)
    if exported:
        yield exported[1]
    uploaded = UPLOADED.fullmatch(exported[1] if exported else name)
    if uploaded:
        yield uploaded[1]


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """A few of the names, those most like this one first."""
    return difflib.get_close_matches(name, known, n=NEAREST, cutoff=0.0)


def _hint(name: str, known: Sequence[str], others: Sequence[str]) -> str:
    if index_of(name, others) is not None:
        return ' (that is the other kind: keypoints are points, classes have an area)'
    folded = [right for right in known if composed(right).casefold() == composed(name).casefold()]
    near = folded or difflib.get_close_matches(name, known, n=1)
    if not near:
        return ''
    hidden = [letter for letter in dict.fromkeys(name) if not letter.isascii() and letter not in near[0]]
    unseen = f'; here it has {", ".join(map(_described, hidden))}' if hidden else ''
    return f' (did you mean {near[0]!r}?{unseen})'


def _described(letter: str) -> str:
    return f'U+{ord(letter):04X} {unicodedata.name(letter, "without a name")}'


def listed(places: Sequence[str]) -> str:
    """Places in a message, the first few of many."""
    more = f' and {len(places) - MAX_PLACES} more' if len(places) > MAX_PLACES else ''
    return ', '.join(places[:MAX_PLACES]) + more
