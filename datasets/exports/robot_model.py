"""The model of an episode's robot, where it is at hand: an episode can be of a robot that this installation does not know."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bodydouble.errors import BodydoubleError
from bodydouble.retarget.robot import Robot
from bodydouble.retarget.trajectory import RobotTrajectory

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RobotModel:
    """A robot and how the joints of an episode are arranged for it."""

    robot: Robot
    columns: tuple[int, ...]
    """Column of the episode's joints for each of the robot's."""

    @property
    def link_names(self) -> tuple[str, ...]:
        """Links of the robot's description, in its order: parents before children. The named points of its TOML are not among them."""
        return tuple(name for name in self.robot.link_names if name in self.robot.description.links)

    @property
    def link_parents(self) -> tuple[int, ...]:
        """Row in ``link_names`` of each link's parent; -1 for the root."""
        rows = {name: row for row, name in enumerate(self.link_names)}
        parents = {joint.child: rows[joint.parent] for joint in self.robot.description.joints}
        return tuple(parents.get(name, -1) for name in self.link_names)

    def link_poses(self, positions: FloatArray, base_pose: FloatArray) -> FloatArray:
        """Return T_world_link (N, L, 4, 4) of positions (N, J) rad in the episode's order and base poses (N, 7), quaternion xyzw."""
        return self.robot.link_poses(positions[:, self.columns], base_pose, self.link_names)


def model_of(trajectory: RobotTrajectory) -> RobotModel | str:
    """Return the model of a trajectory's robot, or the sentence that says why there is none."""
    return _model(trajectory.robot, trajectory.joint_names)


@functools.lru_cache(maxsize=4)
def _model(name: str, joint_names: tuple[str, ...]) -> RobotModel | str:
    try:
        robot = Robot.load(name)
    except BodydoubleError:
        return f"no model of the robot '{name}' is at hand"
    if set(robot.joint_names) != set(joint_names):
        return f"the robot '{name}' that is known here has other joints than the episode's"
    return RobotModel(robot, tuple(joint_names.index(joint) for joint in robot.joint_names))
