"""How far, fast, hard and suddenly each joint may move: from the robot's description, completed by its TOML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bodydouble.errors import UsageError
from bodydouble.retarget.actuation import Actuation
from bodydouble.retarget.description import Description
from bodydouble.retarget.mapping import RobotFile

FloatArray = npt.NDArray[np.float64]
UNLIMITED = 1e6
"""A limit at least this large stands for none in the files of some robots."""


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Limits of J actuated joints, at which no follower exceeds its own."""

    lower: FloatArray
    """(J,) rad."""
    upper: FloatArray
    velocity: FloatArray
    """(J,) rad/s."""
    effort: FloatArray
    """(J,) N m; inf where nothing is known."""
    acceleration: FloatArray
    """(J,) rad/s^2."""
    assumed: dict[str, tuple[str, ...]]
    """"velocity", "effort", "acceleration": the joints whose limit neither the robot's file nor its TOML gives."""


def joint_limits(description: Description, file: RobotFile, actuation: Actuation, names: tuple[str, ...]) -> JointLimits:
    """Return the limits of the actuated joints ``names``.

    Raises: UsageError naming the joints that have no range, or whose range is empty.
    """
    by_name = {joint.name: joint for joint in description.joints}
    own = [by_name[name] for name in actuation.joint_names]
    ranges = np.array([(joint.lower, joint.upper) for joint in own]).reshape(-1, 2)
    narrowed = _per_joint(file.range, file)
    for i, joint in enumerate(own):
        if joint.name in narrowed:
            ranges[i] = np.array(narrowed[joint.name]) * description.unit(joint.name)
    _refuse_missing(description, actuation, ranges)
    lower, upper = actuation.actuated_limits(ranges[:, 0], ranges[:, 1])
    for name, low, high in zip(names, lower, upper, strict=True):
        if not low < high:
            raise UsageError(f"{description.path}: joint '{name}' has no range left between the ranges of the joints that follow it.")

    speeds = np.array([_given(joint.velocity) for joint in own])
    given_speeds = _per_joint(file.velocity, file)
    for i, joint in enumerate(own):
        speeds[i] = given_speeds.get(joint.name, speeds[i])
    velocity = actuation.actuated_speeds(np.where(np.isfinite(speeds), speeds, np.inf))
    unknown_speed = ~np.isfinite(velocity)
    velocity[unknown_speed] = _default(file.velocity, 10.0)

    efforts = np.array([_given(by_name[name].effort) for name in names])
    given_efforts = _per_joint(file.effort, file)
    efforts = np.array([given_efforts.get(name, effort) for name, effort in zip(names, efforts, strict=True)])
    unknown_effort = ~np.isfinite(efforts)
    efforts[unknown_effort] = _default(file.effort, np.inf)

    accelerations, known = _accelerations(file, names)
    assumed = {
        "velocity": tuple(name for name, missing in zip(names, unknown_speed, strict=True) if missing),
        "effort": tuple(name for name, missing in zip(names, unknown_effort, strict=True) if missing),
        "acceleration": tuple(name for name in names if name not in known),
    }
    return JointLimits(lower, upper, velocity, efforts, accelerations, assumed)


def _given(value: float) -> float:
    """Return a limit, or NaN where it says nothing: missing, 0, or beyond any machine."""
    return value if 0 < value < UNLIMITED else np.nan


def _refuse_missing(description: Description, actuation: Actuation, ranges: FloatArray) -> None:
    moved = actuation.actuator >= 0
    width = ranges[:, 1] - ranges[:, 0]
    bad = [name for name, w, m in zip(actuation.joint_names, width, moved, strict=True) if m and not 0 < w < UNLIMITED]
    if bad:
        listed = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise UsageError(
            f"{description.path}: no range for {listed}; give each actuated joint a <limit> with lower and upper there, or an entry in [range] "
            "of the robot's TOML (degrees)."
        )


def _per_joint(values: Any, file: RobotFile) -> dict[str, Any]:
    """Return a table of joints from a table of joints and groups."""
    if not isinstance(values, dict):
        return {}
    result: dict[str, Any] = {}
    for name, value in sorted(values.items(), key=lambda item: item[0] not in file.groups):  # a joint's own entry beats its group's
        if name != "default":
            result |= dict.fromkeys(file.groups.get(name, (name,)), value)
    return result


def _default(values: Any, otherwise: float) -> float:
    if values is None:
        return otherwise
    return float(values.get("default", otherwise)) if isinstance(values, dict) else float(values)


def _accelerations(file: RobotFile, names: tuple[str, ...]) -> tuple[FloatArray, set[str]]:
    given: dict[str, float] = dict(_per_joint(file.acceleration, file))
    for entry in file.joints:
        if entry.acceleration is not None:
            for name in entry.joints:
                given |= dict.fromkeys(file.groups.get(name, (name,)), entry.acceleration)
    default = _default(file.acceleration, 100.0)
    known = set(given) if "acceleration" not in file.model_fields_set else set(names)
    return np.array([given.get(name, default) for name in names]), known
