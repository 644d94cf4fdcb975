"""An estimate judged: against the truth of a simulated recording where there is one, and always against what each camera saw that it was not given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.calibration import Rig
from bodydouble.hand_pose import metrics
from bodydouble.hand_pose.baseline import at_frames, best_sides, triangulated_baseline
from bodydouble.hand_pose.camera_poses import HEAD_FRAME, ROOM, CameraPoses
from bodydouble.hand_pose.human_motion import HumanMotion, Source
from bodydouble.hand_pose.landmarks import LANDMARK_NAMES, LEFT_HAND, MAIN_JOINTS, RIGHT_HAND, Landmarks
from bodydouble.hand_pose.leave_one_out import LeaveOneOut, Refit, leave_each_out
from bodydouble.hand_pose.simulation.moment import Visibility
from bodydouble.hand_pose.simulation.truth import Truth
from bodydouble.progress import Progress, silent

FloatArray = npt.NDArray[np.float64]

_row = LANDMARK_NAMES.index
BODY = list(MAIN_JOINTS)
HIPS = [_row("left_hip"), _row("right_hip")]
WRISTS = [_row("left_wrist"), _row("right_wrist")]
LEGS = [_row(f"{side}_{part}") for side in ("left", "right") for part in ("hip", "knee", "ankle")]
ELBOWS = [_row("left_elbow"), _row("right_elbow")]
FEET = [_row(f"{side}_{part}") for side in ("left", "right") for part in ("heel", "foot_index")]
HANDS = list(range(LEFT_HAND.start, RIGHT_HAND.stop))
LIMBS = [
    (_row(f"{side}_{one}"), _row(f"{side}_{two}"))
    for side in ("left", "right") for one, two in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]  # fmt: skip
_FINGER_JOINTS = {"thumb": ("cmc", "mcp", "ip", "tip")} | dict.fromkeys(("index", "middle", "ring", "little"), ("mcp", "pip", "dip", "tip"))
PHALANGES = [
    (_row(f"{side}_hand_{finger}_{one}"), _row(f"{side}_hand_{finger}_{two}"))
    for side in ("left", "right") for finger, joints in _FINGER_JOINTS.items() for one, two in pairwise(joints)
]  # fmt: skip
MM = 1000.0


@dataclass(frozen=True)
class Measure:
    """How a figure is read: its name for people, its unit, what it is relative to."""

    text: str
    unit: str
    has_baseline: bool = True


MEASURES: dict[str, Measure] = {
    "mkpe_mm": Measure("hands: MKPE, in the world", "mm"),
    "lost_track_ratio": Measure("hands: lost tracks", "share"),
    "side_errors": Measure("hands: left/right errors", "hand-frames"),
    "hand_pa_mpjpe_mm": Measure("hands: PA-MPJPE, each hand aligned", "mm"),
    "wrist_mm": Measure("wrists, seen or not", "mm"),
    "wrist_seen_mm": Measure("wrists of the hands above", "mm"),
    "elbow_mm": Measure("elbows, seen or not", "mm"),
    "elbow_observed_mm": Measure("elbows: observed", "mm", False),
    "legs_inferred_mm": Measure("hips and legs: inferred", "mm", False),
    "body_mpjpe_mm": Measure("body: MPJPE of 12 joints, in the world", "mm"),
    "body_mpjpe_observed_mm": Measure("body: MPJPE of observed joints", "mm", False),
    "body_mpjpe_inferred_mm": Measure("body: MPJPE of inferred joints", "mm", False),
    "body_mpjpe_rooted_mm": Measure("body: MPJPE from the hips", "mm"),
    "body_pa_mpjpe_mm": Measure("body: PA-MPJPE, each frame aligned", "mm"),
    "body_w_mpjpe_mm": Measure("body: W-MPJPE, recording aligned", "mm"),
    "body_w_mpjpe_scaled_mm": Measure("body: W-MPJPE, the same with scale", "mm"),
    "accel_error": Measure("hands: acceleration error", "m/s²"),
    "accel_error_with_lost": Measure("hands: the same, lost ones too", "m/s²"),
    "covariance_95_coverage": Measure("truth within the 95 % region", "share", False),
    "covariance_95_coverage_observed": Measure("the same, observed landmarks", "share", False),
    "covariance_95_coverage_inferred": Measure("the same, inferred landmarks", "share", False),
    "hand_jitter": Measure("hands: jitter", "m/s³"),
    "body_jitter": Measure("body: jitter", "m/s³"),
    "bone_length_variation_pct": Measure("bone lengths: deviation / mean", "%"),
    "limb_length_variation_pct": Measure("limbs alone", "%"),
    "foot_skate_mm_s": Measure("feet: sliding while they stand", "mm/s"),
}
"""Key in ``Evaluation.estimator`` and ``.baseline`` to what it is. One that could not be computed is NaN."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of an estimate and of the baseline; the definitions are those of ``metrics``, the keys those of ``MEASURES``."""

    cameras: tuple[str, ...]
    frames: int
    simulated: bool
    estimator: dict[str, float]
    baseline: dict[str, float]
    left_out: LeaveOneOut
    hand_frames: int = 0
    """Hands that are unoccluded in two or more cameras, one a frame: what the hand figures are of."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: None for what could not be computed, infinity included."""
        found: dict[str, Any] = {
            "simulated": self.simulated,
            "cameras": list(self.cameras),
            "frames": self.frames,
            "hand_frames": self.hand_frames if self.simulated else None,
            **dict.fromkeys(MEASURES, math.nan),
            **self.estimator,
            "mkpe_baseline_mm": self.baseline.get("mkpe_mm", math.nan),
            "accel_error_baseline": self.baseline.get("accel_error", math.nan),
            "leave_one_out_px": self.left_out.body.get("estimator"),
            "leave_one_out_hands_px": self.left_out.hands.get("estimator"),
            "baseline": {
                **self.baseline,
                "leave_one_out_px": self.left_out.body.get("baseline"),
                "leave_one_out_hands_px": self.left_out.hands.get("baseline"),
            },
            "not_refitted": self.left_out.reasons,
        }
        plain: dict[str, Any] = _plain(found)
        return plain


