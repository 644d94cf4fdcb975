"""What worn cameras tell besides landmarks: where the head is and faces, which way is up, where the floor is, how tall the person is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bodydouble.calibration.presets import BACKPACK
from bodydouble.hand_pose.bones import STATURE_MEAN, STATURE_SIGMA, typical_lengths
from bodydouble.hand_pose.camera_poses import ROOM, CameraPoses
from bodydouble.hand_pose.hand_sides import HandViews, decide_hands
from bodydouble.hand_pose.human import Human
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.neck_pull import PIVOT_TO_EYES
from bodydouble.hand_pose.observations import Observations
from bodydouble.hand_pose.posture_prior import heading
from bodydouble.hand_pose.skeleton import REFERENCE_STATURE

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BACKPACK_TO_EYES = (0.11, 0.0, 0.13)
"""m from the foot of the neck to between the eyes, in the frame of the backpack, of a person who looks ahead."""
EYE_SIGMA = 0.04
"""m: people who work stand a little lower than they are tall, and shoes add to it."""
LOWEST_EYES, HIGHEST_EYES = 1.30, 2.0
"""m above the floor: beyond it nobody stands there upright, or z = 0 is not the floor."""
UPRIGHT_SHARE = 0.9
"""Quantile of the eyes' height over time that counts as standing upright."""
STANDS_UP = 0.5
"""Cosine of the angle between the head's up and the room's z, on average, from which z is taken to be up."""


@dataclass(frozen=True)
class Worn:
    """What is known of the wearer over T frames."""

    T_world_head: FloatArray
    """(T, 4, 4) origin between the eyes, x forward, y left, z up; NaN where not known."""
    up: FloatArray
    """(3,)."""
    forward: FloatArray
    """(T, 3) horizontal, where the head faces on average; NaN if never known."""
    floor: float | None
    """Height of the floor along ``up``, m; None where nothing tells."""

    @classmethod
    def of(cls, poses: CameraPoses, times_s: FloatArray) -> Worn:
        """Take the head from the helmet, else from whatever else is worn. The floor is z = 0 of a room whose z is up."""
        T = head_poses(poses)
        z = np.array([0.0, 0.0, 1.0])
        known = np.isfinite(T[:, 0, 0])
        own = T[known][:, :3, 2].mean(axis=0) if known.any() else z
        own = own / max(float(np.linalg.norm(own)), 1e-9)
        up = z if own @ z > STANDS_UP else own
        height = eye_height(T, up)
        in_room = poses.frame == ROOM and up is z and np.isfinite(height) and 0.5 < height < HIGHEST_EYES + 0.2
        return cls(T, up, heading(T, times_s, up), 0.0 if in_room else None)

    def stature(self) -> tuple[float, float] | None:
        """Return stature and sigma in m from the height of the eyes above the floor; None where that cannot be a standing person's."""
        height = eye_height(self.T_world_head, self.up)
        if self.floor is None or not LOWEST_EYES <= height - self.floor <= HIGHEST_EYES:
            return None
        measured = (height - self.floor) / _eyes_of_typical() * REFERENCE_STATURE
        sigma = EYE_SIGMA / _eyes_of_typical() * REFERENCE_STATURE
        information = sigma**-2.0 + STATURE_SIGMA**-2.0
        return (measured * sigma**-2.0 + STATURE_MEAN * STATURE_SIGMA**-2.0) / information, float(information**-0.5)


def head_poses(poses: CameraPoses) -> FloatArray:
    """Return T_world_head (T, 4, 4)."""
    bodies = list(poses.T_world_body)
    name = next((body for body in bodies if body != BACKPACK), bodies[0])
    T = np.array(poses.T_world_body[name])
    if name == BACKPACK:
        T[:, :3, 3] += T[:, :3, :3] @ np.array(BACKPACK_TO_EYES)
    return T


def eye_height(T_world_head: FloatArray, up: FloatArray) -> float:
    """Return the height of the eyes of the person standing upright and looking ahead, m along ``up``; NaN if never known."""
    pivot = np.array(PIVOT_TO_EYES)
    heights = (T_world_head[:, :3, 3] - T_world_head[:, :3, :3] @ pivot) @ up + pivot[2]
    heights = heights[np.isfinite(heights)]
    return float(np.quantile(heights, UPRIGHT_SHARE)) if len(heights) else float("nan")


def hand_views(landmarks: Landmarks, observations: Observations, poses: CameraPoses) -> HandViews:
    """Return every view's hands with their rays in the world and where their size puts them."""
    shape = np.einsum("ctij,ctnj->ctni", poses.select(landmarks.cameras).T_world_camera[:, :, :3, :3], landmarks.shape_m)
    rays = np.where((observations.weight > 0)[..., None], observations.rays, np.nan)
    return HandViews.of(observations.origins, rays, observations.sigma_rad, landmarks.confidence, shape)


def decide(
    landmarks: Landmarks, observations: Observations, poses: CameraPoses, T_world_head: FloatArray, times_s: FloatArray
) -> tuple[Landmarks, BoolArray]:
    """Return the landmarks with every worn camera's hands on their sides, and the views that were exchanged (C, T)."""
    free = np.array([name in poses.moving for name in landmarks.cameras])
    sides = decide_hands(hand_views(landmarks, observations, poses), times_s, free, T_world_head)
    gone = np.zeros(landmarks.confidence.shape, dtype=bool)
    gone[:, :, LEFT_HAND], gone[:, :, RIGHT_HAND] = sides.dropped[..., :1], sides.dropped[..., 1:]
    kept = replace(
        landmarks, pixels=np.where(gone[..., None], np.nan, landmarks.pixels), confidence=np.where(gone, np.nan, landmarks.confidence),
        shape_m=np.where(gone[..., None], np.nan, landmarks.shape_m),
    )  # fmt: skip
    return kept.exchanged(sides.swap), sides.swap


def with_guesses(triangulated: FloatArray, views: HandViews) -> FloatArray:
    """Return points (T, 75, 3) with hands that only one camera saw put where their size says; to start from, not to keep."""
    points = triangulated.copy()
    there = np.isfinite(views.guess)
    count = there.sum(axis=0)
    mean = np.where(count > 0, np.where(there, views.guess, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    for side, rows in enumerate((LEFT_HAND, RIGHT_HAND)):
        few = np.isfinite(points[:, rows, 0]).sum(axis=1) < 11
        points[few, rows] = mean[few, side]
        hand = points[:, rows]
        points[:, rows] = np.where(np.isfinite(hand), hand, mean[:, side])
    return points


def _eyes_of_typical() -> float:
    """Return the height in m of the eyes of a typical person of the reference stature above the soles."""
    human = Human(typical_lengths(REFERENCE_STATURE))
    points = human.landmarks(human.rest)
    row = LANDMARK_NAMES.index
    return float((points[row("left_eye"), 2] + points[row("right_eye"), 2]) / 2 - points[row("left_heel"), 2])
