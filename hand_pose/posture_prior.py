"""How a person stands of whom cameras on the head see only the arms: trunk about upright, pelvis under it, feet on the floor.

None of it is seen: it decides only where inferred hips and legs are put.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

FloatArray = npt.NDArray[np.float64]

LEAN_FORWARD, LEAN_ASIDE = 0.12, 0.07
"""m, one sigma of the shoulders' middle before and beside that of the hips; 0.12 m is a lean of 14 degrees."""
HIPS_LEVEL = 0.02
TWIST = 0.05
"""m over the half width: how far hips and shoulders turn against where the head looks on average; 0.05 m of 0.18 m is 16 degrees."""
SHOULDERS_TURN = 0.12
"""m of 0.35 m, 20 degrees."""
FOOT_HEIGHT, FOOT_AWAY = 0.04, 0.15
SOLE = 0.01
"""m: heel and toe landmarks lie that far above the floor."""
HEADING_S = 1.0
"""Time over which the head's direction is averaged: the trunk does not follow every glance."""


@dataclass(frozen=True)
class PosturePrior:
    """Linear expectations of landmarks, in a frame with the axis up, frame by frame."""

    up: FloatArray
    """(3,)."""
    forward: FloatArray
    """(T, 3) horizontal, where the person faces on average; NaN where not known."""
    floor: float | None
    """Height of the floor along ``up``, m; None where not known."""

    @classmethod
    def of(cls, T_world_head: FloatArray, times_s: FloatArray, up: FloatArray, floor: float | None) -> PosturePrior:
        """Take the heading from the head's poses (T, 4, 4): x forward."""
        return cls(up, heading(T_world_head, times_s, up), floor)

    def pull(self, points: FloatArray, jacobian: FloatArray, frame: int) -> tuple[FloatArray, FloatArray, float]:
        """Return the normal equations (nv, nv), (nv,) and cost for landmarks (75, 3) with their Jacobian (75, 3, nv)."""
        forward = self.forward[frame]
        if not np.isfinite(forward[0]):
            return np.zeros((jacobian.shape[2],) * 2), np.zeros(jacobian.shape[2]), 0.0
        coefficients, expected, information = _rows(self.up, forward, self.floor)
        used = np.flatnonzero(np.any(coefficients != 0.0, axis=(0, 2)))
        flat = coefficients[:, used].reshape(len(coefficients), -1)
        residual = flat @ points[used].ravel() - expected
        rows = flat @ jacobian[used].reshape(-1, jacobian.shape[2])
        weighted = rows * information[:, None]
        return weighted.T @ rows, weighted.T @ residual, float(np.sum(information * residual**2))


def heading(T_world_head: FloatArray, times_s: FloatArray, up: FloatArray) -> FloatArray:
    """Return (T, 3) the horizontal direction that the head faces, averaged over ``HEADING_S``; the nearest known one in gaps, NaN if none is."""
    # Of a head that looks straight down, the top says where forward is.
    facing = T_world_head[:, :3, 0] + T_world_head[:, :3, 2] * np.clip(-T_world_head[:, :3, 0] @ up, 0.0, 1.0)[:, None]
    facing = facing - (facing @ up)[:, None] * up
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)
    known = np.flatnonzero(np.isfinite(facing).all(axis=1))
    result = np.full(facing.shape, np.nan)
    for frame, time in enumerate(times_s if len(known) else ()):
        near = known[np.abs(times_s[known] - time) <= HEADING_S / 2]
        if not len(near):
            near = known[[int(np.argmin(np.abs(times_s[known] - time)))]]
        mean = facing[near].mean(axis=0)
        result[frame] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return result


def _rows(up: FloatArray, forward: FloatArray, floor: float | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return coefficients (R, 75, 3), expected values (R,) and information (R,)."""
    left = np.cross(up, forward)
    rows: list[tuple[dict[str, FloatArray], float, float]] = []
    shoulders, hips = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
    for axis, sigma in ((forward, LEAN_FORWARD), (left, LEAN_ASIDE)):
        rows.append(({**{name: axis / 2 for name in shoulders}, **{name: -axis / 2 for name in hips}}, 0.0, sigma))
    rows.append(({"left_hip": up, "right_hip": -up}, 0.0, HIPS_LEVEL))
    rows.append(({"left_hip": forward, "right_hip": -forward}, 0.0, TWIST))
    rows.append(({"left_shoulder": forward, "right_shoulder": -forward}, 0.0, SHOULDERS_TURN))
    for side in ("left", "right"):
        for axis in (forward, left):
            rows.append(({f"{side}_ankle": axis, f"{side}_hip": -axis}, 0.0, FOOT_AWAY))
        if floor is not None:
            rows += [({f"{side}_{name}": up}, floor + SOLE, FOOT_HEIGHT) for name in ("heel", "foot_index")]
    coefficients = np.zeros((len(rows), 75, 3))
    for number, (parts, _, _) in enumerate(rows):
        for name, vector in parts.items():
            coefficients[number, LANDMARK_NAMES.index(name)] = vector
    return coefficients, np.array([expected for _, expected, _ in rows]), np.array([sigma**-2.0 for _, _, sigma in rows])
