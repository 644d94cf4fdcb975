"""How well a robot does what a person did: every figure, measured on the stored trajectory.

Errors are to the scaled targets of ``skeleton_walk.py``, which depend on bone lengths alone; medians over the frames in which the human part was observed, 95th
percentiles under ``..._p95``. Frames in which a task was not met are not left out. As in the evaluations of OmniRetarget (Yang et al. 2025: penetration
depth, skating of planted feet) and GMR (Araujo et al. 2025: ground penetration, floating, self-intersection, jumps of joints); smoothness by
spectral arc length (Balasubramanian et al. 2015). What each figure means and what passes is in ``quality.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bodydouble.gates import FigureLimits, Gate, judge_figures, read_figure_limits
from bodydouble.hand_pose.human_motion import HumanMotion
from bodydouble.retarget.capsule_overlap import overlap_depths
from bodydouble.retarget.comparison import Comparison
from bodydouble.retarget.limits import finite_accelerations, finite_rates, limit_violations
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.targets import Targets
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]


def figure_limits() -> Mapping[str, FigureLimits]:
    """Return what each figure means and what passes, by name."""
    return read_figure_limits("bodydouble.retarget", "quality.toml")


def judge(figures: Mapping[str, float]) -> dict[str, Gate]:
    """Hold figures against ``quality.toml``."""
    return judge_figures(figures, figure_limits())


def quality_figures(trajectory: RobotTrajectory, motion: HumanMotion, robot: Robot, targets: Targets) -> dict[str, float]:
    """Return figure name to value, in the units of ``quality.toml``; NaN where there is nothing to measure or it was not computed.

    ``targets`` are those of ``motion`` for ``robot``, frame by frame those of ``trajectory``.
    """
    seen = Comparison(trajectory, motion, robot, targets)
    figures: dict[str, float] = {}
    for name, values in (
        ("palm_position_mm", seen.palm_positions(targets.points)),
        ("palm_position_unscaled_mm", seen.palm_positions(targets.unscaled)),
        ("palm_orientation_deg", seen.palm_orientations()),
        ("fingertip_mm", seen.fingertips()),
        ("pinch_mm", seen.pinches()),
        ("bone_direction_deg", seen.bone_directions()),
        ("elbow_angle_deg", seen.elbow_angles()),
        ("between_hands_mm", seen.between_hands()),
        ("foot_skate_mm_per_s", seen.foot_speeds()),
        ("foot_floating_mm", seen.foot_heights()),
    ):
        figures[name], figures[f"{name}_p95"] = _percentile(values, 50), _percentile(values, 95)
    return {
        **figures,
        "foot_penetration_mm": _largest(seen.foot_depths()),
        **seen.smoothness(),
        **limit_figures(trajectory),
        "self_penetration_mm": 1e3 * _largest(np.maximum(overlap_depths(robot, trajectory.positions, trajectory.base_pose), 0.0)),
        **effort_figures(trajectory),
        "unmet_fraction": unmet_fraction(trajectory),
    }


def unmet_fraction(trajectory: RobotTrajectory) -> float:
    """Return the share of frames in which some task was not met; NaN where no frame had any task: what was not asked was not met either."""
    unmet, idle = trajectory.flags.get("task_unmet"), trajectory.flags.get("not_driven")
    if unmet is None or (idle is not None and np.asarray(idle).all()):
        return float("nan")
    return float(np.mean(unmet))


def limit_figures(trajectory: RobotTrajectory) -> dict[str, float]:
    """Return how far joints are from their limits, and how often beyond."""
    counts = limit_violations(trajectory)
    margins = np.minimum(trajectory.positions - trajectory.lower, trajectory.upper - trajectory.positions)
    speeds = np.abs(finite_rates(trajectory.times_s, trajectory.positions)) / trajectory.velocity_limit
    limit = np.nan if trajectory.acceleration_limit is None else trajectory.acceleration_limit
    rises = np.abs(finite_accelerations(trajectory.times_s, trajectory.positions)) / limit
    return {
        "joint_limit_violations": float(counts.range),
        "velocity_limit_violations": float(counts.velocity),
        "acceleration_limit_violations": np.nan if counts.acceleration is None else float(counts.acceleration),
        "range_margin_deg": _percentile(np.degrees(margins.min(axis=0, initial=np.inf)), 50),
        "speed_share_p95": _percentile(speeds, 95),
        "acceleration_share_p95": _percentile(rises, 95),
    }


def effort_figures(trajectory: RobotTrajectory) -> dict[str, float]:
    """Return how much of their torque motors use, on their feet where those are planted, and how often the robot would fall over."""
    supported, margin = trajectory.supported_torques, trajectory.support_margin
    needed = trajectory.torques if supported is None else np.where(np.isfinite(supported), supported, trajectory.torques)
    standing = np.zeros(trajectory.frames, dtype=bool) if margin is None else np.isfinite(margin)
    tips = trajectory.flags.get("out_of_balance")
    limited = np.isfinite(trajectory.effort_limit)
    return {
        "torque_share_p95": _percentile(np.abs(needed[:, limited]) / trajectory.effort_limit[limited], 95),
        "effort_exceeded_pct": 100.0 * float(np.mean(trajectory.flags["effort_exceeded"]))
        if "effort_exceeded" in trajectory.flags and np.isfinite(needed).any()
        else np.nan,
        "out_of_balance_pct": 100.0 * float(np.mean(tips[standing])) if tips is not None and standing.any() else np.nan,
        "support_margin_mm": np.nan if margin is None else 1e3 * _percentile(margin, 50),
    }


def unmet_tasks(trajectory: RobotTrajectory, robot: Robot) -> dict[str, float]:
    """Return the share of frames in which each task was not met, the most frequent first; tasks that always were are left out."""
    shares = {}
    for task in robot.file.tasks:
        errors = trajectory.task_errors.get(task.name)
        if task.unmet_above is not None and errors is not None and len(errors):
            with np.errstate(invalid="ignore"):
                shares[task.name] = float(np.mean(errors > task.unmet_above))
    return {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share > 0}


def _percentile(values: FloatArray, percent: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.percentile(known, percent)) if len(known) else float("nan")


def _largest(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else float("nan")
