"""Stage four: a person's motion becomes a robot's, within the robot's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bodydouble.retarget.limits import limit_violations
from bodydouble.retarget.trajectory import RobotTrajectory

if TYPE_CHECKING:
    from bodydouble.retarget.retargeting import retarget
    from bodydouble.retarget.robot import Robot, robot_names

__all__ = ["Robot", "RobotTrajectory", "limit_violations", "retarget", "robot_names"]

_LAZY = {"Robot": "robot", "robot_names": "robot", "retarget": "retargeting"}


def __getattr__(name: str) -> Any:
    """Import what needs Pinocchio only when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
