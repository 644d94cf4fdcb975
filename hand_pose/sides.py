"""Which views have left and right exchanged: decided over all cameras and the whole time at once, never image by image.

MediaPipe's pose model exchanges the sides of a person seen from behind. A label of a view at an instant is one bit; the bits of all views
of a frame are one state, and the cheapest path of states through time is found by dynamic programming (Viterbi 1967).
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from bodydouble.hand_pose.landmarks import POSE_NAMES, swapped_sides
from bodydouble.hand_pose.triangulate import Triangulation, triangulate

FloatArray = npt.NDArray[np.float64]

PAIRED = np.array([POSE_NAMES.index(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "foot_index", "ear")
                   for side in ("left", "right")])  # fmt: skip
"""The paired pose landmarks that decide, left before right."""

LABEL_COST = 0.15
"""Cost of believing that one view's labels are wrong, in units of one fully outlying landmark: small, since MediaPipe's own label is weak evidence."""
CHANGE_COST = 1.0
"""Cost of one view changing its label between two frames."""
SPEED_SCALE = 4.0
"""m/s at which a landmark's jump between frames counts half; hands and feet of a fast person reach 5 m/s."""
ANATOMY_COST = 4.0
"""Cost of a person whose nose or toes point backwards: the only evidence against all views being exchanged together."""
MAX_JOINT_STATES = 6
"""Up to this many cameras all combinations are tried; beyond it, cameras are decided in turn against those already placed."""