def evaluate(
    motion: HumanMotion, landmarks: Landmarks, rig: Rig, camera_poses: CameraPoses, refit: Refit, *,
    truth: Truth | None = None, frame_index: npt.NDArray[np.int64] | None = None, progress: Progress = silent,
) -> Evaluation:  # fmt: skip
    """Judge what an estimator made of ``landmarks``, beside plain triangulation of the same.

    ``truth`` comes with ``frame_index`` (C, T), the number of each frame in its camera's video, negative where there is none. The truth is taken at
    the times that the estimate claims, so a wrong clock is an error of the estimate. The baseline gets the true sides, or without truth the
    estimator's. ``refit`` is called once for each camera that detected anything. Raises: UnknownNameError for a camera unknown to the truth.
    """
    if truth is not None and frame_index is None:
        raise ValueError("truth needs frame_index, the number of each frame in its video")
    sided = best_sides(landmarks, motion, truth, frame_index)
    plain = triangulated_baseline(sided, rig, camera_poses)
    true_points, counted = None, np.zeros((motion.frames, 2), dtype=bool)
    if truth is not None and frame_index is not None:
        true_points = truth.landmarks_at(motion.times_s)
        counted = hands_to_find(truth, landmarks.cameras, frame_index)
        counted &= np.isfinite(true_points.sum(axis=(1, 2)))[:, None]
    estimator = _by_itself(motion.landmarks, motion.times_s, motion.frame, true_points)
    baseline = _by_itself(plain, motion.times_s, motion.frame, true_points)
    if true_points is not None:
        estimator = {
            **_against_truth(motion.landmarks, true_points, motion.times_s, counted, motion.frame),
            **_of_fit(motion, true_points),
            **estimator,
        }
        baseline |= _against_truth(plain, true_points, motion.times_s, counted, motion.frame)
    left_out = leave_each_out(landmarks, rig, camera_poses, refit, truth=truth, frame_index=frame_index, progress=progress)
    return Evaluation(landmarks.cameras, motion.frames, truth is not None, estimator, baseline, left_out, int(counted.sum()))


