"""Names in label files against those of the class file."""
from __future__ import annotations

import difflib
from collections.abc import Sequence

from datasetgan_ext.errors import UserError


def check_names(source: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raises UserError when a name is unknown, with the nearest known one, or stands there twice."""
    problems = []
    for name in dict.fromkeys(names):
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            problems.append(f'{name!r} is unknown' + (f' (did you mean {near[0]!r}?)' if near else ''))
        elif list(names).count(name) > 1:
            problems.append(f'{name!r} is there twice')
    if problems:
        raise UserError(f'{source}: keypoint {"; ".join(problems)}. The class file lists {", ".join(known)}')