def decide_sides(
    origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma_rad: FloatArray, times_s: FloatArray
) -> npt.NDArray[np.bool_]:
    """Return (C, T) True where a view's left and right must be exchanged.

    ``origins`` (C, 3), ``rays`` (C, T, 75, 3) in the world, ``weights`` (C, T, 75), ``sigma_rad`` (C, T), ``times_s`` (T,).
    """
    cameras, frames = rays.shape[:2]
    if cameras == 1:
        return _by_continuity(rays[0], weights[0], times_s)[None]
    if cameras > MAX_JOINT_STATES:
        best = np.argsort(-np.nansum(weights[:, :, PAIRED], axis=(1, 2)))[:MAX_JOINT_STATES]
        decided = np.zeros((cameras, frames), dtype=bool)
        decided[best] = decide_sides(origins[best], rays[best], weights[best], sigma_rad[best], times_s)
        for camera in [c for c in range(cameras) if c not in best]:
            both = np.stack([_evidence(origins, rays, weights, sigma_rad, [*best], decided, camera, swap) for swap in (False, True)])
            decided[camera] = both[1] + LABEL_COST < both[0]
        return decided

    states = list(itertools.product((False, True), repeat=cameras))
    found = {}
    for state in states[: len(states) // 2]:
        exchanged = np.repeat(np.array(state)[:, None], frames, axis=1)
        one = _triangulate_paired(origins, rays, weights, sigma_rad, exchanged)
        sided, cost = one.points.reshape(frames, -1, 2, 3), np.nansum(one.cost.reshape(frames, len(PAIRED)), axis=1)
        # All views the other way round: the same points under the other names.
        for way, those in ((state, sided), (tuple(not bit for bit in state), sided[:, :, ::-1])):
            found[way] = cost, those.reshape(frames, len(PAIRED), 3)
    costs, points = [], []
    for state in states:
        cost, pairs = found[state]
        costs.append(cost + LABEL_COST * sum(state) + ANATOMY_COST * _backwards(pairs))
        points.append(pairs)
    stacked = np.stack(points)  # (S, T, P, 3)
    change = CHANGE_COST * np.array(
        [[sum(a != b for a, b in zip(one, two, strict=True)) for two in states] for one in states], dtype=np.float64
    )
    path = _cheapest_path(np.stack(costs), stacked, change, times_s)
    return np.array(states)[path].T


def _by_continuity(rays: FloatArray, weights: FloatArray, times_s: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (T,) True where one camera's labels must be exchanged to go on as they were; most frames are taken to be right.

    The rays are cut where the torso would be half a metre long, which makes jumps metres.
    """
    other = swapped_sides()[PAIRED]
    names = [POSE_NAMES.index(f"{side}_{name}") for name in ("shoulder", "hip") for side in ("left", "right")]
    seen = weights > 0
    torso = rays[:, names[0]] + rays[:, names[1]] - rays[:, names[2]] - rays[:, names[3]]
    distance = 0.5 / max(float(np.nanmedian(np.linalg.norm(torso, axis=-1) / 2)) if np.isfinite(torso).any() else 0.17, 0.02)
    points = np.where(seen[..., None], rays, np.nan) * distance
    both = np.stack([points[:, PAIRED], points[:, other]])
    costs = np.stack([np.zeros(len(times_s)), np.full(len(times_s), LABEL_COST)])
    change = CHANGE_COST * (1.0 - np.eye(2))
    return _cheapest_path(costs, both, change, times_s).astype(bool)


def _triangulate_paired(
    origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma_rad: FloatArray, exchanged: npt.NDArray[np.bool_]
) -> Triangulation:
    other = swapped_sides()[PAIRED]
    cameras, frames = exchanged.shape
    chosen_rays = np.where(exchanged[..., None, None], rays[:, :, other], rays[:, :, PAIRED])
    chosen_weights = np.where(exchanged[..., None], weights[:, :, other], weights[:, :, PAIRED])
    sigma = np.repeat(sigma_rad[..., None], len(PAIRED), axis=2)
    flat = cameras, frames * len(PAIRED)
    return triangulate(origins, chosen_rays.reshape(*flat, 3), chosen_weights.reshape(flat), sigma.reshape(flat), refinements=1)


def _evidence(
    origins: FloatArray, rays: FloatArray, weights: FloatArray, sigma_rad: FloatArray,
    placed: list[int], decided: npt.NDArray[np.bool_], camera: int, swap: bool,
) -> FloatArray:  # fmt: skip
    rows = [*placed, camera]
    exchanged = decided[rows].copy()
    exchanged[-1] = swap
    found = _triangulate_paired(origins[rows], rays[rows], weights[rows], sigma_rad[rows], exchanged)
    cost: FloatArray = np.nansum(found.cost.reshape(rays.shape[1], len(PAIRED)), axis=1)
    return cost


def _backwards(points: FloatArray) -> FloatArray:
    """Return (T,) in [0, 1]: how surely the toes point against the direction that hips and shoulders say is forward."""
    place = {POSE_NAMES[index]: row for row, index in enumerate(PAIRED)}
    left_hip, right_hip = points[:, place["left_hip"]], points[:, place["right_hip"]]
    left_shoulder, right_shoulder = points[:, place["left_shoulder"]], points[:, place["right_shoulder"]]
    up = (left_shoulder + right_shoulder) - (left_hip + right_hip)
    forward = np.cross(left_hip - right_hip + left_shoulder - right_shoulder, up)
    forward /= np.maximum(np.linalg.norm(forward, axis=-1, keepdims=True), 1e-9)
    length = np.zeros(len(points))
    for side in ("left", "right"):
        toe = points[:, place[f"{side}_foot_index"]] - points[:, place[f"{side}_heel"]]
        length += np.nan_to_num(np.sum(toe * forward, axis=-1))
    return np.clip(-length / 0.2, 0.0, 1.0)


def _cheapest_path(costs: FloatArray, points: FloatArray, change: FloatArray, times_s: FloatArray) -> npt.NDArray[np.intp]:
    """Return the state of every frame (T,) on the cheapest path; ``costs`` (S, T), ``points`` (S, T, P, 3), ``change`` (S, S)."""
    states, frames = costs.shape
    total = costs[:, 0].copy()
    came_from = np.zeros((frames, states), dtype=np.intp)
    for frame in range(1, frames):
        reach = SPEED_SCALE * max(times_s[frame] - times_s[frame - 1], 1e-3) + 0.05
        jump = np.linalg.norm(points[:, None, frame - 1] - points[None, :, frame], axis=-1) / reach
        squared = jump**2
        moved = np.nansum(squared / (1.0 + squared), axis=-1)
        candidate = total[:, None] + change + moved
        came_from[frame] = np.argmin(candidate, axis=0)
        total = np.min(candidate, axis=0) + costs[:, frame]
    path = np.zeros(frames, dtype=np.intp)
    path[-1] = int(np.argmin(total))
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path