def hands_to_find(truth: Truth, cameras: tuple[str, ...], frame_index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return (T, 2) whether the left and the right hand are unoccluded in two or more of the cameras at once.

    ``frame_index`` (C, T). Raises: UnknownNameError for a camera that the truth does not know.
    """
    views = [at_frames(truth.visibility[truth.camera(name)], frame_index[row], Visibility.NOT_FILMED) for row, name in enumerate(cameras)]
    found: npt.NDArray[np.bool_] = metrics.unoccluded_hands(np.stack(views)).sum(axis=0) >= 2
    return found


def _by_itself(points: FloatArray, times_s: FloatArray, frame: str, true_points: FloatArray | None) -> dict[str, float]:
    """Measure how plausible landmarks (T, 75, 3) are; feet stand where the truth says, or without it where they are near their lowest."""
    figures = {
        "hand_jitter": metrics.jitter(points[:, HANDS], times_s),
        "body_jitter": metrics.jitter(points[:, BODY], times_s),
        "bone_length_variation_pct": 100 * metrics.bone_length_variation(points, [*LIMBS, *PHALANGES]),
        "limb_length_variation_pct": 100 * metrics.bone_length_variation(points, LIMBS),
        "foot_skate_mm_s": math.nan,
    }
    if frame != HEAD_FRAME:
        feet = points[:, FEET]
        contact = metrics.foot_near_floor(feet) if true_points is None else metrics.foot_contact(true_points[:, FEET], times_s)
        figures["foot_skate_mm_s"] = MM * metrics.foot_skate(feet, times_s, contact)
    return figures


def _against_truth(
    points: FloatArray, true_points: FloatArray, times_s: FloatArray, counted: npt.NDArray[np.bool_], frame: str
) -> dict[str, float]:
    """Measure landmarks (T, 75, 3) against the true ones; what is of the world is NaN for an estimate that is not in the world.

    The acceleration error is of three instants on end at which a hand ought to be found and is not lost: a single far-off triangulation would decide it.
    """
    own_frame, nowhere = points, np.full_like(points, np.nan)
    points = points if frame == ROOM else nowhere
    at_rest = nowhere if frame == HEAD_FRAME else own_frame
    hands = metrics.hand_errors(points, true_points, counted)
    body, true_body = points[:, BODY], true_points[:, BODY]
    from_hips = metrics.rooted(body, points[:, HIPS].mean(axis=1))
    true_from_hips = metrics.rooted(true_body, true_points[:, HIPS].mean(axis=1))
    return {
        "mkpe_mm": MM * hands.mkpe,
        "lost_track_ratio": hands.lost_track_ratio if frame == ROOM else math.nan,
        "side_errors": hands.side_errors if frame == ROOM else math.nan,
        "hand_pa_mpjpe_mm": MM * metrics.pa_mpjpe(_each_hand(_hands_where(own_frame, counted)), _each_hand(true_points[:, HANDS])),
        "wrist_mm": MM * metrics.mpjpe(points[:, WRISTS], true_points[:, WRISTS]),
        "wrist_seen_mm": MM * metrics.mpjpe(np.where(counted[..., None], points[:, WRISTS], np.nan), true_points[:, WRISTS]),
        "elbow_mm": MM * metrics.mpjpe(points[:, ELBOWS], true_points[:, ELBOWS]),
        "body_mpjpe_mm": MM * metrics.mpjpe(body, true_body),
        "body_mpjpe_rooted_mm": MM * metrics.mpjpe(from_hips, true_from_hips),
        "body_pa_mpjpe_mm": MM * metrics.pa_mpjpe(own_frame[:, BODY], true_body),
        "body_w_mpjpe_mm": MM * metrics.w_mpjpe(at_rest[:, BODY], true_body, scale=False),
        "body_w_mpjpe_scaled_mm": MM * metrics.w_mpjpe(at_rest[:, BODY], true_body, scale=True),
        "accel_error": metrics.accel_error(_hands_where(points, hands.tracked), true_points[:, HANDS], times_s),
        "accel_error_with_lost": metrics.accel_error(_hands_where(points, hands.counted), true_points[:, HANDS], times_s),
    }


def _of_fit(motion: HumanMotion, true_points: FloatArray) -> dict[str, float]:
    """Measure what only an estimator that says how it knows each value has."""
    points = motion.landmarks if motion.frame == ROOM else np.full_like(motion.landmarks, np.nan)
    measured = (motion.landmark_source == Source.OBSERVED) | (motion.landmark_source == Source.INTERPOLATED)
    inferred = motion.landmark_source == Source.INFERRED
    spread = motion.spread()

    def only(which: npt.NDArray[np.bool_]) -> FloatArray:
        return np.where(which[..., None], points, np.nan)

    return {
        "elbow_observed_mm": MM * metrics.mpjpe(only(measured)[:, ELBOWS], true_points[:, ELBOWS]),
        "legs_inferred_mm": MM * metrics.mpjpe(only(inferred)[:, LEGS], true_points[:, LEGS]),
        "body_mpjpe_observed_mm": MM * metrics.mpjpe(only(measured)[:, BODY], true_points[:, BODY]),
        "body_mpjpe_inferred_mm": MM * metrics.mpjpe(only(inferred)[:, BODY], true_points[:, BODY]),
        "covariance_95_coverage": metrics.coverage_95(points, true_points, spread),
        "covariance_95_coverage_observed": metrics.coverage_95(only(measured), true_points, spread),
        "covariance_95_coverage_inferred": metrics.coverage_95(only(inferred), true_points, spread),
    }


def _hands_where(points: FloatArray, which: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the hands' landmarks (T, 42, 3), NaN where ``which`` (T, 2) of left and right is False."""
    return np.where(np.repeat(which, 21, axis=1)[..., None], points[:, HANDS], np.nan)


def _each_hand(points: FloatArray) -> FloatArray:
    return points.reshape(-1, 21, 3)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
