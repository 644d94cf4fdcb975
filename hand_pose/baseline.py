"""The baseline that an estimator must beat: every landmark of every frame triangulated by itself, weighted by the detector's confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.hand_pose.camera_poses import CameraPoses
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.hand_pose.landmarks import LEFT_HAND, MAIN_JOINTS, POSE, RIGHT_HAND, Landmarks, swapped_sides
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.simulation.truth import Truth
from bodydouble.hand_pose.triangulate import triangulate_linear

FloatArray = npt.NDArray[np.float64]

UNSEEN_PX = 1e6
"""Distance to a true hand that the lens does not image: farther than any that it does."""


def triangulated_baseline(landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses) -> FloatArray:
    """Return landmarks (T, 75, 3) m in the world by linear least squares on the rays; NaN where fewer than two cameras detected one.

    Sides are taken as the landmarks say them: see ``with_true_sides``.
    """
    seen = Observations.of(landmarks, rig, camera_poses)
    cameras, frames = seen.rays.shape[:2]
    flat = (cameras, frames * 75)
    origins = np.broadcast_to(seen.origins[:, :, None], seen.rays.shape)
    weight = np.nan_to_num(landmarks.confidence).reshape(flat)
    return triangulate_linear(origins.reshape(*flat, 3), seen.rays.reshape(*flat, 3), weight).reshape(frames, 75, 3)


def with_true_sides(landmarks: Landmarks, truth: Truth, frame_index: npt.NDArray[np.int64]) -> Landmarks:
    """Return landmarks whose left and right are what the truth says, in the body and in the hands of each view by themselves.

    ``frame_index`` (C, T) is the number of each frame in its camera's video, negative where there is none. Two hands of a view are exchanged when
    that brings them nearer to the true ones in the image, a single hand goes to the nearer one, and the body's sides are exchanged when its
    twelve main joints are nearer to the true ones then. Raises: UnknownNameError for a camera that the truth does not know.
    """
    other = swapped_sides()
    order = np.broadcast_to(np.arange(75), landmarks.confidence.shape).copy()
    for row, name in enumerate(landmarks.cameras):
        true_px = at_frames(truth.pixels[truth.camera(name)], frame_index[row], np.nan)
        found_px = landmarks.pixels[row]
        joints = list(MAIN_JOINTS)
        body = _exchanged_is_nearer(found_px, true_px, [(joints, joints)], [(joints, list(other[joints]))])
        left, right = _rows(LEFT_HAND), _rows(RIGHT_HAND)
        hands = _exchanged_is_nearer(found_px, true_px, [(left, left), (right, right)], [(left, right), (right, left)])
        order[row, :, POSE] = np.where(body[:, None], other[POSE], order[row, :, POSE])
        order[row, :, 33:] = np.where(hands[:, None], other[33:], order[row, :, 33:])
    return Landmarks(
        landmarks.cameras, landmarks.times_s, np.take_along_axis(landmarks.pixels, order[..., None], axis=2),
        np.take_along_axis(landmarks.confidence, order, axis=2), np.take_along_axis(landmarks.shape_m, order[..., None], axis=2), landmarks.settings,
    )  # fmt: skip


def best_sides(landmarks: Landmarks, motion: HumanMotion, truth: Truth | None, frame_index: npt.NDArray[np.int64] | None) -> Landmarks:
    """Return landmarks with the true sides where there is a truth, else with those that the fit ``motion`` of the same cameras decided."""
    if truth is not None and frame_index is not None:
        return with_true_sides(landmarks, truth, frame_index)
    return landmarks.exchanged(motion.relabelled == 1)


def at_frames(values: npt.NDArray[Any], frame_index: npt.NDArray[np.int64], missing: float) -> npt.NDArray[Any]:
    """Return rows (T, ...) of a camera's values (K, ...) by number of its frame (T,), ``missing`` for a number that is not there."""
    there = (frame_index >= 0) & (frame_index < len(values))
    found = np.full((len(frame_index), *values.shape[1:]), missing, dtype=values.dtype)
    found[there] = values[frame_index[there]]
    return found


def _exchanged_is_nearer(
    found_px: FloatArray, true_px: FloatArray, kept: list[tuple[list[int], list[int]]], exchanged: list[tuple[list[int], list[int]]]
) -> npt.NDArray[np.bool_]:
    """Return (T,) whether the second pairing of found with true rows has the smaller sum of mean distances."""
    totals = [sum(_mean_distance(found_px[:, ours], true_px[:, theirs]) for ours, theirs in pairs) for pairs in (kept, exchanged)]
    nearer: npt.NDArray[np.bool_] = np.asarray(totals[1] < totals[0])
    return nearer


def _mean_distance(found_px: FloatArray, true_px: FloatArray) -> FloatArray:
    """Return (T,) px between points (T, N, 2): 0 where nothing was found, far where the truth is not imaged."""
    distance = np.linalg.norm(found_px - true_px, axis=-1)
    known = np.isfinite(distance)
    mean = np.where(known, distance, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    detected = np.isfinite(found_px[..., 0]).any(axis=1)
    return np.where(known.any(axis=1), mean, np.where(detected, UNSEEN_PX, 0.0))


def _rows(part: slice) -> list[int]:
    return list(range(part.start, part.stop))
