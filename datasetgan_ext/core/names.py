"""Names in label files against those of the class file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from datasetgan_ext.core.errors import UserError

MAX_PLACES = 10
"""Places that a message lists for one name."""


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
    unknown = {name: where for name, where in places.items() if name not in known}
    if not unknown:
        return
    lines = [f'{name!r}{_hint(name, known, others)}, at {_listed(where)}' for name, where in unknown.items()]
    raise UserError(
        f'{source}: no {kind} of that name: ' + '; '.join(lines) + f'. The class file lists {", ".join(known)}'
    )


def _hint(name: str, known: Sequence[str], others: Sequence[str]) -> str:
    if name in others:
        return ' (that is the other kind: keypoints are points, classes have an area)'
    folded = [right for right in known if right.casefold() == name.casefold()]
    near = folded or difflib.get_close_matches(name, known, n=1)
    return f' (did you mean {near[0]!r}?)' if near else ''


def _listed(where: Sequence[str]) -> str:
    more = f' and {len(where) - MAX_PLACES} more' if len(where) > MAX_PLACES else ''
    return ', '.join(where[:MAX_PLACES]) + more
