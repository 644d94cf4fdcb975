"""Actions between -1 and 1, as robomimic's policies give them, and the way back to rad and metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.datasets.exports.export_settings import ActionKind, Frame
from bodydouble.datasets.exports.samples import HANDS, Signal
from bodydouble.hand_pose.human_motion import Source
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]

REACH_M: dict[Frame, float] = {"base": 2.0, "head": 2.0, "world": 10.0}
"""Largest coordinate of an end effector's position by the frame it is in. Fixed, so that exports can be merged: a hand is never 2 m from its robot's base or
head; in the world a robot can walk."""


@dataclass(frozen=True)
class ActionScale:
    """What takes the numbers of a file, all in [-1, 1], back: ``action * scale + offset`` in rad, m or parts of a quaternion xyzw."""

    names: tuple[str, ...]
    offset: FloatArray
    """(D,)."""
    scale: FloatArray
    """(D,) positive."""

    def scaled(self, action: Signal) -> tuple[npt.NDArray[np.float32], int]:
        """Return (N, D) in [-1, 1] and how many known numbers were outside and had to be cut."""
        values = (action.filled.astype(np.float64) - self.offset) / self.scale
        # a rounding of the 32 bits is nothing that was cut
        cut = int((np.abs(values)[action.source != Source.MISSING] > 1.0 + 1e-6).sum())
        return np.clip(values, -1.0, 1.0).astype(np.float32), cut

    def same_as(self, other: ActionScale) -> bool:
        """Tell whether two scales are one."""
        return self.names == other.names and np.array_equal(self.offset, other.offset) and np.array_equal(self.scale, other.scale)


def action_scale(trajectory: RobotTrajectory, names: tuple[str, ...], kind: ActionKind, frame: Frame, rate_hz: float) -> ActionScale:
    """Return how an action signal of ``names`` is scaled.

    Joint positions: their range becomes [-1, 1]. Deltas: the way at ``velocity_limit`` in one sample becomes 1. End effectors: positions by ``REACH_M``,
    quaternions as they are, their fingers as joints. A joint without finite limits is scaled by pi (rad, or rad/s).
    """
    offset, scale = np.zeros(len(names)), np.ones(len(names))
    for column, name in enumerate(names):
        hand, _, axis = name.partition(".")
        if hand in HANDS and kind == "end-effector":
            scale[column] = REACH_M[frame] if axis in ("x", "y", "z") else 1.0
            continue
        row = trajectory.joint_names.index(name)
        if kind == "delta":
            scale[column] = _usable(trajectory.velocity_limit[row]) / rate_hz
        else:
            lower, upper = trajectory.lower[row], trajectory.upper[row]
            limited = np.isfinite([lower, upper]).all()
            offset[column] = (lower + upper) / 2 if limited else 0.0
            scale[column] = _usable((upper - lower) / 2 if limited else np.inf)
    return ActionScale(names, offset, scale)


def _usable(width: float) -> float:
    return float(width) if np.isfinite(width) and width > 0 else np.pi
