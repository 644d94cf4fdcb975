"""CollisionModel: the robot's body as capsules, and which of them are to be kept apart.

A capsule is everything within ``radius`` of the segment from ``a`` to ``b``; a ball has a = b. Distances between capsules and their gradients are
cheap and smooth, where those between meshes are neither.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bodydouble.frozen_arrays import freeze_arrays

FloatArray = npt.NDArray[np.float64]
DEFAULT_MARGIN = 0.003
"""m, the distance that is kept where the robot's file names none."""


@dataclass(frozen=True, eq=False)
class CollisionModel:
    """C capsules, each fixed to a link, and P pairs of them. Arrays are read-only."""

    link: tuple[str, ...]
    """(C,) link that each capsule is fixed to."""
    a: FloatArray
    """(C, 3) m in the link's frame."""
    b: FloatArray
    """(C, 3) m in the link's frame."""
    radius: FloatArray
    """(C,) m."""
    pairs: npt.NDArray[np.intp]
    """(P, 2) capsules that must not come nearer to each other than ``margin``."""
    margin: float = DEFAULT_MARGIN
    """m."""
    source: str = ""
    """Where the capsules come from, in words."""

    def __post_init__(self) -> None:
        count = len(self.link)
        pairs = np.asarray(self.pairs, dtype=np.intp).reshape(-1, 2)
        object.__setattr__(self, "pairs", pairs)
        freeze_arrays(
            self,
            {
                "a": ((count, 3), np.float64),
                "b": ((count, 3), np.float64),
                "radius": ((count,), np.float64),
                "pairs": (pairs.shape, np.intp),
            },
        )

    def link_pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of links that are kept apart, each once, in order."""
        return tuple(dict.fromkeys((self.link[i], self.link[j]) for i, j in self.pairs))

    def save(self, path: Path, *, key: str) -> None:
        """Write the model as JSON with the ``key`` of what it was made from, lengths rounded to 10 um."""
        capsules = [
            [link, *(round(float(v), 5) for v in (*a, *b, r))] for link, a, b, r in zip(self.link, self.a, self.b, self.radius, strict=True)
        ]
        rows = ",\n  ".join(json.dumps(row) for row in capsules)
        text = (
            f'{{"key": {json.dumps(key)}, "margin": {self.margin!r}, "source": {json.dumps(self.source)},\n "capsules": [\n  {rows}\n ],\n'
            f' "pairs": {json.dumps(self.pairs.tolist())}\n}}\n'
        )
        path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path, *, key: str) -> CollisionModel | None:
        """Return the model that was kept in ``path``, or None where it was made from something else than ``key``."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] != key:
            return None
        rows = kept["capsules"]
        numbers = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 7)
        return cls(
            tuple(row[0] for row in rows), numbers[:, :3], numbers[:, 3:6], numbers[:, 6], kept["pairs"], kept["margin"], kept["source"]
        )
