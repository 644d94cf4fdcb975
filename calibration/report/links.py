"""Which cameras saw the same thing at the same moment, and on how few moments their relative poses hang."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.bundle.state import Views

IntArray = npt.NDArray[np.int64]

ROOM = "room"
"""The body that does not move: cameras on it that saw the same standing targets need not have seen them at the same moment."""


@dataclass(frozen=True)
class Link:
    """A pair of cameras on one body, and in how many moments both saw the same."""

    one: int
    other: int
    moments: int


def shared_moments(views: Views, cameras: int, standing: npt.NDArray[np.bool_], bodies: Sequence[str]) -> IntArray:
    """Return (C, C) in how many moments two cameras saw the same target, or two targets that stand still; on the diagonal any target.

    ``standing`` (G,) are the targets that stand still in the room, ``bodies`` (C,) names the body of each camera.
    """
    if len(views) == 0:
        return np.zeros((cameras, cameras), dtype=np.int64)
    thing = np.where(standing[views.target], 0, views.target + 1)
    moments = int(views.moment.max()) + 1
    saw = np.zeros((cameras, moments, len(standing) + 1), dtype=np.bool_)
    saw[views.camera, views.moment, thing] = True
    shared: IntArray = np.zeros((cameras, cameras), dtype=np.int64)
    for one in range(cameras):
        shared[one] = (saw[one] & saw).any(axis=-1).sum(axis=-1)
    mapped = saw[:, :, 0].sum(axis=-1) * np.array([body == ROOM for body in bodies])
    return np.maximum(shared, np.where(np.eye(cameras, dtype=bool), 0, np.minimum(mapped[:, None], mapped[None])))


def strongest_links(shared: IntArray, bodies: Sequence[str]) -> tuple[list[Link], list[list[int]]]:
    """Return the links that tie the cameras of each body together best, and the groups of cameras that they tie.

    The links are a maximum spanning forest (Kruskal, 1956): no other choice has a stronger weakest link.
    """
    count = len(bodies)
    pairs = [(int(shared[a, b]), a, b) for a in range(count) for b in range(a + 1, count) if bodies[a] == bodies[b] and shared[a, b] > 0]
    group = list(range(count))
    links = []
    for moments, a, b in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if group[a] != group[b]:
            links.append(Link(a, b, moments))
            old, new = group[b], group[a]
            group = [new if g == old else g for g in group]
    return links, [[c for c in range(count) if group[c] == g] for g in dict.fromkeys(group)]
