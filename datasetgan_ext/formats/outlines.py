"""Closed outlines: where one crosses itself, and how wide it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SMALL_LOOP = 1.0
"""Pixels: an outline may cross itself in a loop so thin; a click too many beside a corner makes such."""

MAX_EDGES = 64
"""Edges of a loop along which its width is measured."""

MAX_PAIRS, MAX_FORGIVEN = 10**8, 100
"""Pairs of an outline's edges that are looked at for crossings, and thin loops that are forgiven: so that a small file
takes seconds at most."""

ON_EDGE = 0.02
"""Pixels: a corner that is nearer to an edge lies on it. Tools round corners and the ends of edges, often to 0.01."""


class ShapeError(ValueError):
    """A shape that cannot be painted; the text says why, its caller knows of which file and shape."""


def self_crossing(corners: np.ndarray) -> np.ndarray | None:
    """Where two edges of the closed outline [N, 2] cross: float64 [2]; None = nowhere.

    Edges may touch and run along each other: so outlines with a hole, cut open, are drawn. And they may cross where the
    loop that this makes is nowhere wider than SMALL_LOOP: what it encloses is a matter of the border alone.
    """
    starts, ends = corners, np.roll(corners, -1, axis=0)
    forgiven = 0
    for index, others in _edges_nearby(starts[:, 1], ends[:, 1]):
        start, end = starts[index], ends[index]
        before, after = _side(start, end, starts[others]), _side(start, end, ends[others])
        here, there = _side(starts[others], ends[others], start), _side(starts[others], ends[others], end)
        found = np.flatnonzero(
            (np.minimum(before, after) < -ON_EDGE)
            & (np.maximum(before, after) > ON_EDGE)
            & (np.minimum(here, there) < -ON_EDGE)
            & (np.maximum(here, there) > ON_EDGE)
        )
        for place in found:
            share = here[place] / (here[place] - there[place])
            crossing = start + share * (end - start)
            other = others[place]
            loops = (corners[index + 1 : other + 1], np.concatenate([corners[other + 1 :], corners[: index + 1]]))
            forgiven += 1
            if forgiven > MAX_FORGIVEN or min(width_of(np.vstack([loop, crossing])) for loop in loops) > SMALL_LOOP:
                return crossing
    return None


def _edges_nearby(start_y: np.ndarray, end_y: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each edge of a closed outline, and those after it, the next one left out, that are perhaps at its height.

    Raises:
        ShapeError: they are too many pairs to look at.
    """
    top, bottom = np.minimum(start_y, end_y), np.maximum(start_y, end_y)
    order = np.argsort(top, kind='stable')
    tallest = (bottom - top).max(initial=0)
    first = np.searchsorted(top[order], top - tallest, side='left')
    last = np.searchsorted(top[order], bottom, side='right')
    if (last - first).sum() > MAX_PAIRS:
        raise ShapeError(f'its outline has {len(top)} corners, too many to check; draw it with fewer, or as a mask')
    for index in range(len(top)):
        others = order[first[index] : last[index]]
        yield index, others[others >= index + 2]


def width_of(loop: np.ndarray) -> float:
    """The width of the narrowest strip along one of its edges that holds a loop [N, 2].

    It is looked for among the first edges of long loops; there it may be found too large, never too small.
    """
    edges = (np.roll(loop, -1, axis=0) - loop)[:MAX_EDGES]
    lengths = np.hypot(*edges.T)
    if not lengths.any():
        return 0.0
    normals = (edges[:, ::-1] * (-1, 1))[lengths > 0] / lengths[lengths > 0, None]
    across = loop @ normals.T
    return float((across.max(axis=0) - across.min(axis=0)).min())


def _side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """How far the point is from the edge's line, and on which side, by the sign; 0 of an edge that is a point."""
    edge, arm = end - start, point - start
    length = np.hypot(edge[..., 0], edge[..., 1])
    return (edge[..., 0] * arm[..., 1] - edge[..., 1] * arm[..., 0]) / np.where(length, length, np.inf)
