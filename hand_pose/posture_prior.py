"""How a person stands of whom cameras on the head see only the arms: trunk about upright, pelvis under it, feet on the floor.

None of it is seen: it decides only where inferred hips and legs are put.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.batched_kinematics import BatchedKinematics
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES

FloatArray = npt.NDArray[np.float64]

LEAN_FORWARD, LEAN_ASIDE = 0.12, 0.07
"""m, one sigma of the shoulders' middle before and beside that of the hips; 0.12 m is a lean of 14 degrees."""
HIPS_LEVEL = 0.02
TWIST = 0.05
"""m over the half width: how far hips and shoulders turn against where the head looks on average; 0.05 m of 0.18 m is 16 degrees."""
SHOULDERS_TURN = 0.12
"""m of 0.35 m, 20 degrees."""
ELBOW_BELOW, ELBOW_BESIDE = (0.22, 0.15), (0.12, 0.12)
"""m below and outside of the shoulder, with one sigma: arms hang unless what the hands do lifts them (Kim et al. 2012, "On the redundancy resolution of
the human arm"). The upper arm is 0.28 m long."""
FOOT_HEIGHT, FOOT_AWAY = 0.04, 0.15
SOLE = 0.01
"""m: heel and toe landmarks lie that far above the floor."""
HEADING_S = 1.0
"""Time over which the head's direction is averaged: the trunk does not follow every glance."""
_USED = [f"{side}_{name}" for side in ("left", "right") for name in ("shoulder", "elbow", "hip", "ankle", "heel", "foot_index")]
USED = np.array([LANDMARK_NAMES.index(name) for name in _USED])
"""Landmarks of which something is expected."""


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

    def pull(self, here: BatchedKinematics) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the normal equations (F, nv, nv), (F, nv) and cost (F,); nothing where no heading is known."""
        frames, nv = len(self.forward), here.human.nv
        known = np.isfinite(self.forward[:, 0])
        if not known.any():
            return np.zeros((frames, nv, nv)), np.zeros((frames, nv)), np.zeros(frames)
        coefficients, expected, information = _rows(self.up, np.where(known[:, None], self.forward, 0.0), self.floor)
        flat = coefficients.reshape(frames, len(expected), -1)
        points = here.landmarks[:, USED].reshape(frames, -1, 1)
        residual = np.matmul(flat, points)[..., 0] - expected
        rows = np.matmul(flat, here.jacobian(USED).reshape(frames, -1, nv))
        weighted = rows * (information * known[:, None])[..., None]
        gradient = np.matmul(residual[:, None], weighted)[:, 0]
        return np.matmul(np.swapaxes(weighted, 1, 2), rows), gradient, np.sum(information * residual**2, axis=1) * known

    def select(self, frames: npt.NDArray[np.intp]) -> PosturePrior:
        """Return that of some frames."""
        return PosturePrior(self.up, self.forward[frames], self.floor)


def heading(T_world_head: FloatArray, times_s: FloatArray, up: FloatArray) -> FloatArray:
    """Return (T, 3) the horizontal direction that the head faces, averaged over ``HEADING_S``; the nearest known one in gaps, NaN if none is."""
    # Of a head that looks straight down, the top says where forward is.
    facing = T_world_head[:, :3, 0] + T_world_head[:, :3, 2] * np.clip(-T_world_head[:, :3, 0] @ up, 0.0, 1.0)[:, None]
    facing = facing - (facing @ up)[:, None] * up
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)
    known = np.flatnonzero(np.isfinite(facing).all(axis=1))
    result = np.full(facing.shape, np.nan)
    if not len(known):
        return result
    times = times_s[known]
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(facing[known], axis=0)])
    first, last = np.searchsorted(times, times_s - HEADING_S / 2, "left"), np.searchsorted(times, times_s + HEADING_S / 2, "right")
    nearest = np.clip(np.searchsorted(times, times_s), 1, max(len(known) - 1, 1))
    before = np.minimum(nearest - 1, len(known) - 1)
    nearest = np.where(np.abs(times[before] - times_s) <= np.abs(times[np.minimum(nearest, len(known) - 1)] - times_s), before, nearest)
    nearest = np.minimum(nearest, len(known) - 1)
    first, last = np.where(last > first, first, nearest), np.where(last > first, last, nearest + 1)
    mean = sums[last] - sums[first]
    result[:] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    return result


def _rows(up: FloatArray, forward: FloatArray, floor: float | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return coefficients (F, R, U, 3) of the landmarks ``USED``, expected values (R,) and information (R,)."""
    left = np.cross(up, forward)
    upward = np.broadcast_to(up, forward.shape)
    rows: list[tuple[dict[str, FloatArray], float, float]] = []
    shoulders, hips = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
    for axis, sigma in ((forward, LEAN_FORWARD), (left, LEAN_ASIDE)):
        rows.append(({**{name: axis / 2 for name in shoulders}, **{name: -axis / 2 for name in hips}}, 0.0, sigma))
    rows.append(({"left_hip": upward, "right_hip": -upward}, 0.0, HIPS_LEVEL))
    rows.append(({"left_hip": forward, "right_hip": -forward}, 0.0, TWIST))
    rows.append(({"left_shoulder": forward, "right_shoulder": -forward}, 0.0, SHOULDERS_TURN))
    for side, outwards in (("left", left), ("right", -left)):
        rows.append(({f"{side}_elbow": upward, f"{side}_shoulder": -upward}, -ELBOW_BELOW[0], ELBOW_BELOW[1]))
        rows.append(({f"{side}_elbow": outwards, f"{side}_shoulder": -outwards}, *ELBOW_BESIDE))
        for axis in (forward, left):
            rows.append(({f"{side}_ankle": axis, f"{side}_hip": -axis}, 0.0, FOOT_AWAY))
        if floor is not None:
            rows += [({f"{side}_{name}": upward}, floor + SOLE, FOOT_HEIGHT) for name in ("heel", "foot_index")]
    coefficients = np.zeros((len(forward), len(rows), len(USED), 3))
    for number, (parts, _, _) in enumerate(rows):
        for name, vector in parts.items():
            coefficients[:, number, _USED.index(name)] = vector
    return coefficients, np.array([expected for _, expected, _ in rows]), np.array([sigma**-2.0 for _, _, sigma in rows])
