"""Cut the triangles of a skinned mesh along a line, so that a seam of clothes runs straight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def cut_along(
    height: FloatArray, vertices: FloatArray, triangles: npt.NDArray[Any], follows: npt.NDArray[Any], weights: npt.NDArray[Any]
) -> tuple[FloatArray, npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return vertices (V', 3), triangles (F', 3), ``follows`` and ``weights`` (V', K) with every triangle that crosses height zero cut there.

    ``height`` (V,) of each vertex above the line; NaN keeps a triangle as it is. New vertices follow the bones of both ends of their edge, as linear
    blending would have moved the edge; of those the K strongest are kept. The old vertices stay in place, the form does not change.
    """
    triangles = np.asarray(triangles, dtype=np.int64)
    width = follows.shape[1]
    sign = np.where(height > 0, 1, -1)
    known = np.isfinite(height)[triangles].all(axis=1)
    crossed = known & (np.abs(sign[triangles].sum(axis=1)) == 1)
    made: dict[tuple[int, int], int] = {}
    points, bones, shares = list(vertices), list(follows), list(weights)

    def between(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in made:
            share = height[a] / (height[a] - height[b])
            made[key] = len(points)
            points.append(vertices[a] + share * (vertices[b] - vertices[a]))
            total: dict[int, float] = {}
            for vertex, part in ((a, 1 - share), (b, share)):
                for bone, weight in zip(follows[vertex], weights[vertex], strict=True):
                    total[int(bone)] = total.get(int(bone), 0.0) + part * float(weight)
            strongest = sorted(total.items(), key=lambda item: -item[1])[:width]
            strongest += [(strongest[0][0], 0.0)] * (width - len(strongest))
            kept = np.array([weight for _, weight in strongest])
            bones.append(np.array([bone for bone, _ in strongest], dtype=follows.dtype))
            shares.append((kept / kept.sum()).astype(weights.dtype))
        return made[key]

    cut: list[tuple[int, int, int]] = []
    for corners in triangles[crossed]:
        odd = int(np.flatnonzero(sign[corners] == -np.sign(sign[corners].sum()))[0])
        a, b, c = (int(corners[(odd + k) % 3]) for k in range(3))
        ab, ac = between(a, b), between(a, c)
        cut += [(a, ab, ac), (ab, b, c), (ab, c, ac)]
    every = np.concatenate([triangles[~crossed], np.array(cut, dtype=np.int64).reshape(-1, 3)])
    return np.array(points), every, np.array(bones), np.array(shares)
