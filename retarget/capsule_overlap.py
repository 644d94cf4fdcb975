"""How deep a robot's capsules are in each other over a trajectory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodydouble.retarget.robot import Robot

FloatArray = npt.NDArray[np.float64]

BLOCK = 200_000
"""Distances at a time: what fits into a processor's cache beats what does not."""


def overlap_depths(robot: Robot, positions: FloatArray, base_pose: FloatArray) -> FloatArray:
    """Return the deepest overlap (T,) m among the pairs of ``robot.collision`` in each frame; negative is a gap, NaN where nothing is to be kept apart.

    ``positions`` (T, J) rad, ``base_pose`` (T, 7).
    """
    collision = robot.collision
    if not len(collision.pairs) or not len(positions):
        return np.full(len(positions), np.nan)
    used = np.unique(collision.pairs)
    links = tuple(dict.fromkeys(collision.link[i] for i in used))
    poses = robot.link_poses(positions, base_pose, links)
    of = np.array([links.index(collision.link[i]) if i in used else 0 for i in range(len(collision.link))])
    R, p = poses[:, of, :3, :3], poses[:, of][..., :3, 3]
    starts, ends = (np.einsum("tcij,cj->tci", R, x) + p for x in (collision.a, collision.b))
    i, j = collision.pairs[:, 0], collision.pairs[:, 1]
    reach = collision.radius[i] + collision.radius[j]
    deepest = np.empty(len(positions))
    block = max(1, BLOCK // len(i))
    for t in range(0, len(positions), block):
        part = slice(t, t + block)
        apart = segment_distances(starts[part, i], ends[part, i], starts[part, j], ends[part, j])
        deepest[part] = (reach - apart).max(axis=1)
    return deepest


def segment_distances(a0: FloatArray, a1: FloatArray, b0: FloatArray, b1: FloatArray) -> FloatArray:
    """Return the distances (...) between segments a0-a1 and b0-b1 (..., 3) m (Ericson 2005, "Real-Time Collision Detection", 5.1.9)."""
    d, e, r = a1 - a0, b1 - b0, a0 - b0
    dd, ee, de = _dot(d, d), _dot(e, e), _dot(d, e)
    dr, er = _dot(d, r), _dot(e, r)
    lengths = dd * ee - de * de
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(lengths > 1e-12 * dd * ee, np.clip((de * er - dr * ee) / lengths, 0.0, 1.0), 0.0)
        t = np.where(ee > 0, (de * s + er) / ee, 0.0)
        t = np.clip(t, 0.0, 1.0)
        s = np.where(dd > 0, np.clip((de * t - dr) / dd, 0.0, 1.0), 0.0)
    distance: FloatArray = np.linalg.norm(r + s[..., None] * d - t[..., None] * e, axis=-1)
    return distance


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    product: FloatArray = np.einsum("...i,...i->...", a, b)
    return product
